"""Feedback reports (RFC 5965): what mailbox providers send when a reader presses "this is spam"."""

from digest.models import Bounce, BounceKind
from digest.transport.bounces.addresses import bare
from digest.transport.bounces.parts import Mail, fields

TYPE = "message/feedback-report"

# "opt-out" (in use before RFC 5965 left it out) is somebody who wants no more mail: they are served as one who
# complained is. A report that forgets its type is a complaint, too: nobody reports praise. Not "not-spam" (they want
# the mail after all), nor "virus" (a filter's word, not a reader's), nor "auth-failure" and "dmarc" (RFC 6591), which
# are about our own keys.
_COMPLAINTS = {"abuse", "fraud", "complaint", "opt-out", "opt-out-list", ""}
_MICROSOFT = "x-hmxmroriginalrecipient"  # its reports have no report, only the mail, with this in the mail's header


def read(mail: Mail) -> tuple[Bounce, ...]:
    """What a feedback report says, as one bounce; empty if the mail is none."""
    report = next((fields(part.text.strip()) for part in mail.of_type(TYPE)), None)
    microsofts = bare(mail.returned.get(_MICROSOFT, ""))
    if report is None and not microsofts:
        return ()
    report = report or {}
    recipients = [report.get("original-rcpt-to", ""), microsofts, report.get("removal-recipient", "")]
    recipients.append(mail.returned.get("to", ""))
    complains = report.get("feedback-type", "").strip().lower() in _COMPLAINTS
    return (
        Bounce(
            kind=BounceKind.COMPLAINT if complains else BounceKind.OTHER,
            recipient=next((found for value in recipients if (found := bare(value))), ""),
        ),
    )
