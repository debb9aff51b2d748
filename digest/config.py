"""config.toml and secrets from the environment -> Config.

Strict: an unknown key, a wrong type or an impossible value is a ConfigError that names the file, the key and, for an
unknown key, the nearest known one. Paths are relative to the config file. Secrets never come from the file.
"""

import difflib
import os
import re
import secrets
import tomllib
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from digest.errors import ConfigError, UsageError
from digest.mail.compose import ABSTRACT
from digest.mail.dkim import MAKE_KEY, checked_host
from digest.mail.languages import DEFAULT
from digest.schedule import parse_timezone
from digest.sources import KINDS

DEFAULT_FILE = "config.toml"


_LINK = re.compile(r"[!#-;=?-~]+")  # what may stand between < and > in List-Unsubscribe, and in quotes in HTML


def _known_timezone(name: str) -> str:
    try:
        return parse_timezone(name)
    except UsageError as error:
        raise ValueError(str(error)) from None


def _web_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.netloc.encode("idna").decode() if not parts.netloc.isascii() else parts.netloc
    except ValueError:
        parts, host = urlsplit(""), ""
    written = parts._replace(netloc=host).geturl().rstrip("/")
    if parts.scheme not in {"http", "https"} or not parts.hostname or not _LINK.fullmatch(written):
        raise ValueError(f"{url!r} is not a web address; write one such as https://digest.example.org")
    return written


def _known_kind(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"no kind {kind!r}{_did_you_mean(kind, KINDS)}")
    return kind


def _network(written: str) -> str:
    try:
        ip_network(written, strict=False)
    except ValueError:
        hint = "write one such as 127.0.0.1 or 10.0.0.0/8"
        raise ValueError(f"{written!r} is not an address or a network of them; {hint}") from None
    return written


def _host(name: str) -> str:
    try:
        return checked_host(name) if name else ""
    except UsageError as error:
        raise ValueError(str(error)) from None


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class NewsletterConfig(_Section):
    """What the newsletter is called, and who sends it."""

    name: str = "Daily Papers"
    base_url: Annotated[str, AfterValidator(_web_address)] = "http://127.0.0.1:8000"
    sender: str = Field("Daily Papers <digest@example.org>", alias="from")
    postal_address: str = "Daily Papers, 1 Example Street, Example City"
    timezone: Annotated[str, AfterValidator(_known_timezone)] = "UTC"
    reply_to: str = ""
    language: str = DEFAULT
    first_digest_days: int = Field(1, ge=1, le=31)
    welcome_days: int = Field(7, ge=1, le=31)
    abstract_characters: int = Field(ABSTRACT, ge=80, le=10_000)
    trending: int = Field(0, ge=0, le=20)


class DatabaseConfig(_Section):
    """Where everything is remembered."""

    url: str = "sqlite:///digest.db"

    @field_validator("url")
    @classmethod
    def _supported(cls, url: str) -> str:
        if not url.startswith("sqlite:///"):
            raise ValueError(f"{url!r}: write sqlite:///FILE")
        return url


class SourceConfig(_Section):
    """One place where papers come from."""

    name: str = Field(min_length=1)
    kind: Annotated[str, AfterValidator(_known_kind)]
    url: str = Field(min_length=1)


class WebConfig(_Section):
    """Where `digest serve` listens, and which proxies stand in front of it."""

    host: str = Field("127.0.0.1", min_length=1)
    port: int = Field(8000, ge=0, le=65535)
    trusted_proxies: tuple[Annotated[str, AfterValidator(_network)], ...] = Field((), strict=False)
    indexed: bool = False
    privacy: str = ""
    imprint: str = ""


class SignupConfig(_Section):
    """Who may subscribe on the pages, and how often strangers may have us send a mail."""

    policy: Literal["open", "domains", "closed"] = "open"
    domains: tuple[Annotated[str, AfterValidator(_host)], ...] = Field((), strict=False)
    hourly_per_client: int = Field(10, ge=1)
    hourly: int = Field(1000, ge=1)

    @model_validator(mode="after")
    def _some_domain(self) -> Self:
        if self.policy == "domains" and not self.domains:
            raise ValueError("domains is missing: those whose addresses may subscribe, such as example.org")
        return self

    def welcomes(self, email: str) -> bool:
        """Whether an address is at one of the domains, or their subdomains, where only those may subscribe."""
        if self.policy != "domains":
            return True
        domain = email.rpartition("@")[2].lower()
        return any(f".{domain}".endswith(f".{allowed.lower()}") for allowed in self.domains)


class FetchConfig(_Section):
    """How sources are asked."""

    contact: str = ""
    allow_private: tuple[str, ...] = Field((), strict=False)


class TemplatesConfig(_Section):
    """A folder whose files replace ours, one by one."""

    path: str = ""


