"""What returned mail reports: machine-readable reports, and what mail systems write for human readers.

Delivery status notifications are RFC 3464 and RFC 6533, feedback reports RFC 5965.
"""

import json
import logging
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from email import message_from_bytes
from typing import Any

from flufl.bounce import all_failures

from digest.models import Bounce, BounceKind, SmtpStage
from digest.transport.bounces.classification import (
    MAX_REPLY,
    answers_sender,
    find_phrase,
    find_status,
    has_code,
    rejection,
)
from digest.transport.bounces.parsing import Fields, ReturnedMail, extract_address, find_addresses, parse_fields

_DELIVERY_STATUS = ("message/delivery-status", "message/global-delivery-status")
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

_MAX_RECIPIENTS = 50
_MAX_TEXT = 1 << 14  # characters, for each recipient
_DELAY_SUBJECT = re.compile(r"^\W{0,9}warning|\bdelay(?:ed)?\b|: (?:warning|success)$", re.IGNORECASE)
_DELAY = re.compile(
    r"only a (?:temporary|warning)|this is (?:just )?a warning|not yet been delivered|still being retried"
    r"|will (?:be retried|continue to (?:try|be made))|no action is required on your part|(?:not|n't) need to re-?send",
    re.IGNORECASE,
)
_FAILURE = re.compile(
    r"undeliver|(?:not|n't|unable to|error|trouble|failed) (?:be |been |was |in |while )?(?:attempting to )?deliver"
    r"|fail(?:ed|ure)\b|returned? (?:mail|to sender)|did not reach|could not|error sending"
    r"|(?:un|nicht )zu(?:stellbar|gestellt)|pas pu être (?:remis|distribu)|no (?:se )?(?:pudo|ha podido) entregar"
    r"|(?:non|impossibile) (?:recapitat|recapitabil|consegna)|não (?:pôde|foi) (?:ser )?entreg",
    re.IGNORECASE,
)
_REJECTION = re.compile(r"(?<![\w.#\[/])([45]\d\d)(?:[ :-]|$)[ \t]*\S|(?<![\w.\[])[45]\.\d\.\d{1,3}(?!\.?\d)")
_QUOTED_COMMAND = re.compile(r"(?:^|\n)[ \t]*(?:>>>|\.\.\. while|sent <<<)[^\n]*", re.IGNORECASE)
_AFTER_REJECTION = re.compile(r"\s*(?:$|giving up|i'm not going|-{3}|<<<|([2-5]\d\d)[ -])", re.IGNORECASE)
_OPENSMTPD = re.compile(r"^[ \t]{0,9}([^\s<>:]{1,64}@[^\s<>:]{1,255}): \S", re.MULTILINE)  # one line a recipient
# A line for each recipient: Postfix and qmail "<a@b>: …", Exim and Outlook "a@b", Exchange "a@b on 6/3/2026 7:00 AM".
_LISTED = re.compile(
    r"^[ \t]{0,9}(?:<([^\s<>:]{1,64}@[^\s<>:]{1,255})>:|([^\s<>:]{1,64}@[^\s<>:]{1,255})(?: on \d.{0,60})?[ \t]*$)",
    re.MULTILINE,
)
_OPENSMTPD_HEAD = "following list of recipients"
_SENDMAIL = re.compile(r"^5\d\d (?:5\.\d\.\d{1,3} )?<([^<>\s]{3,320})>\.\.\. ", re.MULTILINE)

# What mail systems write beside a reply to say which command it answers: Postfix, Exim, those that quote the command as
# Sendmail does, and qmail in words.
_COMMAND = r"(?P<{}>HELO|EHLO|LHLO|STARTTLS|AUTH|MAIL\s+FROM|RCPT\s+TO|DATA)"
_STAGE = re.compile(
    rf"in\s+reply\s+to\s+(?:end\s+of\s+)?{_COMMAND.format('postfix')}"
    rf"|while\s+performing\s+the\s+{_COMMAND.format('handshake')}"
    rf"|error\s+from\s+remote\s+\w+(?:\s+server)?\s+after\s+(?:pipelined\s+|sending\s+)?(?:end\s+of\s+)?"
    rf"{_COMMAND.format('exim')}"
    rf"|(?:>>>|\bsent\s*[<>]{{3}})\s*{_COMMAND.format('quoted')}"
    r"|(?P<greeting>after\s+initial\s+connection|initial\s+server\s+greeting|refused\s+to\s+talk\s+to\s+me"
    r"|but\s+greeting\s+failed)"
    r"|(?P<ehlo>but\s+my\s+name\s+was\s+rejected)|(?P<auth>unable\s+to\s+authenticate)"
    r"|(?P<mail>but\s+sender\s+was\s+rejected)|(?P<rcpt>does\s+not\s+like\s+recipient)"
    r"|(?P<data>failed\s+on\s+DATA|failed\s+after\s+I\s+sent\s+the\s+message)",
    re.IGNORECASE,
)
_STAGES = {
    "HELO": SmtpStage.EHLO,
    "EHLO": SmtpStage.EHLO,
    "LHLO": SmtpStage.EHLO,
    "STARTTLS": SmtpStage.EHLO,
    "AUTH": SmtpStage.AUTH,
    "MAIL": SmtpStage.MAIL,
    "RCPT": SmtpStage.RCPT,
    "DATA": SmtpStage.DATA,
    "GREETING": SmtpStage.GREETING,
}
_LISTS_COMMANDS = {"postfix", "handshake", "exim", "quoted"}

