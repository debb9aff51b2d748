"""E-mail addresses: checked for form only. Whether an address works is learned from bounces, not from DNS."""

from email_validator import EmailNotValidError, validate_email

from digest.errors import AddressError


def checked(address: str) -> str:
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
