"""What a server's refusal means, and when a mail that it deferred is tried again. Pure.

RFC 5321, 4.5.4.1: wait at least half an hour after the first failures on average, give up after four to five days.
Greylisting wants the second attempt later than five minutes (RFC 6647, 4.6), so none comes sooner.
"""

import re
from datetime import datetime, timedelta

from digest.models import Bounce, BounceKind
from digest.transport.bounces import classify

_REFUSAL = re.compile(r"(5\d\d)(?:[ -](5\.\d{1,3}\.\d{1,3}))?(?:[ -].*)?")
_COMPLAINT = re.compile(r"^421\b|\b4\.7\.28\b")
_OF_THE_MAILBOX = {"550", "551", "553"}  # RFC 5321, 4.2.3; 552 and 554 are said of the mail

_FULL = re.compile(r"45[02][ -](?:4\.2\.\d{1,3}\b|(?!4\.))")

GAVE_UP = "gave up after five days: "
FIRST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=4)
KEPT_FOR = timedelta(days=5)


def is_rate_complaint(reply: str) -> bool:
    """Whether a server says that it gets too much: 421, it closes the connection, or 4.7.28, it counts our mails."""
    return _COMPLAINT.search(reply) is not None


def is_policy_refusal(reply: str) -> bool:
    """Whether a server's reply refuses us, and not this mail: an enhanced status of 5.7 (RFC 3463, 3.8)."""
    refusal = _REFUSAL.fullmatch(reply)
    return refusal is not None and (refusal[2] or "").startswith("5.7.")


def bounce_from_reply(reply: str) -> Bounce | None:
    """What a final refusal says of the address; None where it is about us or the mail, or is no refusal at all.

    A mailbox that was full for all the days that a mail is kept counts as well (4.2.z, RFC 3463, 3.3).
    """
    if reply.startswith(GAVE_UP):
        said = reply.removeprefix(GAVE_UP)
        return Bounce(kind=BounceKind.SOFT, reply=said) if _FULL.match(said) else None
    refusal = _REFUSAL.fullmatch(reply)
    if refusal is None or is_policy_refusal(reply):
        return None
    code, status = refusal[1], refusal[2] or ""
    kind = classify(status, reply)
    if kind is not BounceKind.HARD and code not in _OF_THE_MAILBOX:
        return None
    return Bounce(kind=kind, status=status, reply=reply)


def retry_at(attempts: int, *, queued_at: datetime, now: datetime, jitter: float) -> datetime | None:
    """When to try again after `attempts` (at least 1) deferred ones; None once the mail is too old.

    The wait doubles with each attempt. `jitter` in [0, 1) lengthens it by up to a half, so that mails that were
    deferred together do not come back together.
    """
    if now - queued_at >= KEPT_FOR:
        return None
    doublings = min(attempts - 1, 10)
    wait = min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)
    return now + wait * (1 + jitter / 2)
