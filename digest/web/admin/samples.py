"""What several of the desk's pages are tried on when the program begins."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from digest.models import (
    Delivery,
    DeliveryState,
    Digest,
    DigestItem,
    MailKind,
    Paper,
    Submission,
    SubmissionState,
    Subscriber,
)

AT = datetime(2026, 6, 3, 7, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")
READER = Subscriber(id=1, email="reader@digest.invalid")

A_DIGEST = Digest(
    subscriber=READER,
    slot_at=AT,
    created_at=AT,
    dated_on=date(2026, 6, 3),
    message_id="…@digest.invalid",
    items=(DigestItem(paper=Paper(id="arxiv:2606.00001", title="…"), profile="…", score=1.0, evidence=()),),
)


def a_delivery(state: DeliveryState) -> Delivery:
    """The delivery of a digest."""
    return Delivery(
        id=1,
        kind=MailKind.DIGEST,
        subscriber=READER,
        message_id=A_DIGEST.message_id,
        state=state,
        attempts=1,
        queued_at=AT,
        next_at=AT,
        reply="…",
        digest=A_DIGEST,
    )


def a_submission(state: SubmissionState) -> Submission:
    """A paper that a reader proposed."""
    return Submission(id=1, url="https://digest.invalid/paper", state=state, submitted_at=AT, origin="page")