class SmtpConfig(_Section):
    """The mail server that takes our mail."""

    host: str = Field("localhost", min_length=1)
    port: int = Field(25, ge=1, le=65535)
    security: Literal["none", "starttls", "tls"] = "none"
    username: str = ""
    connections: int = Field(4, ge=1, le=64)
    rate: float = Field(0.0, ge=0)
    connection_rate: float = Field(0.0, ge=0)

    @field_validator("rate", "connection_rate")
    @classmethod
    def _not_a_stop(cls, rate: float) -> float:
        if 0 < rate < 0.1:  # a process that is asked to stop would wait too long for its next mail
            raise ValueError(f"{rate} mails a second are too few; at least 0.1, or 0 for no limit")
        return rate


class MaildirConfig(_Section):
    """The folder that takes our mail where no server is configured."""

    path: str = "outbox"


class DeliveryConfig(_Section):
    """How mail leaves."""

    transport: Literal["maildir", "smtp"] = "maildir"
    in_doubt: Literal["resend", "park"] = "resend"
    smtp: SmtpConfig = SmtpConfig()
    maildir: MaildirConfig = MaildirConfig()


class ImapConfig(_Section):
    """The mailbox where bounces arrive, if another machine receives them."""

    host: str = ""
    port: int = Field(993, ge=1, le=65535)
    security: Literal["none", "starttls", "tls"] = "tls"
    username: str = ""
    folder: str = Field("INBOX", min_length=1)


class BouncesConfig(_Section):
    """Where mail that comes back goes, and where it is read."""

    domain: Annotated[str, AfterValidator(_host)] = ""
    maildir: str = ""
    imap: ImapConfig = ImapConfig()

    @model_validator(mode="after")
    def _one_inbox(self) -> Self:
        if self.maildir and self.imap.host:
            raise ValueError("bounces arrive in maildir or in imap, not in both")
        if self.has_inbox and not self.domain:
            raise ValueError("domain is missing: the one that return paths are at, whose mail arrives there")
        return self

    @property
    def has_inbox(self) -> bool:
        """Whether mail to the domain arrives where we read it."""
        return bool(self.maildir or self.imap.host)


class DkimConfig(_Section):
    """The domain that signs our mail, and the name its key has there; off unless both are given."""

    domain: Annotated[str, AfterValidator(_host)] = ""
    selector: Annotated[str, AfterValidator(_host)] = ""

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if bool(self.domain) != bool(self.selector):
            missing = "selector" if self.domain else "domain"
            raise ValueError(f"{missing} is missing; mails are signed with both, domain and selector, or not at all")
        return self


class ServeConfig(_Section):
    """How often `digest serve` runs each stage, in minutes."""

    ingest_minutes: int = Field(60, ge=1, le=1440)
    publish_minutes: int = Field(1, ge=1, le=1440)
    deliver_minutes: int = Field(1, ge=1, le=1440)
    bounce_minutes: int = Field(5, ge=1, le=1440)


class _File(_Section):
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
            raise ValueError(f"two sources are named {twice!r}; each needs a name of its own")
        return sources


class Secrets(BaseSettings):
    """What may not stand in a file: read from the environment, never shown."""

    model_config = SettingsConfigDict(env_prefix="DIGEST_", extra="ignore")

    smtp_password: SecretStr = SecretStr("")
    imap_password: SecretStr = SecretStr("")
    secret_key: SecretStr = SecretStr("")
    dkim_key_file: str = ""


class Config(_File):
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


def load(file: Path) -> Config:
    """The configuration in `file`. Raises ConfigError."""
    try:
        written = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(str(file), "", "no such file; `digest init` writes one, --config names another") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(file), "", f"cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(file), "", f"is not TOML: {error}") from None
    return parse(written, file)


def parse(written: dict[str, Any], file: Path) -> Config:
    """The configuration in a dictionary as TOML gives it, as if read from `file`. Raises ConfigError."""
    try:
        checked = _File.model_validate(written)
        environment = Secrets()
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(str(file), _dotted(first["loc"]), _reason(first)) from None
    return Config.model_construct(file=file.absolute(), secrets=environment, **dict(checked))


def _dotted(location: Iterable[int | str]) -> str:
    """("source", 0, "kind") -> "source[1].kind": people count from one."""
    dotted = ""
    for part in location:
        dotted += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return dotted.lstrip(".")


def _reason(error: ErrorDetails) -> str:
    match error["type"]:
        case "extra_forbidden":
            known = _keys_beside(error["loc"])
            return f"unknown key{_did_you_mean(str(error['loc'][-1]), known)}"
        case "missing":
            return "is missing"
        case "value_error":
            return str(error["ctx"]["error"])
        case _:
            return f"{error['msg'][0].lower()}{error['msg'][1:]}, not {error['input']!r}"


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    """The keys known in the section where `location` lies."""
    model: Any = _File
    for part in location[:-1]:
        if isinstance(part, str):
            annotation = model.model_fields[part].annotation
            model = SourceConfig if part == "source" else annotation
    return [f.alias or name for name, f in model.model_fields.items()]


def _did_you_mean(written: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(written, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(known))}"


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
