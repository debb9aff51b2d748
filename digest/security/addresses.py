"""E-mail addresses. Only their form is checked: bounces show whether an address works."""

import hashlib
import hmac
import re
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from digest.errors import AddressError, UsageError

_MAILBOX = re.compile(r"(?:(?P<name>.*\S)?\s*<(?P<address>[^<>]*)>|(?P<bare>[^<>]*))")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
# In running text. The bounded lengths (RFC 5321, 4.5.3.1) keep the search linear.
_IN_TEXT = re.compile(r"""[^\s<>()\[\],;:"'=]{1,64}@[^\s<>()\[\],;:"'=@]{1,255}""")
_SPECIAL = re.compile(r'[,;:@<>\[\]\\"]')  # RFC 5322, 3.2.3; other programs take dots and parentheses as they are


def normalize(address: str, *, only_ascii: bool = False) -> str:
    """Return the address in its normal form: the domain in lower case and ASCII, the local part in Unicode's NFC.

    Mail to a local part that is not ASCII needs servers that offer SMTPUTF8 (RFC 6531). `only_ascii` refuses it, for
    our own addresses, which have to work with every server. Raises AddressError with the reason.
    """
    try:
        found = validate_email(
            address.strip(), check_deliverability=False, test_environment=True, allow_smtputf8=not only_ascii
        )
    except EmailNotValidError as error:
        reason = str(error)
        raise AddressError(address, f"{reason[0].lower()}{reason[1:].rstrip('.')}") from None
    return found.ascii_email or f"{found.local_part}@{found.ascii_domain}"


def parse_mailbox(written: str) -> tuple[str, str]:
    """Return (name, address) of `Name <name@example.org>` or of a bare address, whose name is "".

    Raises UsageError, which says what to write.
    """
    found = _MAILBOX.fullmatch(written.strip())
    if found is None or not written.isprintable():
        raise UsageError(f"{written!r} is not a sender; write one such as Name <name@example.org>")
    name, address = found["name"] or "", found["address"] or found["bare"] or ""
    quoted = _QUOTED.fullmatch(name)
    if quoted is None and (special := _SPECIAL.search(name)):
        plain = name.replace("\\", "").replace('"', "")
        raise UsageError(
            f"{written!r}: a name with {special[0]} needs double quotes; "
            f"""in the file, write '"{plain}" <{address.strip()}>'"""
        )
    return re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else name, normalize(address, only_ascii=True)


def key(address: str) -> str:
    """Return a key that is equal for two spellings of one mailbox, which differ in case only.

    `casefold` would make one of different letters, too, such as "ß" and "ss".
    """
    return address.lower()


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


def hide_in(text: str) -> str:
    """Return the text without the addresses in it, for the log."""
    return _IN_TEXT.sub("(address)", text)
