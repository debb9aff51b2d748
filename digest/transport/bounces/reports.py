"""Machine-readable reports: delivery status notifications (RFC 3464, RFC 6533) and feedback reports (RFC 5965)."""

import re
from dataclasses import replace

from digest.models import Bounce, BounceKind
from digest.transport.bounces.classification import classify, find_status, more_specific, shorten, status_from_phrase
from digest.transport.bounces.parsing import Fields, ReturnedMail, extract_address, parse_fields
from digest.transport.bounces.plain_text import reply_about

_DELIVERY_STATUS = ("message/delivery-status", "message/global-delivery-status")
_FEEDBACK_REPORT = "message/feedback-report"

_MAX_BLOCKS = 50
_RECIPIENT_FIELDS = ("original-recipient", "final-recipient", "x-actual-recipient")
_RECIPIENT_BLOCK_FIELDS = {*_RECIPIENT_FIELDS, "action", "status", "diagnostic-code"}
_NAME = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,60})[ \t]*:")
_STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?!\d)")
_COMMENT = re.compile(r"\(([^()]{1,500})\)")
_TYPE = re.compile(r"\s{0,9}[\w-]{1,40}\s{0,9};\s*")
# RFC 3464, 2.3.3: these actions are no failures. Sendmail answers "deliverable" to a mere query.
_NOT_FAILED = ("delayed", "relayed", "delivered", "expanded", "deliverable")
_RECIPIENT_LINE = re.compile(r"^[ \t]{0,9}(?:original|final)-recipient[ \t]{0,9}:", re.IGNORECASE | re.MULTILINE)
_ACTION_LINE = re.compile(r"^[ \t]{0,9}action[ \t]{0,9}:", re.IGNORECASE | re.MULTILINE)

# "opt-out" (dropped by RFC 5965, still in use) also asks for no more mail. A report without a type counts, too: no one
# reports praise. Not counted are "not-spam" (the reader wants the mail), "virus" (a filter's verdict), and
# "auth-failure" and "dmarc" (RFC 6591), which are about our own keys.
_COMPLAINTS = {"abuse", "fraud", "complaint", "opt-out", "opt-out-list", ""}
_MICROSOFT_RECIPIENT = "x-hmxmroriginalrecipient"  # Microsoft sends no report, only the mail with this header field


def parse_reports(mail: ReturnedMail) -> tuple[Bounce, ...]:
    """Return what the mail's delivery or feedback reports say; empty without one.

    A delivery report gives one bounce for each failed recipient, or one of kind OTHER if none failed.
    """
    return _parse_delivery("\n\n".join(part.text for part in mail.of_type(*_DELIVERY_STATUS)), mail) or _parse_feedback(
        mail
    )


def parse_report_in_text(mail: ReturnedMail) -> tuple[Bounce, ...]:
    """Return what a delivery report in the mail's text says. People quote reports: check the author first."""
    has_report = _RECIPIENT_LINE.search(mail.text) and _ACTION_LINE.search(mail.text)
    return _parse_delivery(mail.text, mail) if has_report else ()


def _parse_feedback(mail: ReturnedMail) -> tuple[Bounce, ...]:
    """The complaint of a reader who pressed "this is spam", or an OTHER bounce for a report about something else."""
    report = next((parse_fields(part.text.strip()) for part in mail.of_type(_FEEDBACK_REPORT)), None)
    microsoft = extract_address(mail.returned.get(_MICROSOFT_RECIPIENT, ""))
    if report is None and not microsoft:
        return ()
    report = report or {}
    recipients = [report.get("original-rcpt-to", ""), microsoft, report.get("removal-recipient", "")]
    recipients.append(mail.returned.get("to", ""))
    is_complaint = report.get("feedback-type", "").strip().lower() in _COMPLAINTS
    kind = BounceKind.COMPLAINT if is_complaint else BounceKind.OTHER
    return (Bounce(kind=kind, recipient=next(filter(None, map(extract_address, recipients)), "")),)


def _parse_delivery(report: str, mail: ReturnedMail) -> tuple[Bounce, ...]:
    bounces: list[Bounce] = []
    failed: dict[str, Bounce] = {}
    for block in _recipient_blocks(report):
        reply = _reply(block, mail)
        reported = _STATUS.search(block.get("status", ""))
        status = more_specific(reported[1] if reported else "", find_status(reply)) or status_from_phrase(reply)
        bounce = Bounce(
            kind=classify(status, reply),
            recipient=_recipient(block, mail),
            status=status,
            reply=shorten(reply),
            message_id=block.get("x-original-message-id", "").strip("<> "),
        )
        bounces.append(bounce)
        # Where the action is unknown or missing, the status decides.
        delivered = block.get("status", "").strip().startswith("2")
        if not delivered and not block.get("action", "").lower().startswith(_NOT_FAILED):
            failed.setdefault(bounce.recipient.casefold(), bounce)
    if failed:
        return tuple(failed.values())
    return tuple(replace(bounce, kind=BounceKind.OTHER, message_id="") for bounce in bounces[:1])


def _recipient_blocks(text: str) -> list[Fields]:
    """The fields of each recipient.

    An empty line ends a block. So does a field that the block already has, where the empty line is missing.
    """
    found: list[Fields] = []
    lines: list[str] = []
    names: set[str] = set()
    for line in [*text.split("\n"), ""]:
        field = _NAME.match(line)
        name = field[1].lower() if field else ""
        if not line.strip() or (name in _RECIPIENT_BLOCK_FIELDS and name in names):
            block = parse_fields("\n".join(lines))
            if any(name in block for name in _RECIPIENT_FIELDS) and len(found) < _MAX_BLOCKS:
                found.append(block)
            elif found and "action" in block and "action" not in found[-1]:  # a misplaced empty line
                found[-1] |= block
            lines, names = [], set()
        if line.strip():
            lines.append(line)
            names.add(name)
    return found


def _recipient(block: Fields, mail: ReturnedMail) -> str:
    """The address that we wrote to: the original one, because a forwarded mail fails under another address."""
    addresses = (extract_address(block.get(name, "")) for name in _RECIPIENT_FIELDS)
    return next(filter(None, addresses), "") or extract_address(mail.returned.get("to", ""))


def _reply(block: Fields, mail: ReturnedMail) -> str:
    """The remote server's words, or else the comment beside the status, or else the text for human readers."""
    words = _TYPE.sub("", block.get("diagnostic-code", ""), count=1)
    if words and not words.strip().isdigit():  # only a number is the exit status of a program
        return words
    comment = _COMMENT.search(block.get("status", ""))
    return comment[1] if comment else reply_about(_recipient(block, mail), mail.explanation)
