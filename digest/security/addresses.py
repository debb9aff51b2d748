"""E-mail addresses. Only their form is checked: bounces show whether an address works."""

import hashlib
import hmac
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from digest.errors import AddressError


def normalize(address: str) -> str:
    """Return the address in its normal form (domain in lower case). Raises AddressError with the reason."""
    try:
        found = validate_email(address.strip(), check_deliverability=False, test_environment=True, allow_smtputf8=False)
    except EmailNotValidError as error:
        reason = str(error)
        raise AddressError(address, f"{reason[0].lower()}{reason[1:].rstrip('.')}") from None
    return found.ascii_email or found.normalized


def key(address: str) -> str:
    """Return a key that is equal for two spellings of one mailbox, which differ in case only."""
    return address.casefold()


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Pseudonyms for addresses that must not be stored. They are keyed: no address can be guessed from one."""

    secret: bytes

    def of(self, address: str) -> str:
        """Return 32 hexadecimal digits, equal for all spellings of one mailbox."""
        return self._digest(f"address\0{key(address)}")

    def fingerprint(self, text: str) -> str:
        """Return 32 hexadecimal digits that identify a text without revealing it."""
        return self._digest(f"fingerprint\0{text}")

    @property
    def key_id(self) -> str:
        """A short id of the secret, which does not reveal it."""
        return self._digest("which secret")[:8]

    def _digest(self, text: str) -> str:
        return hmac.digest(self.secret, f"pseudonym\0{text}".encode(), hashlib.sha256).hex()[:32]
