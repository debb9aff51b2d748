"""Signed links, and return paths: signed addresses that identify returned mail.

A link's token is an HMAC-SHA256 over scope, subscriber, the subscriber's epoch, subject and expiry (for mute links see
`_mute_mac`). Nothing is stored for a link: it can be written again identically at any time, and is revoked by raising
the epoch. A token is valid for one scope only. Return paths consist of letters and digits that survive being
lower-cased:

bounce-17-ORSXG5BAON2HE2LO@bounces.example.org    return path of delivery 17 (VERP): receives its bounce
leave-4-0-MFRGGZDFMZTWQ2LK@bounces.example.org    a mail to it unsubscribes subscriber 4
"""

import hashlib
import hmac
import re
from base64 import b32encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from urllib.parse import quote_plus

_MAC_BYTES = 16
_TOKEN = re.compile(
    r"(?P<id>\d{1,18})\.(?P<epoch>\d{1,18})(?:\.(?P<about>[a-z0-9]{1,32}))?(?:~(?P<expires>[0-9a-f]{1,10}))?"
    r"\.(?P<mac>[\w-]{22})",
    re.ASCII,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Of return paths
_MAX_OCCURRENCES, _MAX_PATHS = 1000, 20  # looked at in one message
_PATH_MAC_BYTES = 10  # 16 letters; a local part may have 64 (RFC 5321, 4.5.3.1.1)
_BOUNCE = re.compile(rb"bounce-(\d{1,18})-([a-z2-7]{16})@", re.IGNORECASE)
_LEAVE = re.compile(rb"leave-(\d{1,18})-(\d{1,18})-([a-z2-7]{16})@", re.IGNORECASE)


class Scope(StrEnum):
    """What a link or cookie allows."""

    CONFIRM = "confirm"
    SIGN_IN = "sign-in"
    SESSION = "session"  # about: random, so that each session has its own token
    PREFERENCES = "preferences"
    PAUSE = "pause"
    MUTE = "mute"  # about: the hash of the keyword, from `text_hash`; none in links of 0.1.0, which ask to sign in
    READ = "read"  # about: the slot of the digest to read on the web, from `encode_time`
    ADDRESS = "address"  # about: the hash of the new address
    FEED = "feed"  # about: the subscriber's `feed`; changing that revokes the link
    UNSUBSCRIBE = "unsubscribe"
    KNOWN_BROWSER = "known-browser"  # for rate limits only, as the next, which names an admin
    KNOWN_ADMIN_BROWSER = "known-admin-browser"


# How long a token is valid. Those of other scopes never expire.
TOKEN_LIFETIMES = {
    Scope.CONFIRM: timedelta(days=30),
    Scope.SIGN_IN: timedelta(hours=1),
    Scope.SESSION: timedelta(hours=12),  # every mail has a link to sign in again
    Scope.PREFERENCES: timedelta(days=60),
    Scope.PAUSE: timedelta(days=60),
    Scope.MUTE: timedelta(days=60),
    Scope.READ: timedelta(days=180),
    Scope.ADDRESS: timedelta(days=1),
    Scope.KNOWN_BROWSER: timedelta(days=180),
    Scope.KNOWN_ADMIN_BROWSER: timedelta(days=180),
}


@dataclass(frozen=True, slots=True)
class Token:
    """The content of a signed token."""

    subscriber_id: int
    epoch: int
    about: str = ""
    expires_at: datetime | None = None  # None: never

    def has_expired(self, now: datetime) -> bool:
        """Return whether the token is no longer valid at `now`."""
        return self.expires_at is not None and self.expires_at <= now


@dataclass(frozen=True, slots=True)
class Links:
    """Writes and verifies the links of one installation. `secret` is at least 32 random bytes."""

    base_url: str
    secret: bytes

    def url(
        self, scope: Scope, subscriber_id: int, epoch: int, *, about: str = "", written_at: datetime | None = None
    ) -> str:
        """Return a link such as `https://…/unsubscribe/17.0.Yb3…`, always the same for the same arguments.

        `about` is the link's subject, up to 32 lower-case letters and digits. For scopes that expire,
        `written_at` is when their lifetime starts.
        """
        token = self.token(scope, subscriber_id, epoch, about=about, written_at=written_at)
        return f"{self.base_url.rstrip('/')}/{scope.value}/{token}"

    def token(
        self, scope: Scope, subscriber_id: int, epoch: int, *, about: str = "", written_at: datetime | None = None
    ) -> str:
        """Return the token of such a link."""
        content = f"{subscriber_id}.{epoch}.{about}" if about else f"{subscriber_id}.{epoch}"
        if scope in TOKEN_LIFETIMES:
            if written_at is None:
                raise ValueError(f"a link to {scope.value} expires and needs written_at")
            content = f"{content}~{encode_time(written_at + TOKEN_LIFETIMES[scope])}"
        return f"{content}.{self._mac(scope, content)}"

    def mute_links(self, subscriber_id: int, epoch: int, *, written_at: datetime) -> Callable[[str], str]:
        """Return the function that writes a subscriber's links: from a keyword, the link that mutes it and no other."""
        whose, expires = f"{subscriber_id}.{epoch}", encode_time(written_at + TOKEN_LIFETIMES[Scope.MUTE])
        begin, key = f"{self.base_url.rstrip('/')}/{Scope.MUTE.value}/{whose}.", self._mute_key(whose, expires)

        def url(keyword: str) -> str:
            about, query = _mute_parts(self.secret, keyword)
            return f"{begin}{about}~{expires}.{_mute_mac(key, about)}?keyword={query}"

        return url

    def paper_url(self, public_id: str) -> str:
        """Return the address of a paper's public page."""
        return f"{self.base_url.rstrip('/')}/paper/{public_id}"

    def text_hash(self, text: str) -> str:
        """Return 16 hexadecimal digits that identify a text as a link's subject without revealing it."""
        return _text_hash(self.secret, text)

    def verify(self, scope: Scope, token: str) -> Token | None:
        """Return the content of a token that this installation signed for `scope`, or None for any other text.

        The caller has to check `has_expired`: the holder of an old link gets another message than one who made it up.
        """
        found = _TOKEN.fullmatch(token)
        if found is None:
            return None
        content, _, mac = token.rpartition(".")
        if not hmac.compare_digest(self._mac(scope, content), mac):
            return None
        expires_at = None
        if found["expires"] is not None:
            expires_at = _EPOCH + timedelta(seconds=int(found["expires"], 16))
        elif scope in TOKEN_LIFETIMES:  # written by an early version, in which no link expired
            expires_at = _EPOCH
        return Token(int(found["id"]), int(found["epoch"]), found["about"] or "", expires_at)

    def find_tokens(self, scope: Scope, content: bytes) -> Iterator[Token]:
        """Yield the verified tokens of all links of `scope` in a message, in order."""
        for found in re.finditer(rf"/{scope.value}/(?=([\w.~-]{{1,120}}))".encode(), content, re.ASCII):
            token = self.verify(scope, found[1].decode())
            if token is not None:
                yield token

    def _mac(self, scope: Scope, content: str) -> str:
        whose, _, rest = content.rpartition(".")
        if scope is Scope.MUTE and "." in whose:
            about, _, expires = rest.partition("~")
            return _mute_mac(self._mute_key(whose, expires), about)
        mac = hmac.digest(self.secret, f"{scope.value}\0{content}".encode(), hashlib.sha256)[:_MAC_BYTES]
        return urlsafe_b64encode(mac).rstrip(b"=").decode()

    def _mute_key(self, whose: str, expires: str) -> bytes:
        return hmac.digest(self.secret, f"{Scope.MUTE.value} key\0{whose}~{expires}".encode(), hashlib.sha256)


def _text_hash(secret: bytes, text: str) -> str:
    return hmac.digest(secret, f"about\0{text}".encode("utf-8", "replace"), hashlib.sha256).hex()[:16]


def _mute_mac(key: bytes, about: str) -> str:
    """Return the signature of a mute link.

    Its key is that of one reader's mail, and the hash BLAKE2b with a key (RFC 7693). A mail has dozens of such links,
    and an HMAC of each would take a third of the time of rendering it.
    """
    mac = hashlib.blake2b(about.encode(), key=key, digest_size=_MAC_BYTES).digest()
    return urlsafe_b64encode(mac).rstrip(b"=").decode()


@lru_cache(maxsize=8192)
def _mute_parts(secret: bytes, keyword: str) -> tuple[str, str]:
    """Return what the mute links of a keyword have in common: (its hash, the keyword as a query has it)."""
    keyword = keyword.strip()
    return _text_hash(secret, keyword), quote_plus(keyword)


def encode_time(at: datetime) -> str:
    """Return a time as it appears in links: seconds since 1970, in hexadecimal."""
    return f"{int(at.timestamp()):x}"


# Return paths


@dataclass(frozen=True, slots=True)
class ReturnPath:
    """A return path found in a message. Not trusted until it `matches` a Message-ID."""

    delivery_id: int
    _mac: str
    _ours: "ReturnPaths"

    def matches(self, message_id: str) -> bool:
        """Whether we signed it for the mail with this Message-ID: a restored backup assigns delivery ids again."""
        return hmac.compare_digest(self._ours.mac("bounce", self.delivery_id, message_id), self._mac)


@dataclass(frozen=True, slots=True)
class ReturnPaths:
    """Writes and verifies the addresses of one installation, all at `domain`. `secret` is at least 32 random bytes."""

    domain: str
    secret: bytes

    def for_delivery(self, delivery_id: int, message_id: str) -> str:
        """Return the address that the bounce of a mail is sent to."""
        return f"bounce-{delivery_id}-{self.mac('bounce', delivery_id, message_id)}@{self.domain}"

    def unsubscribe_address(self, subscriber_id: int, epoch: int) -> str:
        """Return the address to which a mail unsubscribes this subscriber."""
        return f"leave-{subscriber_id}-{epoch}-{self.mac('leave', subscriber_id, epoch)}@{self.domain}"

    def find(self, content: bytes) -> list[ReturnPath]:
        """Return the first few return paths in a message."""
        found = (ReturnPath(int(f[1]), f[2].decode().lower(), self) for f in self._at_domain(_BOUNCE, content))
        return list(islice(dict.fromkeys(islice(found, _MAX_OCCURRENCES)), _MAX_PATHS))

    def find_unsubscriber_id(self, recipients: bytes) -> int | None:
        """Return the id of the subscriber whose unsubscribe address is among the recipients, or None."""
        for found in self._at_domain(_LEAVE, recipients):
            subscriber_id, epoch = int(found[1]), int(found[2])
            if hmac.compare_digest(self.mac("leave", subscriber_id, epoch), found[3].decode().lower()):
                return subscriber_id
        return None

    def _at_domain(self, pattern: re.Pattern[bytes], content: bytes) -> Iterator[re.Match[bytes]]:
        domain = self.domain.encode()
        return (
            found
            for found in pattern.finditer(content)
            if content[found.end() : found.end() + len(domain)].lower() == domain
        )

    def mac(self, *parts: object) -> str:
        """Return the signature of an address made of these parts."""
        text = "\0".join(map(str, parts))
        mac = hmac.digest(self.secret, f"return path\0{text}".encode(), hashlib.sha256)[:_PATH_MAC_BYTES]
        return b32encode(mac).decode().lower()
