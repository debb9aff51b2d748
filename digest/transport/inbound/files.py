"""Returned mail in files: a single message, an mbox, a folder of *.eml, a Maildir."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from digest.errors import TransportError, UsageError
from digest.transport.inbound import MAX_BYTES, InboundMail
from digest.transport.smtp_connection import one_line

_MAX_LINE = 64 * 1024  # longer lines are read in pieces

# An mbox message begins with "From ", usually an address, and a date (RFC 4155). Thunderbird writes only the word.
# Lines of text that begin like that should be quoted, but not all programs do it.
_SEPARATOR = re.compile(rb"From (?:.*[A-Z][a-z]{2} +[0-9]{1,2} +[0-9]{1,2}:[0-9]{2}|[ -]*\r?\n)")
_QUOTED = re.compile(rb">+From ")


class MaildirInbox:
    """A Maildir that this machine's mail server delivers to. Read mail is moved from new/ to cur/ with the flag S."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._paths: dict[str, Path] = {}  # by name

    def unread(self) -> Iterator[InboundMail]:
        """Yield each mail in new/; see Inbox."""
        try:
            for path in _files_in(self.folder / "new"):
                with suppress(FileNotFoundError):  # another mail program has moved it meanwhile
                    mail = _read_file(path)
                    self._paths[mail.name] = path
                    yield mail
        except OSError as error:
            raise self._failed("read", error) from None

    def mark_read(self, names: Iterable[str]) -> None:
        """Move mails to cur/; see Inbox."""
        current = self.folder / "cur"
        try:
            current.mkdir(exist_ok=True)
            for name in names:
                if path := self._paths.pop(name, None):
                    with suppress(FileNotFoundError):
                        path.rename(current / f"{path.name.partition(':2,')[0]}:2,S")
        except OSError as error:
            raise self._failed("written", error) from None

    def _failed(self, action: str, error: OSError) -> TransportError:
        where = one_line(str(error.filename or self.folder))
        maildir = one_line(str(self.folder))
        return TransportError(f"the maildir {maildir} cannot be {action}: {where}: {error.strerror or error}")


def read_path(path: Path) -> Iterator[InboundMail]:
    """Yield every mail in a file (one message, or an mbox) or in a folder (a Maildir, or *.eml), one at a time.

    Folders are read in order of file names, without subfolders. An empty file holds no mail. Raises UsageError if the
    path does not exist, cannot be read, or is a folder without mail.
    """
    try:
        if path.is_dir():
            yield from map(_read_file, _mail_files(path))
            return
        with path.open("rb") as file:
            first = file.readline(_MAX_LINE)
            if first.startswith(b"From "):
                for number, content in enumerate(_split_mbox(file), 1):
                    yield InboundMail(name=f"{one_line(str(path))}:{number}", content=content)
            elif first:
                yield InboundMail(name=one_line(str(path)), content=(first + file.read(MAX_BYTES))[:MAX_BYTES])
    except OSError as error:
        where = one_line(str(error.filename or path))
        reason = error.strerror or error
        raise UsageError(
            f"{where} cannot be read: {reason}; name a mail, an mbox or a folder that you may read"
        ) from None


def _read_file(path: Path) -> InboundMail:
    with path.open("rb") as file:
        return InboundMail(name=one_line(str(path)), content=file.read(MAX_BYTES))


def _mail_files(folder: Path) -> list[Path]:
    """The files of a Maildir, or else the *.eml files of a folder. Raises UsageError if it has neither, OSError."""
    parts = [part for part in (folder / "new", folder / "cur") if part.is_dir()]
    if parts:
        return [path for part in parts for path in _files_in(part)]
    paths = [path for path in _files_in(folder) if path.suffix.lower() == ".eml"]
    if not paths:
        raise UsageError(f"{one_line(str(folder))} holds no mail: neither *.eml files nor a Maildir's new/ and cur/")
    return paths


def _files_in(folder: Path) -> list[Path]:
    """The regular files in a folder, by name, without hidden ones. Raises OSError."""
    with os.scandir(folder) as entries:  # Path.glob would return nothing for a missing folder
        return [folder / name for name in sorted(e.name for e in entries if e.is_file() and e.name[0] != ".")]


def _split_mbox(file: BinaryIO) -> Iterator[bytes]:
    """The messages of an mbox whose first separator is already read."""
    content = bytearray()
    at_line_start = True  # False in the rest of a line that was too long
    while line := file.readline(_MAX_LINE):
        if at_line_start and _SEPARATOR.match(line):
            yield _strip_mbox_line(content)
            content.clear()
        elif len(content) < MAX_BYTES:
            content += line[1:] if at_line_start and _QUOTED.match(line) else line
        at_line_start = line.endswith(b"\n")
    yield _strip_mbox_line(content)


def _strip_mbox_line(content: bytearray) -> bytes:
    """A message without the empty line that an mbox adds after it."""
    for end in (b"\n\r\n", b"\n\n"):
        if content.endswith(end):
            return bytes(content[: 1 - len(end)][:MAX_BYTES])
    return bytes(content[:MAX_BYTES])
