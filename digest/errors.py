"""The errors that this program foresees. Users see the message as one line, without a traceback.

    DigestError
    ├── UsageError              the user can fix it: exit code 2
    │   ├── ConfigError         config.toml: file, key, reason
    │   ├── RuleError           a keyword rule: line, column, what was expected
    │   │   └── CostlyRuleError rules that would take too long to match
    │   ├── AddressError        an invalid email address
    │   ├── TemplateError       a mail template: file, line, reason
    │   ├── SuppressedError     an address that must not be mailed
    │   └── NotFoundError       no such profile, subscriber, paper …
    ├── SourceError             one source could not be fetched or parsed
    ├── HeaderError             a mail header that is not safe to write
    ├── StageError              a stage that ended with an unforeseen exception
    ├── StoppedError            the program is stopping, and left what it was doing
    ├── TransportError          a mail server cannot be reached or used; the mail stays queued
    └── StoreError              the database is missing, locked, damaged or too new

Subclasses have the facts as attributes. Nothing here logs or prints.
"""

from collections.abc import Iterable

from digest.spelling import did_you_mean

_MAX_MESSAGE = 1000  # characters: a message repeats what was written, which may be a quarter of a megabyte


def shortened(message: str) -> str:
    """Return a message without its middle if it is long: it begins with what is wrong and ends with how to fix it."""
    half = _MAX_MESSAGE // 2
    return message if len(message) <= _MAX_MESSAGE else f"{message[:half]} … {message[-half:]}"


class DigestError(Exception):
    """The base class. `str(error)` is one line to show to a user."""

    def __init__(self, message: str) -> None:
        super().__init__(shortened(message))


class UsageError(DigestError):
    """A request that cannot be carried out as it is; the user can fix it."""


class ConfigError(UsageError):
    """An invalid configuration. `key` is dotted ("delivery.smtp.port"), or "" for the file itself."""

    def __init__(self, file: str, key: str, reason: str) -> None:
        super().__init__(f"{file}: {key}: {reason}" if key else f"{file}: {reason}")
        self.file = file
        self.key = key
        self.reason = reason


class RuleError(UsageError):
    """An invalid keyword rule. `line` and `column` count from 1."""

    def __init__(self, line: int, column: int, reason: str) -> None:
        super().__init__(f"line {line}, column {column}: {reason}")
        self.line = line
        self.column = column
        self.reason = reason


class CostlyRuleError(RuleError):
    """Rules that would take too long to match; the line is the costliest.

    `term` is what occurs most often of it, about `times` in `papers` papers.
    """

    def __init__(self, line: int, term: str, times: int, papers: int) -> None:
        super().__init__(
            line,
            1,
            f"these rules would take too long to match, most of all for {term!r}, which occurs about {times:,} times in"
            f" {papers:,} papers; write more letters before each *, rarer words, or fewer lines",
        )
        self.term = term
        self.times = times
        self.papers = papers


class AddressError(UsageError):
    """An invalid email address."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{address!r} is not an email address: {reason}")
        self.address = address
        self.reason = reason


class TemplateError(UsageError):
    """An invalid template. `line` counts from 1; 0 if the fault has no line."""

    def __init__(self, file: str, line: int, reason: str) -> None:
        super().__init__(f"{file}:{line}: {reason}" if line else f"{file}: {reason}")
        self.file = file
        self.line = line
        self.reason = reason


class SuppressedError(UsageError):
    """An address that must not be mailed. `reason` says since when and why, `remedy` who can change it."""

    def __init__(self, address: str, reason: str, remedy: str) -> None:
        super().__init__(f"{address} is {reason}; {remedy}")
        self.address = address
        self.reason = reason


class NotFoundError(UsageError):
    """A name that does not exist. The message suggests the most similar of `known`, or the command that lists them."""

    def __init__(self, kind: str, name: str, known: Iterable[str] = (), *, listed_by: str = "") -> None:
        hint = did_you_mean(name, known) or (f"; `{listed_by}` shows them" if listed_by else "")
        super().__init__(f"no {kind} {name!r}{hint}")
        self.kind = kind
        self.name = name


class SourceError(DigestError):
    """A source that could not be fetched or parsed. It does not stop the others."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"{source}: {reason}")
        self.source = source
        self.reason = reason


class HeaderError(DigestError):
    """A mail header value that is not safe to write: it has control characters or bare line ends."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


class StageError(DigestError):
    """A stage that ended with an unforeseen exception, which is the cause. The log has the stack."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(f"{stage}: {reason}")
        self.stage = stage
        self.reason = reason


class StoppedError(DigestError):
    """The program is stopping and left what it was doing. The next start does it."""

    def __init__(self) -> None:
        super().__init__("stopped")


class TransportError(DigestError):
    """A mail server cannot be reached or used now. Nothing is lost: mails stay queued."""


class StoreError(DigestError):
    """The database cannot be used."""


def reason_unreadable(error: OSError | UnicodeError) -> str:
    """Return why a text file cannot be read."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "it is not UTF-8 text; save it as UTF-8"
