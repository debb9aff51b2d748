"""The second stage: decide, for every subscriber whose hour has come, which papers they get, and write that down.

Candidates are the papers first seen by us since the subscriber's last digest, with an overlap for papers that were
committed late, less what their recent digests already hold. Nothing is rendered and nobody is mailed here.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from digest.matching import Index, Matches, choose, trending
from digest.models import Digest, MailKind, Match, Paper, Profile, Subscriber
from digest.schedule import next_slot, slot_due
from digest.store import Store, Transaction, digests, papers, profiles, subscribers

# A paper is stamped before its transaction commits: one that was stamped before a digest may appear behind it.
OVERLAP = timedelta(days=2)

_CHUNK = 1000  # subscribers whose digests are decided and committed together


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """What deciding depends on besides papers and people."""

    first_digest_days: int  # how far back a new subscriber's first digest looks
    welcome_days: int  # the same for the welcome
    trending: int  # how many popular papers to show besides
    domain: str  # the right side of every Message-ID

    @property
    def of_welcome(self) -> Self:
        """The same for a welcome."""
        return replace(self, first_digest_days=self.welcome_days)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishReport:
    """How many digests were queued, how many came out empty, and for whom and why."""

    digests: int = 0
    empty: int = 0
    reasons: tuple[tuple[str, str], ...] = ()  # (address, why there is no mail)


def publish(
    store: Store,
    publishing: Publishing,
    *,
    now: datetime,
    everyone: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> PublishReport:
    """Freeze a digest for each active subscriber who is due at `now`; with `everyone`, for each active subscriber.

    Safe to repeat and to run twice at once: the store keeps one digest for each subscriber and slot.
    """
    report = PublishReport()
    for due in _due(store, now=now, everyone=everyone):
        with store.read() as tx:
            decided = decide(tx, due, publishing, now=now)
        with store.write() as tx:
            queued = digests.freeze(tx, decided, now=now)
        empty = tuple((d.subscriber.email, d.empty_reason) for d in decided if not d.items)
        report = replace(
            report,
            digests=report.digests + queued,
            empty=report.empty + len(empty),
            reasons=report.reasons + empty,
        )
        progress(len(due))
    return report


def welcome(store: Store, subscriber: Subscriber, publishing: Publishing, *, now: datetime) -> Digest:
    """Queue the first digest of somebody who has just confirmed by themselves: at once, from the last days.

    It goes out also where no paper matches, to say that they are in. An admin's word (`--confirmed`) welcomes nobody.
    """
    with store.read() as tx:
        decided = decide(tx, [(subscriber, now)], publishing.of_welcome, now=now)
    with store.write() as tx:
        digests.freeze(tx, decided, kind=MailKind.WELCOME, now=now)
    return decided[0]


def next_publish_at(store: Store, *, now: datetime) -> datetime | None:
    """When the next subscriber's hour comes, or None if there is nobody to wait for."""
    coming = (next_slot(s.schedule, now) for people in _active(store) for s in people)
    return min((slot for slot in coming if slot is not None), default=None)


def decide(
    tx: Transaction, due: Sequence[tuple[Subscriber, datetime]], publishing: Publishing, *, now: datetime
) -> list[Digest]:
    """What each of these (subscriber, slot) pairs would get at `now`. Reads only."""
    since = {s.id: _since(s, publishing, now) for s, _ in due}
    new = papers.list_first_seen(tx, after=min(since.values(), default=now), until=now)
    wanted = profiles.list_wanted_by(tx, list(since))
    held = digests.list_held(tx, list(since), after=min(since.values(), default=now))
    search = _Search(wanted, new)
    return [
        _decide_one(s, slot_at, search, since=since[s.id], held=held[s.id], publishing=publishing, now=now)
        for s, slot_at in due
    ]


class _Search:
    """Every profile that somebody in a chunk wants, matched against the new papers at once."""

    def __init__(self, wanted: Mapping[int, Sequence[Profile]], new: Sequence[Paper]) -> None:
        distinct = {p.id: p for some in wanted.values() for p in some}
        self.papers = new
        self.wanted = wanted
        self._row = {profile_id: row for row, profile_id in enumerate(distinct)}
        self._matches: Matches = Index(list(distinct.values())).match(new)

    def matches(self, profile: Profile) -> list[Match]:
        return self._matches.for_profile(self._row[profile.id])

    def excluded(self, profile: Profile) -> set[str]:
        return {self.papers[row].id for row in self._matches.excluded(self._row[profile.id])}


def _decide_one(
    subscriber: Subscriber,
    slot_at: datetime,
    search: _Search,
    *,
    since: datetime,
    held: set[str],
    publishing: Publishing,
    now: datetime,
) -> Digest:
    wanted = search.wanted[subscriber.id]
    news = {p.id for p in search.papers if p.first_seen_at is not None and p.first_seen_at > since}
    muted = set().union(*(search.excluded(p) for p in wanted if p.owner_id is not None))
    found = [[m for m in search.matches(p) if m.paper.id in news] for p in wanted]
    choice = choose(found, already=held, muted=muted, limit=subscriber.max_papers)
    known = held | muted | {item.paper.id for item in choice.items}
    fresh = (p for p in search.papers if p.id in news and p.id not in known)
    return Digest(
        subscriber=subscriber,
        slot_at=slot_at,
        created_at=now,
        dated_on=now.astimezone(ZoneInfo(subscriber.schedule.timezone)).date(),
        message_id=message_id("digest", subscriber, slot_at, publishing.domain),
        items=choice.items,
        more=tuple(paper.id for paper in choice.more),
        trending=trending(fresh, limit=publishing.trending) if choice.items else (),
        empty_reason="" if choice.items else _why_empty(subscriber, wanted, search.papers, found, held),
    )


def message_id(kind: str, subscriber: Subscriber, at: datetime, domain: str) -> str:
    """The same mail always has the same Message-ID, without angle brackets."""
    told_apart_by = f"{kind}\0{subscriber.id}\0{subscriber.email}\0{at.isoformat()}"
    return f"{at:%Y%m%d%H%M%S}.{hashlib.sha256(told_apart_by.encode()).hexdigest()[:20]}@{domain}"


def _since(subscriber: Subscriber, publishing: Publishing, now: datetime) -> datetime:
    if subscriber.last_digest_at is None:
        return now - timedelta(days=publishing.first_digest_days)
    return subscriber.last_digest_at - OVERLAP


def _why_empty(
    subscriber: Subscriber,
    wanted: Sequence[Profile],
    candidates: Sequence[Paper],
    found: Sequence[Sequence[Match]],
    held: set[str],
) -> str:
    if not wanted:
        return "follows no profile and has no keywords"
    if any(match.paper.id not in held for matches in found for match in matches):
        return "every match is muted"
    # The overlap was looked through last time already.
    seen_until = subscriber.last_digest_at
    fresh = sum(1 for p in candidates if seen_until is None or (p.first_seen_at or seen_until) > seen_until)
    return f"no keyword matched any of {fresh} new papers" if fresh else "no new papers"


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
