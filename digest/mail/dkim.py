"""DKIM signatures, by which receivers see that a mail comes from its domain and is unchanged (RFC 6376).

Ed25519 keys follow RFC 8463. Canonicalisation is c=relaxed/simple: in headers, the case of names, folding and runs of
spaces do not count; in the body every byte counts.
"""

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from digest.errors import ConfigError, UsageError
from digest.mail.headers import MAX_LINE

MAKE_KEY = "`openssl genrsa -out dkim.pem 2048` makes one"

# Headers that are signed even if they are absent, so that none can be added on the way (RFC 6376, 5.4 and 8.15).
# RFC 8058, 4: both List-Unsubscribe headers must be signed for one-click unsubscribing.
SIGNED_HEADERS = (
    b"from to cc reply-to subject date message-id mime-version content-type content-transfer-encoding "
    b"list-unsubscribe list-unsubscribe-post"
).split()
_SIGNATURE_LINE = 72  # characters of base64; " b=" comes before the first
_MIN_RSA_BITS = 2048  # RFC 8301, 3.2
_LABEL = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_PADDING, _HASH = PKCS1v15(), SHA256()


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs mails of `domain` with the key published under `selector`. Made by `from_pem`."""

    domain: str
    selector: str
    algorithm: str = field(repr=False)  # the tag k=
    public_key: bytes = field(repr=False)  # the tag p=, before base64
    _sign: Callable[[bytes], bytes] = field(repr=False)

    @classmethod
    def from_pem(cls, pem: bytes, *, domain: str, selector: str, named: str) -> Self:
        """Return a signer with the RSA or Ed25519 private key in `pem`. Errors call the key `named`, such as its path.

        Raises UsageError for the domain or the selector, ConfigError for the key.
        """
        domain, selector = checked_host(domain), checked_host(selector)
        try:
            key = load_pem_private_key(pem, password=None)
        except TypeError:
            reason = "is encrypted; `openssl pkey -in ENCRYPTED.pem -out dkim.pem` writes it decrypted"
            raise ConfigError(named, "", reason) from None
        except (ValueError, UnsupportedAlgorithm):
            reason = "is a public key, not the private one" if b"PUBLIC KEY-----" in pem else "is not a private PEM key"
            raise ConfigError(named, "", f"{reason}; {MAKE_KEY}") from None
        match key:
            case RSAPrivateKey() as rsa if rsa.key_size >= _MIN_RSA_BITS:
                public = rsa.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
                return cls(domain, selector, "rsa", public, lambda data: rsa.sign(data, _PADDING, _HASH))
            case RSAPrivateKey():
                reason = f"is an RSA key of {key.key_size} bits, fewer than {_MIN_RSA_BITS}"
            case Ed25519PrivateKey() as ed25519:
                public = ed25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
                # RFC 8463, 3: what is signed is the hash.
                return cls(domain, selector, "ed25519", public, lambda data: ed25519.sign(sha256(data).digest()))
            case _:
                reason = "is neither an RSA nor an Ed25519 key"
        raise ConfigError(named, "", f"{reason}; {MAKE_KEY}")

    @property
    def dns_name(self) -> str:
        """The DNS name at which receivers look for the public key (RFC 6376, 3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"

    def dns_record(self) -> str:
        """Return the TXT record that `dns_name` must have (RFC 6376, 3.6.1; RFC 8463, 4)."""
        return f"v=DKIM1; k={self.algorithm}; p={b64encode(self.public_key).decode()}"

    def sign(self, content: bytes, *, signed_at: datetime) -> bytes:
        """Put a DKIM-Signature before a message (headers, empty line, body; 7-bit, CRLF).

        The same message and time always give the same bytes. Costs one signature and one pass over the body.
        """
        body_at = content.index(b"\r\n\r\n") + 4
        # Relaxed headers (RFC 6376, 3.4.2): unfolded, every run of spaces one space.
        head = content[: body_at - 4].replace(b"\t", b" ").replace(b"\r\n ", b" ")
        while b"  " in head:
            head = head.replace(b"  ", b" ")
        headers = [line.partition(b":") for line in head.split(b"\r\n")]
        # Simple body (RFC 6376, 3.4.3): it ends with exactly one line end, even if it is empty.
        end = len(content)
        while content.endswith(b"\r\n", body_at, end):
            end -= 2
        body_hash = sha256(memoryview(content)[body_at:end])
        body_hash.update(b"\r\n")
        signed, listed = _coverage(tuple([name for name, _, _ in headers]))
        tags = b"v=1; a=%s-sha256; c=relaxed/simple; t=%d;\r\n d=%s;\r\n s=%s;\r\n%s\r\n bh=%s;\r\n b=" % (
            self.algorithm.encode(),
            signed_at.timestamp(),
            self.domain.encode(),
            self.selector.encode(),
            listed,
            b64encode(body_hash.digest()),
        )
        lines = [prefix + headers[place][2].strip(b" ") for place, prefix in signed]
        lines.append(b"dkim-signature:" + tags.translate(None, b"\r\n"))
        signature = b64encode(self._sign(b"\r\n".join(lines)))
        folded = [signature[i : i + _SIGNATURE_LINE] for i in range(0, len(signature), _SIGNATURE_LINE)]
        return b"".join((b"DKIM-Signature: ", tags, b"\r\n ".join(folded), b"\r\n", content))


def checked_host(name: str) -> str:
    """Return a domain or selector made of ASCII labels between dots (RFC 6376, 3.1 and 3.5). Raises UsageError."""
    if not _HOST.fullmatch(name):
        raise UsageError(
            f"{name!r} is not made of ASCII letters, digits and inner hyphens between dots; "
            "write an international name as xn--bcher-kva.example"
        )
    return name


@lru_cache(maxsize=64)
def _coverage(names: tuple[bytes, ...]) -> tuple[tuple[tuple[int, bytes], ...], bytes]:
    """The signed headers of a message that has headers of these names, each as (index, b"name:"), and the tag h=.

    h= lists every name once more than it occurs, so that adding such a header breaks the signature (RFC 6376, 3.5).
    """
    present = [name.rstrip(b" ").lower() for name in names]
    optional = [name for name in present if name == b"auto-submitted" or name.startswith(b"list-")]
    signed: list[tuple[int, bytes]] = []
    lines = [b" h="]
    for name in dict.fromkeys(SIGNED_HEADERS + optional):
        places = [place for place, other in enumerate(present) if other == name]
        signed += [(place, name + b":") for place in reversed(places)]  # from the last one up (RFC 6376, 5.4.2)
        for _ in range(len(places) + 1):
            if len(lines[-1]) + len(name) + 1 > MAX_LINE:
                lines.append(b" ")
            lines[-1] += name + b":"
    return tuple(signed), b"\r\n".join(lines)[:-1] + b";"
