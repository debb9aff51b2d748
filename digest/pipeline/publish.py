"""The second stage: decide, for every subscriber whose hour has come, which papers they get, and write that down.

selector.py says what is decided. Nothing is rendered and nobody is mailed here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from digest.models import Digest, MailKind, Subscriber
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.pipeline.selection import PaperSelector, SelectionSettings
from digest.security.links import TOKEN_LIFETIMES, Scope
from digest.store import Store, digests, subscribers
from digest.subscribers.pauses import catches_up, resumed
from digest.subscribers.schedule import next_slot, slot_due

_CHUNK = 1000  # subscribers whose digests are decided and committed together


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishReport:
    """How many digests were queued, how many came out empty, and for whom and why."""

    digests: int = 0
    empty: int = 0
    empty_reasons: tuple[tuple[str, str], ...] = ()  # (address, why there is no mail)
    invalid_rules: tuple[tuple[str, str], ...] = ()  # (whose rules, why they cannot be read)


def publish(
    store: Store,
    compiled_profiles: CompiledProfiles,
    selection_settings: SelectionSettings,
    *,
    now: datetime,
    everyone: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> PublishReport:
    """Freeze a digest for each active subscriber who is due at `now`; with `everyone`, for each active subscriber.

    Whose pause is over is active again, and who has not said yes in time is forgotten. Safe to repeat and to run twice
    at once: the store keeps one digest for each subscriber and slot.
    """
    _end_pauses(store, now=now)
    _forget_unanswered(store, now=now)
    report = PublishReport()
    selector, catching_up = (PaperSelector(compiled_profiles, selection_settings, now=now) for _ in range(2))
    for due in _due(store, now=now, everyone=everyone):
        late = [(s, slot_at) for s, slot_at in due if catches_up(s)]  # the others are not matched over thirty days
        with store.read() as tx:
            decided = selector.select(tx, [(s, slot_at) for s, slot_at in due if not catches_up(s)] if late else due)
            decided += catching_up.select(tx, late) if late else []
        with store.write() as tx:
            queued = digests.freeze(tx, decided, now=now)
        empty = tuple((d.subscriber.email, d.empty_reason) for d in decided if not d.items)
        report = replace(
            report,
            digests=report.digests + queued,
            empty=report.empty + len(empty),
            empty_reasons=report.empty_reasons + empty,
        )
        progress(len(due))
    return replace(report, invalid_rules=tuple((selector.invalid_rules | catching_up.invalid_rules).items()))


def publish_welcome(
    store: Store,
    compiled_profiles: CompiledProfiles,
    subscriber: Subscriber,
    selection_settings: SelectionSettings,
    *,
    now: datetime,
) -> Digest:
    """Queue the first digest of somebody who has just confirmed by themselves: at once, from the last days.

    It goes out also where no paper matches, to say that they are in. An admin's word (`--confirmed`) welcomes nobody.
    """
    with store.read() as tx:
        decided = PaperSelector(compiled_profiles, selection_settings.for_welcome, now=now).select(
            tx, [(subscriber, now)]
        )
    with store.write() as tx:
        digests.freeze(tx, decided, kind=MailKind.WELCOME, now=now)
    return decided[0]


def next_publish_at(store: Store, *, now: datetime) -> datetime | None:
    """When the next active subscriber's hour comes, or None if there is nobody to wait for."""
    coming = (next_slot(s.schedule, now) for people in _active(store) for s in people)
    return min((slot for slot in coming if slot is not None), default=None)


def _end_pauses(store: Store, *, now: datetime) -> None:
    with store.read() as tx:
        if not subscribers.list_ended_pauses(tx, now=now):
            return
    with store.write() as tx:
        for subscriber in subscribers.list_ended_pauses(tx, now=now):
            subscribers.save(tx, resumed(subscriber, now))


def _forget_unanswered(store: Store, *, now: datetime) -> None:
    """Whoever was asked whether they want the digest, and whose link expired without a yes, is no subscriber.

    When they were asked stays in the consent log, under their pseudonym.
    """
    before = now - TOKEN_LIFETIMES[Scope.CONFIRM]
    with store.read() as tx:
        if not subscribers.list_unconfirmed(tx, before=before):
            return
    with store.write() as tx:
        for email in subscribers.list_unconfirmed(tx, before=before):
            subscribers.remove(tx, email)
    store.erase_deleted_rows()


def _due(store: Store, *, now: datetime, everyone: bool) -> Iterator[list[tuple[Subscriber, datetime]]]:
    for people in _active(store):
        slots = [(s, slot_due(s.schedule, s.last_slot_at, now) or (now if everyone else None)) for s in people]
        due = [(s, slot_at) for s, slot_at in slots if slot_at is not None]
        if due:
            yield due


def _active(store: Store) -> Iterator[list[Subscriber]]:
    last_id = 0
    while True:
        with store.read() as tx:
            people = subscribers.list_active(tx, after_id=last_id, limit=_CHUNK)
        if not people:
            return
        yield people
        last_id = people[-1].id
