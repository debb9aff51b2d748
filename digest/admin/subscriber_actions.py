"""Subscribers, as admins see to them. What they do themselves is in the consent log."""

from collections.abc import Generator, Iterable, Iterator
from datetime import datetime

from digest.models import CompiledRules, Subscriber, SubscriberState, Suppression, SuppressionReason
from digest.store import Store, Transaction, audit, profiles, subscribers
from digest.subscribers import importing
from digest.subscribers.fields import Row
from digest.subscribers.importing import Outcome
from digest.subscribers.membership import Membership, why_not_asked
from digest.subscribers.pauses import paused, resumed


def enrol(
    tx: Transaction, membership: Membership, new: Subscriber, own: CompiledRules | None, *, by: str, now: datetime
) -> Subscriber:
    """Add somebody, with keywords of their own or none. Raises what `Membership.enrol` does."""
    added = membership.enrol(tx, new, origin=by, now=now)
    if own is not None:
        profiles.set_personal(tx, added.id, own, now=now)
    _record(tx, by, "subscriber add", added, now)
    return added


def enlist_all(
    tx: Transaction, membership: Membership, rows: Iterable[Row], *, by: str, now: datetime
) -> Iterator[Outcome]:
    """Add many. Each row's outcome, once it is written down; the log's line is written when the last one is."""
    count = 0
    for outcome in importing.enlist(tx, membership, rows, origin=f"import by {by}", now=now):
        count += outcome.fate.is_new
        yield outcome
    audit.record(tx, by, "subscriber import", f"{count} new", now=now)


def enlist_in_pieces(
    store: Store, membership: Membership, rows: Iterable[Row], *, by: str, now: datetime
) -> Generator[list[Outcome]]:
    """The same beside pages on which others write: a transaction every few hundred rows, not one of many seconds.

    The log has a line as it begins and one as it ends; half way, too, where whoever asks for the outcomes stops.
    """
    with store.write() as tx:
        audit.record(tx, by, "subscriber import", "begun", now=now)
    count = 0
    try:
        for some in importing.enlist_in_pieces(store, membership, rows, origin=f"import by {by}", now=now):
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


def vouch(tx: Transaction, membership: Membership, subscriber: Subscriber, *, by: str, now: datetime) -> None:
    """Somebody has agreed already. Raises what `Membership.vouch` does."""
    membership.vouch(tx, subscriber, origin=by, now=now)
    _record(tx, by, "subscriber confirm", subscriber, now)


def ask(tx: Transaction, membership: Membership, subscriber: Subscriber, *, by: str, now: datetime) -> None:
    """Queue the mail again that asks. Raises what `Membership.ask` does."""
    membership.ask(tx, subscriber, origin=by, now=now)
    _record(tx, by, "subscriber ask", subscriber, now)


def unsubscribe(tx: Transaction, membership: Membership, subscriber: Subscriber, *, by: str, now: datetime) -> None:
    """Take somebody off the list at their word."""
    membership.leave(tx, subscriber, origin=by, now=now)
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


def can_be_done(tx: Transaction, membership: Membership, whom: Subscriber, *, now: datetime) -> frozenset[str]:
    """Which of the functions above would do something with somebody as they are now, by name."""
    stands = membership.find_suppression(tx, whom.email)
    may_be_asked = whom.state is SubscriberState.PENDING if stands is None else stands.reason.is_bounce
    asked_today = bool(why_not_asked(whom.email, membership.last_asked_at(tx, whom.email), now=now))
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
