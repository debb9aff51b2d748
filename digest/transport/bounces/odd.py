"""The bounces of forty mail systems that follow no standard, through flufl.bounce, which collected them."""

import logging
from email import message_from_bytes
from email.message import Message

from flufl.bounce import all_failures

from digest.transport.bounces.addresses import bare
from digest.transport.bounces.parts import Mail

# What flufl.bounce and the parser below it are shown: their time grows with the square of a line, and of the depth.
_MOST = 1 << 15
_MOST_LINE = 200
_MOST_NESTED = 12

logging.getLogger("flufl.bounce").setLevel(
    logging.CRITICAL
)  # it writes down a traceback for every mail that is too odd


def failed(mail: Mail) -> list[str]:
    """The addresses that failed for good, sorted; empty if it knows no such bounce."""
    shown = b"\n".join(line[:_MOST_LINE] for line in mail.raw[:_MOST].split(b"\n"))
    lowered = shown.lower()
    if lowered.count(b"multipart/") + lowered.count(b"message/") > _MOST_NESTED:
        return []
    try:
        found = all_failures(_with_author(message_from_bytes(shown)))[1]
    except Exception:  # noqa: BLE001 - seventeen readers of strangers' mail: whatever they stumble over, it is not known
        return []
    return sorted({address for name in found if (address := bare(name.decode("ascii", "replace")))})


def _with_author(message: Message) -> Message:
    """One of its readers stumbles where From is empty, as it is where somebody took the null sender for a name."""
    if not bare(str(message.get("from", ""))):
        del message["from"]
        message["From"] = "mailer-daemon@localhost"
    return message
