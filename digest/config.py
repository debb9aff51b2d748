"""The configuration: every key of config.toml with its default and allowed values, and secrets from the environment.

Strict: an unknown key, a wrong type or an impossible value is a ConfigError that names the file, the key and, for an
unknown key, the nearest known one.
"""

import os
import secrets
import tomllib
from contextlib import suppress
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from digest.config_errors import key_of, near_or_known, reason_of, toml_reason
from digest.config_values import HeaderText, Host, Line, Mailbox, Network, Server, Timezone, WebAddress
from digest.errors import ConfigError, reason_unreadable
from digest.mail.compose import ABSTRACT_CHARACTERS
from digest.mail.dkim import MAKE_KEY
from digest.mail.languages import DEFAULT_LANGUAGE
from digest.models import Stage
from digest.security.files import create_folder, open_file
from digest.sources import KINDS

DEFAULT_FILE = "config.toml"
_MAX_BYTES = 4 * 2**20  # of the file: a device or a pipe may never end

# What `digest init` writes, and the defaults. With these examples no mail is sent by SMTP.
INITIAL_SENDER = "Daily Papers <digest@example.org>"
INITIAL_POSTAL_ADDRESS = "Your institute, its street, its city"
INITIAL_BASE_URL = "http://127.0.0.1:8000"
_MIN_SECRET = 32  # characters of the key that signs links
_DEFAULT_POSTAL_ADDRESS = "Daily Papers, 1 Example Street, Example City"
_OWN_VALUES = {  # key -> what to write instead
    "from": 'the sender of all emails, such as "Daily Papers <papers@your-institute.org>"',
    "postal_address": "your postal address, which the law requires in every email",
    "base_url": "the address of your pages, such as https://papers.your-institute.org",
}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class NewsletterConfig(_Section):
    """The newsletter's name and sender, and what its digests contain."""

    name: Line = "Daily Papers"
    base_url: WebAddress = INITIAL_BASE_URL
    sender: Mailbox = Field(INITIAL_SENDER, alias="from", min_length=1)
    postal_address: str = _DEFAULT_POSTAL_ADDRESS
    timezone: Timezone = "UTC"
    reply_to: Mailbox = ""
    language: str = DEFAULT_LANGUAGE
    first_digest_days: int = Field(1, ge=1, le=31)
    welcome_days: int = Field(7, ge=1, le=31)
    abstract_characters: int = Field(ABSTRACT_CHARACTERS, ge=80, le=10_000)
    trending: int = Field(0, ge=0, le=20)

    @property
    def example_keys(self) -> list[str]:
        """The keys that hold the default or what `digest init` wrote, of those that mail must not be sent with."""
        values = {"from": self.sender, "postal_address": self.postal_address, "base_url": self.base_url}
        examples = {INITIAL_SENDER, INITIAL_POSTAL_ADDRESS, _DEFAULT_POSTAL_ADDRESS, INITIAL_BASE_URL}
        return [key for key, value in values.items() if " ".join(value.split()) in examples]


class DatabaseConfig(_Section):
    """The database."""

    url: str = "sqlite:///digest.db"

    @field_validator("url")
    @classmethod
    def _supported(cls, url: str) -> str:
        if not url.startswith("sqlite:///") or url == "sqlite:///" or not url.isprintable():
            raise ValueError(f"{url!r}: write sqlite:///FILE")
        return url


class SourceConfig(_Section):
    """A source of papers."""

    name: Line = Field(min_length=1)
    kind: str
    url: Line = Field(min_length=1)

    @field_validator("url", mode="before")
    @classmethod
    def _without_white_space(cls, url: object) -> object:
        return url.strip() if isinstance(url, str) else url

    @field_validator("kind")
    @classmethod
    def _check_kind(cls, kind: str) -> str:
        if kind not in KINDS:
            raise ValueError(f"no kind {kind!r}{near_or_known(kind, KINDS)}")
        return kind


class WebConfig(_Section):
    """Where `digest serve` listens, and the reverse proxies in front of it."""

    host: Server = Field("127.0.0.1", min_length=1)
    port: int = Field(8000, ge=0, le=65535)
    trusted_proxies: tuple[Network, ...] = Field((), strict=False)
    indexed: bool = False
    privacy: str = ""
    imprint: str = ""

    @property
    def proxies(self) -> list[IPv4Network | IPv6Network]:
        """The networks of the proxies whose X-Forwarded-For is trusted."""
        return [ip_network(written, strict=False) for written in self.trusted_proxies]


class SignupConfig(_Section):
    """Who may subscribe on the pages, and how many mails unauthenticated visitors may cause."""

    policy: Literal["open", "domains", "closed"] = "open"
    domains: tuple[Host, ...] = Field((), strict=False)
    hourly_per_client: int = Field(10, ge=1)
    hourly: int = Field(1000, ge=1)

    @model_validator(mode="after")
    def _some_domain(self) -> Self:
        if self.policy == "domains" and not self.domains:
            raise ValueError("domains is missing: name the domains whose addresses may subscribe, such as example.org")
        return self

    def accepts(self, email: str) -> bool:
        """Return whether the policy lets an address subscribe: by domains, subdomains included, or any."""
        if self.policy != "domains":
            return True
        domain = email.rpartition("@")[2].lower()
        return any(f".{domain}".endswith(f".{allowed.lower()}") for allowed in self.domains)


