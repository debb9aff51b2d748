"""What a mail server's rejection means, and when a deferred mail is tried again.

RFC 5321, 4.5.4.1: retry after at least half an hour on average, and give up after four to five days. Greylisting
servers want the second attempt after more than five minutes (RFC 6647, 4.6), so none comes sooner.
"""

import re
from datetime import datetime, timedelta

from digest.models import Bounce, BounceKind
from digest.transport.bounces import classify

_PERMANENT = re.compile(r"(5\d\d)(?:[ -](5\.\d{1,3}\.\d{1,3}))?(?:[ -].*)?")
_SLOW_DOWN = re.compile(r"^421\b|\b4\.7\.28\b")
_MAILBOX_FULL = re.compile(r"45[02][ -](?:4\.2\.\d{1,3}\b|(?!4\.))")
_MAILBOX_CODES = {"550", "551", "553"}  # RFC 5321, 4.2.3: about the mailbox; 552 and 554 are about the mail

GAVE_UP = "gave up after five days: "
_FIRST_DELAY = timedelta(minutes=5)
_MAX_DELAY = timedelta(hours=4)
_GIVE_UP_AFTER = timedelta(days=5)


def asks_to_slow_down(reply: str) -> bool:
    """Whether a reply says that we send too much: 421 (it closes the connection) or status 4.7.28 (too many mails)."""
    return _SLOW_DOWN.search(reply) is not None


def is_policy_rejection(reply: str) -> bool:
    """Whether a reply rejects us rather than this mail: an enhanced status of 5.7 (RFC 3463, 3.8)."""
    rejection = _PERMANENT.fullmatch(reply)
    return rejection is not None and (rejection[2] or "").startswith("5.7.")


def bounce_from_reply(reply: str) -> Bounce | None:
    """Return what a permanent rejection says about the address, or None if it is about us or the mail.

    A mailbox that was full for five days counts as a soft bounce (4.2.z, RFC 3463, 3.3).
    """
    if reply.startswith(GAVE_UP):
        last_reply = reply.removeprefix(GAVE_UP)
        return Bounce(kind=BounceKind.SOFT, reply=last_reply) if _MAILBOX_FULL.match(last_reply) else None
    rejection = _PERMANENT.fullmatch(reply)
    if rejection is None or is_policy_rejection(reply):
        return None
    code, status = rejection[1], rejection[2] or ""
    kind = classify(status, reply)
    if kind is not BounceKind.HARD and code not in _MAILBOX_CODES:
        return None
    return Bounce(kind=kind, status=status, reply=reply)


def retry_at(attempts: int, *, queued_at: datetime, now: datetime, jitter: float) -> datetime | None:
    """Return when to try again after `attempts` (at least 1) deferred attempts, or None once the mail is too old.

    The delay doubles with each attempt. `jitter` in [0, 1) lengthens it by up to a half, so that mails that were
    deferred together do not come back together.
    """
    if now - queued_at >= _GIVE_UP_AFTER:
        return None
    delay = min(_FIRST_DELAY * (1 << min(attempts - 1, 10)), _MAX_DELAY)
    return now + delay * (1 + jitter / 2)
