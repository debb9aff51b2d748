"""Signed links: HMAC-SHA256 over scope, subscriber, the subscriber's epoch and what the link is about.

A link can be written again identically at any time (nothing is stored for it) and is revoked by raising the epoch.
A token of one scope opens nothing of another.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

_MAC_BYTES = 16
_TOKEN = re.compile(
    r"(?P<id>\d{1,18})\.(?P<epoch>\d{1,18})(?:\.(?P<about>[a-z0-9]{1,32}))?\.(?P<mac>[\w-]{22})", re.ASCII
)

_IN_TEXT = re.compile(rb"[\w.-]{1,100}", re.ASCII)


class Scope(StrEnum):
    """What a link lets its holder do."""

    CONFIRM = "confirm"
    SIGN_IN = "sign-in"  # about: when it expires, as `moment` writes it
    PREFERENCES = "preferences"
    PAUSE = "pause"
    MUTE = "mute"  # the keyword stands beside the token: its holder may mute any of their own
    READ = "read"  # about: the slot of the digest that is read on the web, as `moment` writes it
    UNSUBSCRIBE = "unsubscribe"


@dataclass(frozen=True, slots=True)
class Token:
    """What a signed token says."""

    subscriber_id: int
    epoch: int
    about: str = ""


@dataclass(frozen=True, slots=True)
class Links:
    """Writes and checks the links of one installation. `secret` is at least 32 random bytes."""

    base_url: str
    secret: bytes

    def url(self, scope: Scope, subscriber_id: int, epoch: int, *, about: str = "") -> str:
        """`https://…/unsubscribe/17.0.Yb3…`: the same arguments always give the same link.

        `about` is up to 32 lower-case letters and digits, signed with the rest.
        """
        said = f"{subscriber_id}.{epoch}.{about}" if about else f"{subscriber_id}.{epoch}"
        return f"{self.base_url.rstrip('/')}/{scope.value}/{said}.{self._mac(scope, said)}"

    def paper_url(self, public_id: str) -> str:
        """Where a paper stands on the web, for everybody."""
        return f"{self.base_url.rstrip('/')}/paper/{public_id}"

    def read(self, scope: Scope, token: str) -> Token | None:
        """What a token says that this installation signed for `scope`; None for any other text."""
        found = _TOKEN.fullmatch(token)
        if found is None:
            return None
        said, _, mac = token.rpartition(".")
        if not hmac.compare_digest(self._mac(scope, said), mac):
            return None
        return Token(int(found["id"]), int(found["epoch"]), found["about"] or "")

    def find(self, scope: Scope, content: bytes) -> Iterator[Token]:
        """What the links of `scope` say that stand anywhere in a message, first to last; those not signed are none."""
        begin = f"/{scope.value}/".encode()
        at = content.find(begin)
        while at >= 0:
            at += len(begin)
            written = _IN_TEXT.match(content, at)
            token = self.read(scope, written[0].decode()) if written else None
            if token is not None:
                yield token
            at = content.find(begin, at)

    def _mac(self, scope: Scope, said: str) -> str:
        mac = hmac.digest(self.secret, f"{scope.value}\0{said}".encode(), hashlib.sha256)[:_MAC_BYTES]
        return urlsafe_b64encode(mac).rstrip(b"=").decode()
