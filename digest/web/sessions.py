"""Sessions of readers and of admins. Both last twelve hours, and each has a CSRF token of its own.

A reader's cookie holds a signed token, which is also void once the reader's epoch rises; nothing is stored. An admin's
cookie is random and the database has its hash: signing in makes a new one, and a session ends with a sign-out or when
the admin's password or role changes.

The CSRF token is sent with every form: other sites cannot know it, even if a browser sends the cookie with their forms.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from digest.models import Admin, Subscriber
from digest.security.links import TOKEN_LIFETIMES, Links, Scope
from digest.store import Store, Transaction, admins

_ADMIN_SESSION = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Session:
    """A reader's session, and the token that its forms have to send."""

    subscriber_id: int
    epoch: int
    csrf: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Begins, finds and ends the sessions of readers."""

    links: Links
    path: str  # the site's: "" or "/digest"
    https: bool

    @property
    def cookie(self) -> str:
        """The cookie's name."""
        return "__Secure-digest" if self.https else "digest"

    def begin(self, reader: Subscriber, *, now: datetime) -> str:
        """Return the Set-Cookie header of a new session."""
        chance = secrets.token_hex(8)
        token = self.links.token(Scope.SESSION, reader.id, reader.epoch, about=chance, written_at=now)
        return self._header(token, int(TOKEN_LIFETIMES[Scope.SESSION].total_seconds()))

    def end(self) -> str:
        """Return the Set-Cookie header that deletes the cookie."""
        return self._header("", 0)

    def find(self, cookie: str, *, now: datetime) -> Session | None:
        """The session of a cookie, if it has not expired. Its epoch is not compared with the reader's."""
        token = self.links.verify(Scope.SESSION, cookie)
        if token is None or token.has_expired(now):
            return None
        csrf = hmac.new(self.links.secret, f"csrf\0{cookie}".encode(), hashlib.sha256).hexdigest()[:32]
        return Session(token.subscriber_id, token.epoch, csrf)

    def _header(self, value: str, seconds: int) -> str:
        # Lax, not Strict: a reader who follows a link in a web mail program stays signed in.
        secure = "; Secure" if self.https else ""
        return f"{self.cookie}={value}; Max-Age={seconds}; Path={self.path}/; HttpOnly; SameSite=Lax{secure}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminSessions:
    """Begins, finds and ends the sessions of admins and editors."""

    store: Store
    secret: bytes
    path: str  # the site's: "" or "/digest"
    https: bool

    @property
    def cookie(self) -> str:
        """The cookie's name."""
        return "__Secure-digest-desk" if self.https else "digest-desk"

    def begin(self, tx: Transaction, admin: Admin, previous: str, *, now: datetime) -> str:
        """Begin a session and return its Set-Cookie header. The session of the cookie `previous` ends."""
        admins.end_session(tx, _hash(previous))
        token = secrets.token_urlsafe(32)
        admins.begin_session(tx, admin, _hash(token), now=now, expires_at=now + _ADMIN_SESSION)
        return self._header(token, int(_ADMIN_SESSION.total_seconds()))

    def end(self, cookie: str) -> str:
        """End a session and return the Set-Cookie header that deletes the cookie."""
        with self.store.write() as tx:
            admins.end_session(tx, _hash(cookie))
        return self._header("", 0)

    def find(self, cookie: str, *, now: datetime) -> Admin | None:
        """The admin of a session that has not ended."""
        if not cookie:
            return None
        with self.store.read() as tx:
            return admins.find_by_session(tx, _hash(cookie), now=now)

    def csrf(self, cookie: str, admin: Admin) -> str:
        """The CSRF token of a session: bound to the cookie and to its admin."""
        return hmac.new(self.secret, f"desk\0{admin.id}\0{cookie}".encode(), hashlib.sha256).hexdigest()[:32]

    def _header(self, value: str, seconds: int) -> str:
        secure = "; Secure" if self.https else ""
        attributes = f"Max-Age={seconds}; Path={self.path}/admin; HttpOnly; SameSite=Strict"
        return f"{self.cookie}={value}; {attributes}{secure}"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