class FetchConfig(_Section):
    """How sources are fetched."""

    contact: HeaderText = ""
    allow_private: tuple[Server, ...] = Field((), strict=False)


class TemplatesConfig(_Section):
    """A folder of templates that override the built-in ones."""

    path: str = ""


class _ServerConfig(_Section):
    """A server that may ask for a password."""

    host: str
    security: Literal["none", "starttls", "tls"]
    username: str

    @model_validator(mode="after")
    def _password_is_encrypted(self) -> Self:
        if self.username and self.security == "none" and not _is_loopback(self.host):
            reason = f'with security = "none" the password of {self.username!r} would go to {self.host} unencrypted'
            raise ValueError(f'{reason}; set security to "starttls" or "tls", or leave username empty')
        return self


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host.strip("[]")).is_loopback
    return not host or host.lower().rstrip(".") == "localhost" or host.lower().rstrip(".").endswith(".localhost")


class SmtpConfig(_ServerConfig):
    """The mail server that sends our mail."""

    host: Server = Field("localhost", min_length=1)
    port: int = Field(25, ge=1, le=65535)
    security: Literal["none", "starttls", "tls"] = "none"
    username: str = ""
    connections: int = Field(4, ge=1, le=64)
    rate: float = Field(0.0, ge=0, allow_inf_nan=False)
    connection_rate: float = Field(0.0, ge=0, allow_inf_nan=False)

    @field_validator("rate", "connection_rate")
    @classmethod
    def _check_rate(cls, rate: float) -> float:
        if 0 < rate < 0.1:  # a stopping process waits for its next mail
            raise ValueError(f"{rate} emails a second is too slow; use at least 0.1, or 0 for no limit")
        return rate


class MaildirConfig(_Section):
    """The folder that mail is written to without a mail server."""

    path: str = "outbox"


class DeliveryConfig(_Section):
    """How mail is sent."""

    transport: Literal["maildir", "smtp"] = "maildir"
    in_doubt: Literal["resend", "park"] = "resend"
    smtp: SmtpConfig = SmtpConfig()
    maildir: MaildirConfig = MaildirConfig()


class ImapConfig(_ServerConfig):
    """The mailbox that bounces are read from, if another machine receives them."""

    host: Server = ""
    port: int = Field(993, ge=1, le=65535)
    security: Literal["none", "starttls", "tls"] = "tls"
    username: str = ""
    folder: str = Field("INBOX", min_length=1)


class BouncesConfig(_Section):
    """Where returned mail goes, and where it is read."""

    domain: Host = ""
    maildir: str = ""
    imap: ImapConfig = ImapConfig()

    @model_validator(mode="after")
    def _one_inbox(self) -> Self:
        if self.maildir and self.imap.host:
            raise ValueError("set either maildir or imap, not both")
        if self.has_inbox and not self.domain:
            raise ValueError("domain is missing: the domain of the return paths, whose mail arrives in this mailbox")
        return self

    @property
    def has_inbox(self) -> bool:
        """Whether returned mail can be read."""
        return bool(self.maildir or self.imap.host)


class DkimConfig(_Section):
    """The domain and selector of the DKIM key; mails are not signed unless both are set."""

    domain: Host = ""
    selector: Host = ""

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if bool(self.domain) != bool(self.selector):
            missing = "selector" if self.domain else "domain"
            raise ValueError(f"{missing} is missing; set both domain and selector to sign emails, or neither")
        return self


class ServeConfig(_Section):
    """How often `digest serve` runs each stage, in minutes."""

    ingest_minutes: int = Field(60, ge=1, le=1440)
    publish_minutes: int = Field(1, ge=1, le=1440)
    deliver_minutes: int = Field(1, ge=1, le=1440)
    bounce_minutes: int = Field(5, ge=1, le=1440)


