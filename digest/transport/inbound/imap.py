"""A mailbox on a mail server, over IMAP (RFC 3501)."""

import imaplib
import re
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from imap_tools import BaseMailBox, ImapToolsError, MailBox, MailBoxUnencrypted, UnexpectedCommandStatusError

from digest.errors import TransportError
from digest.transport.inbound.inbox import MAX_BYTES, InboundMail
from digest.transport.smtp_connection import Security, one_line

_TIMEOUT_SECONDS = 60.0  # for each step
_AT_ONCE = 20  # mails in one answer: at most this many MAX_BYTES are in memory
_MARKED_AT_ONCE = 500  # RFC 7162, 4: a server takes command lines of 8192 bytes
_UID = re.compile(rb"\bUID ([0-9]+)")

# What imaplib and imap_tools raise: their own errors, what sockets raise, and ValueError for an answer without sense.
_FAILURES = (imaplib.IMAP4.error, ImapToolsError, OSError, ValueError)


class ImapMailbox:
    """See Inbox. One folder, over one connection, from `with` to its end; what is done is marked as \\Seen.

    A mail that a person or another program has opened is no longer unread: the folder should be this program's own.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        username: str,
        password: str,
        security: Security = Security.TLS,
        folder: str = "INBOX",
        timeout: float = _TIMEOUT_SECONDS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`timeout` (seconds) is for each step; `tls` replaces the system's trusted authorities."""
        self._host = host
        self._port = port
        self._username = username
        self._password = password
        self._security = security
        self._folder = folder
        self._timeout = timeout
        self._tls = tls
        self._mailbox: BaseMailBox | None = None
        self._url = ""
        self._given: dict[str, str] = {}  # name -> UID

    def __enter__(self) -> Self:
        """Connect, log in and open the folder. Raises TransportError."""
        self._given.clear()  # a UID may be another mail's by now
        with self._doing("cannot be reached"):
            self._connect()
            self._log_in()
        with self._doing(f"does not open the folder {self._folder!r}"):
            self._url = self._select()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._mailbox:
            with suppress(*_FAILURES):
                self._mailbox.client.logout()
            self._hang_up()

    def unread(self) -> Iterator[InboundMail]:
        """See Inbox. What arrives meanwhile is there the next time."""
        with self._doing("cannot be read"):
            uids = self._search("UNSEEN UNDELETED")
        for start in range(0, len(uids), _AT_ONCE):
            with self._doing("cannot be read"):
                found = self._fetch(uids[start : start + _AT_ONCE])
            for uid, content in found.items():
                name = f"{self._url}/;UID={uid}"
                self._given[name] = uid
                yield InboundMail(name=name, content=content)

    def mark_read(self, names: Iterable[str]) -> None:
        """See Inbox."""
        uids = [uid for name in names if (uid := self._given.pop(name, ""))]
        for start in range(0, len(uids), _MARKED_AT_ONCE):
            some = ",".join(uids[start : start + _MARKED_AT_ONCE])
            with self._doing("cannot be marked as read"):
                # Not imap_tools' flag(): that expunges as well, whatever anybody has marked as deleted.
                _expect_ok(self._open.client.uid("STORE", some, "+FLAGS.SILENT", r"(\Seen)"))

    def _connect(self) -> None:
        if self._security is Security.TLS:
            self._mailbox = MailBox(self._host, self._port, timeout=self._timeout, ssl_context=self._context())
            return
        self._mailbox = MailBoxUnencrypted(self._host, self._port, timeout=self._timeout)
        if self._security is Security.STARTTLS:
            self._mailbox.client.starttls(self._context())

    def _context(self) -> ssl.SSLContext:
        return self._tls or ssl.create_default_context()  # without one, imaplib verifies nothing

    def _log_in(self) -> None:
        mailbox = self._open
        # LOGIN takes ASCII only, and not every server takes it.
        ascii_only = (self._username + self._password).isascii()
        plain = not ascii_only or "AUTH=PLAIN" in mailbox.client.capabilities
        try:
            (mailbox.login_utf8 if plain else mailbox.login)(self._username, self._password, initial_folder=None)
        except imaplib.IMAP4.abort:
            raise  # not refused: the connection broke
        except (imaplib.IMAP4.error, ImapToolsError) as error:
            self._hang_up()
            raise self._failed(f"refuses user {self._username!r}: {_said(error)}; check DIGEST_IMAP_PASSWORD") from None

    def _select(self) -> str:
        """Open the folder; its URL (RFC 5092). With UIDVALIDITY a UID is one mail for all time (RFC 3501, 2.3.1.1)."""
        self._open.folder.set(self._folder)
        _, said = self._open.client.response("UIDVALIDITY")
        validity = one_line(said[0] or b"0")
        return f"imap://{self._host}:{self._port}/{quote(self._folder)};UIDVALIDITY={validity}"

    def _search(self, criteria: str) -> list[str]:
        # Not imap_tools' uids(): that names a character set, which not every server will hear of.
        answer = _expect_ok(self._open.client.uid("SEARCH", criteria))
        return sorted((uid.decode() for part in answer if part for uid in part.split()), key=int)

    def _fetch(self, uids: list[str]) -> dict[str, bytes]:
        """Mails by UID, without marking them (PEEK). What was deleted meanwhile is missing."""
        answer = _expect_ok(self._open.client.uid("FETCH", ",".join(uids), f"(UID BODY.PEEK[]<0.{MAX_BYTES}>)"))
        found = {}
        # imaplib gives (b"1 (UID 7 BODY[]<0> {99}", content), b")"; the UID may also stand behind. Between them may
        # be what else happened to the folder.
        for part, following in pairwise([*answer, b""]):
            if isinstance(part, tuple):
                before, content = part
                uid = _UID.search(before) or _UID.search(following if isinstance(following, bytes) else b"")
                if uid:
                    found[uid[1].decode()] = content[:MAX_BYTES]
        return {uid: found[uid] for uid in uids if uid in found}

    @property
    def _open(self) -> BaseMailBox:
        if self._mailbox is None:
            raise self._failed("is not connected")
        return self._mailbox

    @contextmanager
    def _doing(self, failing: str) -> Iterator[None]:
        """What fails here is the end of the connection: nobody knows how much of its answer is still to come."""
        try:
            yield
        except _FAILURES as error:
            self._hang_up()
            raise self._failed(f"{failing}: {_said(error) or type(error).__name__}") from None

    def _failed(self, what: str) -> TransportError:
        return TransportError(f"the mailbox {self._host}:{self._port} {what}")

    def _hang_up(self) -> None:
        mailbox, self._mailbox = self._mailbox, None
        if mailbox:
            with suppress(OSError):
                mailbox.client.shutdown()


def _expect_ok(answer: tuple[str, list[Any]]) -> list[Any]:
    status, parts = answer
    if status != "OK":
        raise imaplib.IMAP4.error(one_line(parts[-1] or b""))
    return parts


def _said(error: Exception) -> str:
    """The server's own words, where there are any."""
    if isinstance(error, UnexpectedCommandStatusError):
        _, parts = error.command_result
        return one_line(parts[-1] or b"")
    return one_line(str(error))
