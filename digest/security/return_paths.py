"""Signed addresses that identify returned mail, in letters and digits that survive being lower-cased.

bounce-17-ORSXG5BAON2HE2LO@bounces.example.org    return path of delivery 17 (VERP): receives its bounce
leave-4-0-MFRGGZDFMZTWQ2LK@bounces.example.org    a mail to it unsubscribes subscriber 4
"""

import hashlib
import hmac
import re
from base64 import b32encode
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

_MAX_OCCURRENCES, _MAX_PATHS = 1000, 20  # looked at in one message
_MAC_BYTES = 10  # 16 letters; a local part may have 64 (RFC 5321, 4.5.3.1.1)
_BOUNCE = re.compile(rb"bounce-(\d{1,18})-([a-z2-7]{16})@", re.IGNORECASE)
_LEAVE = re.compile(rb"leave-(\d{1,18})-(\d{1,18})-([a-z2-7]{16})@", re.IGNORECASE)


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
        mac = hmac.digest(self.secret, f"return path\0{text}".encode(), hashlib.sha256)[:_MAC_BYTES]
        return b32encode(mac).decode().lower()