# Amazon SES: "Permanent" bounces of these types are about an address that does not work; General needs the reply.
_SES_INVALID = {"NoEmail", "Suppressed", "OnAccountSuppressionList"}
_SES_THIS_MAIL = {"MessageTooLarge", "ContentRejected", "AttachmentRejected"}

# What flufl.bounce is given: its time grows with the square of a line's length and of the nesting depth.
_FLUFL_MAX_BYTES = 1 << 15
_FLUFL_MAX_LINE = 200
_FLUFL_MAX_NESTED = 12

logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)  # it logs a traceback for each mail that it cannot parse


def parse_reports(mail: ReturnedMail) -> tuple[Bounce, ...]:
    """Return what the mail's delivery or feedback reports say; empty without one.

    A delivery report gives one bounce for each failed recipient, or one of kind OTHER if none failed. A feedback report
    gives a complaint if the reader pressed "this is spam", else one of kind OTHER.
    """
    delivery = _parse_delivery("\n\n".join(part.text for part in mail.of_type(*_DELIVERY_STATUS)), mail)
    delivery = delivery or _parse_amazon_ses(mail)
    if delivery:
        return delivery
    report = next((parse_fields(part.text.strip()) for part in mail.of_type("message/feedback-report")), None)
    microsoft = extract_address(mail.returned.get(_MICROSOFT_RECIPIENT, ""))
    if report is None and not microsoft:
        return ()
    report = report or {}
    recipients = [report.get("original-rcpt-to", ""), microsoft, report.get("removal-recipient", "")]
    recipients.append(mail.returned.get("to", ""))
    is_complaint = report.get("feedback-type", "").strip().lower() in _COMPLAINTS
    kind = BounceKind.COMPLAINT if is_complaint else BounceKind.OTHER
    return (Bounce(kind=kind, recipient=next(filter(None, map(extract_address, recipients)), "")),)


def has_delivery_report(mail: ReturnedMail) -> bool:
    """Return whether a part of the mail is a delivery report for programs."""
    return any(mail.of_type(*_DELIVERY_STATUS))


def parse_report_in_text(mail: ReturnedMail) -> tuple[Bounce, ...]:
    """Return what a delivery report in the mail's text says. People quote reports: check the author first."""
    has_report = _RECIPIENT_LINE.search(mail.text) and _ACTION_LINE.search(mail.text)
    return _parse_delivery(mail.text, mail) if has_report else ()


