"""Subscribers, as admins see to them. What they do themselves is in the consent log."""

from collections.abc import Generator, Iterable, Iterator
from datetime import datetime

from digest.models import CompiledRules, Subscriber, SubscriberState, Suppression, SuppressionReason
from digest.store import Store, Transaction, audit, profiles, subscribers
from digest.subscribers import importing
from digest.subscribers.fields import CsvRow
from digest.subscribers.importing import RowOutcome
from digest.subscribers.membership import Membership, reason_not_to_ask
from digest.subscribers.pauses import paused, resumed


def add(
    tx: Transaction, membership: Membership, new: Subscriber, own: CompiledRules | None, *, by: str, now: datetime
) -> Subscriber:
    """Add somebody, with keywords of their own or none. Raises what `Membership.add` does."""
    added = membership.add(tx, new, origin=by, now=now)
    if own is not None:
        profiles.set_personal(tx, added.id, own, now=now)
    _record(tx, by, "subscriber add", added, now)
    return added


def import_rows(
    tx: Transaction, membership: Membership, rows: Iterable[CsvRow], *, by: str, now: datetime
) -> Iterator[RowOutcome]:
    """Add many. Each row's outcome, once it is written down; the log's line is written when the last one is."""
    count = 0
    for outcome in importing.import_rows(tx, membership, rows, origin=f"import by {by}", now=now):
        count += outcome.fate.is_new
        yield outcome
    audit.record(tx, by, "subscriber import", f"{count} new", now=now)


def import_rows_in_batches(
    store: Store, membership: Membership, rows: Iterable[CsvRow], *, by: str, now: datetime
) -> Generator[list[RowOutcome]]:
    """The same beside pages on which others write: a transaction every few hundred rows, not one of many seconds.

    The log has a line as it begins and one as it ends; half way, too, where whoever asks for the outcomes stops.
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
    """Write back somebody who was changed with `dataclasses.replace`; other keywords where they are not None."""
    stored = subscribers.save(tx, changed)
    if own is not None:
        profiles.set_personal(tx, changed.id, own, now=now)
    _record(tx, by, "subscriber edit", changed, now)
    return stored


def pause(tx: Transaction, subscriber: Subscriber, until: datetime | None, *, by: str, now: datetime) -> Subscriber:
    """Send somebody no digests until then, or until somebody says so. Raises UsageError."""
    stored = subscribers.save(tx, paused(subscriber, until))
    _record(tx, by, "subscriber pause", subscriber, now)
    return stored


def resume(tx: Transaction, subscriber: Subscriber, *, by: str, now: datetime) -> Subscriber:
    """Send somebody digests again. Raises UsageError."""
    stored = subscribers.save(tx, resumed(subscriber, now))
    _record(tx, by, "subscriber resume", subscriber, now)
    return stored


def confirm_by_admin(
    tx: Transaction, membership: Membership, subscriber: Subscriber, *, by: str, now: datetime
) -> None:
    """Somebody has agreed already. Raises what `Membership.confirm_by_admin` does."""
    membership.confirm_by_admin(tx, subscriber, origin=by, now=now)
    _record(tx, by, "subscriber confirm", subscriber, now)


def request_confirmation(
    tx: Transaction, membership: Membership, subscriber: Subscriber, *, by: str, now: datetime
) -> None:
    """Queue the mail again that asks. Raises what `Membership.request_confirmation` does."""
    membership.request_confirmation(tx, subscriber, origin=by, now=now)
    _record(tx, by, "subscriber ask", subscriber, now)


def unsubscribe(tx: Transaction, membership: Membership, subscriber: Subscriber, *, by: str, now: datetime) -> None:
    """Take somebody off the list at their word."""
    membership.unsubscribe(tx, subscriber, origin=by, now=now)
    _record(tx, by, "subscriber unsubscribe", subscriber, now)


def remove(tx: Transaction, membership: Membership, subscriber: Subscriber, *, by: str, now: datetime) -> None:
    """Remove a subscriber. Call `Store.erase_deleted_rows` afterwards."""
    membership.remove(tx, subscriber, origin=by, now=now)
    _record(tx, by, "subscriber remove", subscriber, now)


def erase(tx: Transaction, membership: Membership, email: str, *, by: str, now: datetime) -> None:
    """Erase a subscriber at their own request. Call `Store.erase_deleted_rows` afterwards. Raises NotFoundError."""
    known = membership.find_known(tx, email)
    membership.erase(tx, email, origin=by, now=now)
    subject = _numbered(known) if known is not None else membership.pseudonyms.of(email)
    audit.record(tx, by, "subscriber erase", subject, now=now)


def suppress(
    tx: Transaction, membership: Membership, email: str, evidence: str, *, by: str, now: datetime
) -> Suppression:
    """Never mail an address, subscriber or not. What stands now."""
    stands = membership.suppress(tx, email, SuppressionReason.ADMIN, evidence, now=now)
    audit.record(tx, by, "suppression add", stands.pseudonym, now=now)
    return stands


def lift(tx: Transaction, membership: Membership, email: str, *, by: str, now: datetime) -> Suppression | None:
    """Take that back. What stands then, or None. Raises UsageError where no admin barred the address."""
    stands = membership.lift(tx, email, now=now)
    audit.record(tx, by, "suppression lift", membership.pseudonyms.of(email), now=now)
    return stands


def possible_actions(tx: Transaction, membership: Membership, whom: Subscriber, *, now: datetime) -> frozenset[str]:
    """Which of the functions above would do something with somebody as they are now, by name."""
    stands = membership.find_suppression(tx, whom.email)
    may_be_asked = whom.state is SubscriberState.PENDING if stands is None else stands.reason.is_bounce
    asked_today = bool(reason_not_to_ask(whom.email, membership.last_asked_at(tx, whom.email), now=now))
    is_barred_here = stands is not None and stands.reason is SuppressionReason.ADMIN
    can = {
        "pause": whom.state.is_subscribed,
        "resume": whom.state is SubscriberState.PAUSED,
        "vouch": stands is None and whom.state is SubscriberState.PENDING,
        "ask": may_be_asked and not asked_today,
        "unsubscribe": whom.state is not SubscriberState.UNSUBSCRIBED,
        "suppress": not is_barred_here,
        "lift": is_barred_here,
    }
    return frozenset({"remove", "erase", *(what for what, possible in can.items() if possible)})


def _record(tx: Transaction, by: str, what: str, whom: Subscriber, now: datetime) -> None:
    audit.record(tx, by, what, _numbered(whom), now=now)


def _numbered(whom: Subscriber) -> str:
    return f"subscriber {whom.id}"
