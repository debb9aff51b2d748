"""Signed links: HMAC-SHA256 over scope, subscriber and the subscriber's epoch.

A link can be written again identically at any time (nothing is stored for it) and is revoked by raising the epoch.
A token of one scope opens nothing of another.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from enum import StrEnum

_MAC_BYTES = 16


class Scope(StrEnum):
    """What a link lets its holder do."""

    CONFIRM = "confirm"
    PREFERENCES = "preferences"
    UNSUBSCRIBE = "unsubscribe"


@dataclass(frozen=True, slots=True)
class Links:
    """Writes and checks the links of one installation. `secret` is at least 32 random bytes."""

    base_url: str
    secret: bytes

    def url(self, scope: Scope, subscriber_id: int, epoch: int) -> str:
        """`https://…/unsubscribe/17.0.Yb3…`: the same arguments always give the same link."""
        return f"{self.base_url.rstrip('/')}/{scope}/{self.token(scope, subscriber_id, epoch)}"

    def token(self, scope: Scope, subscriber_id: int, epoch: int) -> str:
        """The last part of the link: subscriber, epoch and their signature."""
        return f"{subscriber_id}.{epoch}.{self._mac(scope, subscriber_id, epoch)}"

    def subscriber_of(self, scope: Scope, token: str) -> tuple[int, int] | None:
        """(subscriber id, epoch) of a token that this installation signed for `scope`, or None."""
        parts = token.split(".")
        if len(parts) != 3 or not all(p.isascii() and p.isdecimal() and len(p) <= 18 for p in parts[:2]):
            return None
        subscriber_id, epoch = int(parts[0]), int(parts[1])
        expected = self._mac(scope, subscriber_id, epoch)
        if not hmac.compare_digest(expected.encode(), parts[2].encode()):
            return None
        return subscriber_id, epoch

    def _mac(self, scope: Scope, subscriber_id: int, epoch: int) -> str:
        signed = f"{scope}\0{subscriber_id}\0{epoch}".encode()
        digest = hmac.new(self.secret, signed, hashlib.sha256).digest()[:_MAC_BYTES]
        return urlsafe_b64encode(digest).rstrip(b"=").decode()
