"""Sending held and released, and what becomes of mails that were not sent, or perhaps were."""

from collections.abc import Sequence
from datetime import datetime

from digest.store import Transaction, audit, outbox

_MOST_NAMED = 20  # deliveries, in a line of the log


def hold(tx: Transaction, reason: str, *, by: str, now: datetime) -> None:
    """From now on nothing is begun, by any process. A hold that is there already stays as it is."""
    if outbox.find_hold(tx) is None:
        outbox.hold(tx, reason, now=now)
        audit.record(tx, by, "outbox hold", reason, now=now)


def release(tx: Transaction, *, by: str, now: datetime) -> bool:
    """Let sending go on. Whether there was a hold."""
    if not outbox.end_hold(tx):
        return False
    audit.record(tx, by, "outbox release", now=now)
    return True


def retry(tx: Transaction, ids: Sequence[int], *, by: str, now: datetime) -> list[int]:
    """Make deferred and failed deliveries, of these or (without any) of all, due now. The ids that were."""
    queued = outbox.retry(tx, ids, now=now)
    _record(tx, by, "outbox retry", queued, now)
    return queued


def resolve(tx: Transaction, ids: Sequence[int], *, arrived: bool, by: str, now: datetime) -> list[int]:
    """Settle deliveries in doubt: they arrived, or are sent again. The ids that were in doubt."""
    settled = outbox.resolve(tx, ids, arrived=arrived, now=now)
    _record(tx, by, f"outbox resolve --{'arrived' if arrived else 'again'}", settled, now)
    return settled


def _record(tx: Transaction, by: str, what: str, ids: Sequence[int], now: datetime) -> None:
    if ids:
        more = f" and {len(ids) - _MOST_NAMED} more" if len(ids) > _MOST_NAMED else ""
        audit.record(tx, by, what, f"{', '.join(map(str, ids[:_MOST_NAMED]))}{more}", now=now)
