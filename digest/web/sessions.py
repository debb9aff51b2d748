"""Who is signed in: a cookie that holds a signed token, good for twelve hours or until its reader's epoch rises.

Nothing is stored. What a page of theirs posts has to bring the token's own CSRF token, which other sites cannot know
even where their forms are sent with the cookie.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

from digest.models import Subscriber
from digest.security.links import TOKEN_LIFETIMES, Links, Scope


@dataclass(frozen=True, slots=True)
class Session:
    """Whose cookie it is, and what their forms have to bring."""

    subscriber_id: int
    epoch: int
    csrf: str

    def allows(self, posted: str) -> bool:
        """Whether a form is one of this session's. Compared in constant time."""
        return hmac.compare_digest(self.csrf.encode(), posted.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Begins, recognises and ends sessions."""

    links: Links
    path: str  # the site's, which the cookie is for: "" or "/digest"
    https: bool

    @property
    def cookie(self) -> str:
        """The cookie's name."""
        return "__Secure-digest" if self.https else "digest"

    def begin(self, reader: Subscriber, *, now: datetime) -> str:
        """The Set-Cookie header of a new session."""
        chance = secrets.token_hex(8)
        token = self.links.token(Scope.SESSION, reader.id, reader.epoch, about=chance, written_at=now)
        return self._header(token, int(TOKEN_LIFETIMES[Scope.SESSION].total_seconds()))

    def end(self) -> str:
        """The Set-Cookie header that makes a browser forget it."""
        return self._header("", 0)

    def find(self, cookie: str, *, now: datetime) -> Session | None:
        """The session that a cookie tells of, while it lasts. Whether the epoch is still the reader's is not seen."""
        token = self.links.verify(Scope.SESSION, cookie)
        if token is None or token.has_expired(now):
            return None
        csrf = hmac.new(self.links.secret, f"csrf\0{cookie}".encode(), hashlib.sha256).hexdigest()[:32]
        return Session(token.subscriber_id, token.epoch, csrf)

    def _header(self, value: str, seconds: int) -> str:
        # Lax, not Strict: who comes from a mail in a web mail program is to find themselves signed in.
        secure = "; Secure" if self.https else ""
        return f"{self.cookie}={value}; Max-Age={seconds}; Path={self.path}/; HttpOnly; SameSite=Lax{secure}"
