"""Actions of admins on subscribers and suppressions. The consent log records what subscribers do themselves."""

from collections.abc import Generator, Iterable, Iterator
from datetime import datetime

from digest.models import CompiledRules, Subscriber, SubscriberState, Suppression, SuppressionReason
from digest.store import Store, Transaction, audit, profiles, subscribers
from digest.subscribers import importing
from digest.subscribers.fields import CsvRow
from digest.subscribers.importing import RowOutcome
from digest.subscribers.membership import Membership, reason_not_to_ask
from digest.subscribers.schedule import paused, rescheduled, resumed


def add(
    tx: Transaction, membership: Membership, new: Subscriber, own: CompiledRules | None, *, by: str, now: datetime
) -> Subscriber:
    """Add a subscriber, with their own keywords or none. Raises what `Membership.add` raises."""
    added = membership.add(tx, new, origin=by, now=now)
    if own is not None:
        profiles.set_personal(tx, added.id, own, now=now)
    _record(tx, by, "subscriber add", added, now)
    return added


def import_rows(
    tx: Transaction, membership: Membership, rows: Iterable[CsvRow], *, by: str, now: datetime
) -> Iterator[RowOutcome]:
    """Add subscribers. Yields each row's outcome once it is written; the line of the log is written at the end."""
    count = 0
    for outcome in importing.import_rows(tx, membership, rows, origin=f"import by {by}", now=now):
        count += outcome.fate.is_new
        yield outcome
    audit.record(tx, by, "subscriber import", f"{count} new", now=now)


def import_rows_in_batches(
    store: Store, membership: Membership, rows: Iterable[CsvRow], *, by: str, now: datetime
) -> Generator[list[RowOutcome]]:
    """Add subscribers with a transaction for each thousand rows, so that others can write in between.

    The log gets a line at the beginning and one at the end, also if the caller stops half way.
    """
    with store.write() as tx:
        audit.record(tx, by, "subscriber import", "begun", now=now)
    count = 0
    try:
        for some in importing.import_rows_in_batches(store, membership, rows, origin=f"import by {by}", now=now):
            count += sum(outcome.fate.is_new for outcome in some)
            yield some
    finally:
        with store.write() as tx:
            audit.record(tx, by, "subscriber import", f"{count} new", now=now)


def edit(tx: Transaction, changed: Subscriber, own: CompiledRules | None, *, by: str, now: datetime) -> Subscriber:
    """Save a changed subscriber, and their own keywords if `own` is not None."""
    stored = subscribers.save(tx, rescheduled(subscribers.get_by_id(tx, changed.id), changed, now))
    if own is not None:
        profiles.set_personal(tx, changed.id, own, now=now)
    _record(tx, by, "subscriber edit", changed, now)
    return stored


def pause(tx: Transaction, subscriber: Subscriber, until: datetime | None, *, by: str, now: datetime) -> Subscriber:
    """Pause a subscriber until then, or until resumed. Raises UsageError."""
    stored = subscribers.save(tx, paused(subscriber, until))
    _record(tx, by, "subscriber pause", subscriber, now)
    return stored


def resume(tx: Transaction, subscriber: Subscriber, *, by: str, now: datetime) -> Subscriber:
    """End a subscriber's pause. Raises UsageError."""
    stored = subscribers.save(tx, resumed(subscriber, now))
    _record(tx, by, "subscriber resume", subscriber, now)
    return stored


def confirm_by_admin(
    tx: Transaction, membership: Membership, subscriber: Subscriber, *, by: str, now: datetime
) -> None:
    """Record that a subscriber has agreed. Raises what `Membership.confirm_by_admin` raises."""
    membership.confirm_by_admin(tx, subscriber, origin=by, now=now)
    _record(tx, by, "subscriber confirm", subscriber, now)


def request_confirmation(
    tx: Transaction, membership: Membership, subscriber: Subscriber, *, by: str, now: datetime
) -> None:
    """Queue a confirmation mail again. Raises what `Membership.request_confirmation` raises."""
    membership.request_confirmation(tx, subscriber, origin=by, now=now)
    _record(tx, by, "subscriber ask", subscriber, now)


def unsubscribe(tx: Transaction, membership: Membership, subscriber: Subscriber, *, by: str, now: datetime) -> None:
    """Unsubscribe someone at their own request."""
    membership.unsubscribe(tx, subscriber, origin=by, now=now)
    _record(tx, by, "subscriber unsubscribe", subscriber, now)


def remove(tx: Transaction, membership: Membership, subscriber: Subscriber, *, by: str, now: datetime) -> None:
    """Remove a subscriber. Call `App.forget_deleted` afterwards."""
    membership.remove(tx, subscriber, origin=by, now=now)
    _record(tx, by, "subscriber remove", subscriber, now)


def erase(tx: Transaction, membership: Membership, email: str, *, by: str, now: datetime) -> None:
    """Erase a subscriber at their own request. Call `App.forget_deleted` afterwards. Raises NotFoundError."""
    known = membership.find_known(tx, email)
    membership.erase(tx, email, origin=by, now=now)
    subject = f"subscriber {known.id}" if known is not None else membership.pseudonyms.of(email)
    audit.record(tx, by, "subscriber erase", subject, now=now)


def suppress(
    tx: Transaction, membership: Membership, email: str, evidence: str, *, by: str, now: datetime
) -> Suppression:
    """Suppress an address, of a subscriber or not, and return its suppression."""
    suppression = membership.suppress(tx, email, SuppressionReason.ADMIN, evidence, now=now)
    audit.record(tx, by, "suppression add", suppression.pseudonym, now=now)
    return suppression


def lift(tx: Transaction, membership: Membership, email: str, *, by: str, now: datetime) -> Suppression | None:
    """Lift the suppression by an admin. Return the one that is left, or None. Raises UsageError if there is none."""
    suppression = membership.lift(tx, email, now=now)
    audit.record(tx, by, "suppression lift", membership.pseudonyms.of(email), now=now)
    return suppression


def possible_actions(
    tx: Transaction, membership: Membership, subscriber: Subscriber, *, now: datetime
) -> frozenset[str]:
    """Return the actions that would change something for a subscriber now, by the names that the pages use."""
    suppression = membership.find_suppression(tx, subscriber.email)
    may_be_asked = subscriber.state is SubscriberState.PENDING if suppression is None else suppression.reason.is_bounce
    asked_today = bool(reason_not_to_ask(subscriber.email, membership.last_asked_at(tx, subscriber.email), now=now))
    by_admin = suppression is not None and suppression.reason is SuppressionReason.ADMIN
    can = {
        "pause": subscriber.state.is_subscribed,
        "resume": subscriber.state is SubscriberState.PAUSED,
        "vouch": suppression is None and subscriber.state is SubscriberState.PENDING,
        "ask": may_be_asked and not asked_today,
        "unsubscribe": subscriber.state is not SubscriberState.UNSUBSCRIBED,
        "suppress": not by_admin,
        "lift": by_admin,
    }
    return frozenset({"remove", "erase", *(what for what, possible in can.items() if possible)})


def _record(tx: Transaction, by: str, what: str, subscriber: Subscriber, now: datetime) -> None:
    audit.record(tx, by, what, f"subscriber {subscriber.id}", now=now)
