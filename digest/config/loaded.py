"""A configuration as it was read, with the secrets of the environment and the files it names."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from digest.config.sections import ConfigFile
from digest.errors import ConfigError
from digest.mail.dkim import MAKE_KEY


class Secrets(BaseSettings):
    """What may not stand in a file: read from the environment, never shown."""

    model_config = SettingsConfigDict(env_prefix="DIGEST_", extra="ignore")

    smtp_password: SecretStr = SecretStr("")
    imap_password: SecretStr = SecretStr("")
    secret_key: SecretStr = SecretStr("")
    dkim_key_file: str = ""


class Config(ConfigFile):
    """A whole configuration. `file` is where it came from; relative paths in it start at the file's folder."""

    file: Path
    secrets: Secrets

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return self.file.parent

    def path(self, written: str) -> Path:
        """A path from the file, made absolute."""
        return self.folder / Path(written).expanduser()

    @property
    def database_file(self) -> Path:
        """The SQLite file."""
        return self.path(self.database.url.removeprefix("sqlite:///"))

    def secret_key(self) -> bytes:
        """The key that signs links: DIGEST_SECRET_KEY, or one made once beside the database, for its owner only."""
        given = self.secrets.secret_key.get_secret_value()
        if given:
            if len(given) < 32:
                raise ConfigError("environment", "DIGEST_SECRET_KEY", "needs at least 32 characters")
            return given.encode()
        return _key_file(self.database_file.parent / "secret.key")

    @property
    def dkim_key_file(self) -> Path:
        """The file that DIGEST_DKIM_KEY_FILE names. Raises ConfigError if it names none."""
        if not self.secrets.dkim_key_file:
            reason = f"is missing; it names the private key that signs for {self.dkim.domain}, and {MAKE_KEY}"
            raise ConfigError("environment", "DIGEST_DKIM_KEY_FILE", reason)
        if "\n" in self.secrets.dkim_key_file or "-----BEGIN" in self.secrets.dkim_key_file:  # never to be shown
            raise ConfigError("environment", "DIGEST_DKIM_KEY_FILE", "holds a key; it has to name the key's file")
        return self.path(self.secrets.dkim_key_file)

    def dkim_key(self) -> bytes:
        """The private key that signs mails, as PEM. Raises ConfigError."""
        try:
            return self.dkim_key_file.read_bytes()
        except OSError as error:
            reason = f"the key that signs mails cannot be read: {error.strerror}; DIGEST_DKIM_KEY_FILE names this file"
            raise ConfigError(str(self.dkim_key_file), "", reason) from None


def _key_file(path: Path) -> bytes:
    """The key in `path`, made if it is not there. Two processes that start together agree on one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(48), encoding="ascii")
        with suppress(FileExistsError):  # the key that stands is the key
            os.link(draft, path)  # so that nobody ever reads half a key
        draft.unlink()
        return path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(str(path), "", f"the key that signs links cannot be kept here: {error}") from None
