"""Every error this program raises on purpose; a user sees the message as one line, never a traceback.

    DigestError
    ├── UsageError              the caller can mend it: exit code 2
    │   ├── ConfigError         config.toml: file, key, reason
    │   ├── RuleError           a keyword rule: line, column, what was expected
    │   ├── AddressError        an e-mail address that is not one
    │   ├── TemplateError       a mail template: file, line, reason
    │   ├── SuppressedError     an address that must not be mailed, and why
    │   └── NotFoundError       no such profile, subscriber, paper …
    ├── SourceError             one source could not be read; the others go on
    ├── HeaderError             a mail header that would not be safe to write
    ├── TransportError          a mail server is not there or will not talk: the mail stays where it is
    └── StoreError              the database is missing, locked, damaged or too new

The base class carries the message; subclasses carry the facts. Nothing here logs or prints.
"""

import difflib
from collections.abc import Iterable


class DigestError(Exception):
    """Base of the tree. `str(error)` is one line fit to show."""


class UsageError(DigestError):
    """What was asked cannot be done as it was asked."""


class ConfigError(UsageError):
    """A configuration that cannot be used. `key` is dotted ("delivery.smtp.port"), or "" for the file itself."""

    def __init__(self, file: str, key: str, reason: str) -> None:
        super().__init__(f"{file}: {key}: {reason}" if key else f"{file}: {reason}")
        self.file = file
        self.key = key
        self.reason = reason


class RuleError(UsageError):
    """A keyword rule that cannot be read. `line` and `column` count from 1, in the text as it was given."""

    def __init__(self, line: int, column: int, reason: str) -> None:
        super().__init__(f"line {line}, column {column}: {reason}")
        self.line = line
        self.column = column
        self.reason = reason


class AddressError(UsageError):
    """An e-mail address that is not one."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{address!r} is not an e-mail address: {reason}")
        self.address = address
        self.reason = reason


class TemplateError(UsageError):
    """A template that cannot be used. `line` counts from 1; 0 where the fault has no line."""

    def __init__(self, file: str, line: int, reason: str) -> None:
        super().__init__(f"{file}:{line}: {reason}" if line else f"{file}: {reason}")
        self.file = file
        self.line = line
        self.reason = reason


class SuppressedError(UsageError):
    """An address that must not be mailed. `reason` says since when and why, `remedy` who can change that."""

    def __init__(self, address: str, reason: str, remedy: str) -> None:
        super().__init__(f"{address} is {reason}; {remedy}")
        self.address = address
        self.reason = reason


class NotFoundError(UsageError):
    """Something was named that is not there. The message holds the nearest of the `known` names, or what lists them."""

    def __init__(self, kind: str, name: str, known: Iterable[str] = (), *, listed_by: str = "") -> None:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; `{listed_by}` shows them" if listed_by else ""
        super().__init__(f"no {kind} {name!r}{hint}")
        self.kind = kind
        self.name = name


class SourceError(DigestError):
    """One source could not be read. The others go on."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"{source}: {reason}")
        self.source = source
        self.reason = reason


class HeaderError(DigestError):
    """A mail header value that cannot be written safely (control characters, bare line ends)."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


class TransportError(DigestError):
    """Mail cannot be handed over, or be read, at all just now; nothing was lost, it stays where it is."""


class StoreError(DigestError):
    """The database cannot be used."""
