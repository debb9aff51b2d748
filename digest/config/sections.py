"""The sections of config.toml: every key, its default, and what it may be."""

import difflib
import re
from collections.abc import Iterable
from ipaddress import ip_network
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from digest.errors import UsageError
from digest.mail.compose import ABSTRACT_CHARACTERS
from digest.mail.dkim import checked_host
from digest.mail.languages import DEFAULT_LANGUAGE
from digest.sources import KINDS
from digest.subscribers.schedule import parse_timezone

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
        raise ValueError(f"no kind {kind!r}{did_you_mean(kind, KINDS)}")
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
    language: str = DEFAULT_LANGUAGE
    first_digest_days: int = Field(1, ge=1, le=31)
    welcome_days: int = Field(7, ge=1, le=31)
    abstract_characters: int = Field(ABSTRACT_CHARACTERS, ge=80, le=10_000)
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

    def accepts(self, email: str) -> bool:
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


class ConfigFile(_Section):
    """All that a configuration file may hold."""

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


def did_you_mean(written: str, known: Iterable[str]) -> str:
    """How a message goes on that says that a word is unknown."""
    near = difflib.get_close_matches(written, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(known))}"
