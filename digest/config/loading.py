"""Reads config.toml and the secrets in the environment. Errors name the file, the key and the fix."""

import os
import secrets
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from digest.config.sections import ConfigFile, SourceConfig, did_you_mean
from digest.errors import ConfigError
from digest.mail.dkim import MAKE_KEY


class Secrets(BaseSettings):
    """Secrets from the environment; they are never shown, and not allowed in the file."""

    model_config = SettingsConfigDict(env_prefix="DIGEST_", extra="ignore")

    smtp_password: SecretStr = SecretStr("")
    imap_password: SecretStr = SecretStr("")
    secret_key: SecretStr = SecretStr("")
    dkim_key_file: str = ""


class Config(ConfigFile):
    """A whole configuration, read from `file`. Relative paths start at the file's folder."""

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
        """Return the key that signs links: DIGEST_SECRET_KEY, or else one stored beside the database.

        Creates that file, readable by its owner only, on first use. Raises ConfigError.
        """
        given = self.secrets.secret_key.get_secret_value()
        if given:
            if len(given) < 32:
                raise ConfigError("environment", "DIGEST_SECRET_KEY", "needs at least 32 characters")
            return given.encode()
        path = self.database_file.parent / "secret.key"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}.{os.getpid()}")
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_urlsafe(48), encoding="ascii")
            # A hard link appears complete, and only if there is no key: processes that start together agree on one.
            with suppress(FileExistsError):
                os.link(draft, path)
            draft.unlink()
            return path.read_bytes().strip()
        except OSError as error:
            raise ConfigError(str(path), "", f"the key that signs links cannot be stored here: {error}") from None

    @property
    def dkim_key_file(self) -> Path:
        """The file that DIGEST_DKIM_KEY_FILE names. Raises ConfigError if it names none."""
        if not self.secrets.dkim_key_file:
            reason = f"is missing; it names the private key that signs for {self.dkim.domain}, and {MAKE_KEY}"
            raise ConfigError("environment", "DIGEST_DKIM_KEY_FILE", reason)
        if "\n" in self.secrets.dkim_key_file or "-----BEGIN" in self.secrets.dkim_key_file:  # must not be shown
            raise ConfigError("environment", "DIGEST_DKIM_KEY_FILE", "holds a key; it has to name the key's file")
        return self.path(self.secrets.dkim_key_file)

    def dkim_key(self) -> bytes:
        """Return the private key that signs mails, as PEM. Raises ConfigError."""
        try:
            return self.dkim_key_file.read_bytes()
        except OSError as error:
            reason = f"the key that signs mails cannot be read: {error.strerror}; DIGEST_DKIM_KEY_FILE names this file"
            raise ConfigError(str(self.dkim_key_file), "", reason) from None


def load(file: Path) -> Config:
    """Return the configuration in `file`. Raises ConfigError."""
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(str(file), "", "no such file; `digest init` writes one, --config names another") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(file), "", f"cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(file), "", f"is not TOML: {error}") from None
    try:
        checked = ConfigFile.model_validate(values)
        environment = Secrets()
    except ValidationError as error:
        first = error.errors()[0]
        # ("source", 0, "kind") -> "source[1].kind": people count from one.
        key = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
        raise ConfigError(str(file), key.lstrip("."), _reason(first)) from None
    return Config.model_construct(file=file.absolute(), secrets=environment, **dict(checked))


def _reason(error: ErrorDetails) -> str:
    match error["type"]:
        case "extra_forbidden":
            model: Any = ConfigFile
            for part in error["loc"][:-1]:
                if isinstance(part, str):
                    model = SourceConfig if part == "source" else model.model_fields[part].annotation
            known = [field.alias or name for name, field in model.model_fields.items()]
            return f"unknown key{did_you_mean(str(error['loc'][-1]), known)}"
        case "missing":
            return "is missing"
        case "value_error":
            return str(error["ctx"]["error"])
        case _:
            return f"{error['msg'][0].lower()}{error['msg'][1:]}, not {error['input']!r}"
