"""Publish: select the papers for every subscriber who is due, and store each selection as a digest.

selection.py decides which papers; this module decides which subscribers are due, and writes the result. Nothing is
rendered or sent here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from digest.models import Digest, MailKind, Subscriber
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.pipeline.selection import PaperSelector, SelectionSettings
from digest.security.links import TOKEN_LIFETIMES, Scope
from digest.store import Store, digests, subscribers
from digest.subscribers.schedule import catches_up, next_slot, resumed, slot_due

_BATCH = 1000  # subscribers whose digests are selected and committed together


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishReport:
    """What one run did."""

    digests: int = 0  # queued for delivery
    empty: int = 0  # due, but nothing to send
    empty_reasons: tuple[tuple[str, str], ...] = ()  # (subscriber's address, reason)
    invalid_rules: tuple[tuple[str, str], ...] = ()  # (owner, first error), left out of this run


def publish(
    store: Store,
    compiled_profiles: CompiledProfiles,
    settings: SelectionSettings,
    *,
    now: datetime,
    everyone: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> PublishReport:
    """Store one digest for each active subscriber who is due at `now`; with `everyone`, for each active subscriber.

    Also ends expired pauses and deletes subscribers who never confirmed. Safe to repeat and to run in several processes
    at once: the store keeps one digest per subscriber and slot.
    """
    end_expired_pauses(store, now=now)
    delete_unconfirmed(store, compiled_profiles, now=now)
    report = PublishReport()
    # After a pause a digest looks back thirty days. A selector of its own saves matching all others over thirty days.
    selector, catch_up = (PaperSelector(compiled_profiles, settings, now=now) for _ in range(2))
    for active in _active_subscribers(store):
        slots = [(s, slot_due(s.schedule, s.last_slot_at, now) or (now if everyone else None)) for s in active]
        due = [(s, slot_at) for s, slot_at in slots if slot_at is not None]
        if not due:
            continue
        # Selection only reads, and can take seconds. A separate, short write keeps the database free for the web pages.
        with store.read() as tx:
            selected = selector.select(tx, [(s, slot_at) for s, slot_at in due if not catches_up(s)])
            selected += catch_up.select(tx, [(s, slot_at) for s, slot_at in due if catches_up(s)])
        with store.write() as tx:
            queued = digests.freeze(tx, selected, now=now)
        empty = tuple((d.subscriber.email, d.empty_reason) for d in selected if not d.items)
        report = replace(
            report,
            digests=report.digests + queued,
            empty=report.empty + len(empty),
            empty_reasons=report.empty_reasons + empty,
        )
        progress(len(due))
    return replace(report, invalid_rules=tuple((selector.invalid_rules | catch_up.invalid_rules).items()))


def publish_welcome(
    store: Store,
    compiled_profiles: CompiledProfiles,
    subscriber: Subscriber,
    settings: SelectionSettings,
    *,
    now: datetime,
) -> Digest:
    """Queue the first digest of a subscriber who has just confirmed, from the papers of the last days.

    It is sent even without papers, to say that they are subscribed. Subscribers confirmed by an admin get none.
    """
    selector = PaperSelector(compiled_profiles, settings.for_welcome, now=now)
    with store.read() as tx:
        selected = selector.select(tx, [(subscriber, now)])
    with store.write() as tx:
        digests.freeze(tx, selected, kind=MailKind.WELCOME, now=now)
    return selected[0]


def next_publish_at(store: Store, *, now: datetime) -> datetime | None:
    """Return when the next active subscriber is due, or None if there is none."""
    slots = (next_slot(s.schedule, now) for active in _active_subscribers(store) for s in active)
    return min((slot for slot in slots if slot is not None), default=None)


def end_expired_pauses(store: Store, *, now: datetime) -> None:
    """Reactivate the subscribers whose pause ended before `now`."""
    with store.read() as tx:
        if not subscribers.list_ended_pauses(tx, now=now):
            return
    with store.write() as tx:
        for subscriber in subscribers.list_ended_pauses(tx, now=now):
            subscribers.save(tx, resumed(subscriber, now))


def delete_unconfirmed(store: Store, compiled_profiles: CompiledProfiles, *, now: datetime) -> None:
    """Delete subscribers whose confirmation link has expired. The consent log keeps the request under a pseudonym."""
    before = now - TOKEN_LIFETIMES[Scope.CONFIRM]
    with store.read() as tx:
        if not subscribers.list_unconfirmed(tx, before=before):
            return
    with store.write() as tx:
        subscribers.remove_all(tx, subscribers.list_unconfirmed(tx, before=before))
    compiled_profiles.discard_snapshot()
    store.erase_deleted_rows()


def _active_subscribers(store: Store) -> Iterator[list[Subscriber]]:
    last_id = 0
    while True:
        with store.read() as tx:
            batch = subscribers.list_active(tx, after_id=last_id, limit=_BATCH)
        if not batch:
            return
        yield batch
        last_id = batch[-1].id
