"""E-mail addresses: checked for form only. Whether an address works is learned from bounces, not from DNS."""

import hashlib
import hmac
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from digest.errors import AddressError


def normalize(address: str) -> str:
    """The address in its normal form (domain in lower case). Raises AddressError with the reason."""
    try:
        found = validate_email(address.strip(), check_deliverability=False, test_environment=True, allow_smtputf8=False)
    except EmailNotValidError as error:
        reason = str(error)
        raise AddressError(address, f"{reason[0].lower()}{reason[1:].rstrip('.')}") from None
    return found.ascii_email or found.normalized


def key(address: str) -> str:
    """What two spellings of one mailbox have in common: case does not tell people apart."""
    return address.casefold()


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """What stands for addresses where the address itself may not be kept: keyed, so that nobody can guess back."""

    secret: bytes

    def of(self, address: str) -> str:
        """32 hexadecimal digits, the same for every spelling of one mailbox."""
        return self._digest(f"address\0{key(address)}")

    def fingerprint(self, said: str) -> str:
        """Tells what was read from what was not, and cannot be guessed from what it was."""
        return self._digest(f"fingerprint\0{said}")

    @property
    def key_id(self) -> str:
        """Tells the secret from others, and says nothing of it."""
        return self._digest("which secret")[:8]

    def _digest(self, said: str) -> str:
        return hmac.digest(self.secret, f"pseudonym\0{said}".encode(), hashlib.sha256).hex()[:32]
