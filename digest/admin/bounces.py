"""Reading what came back when an admin asks for it, and not at the next beat."""

from collections.abc import Callable
from datetime import datetime

from digest.pipeline.bounces import BounceReport
from digest.store import Store, audit


def poll(store: Store, read: Callable[[], BounceReport], *, by: str, now: datetime) -> BounceReport:
    """Deal with what has arrived in the mailbox, which `read` does. Raises TransportError where it cannot be read."""
    report = read()
    with store.write() as tx:
        audit.record(tx, by, "bounce", f"{report.read} read, {len(report.suppressed)} suppressed", now=now)
    return report
