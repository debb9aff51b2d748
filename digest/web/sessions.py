"""Cookies, and the sessions of readers and of admins. Both last twelve hours, and each has a CSRF token of its own.

A reader's cookie holds a signed token: beginning a session stores nothing, so that a link in a mail can do it with a
GET. Signing out stores the session's id until its last token has expired. Sessions are also void once the reader's
epoch rises. An admin's cookie is random and the database has its hash: signing in makes a new one, and a session ends
with a sign-out or when the admin's password or role changes.

The CSRF token is sent with every form: other sites cannot know it, even if a browser sends the cookie with their forms.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.requests import Request

from digest.models import Admin, Subscriber
from digest.security.links import TOKEN_LIFETIMES, Links, Scope
from digest.store import Store, Transaction, admins, ended_sessions

_ADMIN_SESSION = timedelta(hours=12)
_MAX_VALUES = 8  # of one cookie that are looked at: no browser of ours has more


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """A cookie of the pages: how it is named, set and read.

    Where the pages are at the root of an https host, its name begins with __Host- (RFC 6265bis, 4.1.3.2): browsers then
    refuse one that another host of the domain sets. Below a path it begins with __Secure-, because a __Host- cookie is
    sent to every application of the host. Without https it has no prefix.
    """

    plain_name: str
    site_path: str  # the site's: "" or "/digest"
    https: bool
    below: str = "/"  # the path under the site's that it is sent to, where its name allows that
    same_site: str

    @property
    def name(self) -> str:
        """The cookie's name."""
        if not self.https:
            return self.plain_name
        return f"__Secure-{self.plain_name}" if self.site_path else f"__Host-{self.plain_name}"

    def set(self, value: str, lifetime: timedelta) -> str:
        """Return the Set-Cookie header with a value."""
        path = "/" if self.name.startswith("__Host-") else f"{self.site_path}{self.below}"
        attributes = f"Max-Age={int(lifetime.total_seconds())}; Path={path}; HttpOnly; SameSite={self.same_site}"
        return f"{self.name}={value}; {attributes}{'; Secure' if self.https else ''}"

    def delete(self) -> str:
        """Return the Set-Cookie header that deletes the cookie."""
        return self.set("", timedelta(0))

    def values(self, request: Request) -> tuple[str, ...]:
        """Return all values that the request has of it, each once; none if there are too many.

        There are several where a neighbour set one for the whole domain. Their order says nothing about who set which.
        """
        pairs = (pair.partition("=") for line in request.headers.getlist("Cookie") for pair in line.split(";"))
        found = tuple(dict.fromkeys(value.strip() for name, _, value in pairs if name.strip() == self.name))
        return found if len(found) <= _MAX_VALUES else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBrowsers:
    """Recognises browsers that have signed in before, by a signed cookie, for the rate limits. It signs no one in.

    The cookie names who signed in. So their limit is one, however many browsers, or programs, they sign in with.
    """

    links: Links
    scope: Scope
    cookie: Cookie

    def mark(self, whose: int, *, now: datetime) -> str:
        """Return the Set-Cookie header that marks a browser in which the subscriber or admin with this id signs in."""
        return self.cookie.set(self.links.token(self.scope, whose, 0, written_at=now), TOKEN_LIFETIMES[self.scope])

    def find(self, request: Request, *, now: datetime) -> int | None:
        """Return the id of who has signed in with the browser that sent a request; None if it is not known."""
        tokens = filter(None, (self.links.verify(self.scope, value) for value in self.cookie.values(request)))
        return next((token.subscriber_id for token in tokens if not token.has_expired(now)), None)


