"""Mail in files: one message, an mbox, a Maildir, a folder of *.eml."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from digest.errors import UsageError
from digest.transport.inbound.inbox import MAX_BYTES, InboundMail
from digest.transport.smtp_connection import one_line

_CHUNK = 64 * 1024  # the longest line that is taken whole

# What begins a message of an mbox is "From ", mostly an address, and a date (RFC 4155), though Thunderbird writes the
# word alone. A line of text that begins with it should have been quoted, but not every program does.
_SEPARATOR = re.compile(rb"From (?:.*[A-Z][a-z]{2} +[0-9]{1,2} +[0-9]{1,2}:[0-9]{2}|[ -]*\r?\n)")
_QUOTED = re.compile(rb">+From ")


def read_path(path: Path) -> Iterator[InboundMail]:
    """Every mail in a file (one message, or an mbox) or in a folder (a Maildir, or *.eml), one at a time.

    Folders are read in the order of their names, and not what is in folders below. An empty file holds no mail. Raises
    UsageError for what is not there, cannot be read, or is a folder of something else.
    """
    try:
        if path.is_dir():
            yield from _read_folder(path)
        else:
            with path.open("rb") as file:
                yield from _read_file(path, file)
    except OSError as error:
        where = one_line(str(error.filename or path))
        reason = error.strerror or error
        raise UsageError(
            f"{where} cannot be read: {reason}; name a mail, an mbox or a folder that you may read"
        ) from None


def read_message(path: Path) -> InboundMail:
    """One file as one mail. Raises OSError."""
    with path.open("rb") as file:
        return InboundMail(name=shown(path), content=file.read(MAX_BYTES))


def files_in(folder: Path) -> list[Path]:
    """The files in a folder, by name; neither hidden ones nor what may have no end, as pipes. Raises OSError."""
    with os.scandir(folder) as entries:  # Path.glob takes a folder that is not there for an empty one
        return [folder / name for name in sorted(e.name for e in entries if e.is_file() and e.name[0] != ".")]


def shown(path: Path) -> str:
    """A path as one line that can be shown anywhere; names of files are any bytes."""
    return one_line(str(path))


def _read_folder(folder: Path) -> Iterator[InboundMail]:
    parts = [part for part in (folder / "new", folder / "cur") if part.is_dir()]
    if parts:
        paths = [path for part in parts for path in files_in(part)]
    elif not (paths := [path for path in files_in(folder) if path.suffix.lower() == ".eml"]):
        raise UsageError(f"{shown(folder)} holds no mail: neither *.eml files nor a Maildir's new/ and cur/")
    yield from map(read_message, paths)


def _read_file(path: Path, file: BinaryIO) -> Iterator[InboundMail]:
    first = file.readline(_CHUNK)
    if first.startswith(b"From "):
        for number, content in enumerate(_messages(file), 1):
            yield InboundMail(name=f"{shown(path)}:{number}", content=content)
    elif first:
        yield InboundMail(name=shown(path), content=(first + file.read(MAX_BYTES))[:MAX_BYTES])


def _messages(file: BinaryIO) -> Iterator[bytes]:
    """The messages of an mbox whose first separator was read already."""
    content = bytearray()
    begins = True  # a line; the rest of one that was too long does not
    while line := file.readline(_CHUNK):
        if begins and _SEPARATOR.match(line):
            yield _without_last_line_end(content)
            content.clear()
        elif len(content) < MAX_BYTES:
            content += line[1:] if begins and _QUOTED.match(line) else line
        begins = line.endswith(b"\n")
    yield _without_last_line_end(content)


def _without_last_line_end(content: bytearray) -> bytes:
    """A message as it was before it got into the mbox: an empty line was put after it."""
    for end in (b"\n\r\n", b"\n\n"):
        if content.endswith(end):
            return bytes(content[: 1 - len(end)][:MAX_BYTES])
    return bytes(content[:MAX_BYTES])
