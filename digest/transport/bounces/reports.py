"""Delivery status notifications (RFC 3464; RFC 6533 where addresses are not ASCII), and what passes for them."""

import re
from collections.abc import Iterator

from digest.models import Bounce, BounceKind
from digest.transport.bounces import meaning, prose
from digest.transport.bounces.addresses import bare
from digest.transport.bounces.parts import Fields, Mail, fields

TYPES = ("message/delivery-status", "message/global-delivery-status")

_MOST_BLOCKS = 50
_RECIPIENT = ("original-recipient", "final-recipient", "x-actual-recipient")
_OURS = {*_RECIPIENT, "action", "status", "diagnostic-code"}
_NAME = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,60})[ \t]*:")
_STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?!\d)")
_COMMENT = re.compile(r"\(([^()]{1,500})\)")
_TYPE = re.compile(r"\s{0,9}[\w-]{1,40}\s{0,9};\s*")
# RFC 3464, 2.3.3: these are no failures. "deliverable" is what Sendmail answers to a mere question.
_NO_FAILURES = ("delayed", "relayed", "delivered", "expanded", "deliverable")
_RECIPIENTS = re.compile(r"^[ \t]{0,9}(?:original|final)-recipient[ \t]{0,9}:", re.IGNORECASE | re.MULTILINE)
_ACTION = re.compile(r"^[ \t]{0,9}action[ \t]{0,9}:", re.IGNORECASE | re.MULTILINE)


def read(mail: Mail) -> tuple[Bounce, ...]:
    """What the mail's delivery reports say; empty if it has none.

    One bounce a failed recipient. If none failed, one OTHER.
    """
    return _read("\n\n".join(part.text for part in mail.of_type(*TYPES)), mail)


def read_text(mail: Mail) -> tuple[Bounce, ...]:
    """The same of a report that stands in the text. A person may quote one: ask first who wrote the mail."""
    return _read(mail.text, mail) if _RECIPIENTS.search(mail.text) and _ACTION.search(mail.text) else ()


def _read(report: str, mail: Mail) -> tuple[Bounce, ...]:
    told = [(block, _bounce(block, mail)) for block in _blocks(report)]
    failed = [bounce for block, bounce in told if _failed(block)]
    if failed:
        return tuple({bounce.recipient.casefold(): bounce for bounce in reversed(failed)}.values())[::-1]
    return tuple(_not_failed(bounce) for _, bounce in told[:1])


def _blocks(text: str) -> list[Fields]:
    """The fields of each recipient."""
    found: list[Fields] = []
    for lines in _groups(text):
        block = fields("\n".join(lines))
        whose = any(name in block for name in _RECIPIENT)
        if whose and len(found) < _MOST_BLOCKS:
            found.append(block)
        elif found and "action" in block and "action" not in found[-1]:  # an empty line too many
            found[-1] |= block
    return found


def _groups(text: str) -> Iterator[list[str]]:
    """The lines of each block. An empty line ends one, and so does a field that it has: that line was forgotten."""
    lines: list[str] = []
    names: set[str] = set()
    for line in [*text.split("\n"), ""]:
        found = _NAME.match(line)
        name = found[1].lower() if found else ""
        if not line.strip() or (name in _OURS and name in names):
            if lines:
                yield lines
            lines, names = [], set()
        if line.strip():
            lines.append(line)
            names.add(name)


def _failed(block: Fields) -> bool:
    """Whether it says that the mail will not arrive. Who invents an action (or forgets it) is asked for the status."""
    action = block.get("action", "").lower()
    return not action.startswith(_NO_FAILURES) and not block.get("status", "").strip().startswith("2")


def _bounce(block: Fields, mail: Mail) -> Bounce:
    reply = _reply(block, mail)
    told = _STATUS.search(block.get("status", ""))
    status = meaning.better(told[1] if told else "", meaning.status_in(reply)) or meaning.derived(reply)
    return Bounce(
        kind=meaning.classify(status, reply),
        recipient=_recipient(block, mail),
        status=status,
        reply=meaning.sane(reply),
        message_id=block.get("x-original-message-id", "").strip("<> "),
    )


def _not_failed(bounce: Bounce) -> Bounce:
    return Bounce(kind=BounceKind.OTHER, recipient=bounce.recipient, status=bounce.status, reply=bounce.reply)


def _recipient(block: Fields, mail: Mail) -> str:
    """The address as we wrote it: the original one, for a mail that was forwarded failed under another."""
    for name in _RECIPIENT:
        if found := bare(block.get(name, "")):
            return found
    return bare(mail.returned.get("to", ""))


def _reply(block: Fields, mail: Mail) -> str:
    """The remote server's words, or else what is said beside the status, or else to people."""
    words = _TYPE.sub("", block.get("diagnostic-code", ""), count=1)
    if words and not words.strip().isdigit():  # a number is what a pipe left with
        return words
    beside = _COMMENT.search(block.get("status", ""))
    return beside[1] if beside else prose.said_of(_recipient(block, mail), mail.prose)