@dataclass(frozen=True, slots=True)
class Session:
    """A reader's session, and the token that its forms have to send."""

    id: str
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
    def cookie(self) -> Cookie:
        """The cookie of a session."""
        # Lax, not Strict: a reader who follows a link in a web mail program stays signed in.
        return Cookie(plain_name="digest", site_path=self.path, https=self.https, same_site="Lax")

    @property
    def known_browsers(self) -> KnownBrowsers:
        """The browsers in which a reader has signed in."""
        cookie = Cookie(plain_name="digest-known", site_path=self.path, https=self.https, same_site="Lax")
        return KnownBrowsers(links=self.links, scope=Scope.KNOWN_BROWSER, cookie=cookie)

    def begin(self, reader: Subscriber, *, now: datetime, renewed: Session | None = None) -> str:
        """Return the Set-Cookie header of a new session, or of the session `renewed` with a new lifetime."""
        session_id = renewed.id if renewed is not None else secrets.token_hex(8)
        token = self.links.token(Scope.SESSION, reader.id, reader.epoch, about=session_id, written_at=now)
        return self.cookie.set(token, TOKEN_LIFETIMES[Scope.SESSION])

    def end(self, tx: Transaction, session: Session, *, now: datetime) -> str:
        """End a session, and return the Set-Cookie header that deletes the cookie."""
        ended_sessions.add(tx, session.id, expires_at=now + TOKEN_LIFETIMES[Scope.SESSION], now=now)
        return self.cookie.delete()

    def find(self, cookie: str, *, now: datetime) -> Session | None:
        """Return the session of a cookie, if it has not expired.

        Whether it has ended is in the database: its epoch is not compared with the reader's, nor is its id looked up.
        """
        token = self.links.verify(Scope.SESSION, cookie)
        if token is None or not token.about or token.has_expired(now):
            return None
        told = f"csrf\0{token.subscriber_id}\0{token.epoch}\0{token.about}"
        csrf = hmac.new(self.links.secret, told.encode(), hashlib.sha256).hexdigest()[:32]
        return Session(token.about, token.subscriber_id, token.epoch, csrf)

    def find_all(self, request: Request, *, now: datetime) -> tuple[Session, ...]:
        """Return the sessions of all cookies of a request."""
        return tuple(filter(None, (self.find(value, now=now) for value in self.cookie.values(request))))


@dataclass(frozen=True, slots=True)
class AdminSession:
    """An admin's session, and the token that its forms have to send."""

    token: str  # the cookie's value
    admin: Admin
    csrf: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminSessions:
    """Begins, finds and ends the sessions of admins and editors."""

    store: Store
    links: Links
    path: str  # the site's: "" or "/digest"
    https: bool

    def _cookie(self, name: str) -> Cookie:
        return Cookie(plain_name=name, site_path=self.path, https=self.https, below="/admin", same_site="Strict")

    @property
    def cookie(self) -> Cookie:
        """The cookie of a session."""
        return self._cookie("digest-desk")

    @property
    def known_browsers(self) -> KnownBrowsers:
        """The browsers in which an admin has signed in."""
        cookie = self._cookie("digest-desk-known")
        return KnownBrowsers(links=self.links, scope=Scope.KNOWN_ADMIN_BROWSER, cookie=cookie)

    def begin(self, tx: Transaction, admin: Admin, request: Request, *, now: datetime) -> str:
        """Begin a session and return its Set-Cookie header. The sessions of the request's cookies end."""
        self._end(tx, request)
        token = secrets.token_urlsafe(32)
        admins.begin_session(tx, admin, _hash(token), now=now, expires_at=now + _ADMIN_SESSION)
        return self.cookie.set(token, _ADMIN_SESSION)

    def end(self, request: Request) -> str:
        """End the sessions of a request and return the Set-Cookie header that deletes the cookie."""
        with self.store.write() as tx:
            self._end(tx, request)
        return self.cookie.delete()

    def _end(self, tx: Transaction, request: Request) -> None:
        for token in self.cookie.values(request):
            admins.end_session(tx, _hash(token))

    def find(self, request: Request, *, now: datetime) -> AdminSession | None:
        """Return the session of a request; None if it has ended, or if cookies name the sessions of several admins."""
        tokens = self.cookie.values(request)
        if not any(tokens):
            return None
        with self.store.read() as tx:
            found = [(token, admins.find_by_session(tx, _hash(token), now=now)) for token in tokens]
        live = [(token, admin) for token, admin in found if admin is not None]
        if len({admin.id for _, admin in live}) != 1:
            return None
        token, admin = live[0]
        csrf = hmac.new(self.links.secret, f"desk\0{admin.id}\0{token}".encode(), hashlib.sha256).hexdigest()[:32]
        return AdminSession(token, admin, csrf)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
