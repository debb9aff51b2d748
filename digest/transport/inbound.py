"""Where returned mail is read from: files, a Maildir on this machine, or an IMAP mailbox."""

import imaplib
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import KW_ONLY, dataclass, field
from itertools import pairwise
from os.path import isfile
from pathlib import Path
from typing import BinaryIO, Protocol, Self
from urllib.parse import quote

from imap_tools import BaseMailBox, ImapToolsError

from digest.errors import TransportError, UsageError
from digest.transport.imap_client import FAILURES, ImapClient, MailBox, check_answer, describe_error
from digest.transport.smtp_connection import Security, one_line

# The rest of a mail is not read: a report comes first, and the mail that it returns last (RFC 6522, 3; RFC 5965, 2).
MAX_BYTES = 1024 * 1024

_MAX_LINE = 64 * 1024  # longer lines are read in pieces

# An mbox message begins with "From ", usually an address, and a date (RFC 4155). Thunderbird writes only the word.
# Lines of text that begin like that should be quoted, but not all programs do it.
_SEPARATOR = re.compile(rb"From (?:.*[A-Z][a-z]{2} +[0-9]{1,2} +[0-9]{1,2}:[0-9]{2}|[ -]*\r?\n)")
_QUOTED = re.compile(rb">+From ")

_FETCH_COUNT = 20  # mails fetched at once: at most this many MAX_BYTES are in memory
_MARK_COUNT = 500  # mails marked at once: servers accept command lines of 8192 bytes (RFC 7162, 4)
_MAX_RECONNECTS = 20  # in one poll: a mail may break the connection whenever it is fetched
_MAX_LITERAL = MAX_BYTES + 64 * 1024  # bytes that a server may send at once; it is asked for no more than MAX_BYTES
_UID = re.compile(rb"\bUID ([0-9]+)")
_VALID_UID = re.compile(r"[1-9][0-9]{0,9}")
_QUOTED_BODY = re.compile(rb'\bBODY\[\](?:<0>)? "((?:[^"\\]|\\.)*)"', re.DOTALL)  # not as a literal (RFC 3501, 9)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMail:
    """One received mail."""

    name: str  # where it was found, in one line: a path, "path:17" in an mbox, an IMAP URL
    content: bytes  # unchanged, with any line ends; cut after MAX_BYTES
    failure: str = ""  # why it could not be read; the others can be


class Inbox(Protocol):
    """A place where mail arrives. Used from one thread at a time."""

    def unread(self) -> Iterator[InboundMail]:
        """Yield each mail that is not marked as read, oldest first, without changing anything.

        One that cannot be read is yielded with the `failure`. Raises TransportError when the inbox cannot be read (any
        further).
        """
        ...

    def mark_read(self, names: Iterable[str]) -> None:
        """Mark the mails of these names as read, once their content is processed. No mail is ever deleted.

        Ignores names that unread() of this object did not yield. Raises TransportError; mails that were not marked are
        unread again the next time.
        """
        ...


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
            folders = [folder for folder in (path / "new", path / "cur") if folder.is_dir()]
            files = [file for folder in folders or [path] for file in _files_in(folder)]
            if not folders:
                files = [file for file in files if file.suffix.lower() == ".eml"]
                if not files:
                    holds = "holds no mail: neither *.eml files nor a Maildir's new/ and cur/"
                    raise UsageError(f"{one_line(str(path))} {holds}")
            yield from map(_read_file, files)
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
    """Read one of many mails. Raises FileNotFoundError if it is gone; another error is the mail's `failure`."""
    try:
        with path.open("rb") as file:
            return InboundMail(name=one_line(str(path)), content=file.read(MAX_BYTES))
    except FileNotFoundError:
        raise
    except OSError as error:
        return InboundMail(name=one_line(str(path)), content=b"", failure=f"cannot be read: {error.strerror or error}")


def _files_in(folder: Path) -> list[Path]:
    """Return the regular files in a folder, by name, without hidden ones. Raises OSError."""
    with os.scandir(folder) as entries:  # Path.glob would return nothing for a missing folder
        # Not DirEntry.is_file, which raises an error for a link to itself.
        return [folder / e.name for e in sorted(entries, key=lambda e: e.name) if e.name[0] != "." and isfile(e.path)]


def _split_mbox(file: BinaryIO) -> Iterator[bytes]:
    """Yield the messages of an mbox whose first separator is already read."""
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
    """Return a message without the empty line that an mbox adds after it."""
    for end in (b"\n\r\n", b"\n\n"):
        if content.endswith(end):
            return bytes(content[: 1 - len(end)][:MAX_BYTES])
    return bytes(content[:MAX_BYTES])


