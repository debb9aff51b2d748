"""Signed links: HMAC-SHA256 over scope, subscriber, the subscriber's epoch, what the link is about and when it expires.

A link can be written again identically at any time (nothing is stored for it) and is revoked by raising the epoch.
A token of one scope opens nothing of another.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

_MAC_BYTES = 16
_TOKEN = re.compile(
    r"(?P<id>\d{1,18})\.(?P<epoch>\d{1,18})(?:\.(?P<about>[a-z0-9]{1,32}))?(?:~(?P<expires>[0-9a-f]{1,10}))?"
    r"\.(?P<mac>[\w-]{22})",
    re.ASCII,
)

_IN_TEXT = re.compile(rb"[\w.~-]{1,120}", re.ASCII)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Scope(StrEnum):
    """What a link, or a cookie, lets its holder do."""

    CONFIRM = "confirm"
    SIGN_IN = "sign-in"
    SESSION = "session"  # about: chance, so that each is another
    PREFERENCES = "preferences"
    PAUSE = "pause"
    MUTE = "mute"  # the keyword stands beside the token: its holder may mute any of their own
    READ = "read"  # about: the slot of the digest that is read on the web, as `encode_time` writes it
    ADDRESS = "address"  # about: which new address is confirmed
    FEED = "feed"  # about: as the subscriber's `feed` says; another one revokes it
    UNSUBSCRIBE = "unsubscribe"


# How long a token is good for. The others never expire.
TOKEN_LIFETIMES = {
    Scope.CONFIRM: timedelta(days=30),
    Scope.SIGN_IN: timedelta(hours=1),
    Scope.SESSION: timedelta(hours=12),  # every mail has a link to the next one
    Scope.PREFERENCES: timedelta(days=60),
    Scope.PAUSE: timedelta(days=60),
    Scope.MUTE: timedelta(days=60),
    Scope.READ: timedelta(days=180),
    Scope.ADDRESS: timedelta(days=1),
}


@dataclass(frozen=True, slots=True)
class Token:
    """What a signed token says."""

    subscriber_id: int
    epoch: int
    about: str = ""
    expires_at: datetime | None = None  # None: never

    def has_expired(self, now: datetime) -> bool:
        """Whether it was good until `now` at most."""
        return self.expires_at is not None and self.expires_at <= now


@dataclass(frozen=True, slots=True)
class Links:
    """Writes and checks the links of one installation. `secret` is at least 32 random bytes."""

    base_url: str
    secret: bytes

    def url(
        self, scope: Scope, subscriber_id: int, epoch: int, *, about: str = "", written_at: datetime | None = None
    ) -> str:
        """`https://…/unsubscribe/17.0.Yb3…`: the same arguments always give the same link.

        `about` is up to 32 lower-case letters and digits, signed with the rest. Scopes that expire need `written_at`:
        from then on they last.
        """
        token = self.token(scope, subscriber_id, epoch, about=about, written_at=written_at)
        return f"{self.base_url.rstrip('/')}/{scope.value}/{token}"

    def token(
        self, scope: Scope, subscriber_id: int, epoch: int, *, about: str = "", written_at: datetime | None = None
    ) -> str:
        """The same without an address around it."""
        said = f"{subscriber_id}.{epoch}.{about}" if about else f"{subscriber_id}.{epoch}"
        if scope in TOKEN_LIFETIMES:
            if written_at is None:
                raise ValueError(f"a link to {scope.value} expires; it has to be told when it is written")
            said = f"{said}~{encode_time(written_at + TOKEN_LIFETIMES[scope])}"
        return f"{said}.{self._mac(scope, said)}"

    def paper_url(self, public_id: str) -> str:
        """Where a paper stands on the web, for everybody."""
        return f"{self.base_url.rstrip('/')}/paper/{public_id}"

    def text_hash(self, said: str) -> str:
        """What a link is about that tells one text from others, and not what it says: 16 hexadecimal digits."""
        return hmac.digest(self.secret, f"about\0{said}".encode(), hashlib.sha256).hex()[:16]

    def verify(self, scope: Scope, token: str) -> Token | None:
        """What a token says that this installation signed for `scope`; None for any other text.

        Whether it has expired is for its reader to see: who has an old link is told another thing than who made it up.
        """
        found = _TOKEN.fullmatch(token)
        if found is None:
            return None
        said, _, mac = token.rpartition(".")
        if not hmac.compare_digest(self._mac(scope, said), mac):
            return None
        return Token(int(found["id"]), int(found["epoch"]), found["about"] or "", _expires_at(scope, found["expires"]))

    def find_tokens(self, scope: Scope, content: bytes) -> Iterator[Token]:
        """What the links of `scope` say that stand anywhere in a message, first to last; those not signed are none."""
        begin = f"/{scope.value}/".encode()
        at = content.find(begin)
        while at >= 0:
            at += len(begin)
            written = _IN_TEXT.match(content, at)
            token = self.verify(scope, written[0].decode()) if written else None
            if token is not None:
                yield token
            at = content.find(begin, at)

    def _mac(self, scope: Scope, said: str) -> str:
        mac = hmac.digest(self.secret, f"{scope.value}\0{said}".encode(), hashlib.sha256)[:_MAC_BYTES]
        return urlsafe_b64encode(mac).rstrip(b"=").decode()


def encode_time(at: datetime) -> str:
    """A moment as it stands in a link: seconds since 1970, hexadecimal."""
    return f"{int(at.timestamp()):x}"


def _expires_at(scope: Scope, written: str | None) -> datetime | None:
    """When a token expires; one that should say and does not is as old as links that never did."""
    if written is not None:
        return _LONG_AGO + timedelta(seconds=int(written, 16))
    return _LONG_AGO if scope in TOKEN_LIFETIMES else None