class ConfigFile(_Section):
    """The whole configuration file."""

    newsletter: NewsletterConfig = NewsletterConfig()
    database: DatabaseConfig = DatabaseConfig()
    source: tuple[SourceConfig, ...] = Field((), strict=False)
    web: WebConfig = WebConfig()
    signup: SignupConfig = SignupConfig()
    fetch: FetchConfig = FetchConfig()
    templates: TemplatesConfig = TemplatesConfig()
    delivery: DeliveryConfig = DeliveryConfig()
    bounces: BouncesConfig = BouncesConfig()
    dkim: DkimConfig = DkimConfig()
    serve: ServeConfig = ServeConfig()

    @field_validator("source")
    @classmethod
    def _names_differ(cls, sources: tuple[SourceConfig, ...]) -> tuple[SourceConfig, ...]:
        names = [s.name for s in sources]
        twice = next((n for n in names if names.count(n) > 1), None)
        if twice is not None:
            raise ValueError(f"two sources are named {twice!r}; give each a different name")
        return sources


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

    @property
    def stage_intervals(self) -> dict[Stage, timedelta]:
        """How often `digest serve` runs each stage."""
        minutes = {
            Stage.INGEST: self.serve.ingest_minutes,
            Stage.PUBLISH: self.serve.publish_minutes,
            Stage.DELIVER: self.serve.deliver_minutes,
        }
        if self.bounces.has_inbox:
            minutes[Stage.BOUNCE] = self.serve.bounce_minutes
        return {stage: timedelta(minutes=number) for stage, number in minutes.items()}

    def path(self, written: str) -> Path:
        """Return a path from the file, made absolute."""
        return self.folder / os.path.expanduser(written)  # Path raises RuntimeError for an unknown user

    @property
    def database_file(self) -> Path:
        """The SQLite file."""
        return self.path(self.database.url.removeprefix("sqlite:///"))

    @property
    def snapshot_file(self) -> Path:
        """The compiled rules of all profiles, a cache."""
        return self.database_file.with_name(f"{self.database_file.name}.profiles")

    @property
    def secret_key_file(self) -> Path:
        """The key that signs links, if the environment has none."""
        return self.database_file.with_name("secret.key")

    def files_of_a_used_database(self) -> list[Path]:
        """Return the files that a database in use has beside it, and that are there."""
        return [file for file in (self.secret_key_file, self.snapshot_file) if file.exists()]

    def check_own_values(self) -> None:
        """Raise ConfigError if emails would be sent by SMTP with example values in [newsletter]."""
        keys = self.newsletter.example_keys
        if self.delivery.transport == "smtp" and keys:
            named = ", ".join(f"newsletter.{key}" for key in keys)
            write = "; ".join(_OWN_VALUES[key] for key in keys)
            raise ConfigError(str(self.file), named, f"still an example, so nothing is sent by SMTP; write {write}")

    def secret_key(self, *, create: bool = True) -> bytes:
        """Return the key that signs links: DIGEST_SECRET_KEY, or else one stored beside the database.

        With `create` that file is made on first use, readable by its owner only. Raises ConfigError.
        """
        given = self.secrets.secret_key.get_secret_value()
        if given:
            if len(given) < _MIN_SECRET:
                raise ConfigError("environment", "DIGEST_SECRET_KEY", f"needs at least {_MIN_SECRET} characters")
            return given.encode()
        path = self.secret_key_file
        try:
            if create:
                _create_key(path)
            key = path.read_bytes().strip()
        except FileNotFoundError:
            reason = f"is missing, and {self.database_file} needs this very key; restore it, or set DIGEST_SECRET_KEY"
            raise ConfigError(str(path), "", reason) from None
        except OSError as error:
            raise ConfigError(str(path), "", f"the key that signs links cannot be stored here: {error}") from None
        if len(key) < _MIN_SECRET:  # links that anyone could sign
            reason = f"holds no complete key, which has at least {_MIN_SECRET} characters; restore it from a backup"
            raise ConfigError(str(path), "", reason)
        return key

    @property
    def dkim_key_file(self) -> Path:
        """The file that DIGEST_DKIM_KEY_FILE names. Raises ConfigError if it names none."""
        if not self.secrets.dkim_key_file:
            reason = f"is missing; it names the private key that signs for {self.dkim.domain}, and {MAKE_KEY}"
            raise ConfigError("environment", "DIGEST_DKIM_KEY_FILE", reason)
        if "\n" in self.secrets.dkim_key_file or "-----BEGIN" in self.secrets.dkim_key_file:  # must not be shown
            raise ConfigError("environment", "DIGEST_DKIM_KEY_FILE", "contains a key; it must name the key's file")
        return self.path(self.secrets.dkim_key_file)

    def dkim_key(self) -> bytes:
        """Return the private key that signs mails, as PEM. Raises ConfigError."""
        try:
            return self.dkim_key_file.read_bytes()
        except OSError as error:
            reason = f"the key that signs emails cannot be read: {error.strerror}; DIGEST_DKIM_KEY_FILE names this file"
            raise ConfigError(str(self.dkim_key_file), "", reason) from None


def _create_key(path: Path) -> None:
    """Write a new key to `path`, unless there is one. Raises OSError."""
    create_folder(path.parent)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open_file(draft) as file:
            file.write(secrets.token_urlsafe(48).encode())
        # A hard link appears complete, and only if there is no key: processes that start together agree on one.
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def load(file: Path) -> Config:
    """Return the configuration in `file`. Raises ConfigError."""
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise ConfigError(str(file), "", f"is larger than {_MAX_BYTES // 2**20} MB, so it is no configuration")
        values = tomllib.loads(content.decode("utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(str(file), "", "no such file; create one with `digest init`, or use --config") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(file), "", f"cannot be read: {reason_unreadable(error)}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(file), "", toml_reason(error)) from None
    try:
        checked = ConfigFile.model_validate(values)
        environment = Secrets()
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(str(file), key_of(first), reason_of(first, ConfigFile)) from None
    return Config.model_construct(file=file.absolute(), secrets=environment, **dict(checked))