@dataclass(slots=True)
class ImapMailbox:
    """An Inbox in one IMAP folder, over one connection within a `with` block. Read mail is marked as \\Seen.

    A mail that another program has opened is no longer unread, so the folder should be this program's own.
    """

    host: str
    port: int
    _: KW_ONLY
    username: str
    password: str = field(repr=False)
    security: Security = Security.TLS
    folder: str = "INBOX"
    timeout: float = 60.0  # seconds, for each step
    deadline: float = 600.0  # seconds, for a whole `with` block: what is unread then is read the next time
    tls: ssl.SSLContext | None = None  # replaces the system's trusted authorities

    _mailbox: BaseMailBox | None = field(init=False, default=None)
    _socket: socket.socket | None = field(init=False, default=None)
    _has_hung_up: bool = field(init=False, default=False)  # after the deadline
    _watchdog: threading.Timer | None = field(init=False, default=None)
    _ends_at: float = field(init=False, default=0.0)  # time.monotonic
    _reconnects: int = field(init=False, default=0)
    _url: str = field(init=False, default="")
    _uids: dict[str, str] = field(init=False, default_factory=dict)  # by name

    def __enter__(self) -> Self:
        """Connect, log in and open the folder. Raises TransportError."""
        self._uids.clear()  # a UID may belong to another mail now
        self._reconnects, self._has_hung_up = 0, False
        self._ends_at = time.monotonic() + self.deadline
        # The timeout is for each byte of a server that sends very slowly, so another thread ends the connection.
        self._watchdog = threading.Timer(self.deadline + self.timeout, self._hang_up)
        self._watchdog.daemon = True
        self._watchdog.start()
        try:
            self._connect()
        except BaseException:
            self._watchdog.cancel()
            raise
        return self

    def _connect(self) -> None:
        with self._translate_errors("cannot be reached"):
            tls = self.tls or ssl.create_default_context()  # without one, imaplib verifies nothing
            encrypted = tls if self.security is Security.TLS else None
            client = ImapClient(
                self.host, self.port, timeout=self.timeout, tls=encrypted, opened=self._watch, max_literal=_MAX_LITERAL
            )
            self._mailbox = MailBox(client)
            if client.state == "AUTH":
                reason = "it greets with PREAUTH, as signed in already without a password; use a port that asks for one"
                raise imaplib.IMAP4.error(reason)
            if self.security is Security.STARTTLS:
                client.starttls(tls)
                self._watch(client.sock)
            # LOGIN takes only ASCII, and not every server allows it.
            is_ascii = (self.username + self.password).isascii()
            capabilities = self._open.client.capabilities
            plain = not is_ascii or "AUTH=PLAIN" in capabilities
            if "LOGINDISABLED" in capabilities and "AUTH=PLAIN" not in capabilities:  # RFC 3501, 6.2.3
                reason = 'it takes no password over this connection (LOGINDISABLED); try bounces.imap.security = "tls"'
                raise imaplib.IMAP4.error(reason)
            log_in = self._open.login_utf8 if plain else self._open.login
            try:
                log_in(self.username, self.password, initial_folder=None)
            except imaplib.IMAP4.abort:
                raise  # not refused: the connection broke
            except (imaplib.IMAP4.error, ImapToolsError) as error:
                self._disconnect()
                reason = f"refuses user {self.username!r}: {describe_error(error)}; check DIGEST_IMAP_PASSWORD"
                raise self._failed(reason) from None
        with self._translate_errors(f"does not open the folder {self.folder!r}"):
            self._open.folder.set(self.folder)
            # The folder's URL (RFC 5092). With UIDVALIDITY, a UID names one mail forever (RFC 3501, 2.3.1.1).
            _, values = self._open.client.response("UIDVALIDITY")
            validity = one_line(values[0] or b"0")
            url = f"imap://{self.host}:{self.port}/{quote(self.folder)};UIDVALIDITY={validity}"
            if self._reconnects and url != self._url:
                raise imaplib.IMAP4.error("the folder was replaced by another meanwhile")
            self._url = url

    def __exit__(self, *_error: object) -> None:
        if self._mailbox:
            with suppress(*FAILURES):
                self._mailbox.client.logout()
            self._disconnect()
        if self._watchdog:
            self._watchdog.cancel()

    def unread(self) -> Iterator[InboundMail]:
        """Yield the mails that were unread at the first step; see Inbox."""
        with self._translate_errors("cannot be read"):
            # imap_tools' uids() would name a character set, which not every server accepts.
            uids = sorted(self._search("UNSEEN UNDELETED"), key=int)
        failure, has_fetched = "", False
        for start in range(0, len(uids), _FETCH_COUNT):
            if time.monotonic() > self._ends_at:
                return
            for number, content in self._fetch_each(uids[start : start + _FETCH_COUNT]):
                name = f"{self._url}/;UID={number}"
                self._uids[name] = number
                if isinstance(content, str):
                    failure = content
                    yield InboundMail(name=name, content=b"", failure=f"cannot be fetched: {content}")
                else:
                    has_fetched = True
                    yield InboundMail(name=name, content=content)
        if failure and not has_fetched:
            raise self._failed(f"cannot be read: {failure}")

    def _search(self, criteria: str) -> set[str]:
        """Return the UIDs of mails. Raises one of FAILURES."""
        answer = check_answer(self._open.client.uid("SEARCH", criteria))
        uids = {uid.decode() for part in answer if part for uid in part.split()}
        if invalid := [uid for uid in uids if not _VALID_UID.fullmatch(uid)]:
            raise ValueError(invalid[0])
        return uids

    def _fetch_each(self, uids: Sequence[str]) -> Iterator[tuple[str, bytes | str]]:
        """Yield each mail's UID and content, or the reason why it cannot be fetched. Left out if deleted meanwhile.

        If the server refuses several at once, leaves some out, or the connection breaks, each is fetched by itself.
        """
        found: dict[str, bytes] = {}
        try:
            found = self._fetch(uids)
            if len(uids) == 1 and not found and self._search(f"UID {uids[0]} UNSEEN UNDELETED") >= set(uids):
                raise imaplib.IMAP4.error("the server does not send it")
        except FAILURES as error:
            reason = self._describe(error)
            if isinstance(error, imaplib.IMAP4.abort) or not isinstance(error, imaplib.IMAP4.error):
                self._reconnect(reason)
            if len(uids) == 1:
                yield uids[0], reason
                return
        for uid in uids:
            if uid in found:
                yield uid, found[uid]
            elif len(uids) > 1:
                yield from self._fetch_each([uid])

    def _fetch(self, uids: Sequence[str]) -> dict[str, bytes]:
        """Fetch the beginning of mails, without marking them. Raises one of FAILURES."""
        answer = check_answer(self._open.client.uid("FETCH", ",".join(uids), f"(UID BODY.PEEK[]<0.{MAX_BYTES}>)"))
        found: dict[str, bytes] = {}
        # imaplib returns (b"1 (UID 7 BODY[]<0> {99}", content), b")"; the UID may also come after the content.
        # Other changes to the folder may be reported in between.
        for part, following in pairwise([*answer, b""]):
            if isinstance(part, tuple):
                before, content = part
                uid = _UID.search(before) or _UID.search(following if isinstance(following, bytes) else b"")
                if uid:
                    found[uid[1].decode()] = content[:MAX_BYTES]
            elif isinstance(part, bytes) and (uid := _UID.search(part)) and (quoted := _QUOTED_BODY.search(part)):
                found[uid[1].decode()] = re.sub(rb"\\(.)", rb"\1", quoted[1], flags=re.DOTALL)
        return {uid: found[uid] for uid in uids if uid in found}

    def _reconnect(self, reason: str) -> None:
        """Replace a connection that broke because of `reason`. Raises TransportError if that is not possible."""
        self._disconnect()
        self._reconnects += 1
        if self._reconnects > _MAX_RECONNECTS or time.monotonic() > self._ends_at:
            raise self._failed(f"cannot be read: {reason}")
        try:
            self._connect()
        except TransportError:
            raise self._failed(f"cannot be read: {reason}") from None

    def mark_read(self, names: Iterable[str]) -> None:
        """Mark mails as \\Seen; see Inbox."""
        uids = [uid for name in names if (uid := self._uids.pop(name, ""))]
        for start in range(0, len(uids), _MARK_COUNT):
            batch = ",".join(uids[start : start + _MARK_COUNT])
            with self._translate_errors("cannot be marked as read"):
                # imap_tools' flag() would also expunge the mails that other programs have marked as deleted.
                check_answer(self._open.client.uid("STORE", batch, "+FLAGS.SILENT", r"(\Seen)"))

    @property
    def _open(self) -> BaseMailBox:
        if self._mailbox is None:
            raise self._failed("is not connected")
        return self._mailbox

    @contextmanager
    def _translate_errors(self, failure: str) -> Iterator[None]:
        """Raise failures as TransportError, after disconnecting: the rest of an answer may still arrive."""
        try:
            yield
        except FAILURES as error:
            self._disconnect()
            raise self._failed(f"{failure}: {self._describe(error)}") from None

    def _describe(self, error: Exception) -> str:
        if self._has_hung_up:
            return f"the poll took longer than {self.deadline:g} seconds"
        return describe_error(error) or type(error).__name__

    def _failed(self, reason: str) -> TransportError:
        return TransportError(f"the mailbox {self.host}:{self.port} {reason}")

    def _disconnect(self) -> None:
        mailbox, self._mailbox = self._mailbox, None
        if mailbox:
            with suppress(OSError):
                mailbox.client.shutdown()

    def _watch(self, opened: socket.socket) -> None:
        self._socket = opened

    def _hang_up(self) -> None:
        self._has_hung_up = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