def _parse_delivery(report: str, mail: ReturnedMail) -> tuple[Bounce, ...]:
    bounces: list[Bounce] = []
    failed: dict[str, Bounce] = {}
    blocks = []
    for block in _recipient_blocks(report):
        # The address that we wrote to is the original one: a forwarded mail fails under another address.
        written = [block.get(name, "") for name in _RECIPIENT_FIELDS] + [mail.returned.get("to", "")]
        blocks.append((block, next(filter(None, map(extract_address, written)), "")))
    everyone = list(dict.fromkeys(recipient for _, recipient in blocks))
    for block, recipient in blocks:
        # The remote server's words, or else the comment beside the status, or else the text for human readers.
        reply = _TYPE.sub("", block.get("diagnostic-code", ""), count=1)
        if not reply or reply.strip().isdigit():  # only a number is the exit status of a program
            comment = _COMMENT.search(block.get("status", ""))
            reply = comment[1] if comment else _reply_about(recipient, mail.explanation)
        reported = _STATUS.search(block.get("status", ""))
        passage = _passage_about(recipient, mail.explanation, everyone)
        stage = _stage_of(reply, recipient, mail) or _find_stage(passage)
        bounce = replace(
            rejection(recipient, reply, reported_status=reported[1] if reported else "", stage=stage),
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


def _parse_amazon_ses(mail: ReturnedMail) -> tuple[Bounce, ...]:
    """Return what a notification of Amazon SES says: JSON, in a mail of SNS, or in SNS's own JSON."""
    notification = _parse_json(mail.text)
    if "notificationType" not in notification and isinstance(notification.get("Message"), str):
        notification = _parse_json(notification["Message"])
    kind = notification.get("notificationType", notification.get("eventType"))
    report = notification.get(kind.lower() if isinstance(kind, str) else "")
    if not isinstance(report, dict):
        return ()
    found: list[Bounce] = []
    sent = notification.get("mail")
    source = extract_address(str(sent.get("source", "")) if isinstance(sent, dict) else "")
    if kind == "Complaint":
        feedback = str(report.get("complaintFeedbackType") or "").lower()
        is_complaint = BounceKind.COMPLAINT if feedback in _COMPLAINTS else BounceKind.OTHER
        found = [
            Bounce(kind=is_complaint, recipient=extract_address(each.get("emailAddress", "")))
            for each in _text_records(report.get("complainedRecipients"))
        ]
    elif kind == "Bounce":
        for each in _text_records(report.get("bouncedRecipients")):
            reply = _TYPE.sub("", each.get("diagnosticCode", ""), count=1)
            recipient = extract_address(each.get("emailAddress", ""))
            stage = SmtpStage.MAIL if answers_sender(reply, [source], recipient) else None
            bounce = rejection(recipient, reply, reported_status=each.get("status", ""), stage=stage)
            is_permanent = report.get("bounceType") == "Permanent"
            if report.get("bounceSubType") in _SES_THIS_MAIL:
                bounce = replace(bounce, kind=BounceKind.SOFT, about_reader=False)
            elif bounce.about_reader and is_permanent and (report.get("bounceSubType") in _SES_INVALID or not reply):
                bounce = replace(bounce, kind=BounceKind.HARD)
            elif bounce.kind is BounceKind.HARD and not is_permanent:
                bounce = replace(bounce, kind=BounceKind.SOFT)
            found.append(bounce)
    return tuple(found[:_MAX_BLOCKS])


def _parse_json(text: str) -> dict[str, Any]:
    """Return the JSON object that a text begins with, or an empty one. SNS writes a footer below it."""
    with suppress(ValueError, RecursionError):
        value, _ = json.JSONDecoder().raw_decode(text.lstrip())
        if isinstance(value, dict):
            return value
    return {}


def _text_records(value: Any) -> list[dict[str, str]]:
    """Return the objects of a JSON list, with their texts only."""
    objects = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    return [{name: text for name, text in each.items() if isinstance(text, str)} for each in objects]


def _recipient_blocks(text: str) -> list[Fields]:
    """Return the fields of each recipient.

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


def parse_plain_text(mail: ReturnedMail) -> tuple[Bounce, ...]:
    """Return what the mail's text reports, one bounce a recipient; empty if it reports no failure."""
    if _DELAY_SUBJECT.search(mail.fields.get("subject", "")) or _DELAY.search(mail.explanation):
        return (Bounce(kind=BounceKind.OTHER, recipient=next(iter(_likely_recipients(mail)), "")),)
    recipients = _failed_recipients(mail)[:_MAX_RECIPIENTS]
    if not recipients:
        text = mail.explanation
        if not (_FAILURE.search(mail.fields.get("subject", "")) or _FAILURE.search(text) or has_code(text)):
            return ()
        recipients = _likely_recipients(mail) or [""]
    bounces = []
    for recipient in recipients:
        reply = _reply_about(recipient, mail.explanation, recipients if len(recipients) > 1 else ())
        stage = _stage_of(reply, recipient, mail) or _find_stage(
            _passage_about(recipient, mail.explanation, recipients)
        )
        bounces.append(rejection(recipient, reply, stage=stage))
    return tuple(bounces)


def _reply_about(recipient: str, text: str, others: Iterable[str] = ()) -> str:
    """Return the server's words about a recipient: a rejection if there is one, else the most meaningful passage."""
    text = text[:_MAX_TEXT]
    others = [other for other in others if other != recipient]
    about = _passage_about(recipient, text, others)
    passages = [about] if others else [about, text]
    rejections = [found for passage in passages if (found := _find_rejection(_QUOTED_COMMAND.sub("\n", passage)))]
    for each in rejections:
        if find_phrase(each) or find_status(each):
            return each
    if others and rejections:  # the rest of the text may be about another recipient
        return rejections[0]
    paragraphs = [paragraph for passage in passages for paragraph in re.split(r"\n[ \t]*\n", passage)]
    known = (paragraph for paragraph in paragraphs if find_phrase(paragraph))
    return next(known, rejections[0] if rejections else about)


def _passage_about(recipient: str, text: str, others: Iterable[str]) -> str:
    """Return the lines from the recipient's own to the next one's; the whole text if it does not name the recipient."""
    lines = text[:_MAX_TEXT].split("\n")
    start = next((n for n, line in enumerate(lines) if recipient and recipient in line), None)
    if start is None:
        return text[:_MAX_TEXT]
    others = [other for other in others if other and other != recipient]
    end = next((n for n in range(start + 1, len(lines)) if any(other in lines[n] for other in others)), len(lines))
    return "\n".join(lines[start:end])


def _stage_of(reply: str, recipient: str, mail: ReturnedMail) -> SmtpStage | None:
    """Return the step that a reply answers. What it says of our address answers MAIL FROM, even if it comes later."""
    returned = (mail.returned.get(name, "") for name in ("from", "return-path"))
    ours = find_addresses(" ".join((mail.fields.get("to", ""), *returned)))
    is_reply = _REJECTION.match(reply) is not None  # and not the whole text
    return SmtpStage.MAIL if is_reply and answers_sender(reply, ours, recipient) else _find_stage(reply)


def _find_stage(text: str) -> SmtpStage | None:
    """Return the step of the SMTP session that a text says was refused, or None.

    A session that went on to the recipient, of which all commands are quoted, was not refused before.
    """
    stages = []
    for found in _STAGE.finditer(text):
        name = found.lastgroup or ""
        stages.append(_STAGES[(found[name].split()[0] if name in _LISTS_COMMANDS else name).upper()])
    late = (stage for stage in stages if not stage.is_before_recipient)
    return next(late, stages[0] if stages else None)


def _failed_recipients(mail: ReturnedMail) -> list[str]:
    """Return the recipients that a known format lists as failed, each once."""
    by_exim = mail.fields.get("x-failed-recipients", "").split(",")  # and by Google
    by_sendmail: list[str] = _SENDMAIL.findall(mail.explanation)
    by_opensmtpd: list[str] = _OPENSMTPD.findall(mail.explanation) if _OPENSMTPD_HEAD in mail.explanation else []
    for listed in (by_exim, by_sendmail, by_opensmtpd):
        addresses = list(filter(None, dict.fromkeys(map(extract_address, listed))))
        if addresses:
            return addresses
    # flufl.bounce knows the formats of forty mail systems.
    content = b"\n".join(line[:_FLUFL_MAX_LINE] for line in mail.raw[:_FLUFL_MAX_BYTES].split(b"\n"))
    lowered = content.lower()
    if lowered.count(b"multipart/") + lowered.count(b"message/") > _FLUFL_MAX_NESTED:
        return []
    try:
        message = message_from_bytes(content)
        if not extract_address(str(message.get("from", ""))):  # one of its parsers fails on an empty From
            del message["from"]
            message["From"] = "mailer-daemon@localhost"
        names = all_failures(message)[1]
    except Exception:  # noqa: BLE001 its seventeen parsers read untrusted mail; whatever they raise, no format is known
        return []
    found = {extract_address(name.decode("ascii", "replace")) for name in names}
    known = sorted(address for address in found if address and address in mail.explanation)
    text = mail.explanation
    # Some formats list several recipients, of which flufl.bounce finds the first.
    listed = [a for a in dict.fromkeys(extract_address(found[1] or found[2]) for found in _LISTED.finditer(text)) if a]
    listed = [a for a in listed if a not in _not_recipients(mail)]
    return listed if len(listed) > 1 and set(known) <= set(listed) else known


def _likely_recipients(mail: ReturnedMail) -> list[str]:
    """Return the addresses the text is likely about: those we wrote to, or else any but our own and the author's."""
    not_theirs = _not_recipients(mail)
    written_to = [a for a in find_addresses(mail.returned.get("to", "")) if a not in not_theirs]
    mentioned = [a for a in find_addresses(mail.explanation) if a not in not_theirs]
    return [a for a in mentioned if a in written_to] or mentioned[:1] or written_to[:1]


def _not_recipients(mail: ReturnedMail) -> set[str]:
    return {mail.author, *find_addresses(mail.fields.get("to", ""))}


def _find_rejection(text: str) -> str:
    """Return the first rejection in a text with its continuation lines, or ""."""
    found = _REJECTION.search(text)
    if found is None:
        return ""
    # A status without a code may follow the words: "no such mailbox. (#5.1.1)".
    start = found.start() if found[1] else text.rfind("\n", 0, found.start()) + 1
    first, *rest = text[start : start + 4 * MAX_REPLY].split("\n")
    lines = [first]
    for line in rest:
        after = _AFTER_REJECTION.match(line)
        if after and (after[1] is None or after[1] != found[1]):
            break
        lines.append(line)
    return "\n".join(lines)
