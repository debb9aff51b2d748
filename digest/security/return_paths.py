"""Addresses of our own that tell what came back: signed, in letters and digits that survive being lower-cased.

bounce-17-ORSXG5BAON2HE2LO@bounces.example.org    the return path of delivery 17 (VERP): where its bounce goes
leave-4-0-MFRGGZDFMZTWQ2LK@bounces.example.org    a mail to it unsubscribes subscriber 4
"""

import hashlib
import hmac
import re
from base64 import b32encode
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

_MOST_REPEATED, _MOST_LOOKED_AT = 1000, 20
_MAC_BYTES = 10  # 16 letters; a local part may have 64 (RFC 5321, 4.5.3.1.1)
_BOUNCE = re.compile(rb"bounce-(\d{1,18})-([a-z2-7]{16})@", re.IGNORECASE)
_LEAVE = re.compile(rb"leave-(\d{1,18})-(\d{1,18})-([a-z2-7]{16})@", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ReturnPath:
    """A return path that stands in a message. It says nothing before it `proves` something."""

    delivery_id: int
    _mac: str
    _ours: "ReturnPaths"

    def matches(self, message_id: str) -> bool:
        """Whether we wrote it for the mail with this Message-ID: a restored backup gives out numbers again."""
        return hmac.compare_digest(self._ours.mac("bounce", self.delivery_id, message_id), self._mac)


@dataclass(frozen=True, slots=True)
class ReturnPaths:
    """Writes and reads the addresses of one installation, all at `domain`. `secret` is at least 32 random bytes."""

    domain: str
    secret: bytes

    def for_delivery(self, delivery_id: int, message_id: str) -> str:
        """Where the bounce of a mail goes."""
        return f"bounce-{delivery_id}-{self.mac('bounce', delivery_id, message_id)}@{self.domain}"

    def unsubscribe_address(self, subscriber_id: int, epoch: int) -> str:
        """A mail to this address unsubscribes."""
        return f"leave-{subscriber_id}-{epoch}-{self.mac('leave', subscriber_id, epoch)}@{self.domain}"

    def find(self, content: bytes) -> list[ReturnPath]:
        """The first few return paths that stand in a message; who writes thousands into one proves nothing."""
        found = (ReturnPath(int(f[1]), f[2].decode().lower(), self) for f in self._at_domain(_BOUNCE, content))
        return list(islice(dict.fromkeys(islice(found, _MOST_REPEATED)), _MOST_LOOKED_AT))

    def find_unsubscriber_id(self, recipients: bytes) -> int | None:
        """The number of the subscriber who leaves by a mail to one of these addresses, or None."""
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

    def mac(self, *said: object) -> str:
        """What signs an address that says this."""
        text = "\0".join(map(str, said))
        mac = hmac.digest(self.secret, f"return path\0{text}".encode(), hashlib.sha256)[:_MAC_BYTES]
        return b32encode(mac).decode().lower()
