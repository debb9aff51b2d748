"""Types of values in config.toml, which are checked when the file is read. Each error says what to write."""

import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from digest.errors import UsageError
from digest.mail.dkim import checked_host
from digest.security.addresses import parse_mailbox
from digest.subscribers.schedule import parse_timezone

_LINK = re.compile(r"[!#-;=?-~]+")  # characters allowed between < and > in List-Unsubscribe and in quotes in HTML


def _validator(check: Callable[[str], str]) -> AfterValidator:
    """Return a pydantic validator from a function that raises UsageError."""

    def validate(value: str) -> str:
        try:
            return check(value)
        except UsageError as error:
            raise ValueError(str(error)) from None

    return AfterValidator(validate)


def _check_network(network: str) -> str:
    try:
        ip_network(network, strict=False)
    except ValueError:
        example = "write one such as 127.0.0.1 or 10.0.0.0/8"
        raise UsageError(f"{network!r} is not an IP address or network; {example}") from None
    return network


def _check_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise UsageError(f"{text!r} is not one line of text")
    return text


def _check_header(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise UsageError(f"{text!r} is not one line of ASCII characters; write an address such as papers@example.org")
    return text


def _check_mailbox(written: str) -> str:
    if written:
        parse_mailbox(written)
    return written


def _check_server(name: str) -> str:
    try:
        if not re.fullmatch(r"[\w.-]*", name):
            ip_address(name)
        name.encode("idna")
    except ValueError:
        example = "write its name or IP address without scheme and port, such as mail.example.org"
        raise UsageError(f"{name!r} is not a host; {example}") from None
    return name


def _check_web_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_base = parts.port != 0 and not (parts.query or parts.fragment or "@" in parts.netloc)
        host = parts.netloc.encode("idna").decode() if not parts.netloc.isascii() else parts.netloc
    except ValueError:
        parts, is_base, host = urlsplit(""), False, ""
    normalized = parts._replace(netloc=host).geturl().rstrip("/")
    if not is_base or parts.scheme not in {"http", "https"} or not parts.hostname or not _LINK.fullmatch(normalized):
        raise UsageError(f"{url!r} is not a web address; write one such as https://digest.example.org")
    return normalized


HeaderText = Annotated[str, _validator(_check_header)]  # in a header of HTTP, which has ASCII only
Line = Annotated[str, _validator(_check_line)]
Network = Annotated[str, _validator(_check_network)]
Server = Annotated[str, _validator(_check_server)]  # a host to connect to, or to listen on
Host = Annotated[str, _validator(lambda name: checked_host(name) if name else "")]  # a name in the DNS, or none
Mailbox = Annotated[str, _validator(_check_mailbox)]
Timezone = Annotated[str, _validator(parse_timezone)]
WebAddress = Annotated[str, _validator(_check_web_address)]
