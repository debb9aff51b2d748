"""Which papers a subscriber gets: read from the store, decided, and not yet written down.

Candidates are the papers first seen by us since the subscriber's last digest, with an overlap for papers that were
committed late, less what their recent digests already hold and what was announced in a way that they do not want.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from digest.matching import Matches, Search, choose, trending
from digest.models import EVERY_TYPE, AnnounceType, Digest, Match, Paper, Profile, Subscriber, message_id
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.store import Transaction, digests, papers, profiles
from digest.subscribers.pauses import CATCH_UP, catches_up

# A paper is stamped before its transaction commits: one that was stamped before a digest may appear behind it.
OVERLAP = timedelta(days=2)

# A rule's rarity is taken over the papers of this time.
_BACKGROUND = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionSettings:
    """What deciding depends on besides papers and people."""

    first_digest_days: int  # how far back a new subscriber's first digest looks
    welcome_days: int  # the same for the welcome
    trending: int  # how many popular papers to show besides
    domain: str  # the right side of every Message-ID

    @property
    def for_welcome(self) -> Self:
        """The same for a welcome."""
        return replace(self, first_digest_days=self.welcome_days)


def search_since(tx: Transaction, after: datetime, *, until: datetime) -> Search:
    """The papers first seen in (after, until]; rarity is taken over the thirty days before `until`."""
    begin = until - _BACKGROUND
    new = papers.list_first_seen(tx, after=after, until=until)
    older = papers.list_first_seen(tx, after=begin, until=after)
    recent = sum(1 for paper in new if paper.first_seen_at is not None and paper.first_seen_at <= begin)
    return Search(new, older, recent=recent)


class PaperSelector:
    """Decides digests. Reads the papers of a time once, for however many subscribers are asked about."""

    def __init__(
        self, compiled_profiles: CompiledProfiles, selection_settings: SelectionSettings, *, now: datetime
    ) -> None:
        self._compiled_profiles = compiled_profiles
        self._settings = selection_settings
        self._now = now
        self._after = now
        self._search = Search([])
        self.invalid_rules: dict[str, str] = {}  # whose rules cannot be read, and why

    def select(self, tx: Transaction, due: Sequence[tuple[Subscriber, datetime]]) -> list[Digest]:
        """What each of these (subscriber, slot) pairs would get now. Reads only."""
        selection_settings, now = self._settings, self._now
        since = {s.id: candidates_since(s, selection_settings, now) for s, _ in due}
        after = min(since.values(), default=now)
        wanted = profiles.find_by_subscribers(tx, list(since))
        found = _Found(self._reaching_back_to(tx, after), self._compiled_profiles, wanted)
        self.invalid_rules |= {
            _whose(p, s): found.unreadable[p.id].reason
            for s, _ in due
            for p in wanted[s.id]
            if p.id in found.unreadable
        }
        held = digests.known_paper_ids(tx, list(since), after=after)
        return [
            _decide_one(
                s, slot_at, found, since=since[s.id], held=held[s.id], selection_settings=selection_settings, now=now
            )
            for s, slot_at in due
        ]

    def _reaching_back_to(self, tx: Transaction, after: datetime) -> Search:
        if after < self._after:
            self._search = search_since(tx, after, until=self._now)
            self._after = after
        return self._search


class _Found:
    """What every profile that somebody in a chunk wants finds in the new papers."""

    def __init__(
        self, search: Search, compiled_profiles: CompiledProfiles, wanted: Mapping[int, Sequence[Profile]]
    ) -> None:
        self.wanted = wanted
        self._papers = search.papers
        self._matches: dict[int, tuple[Matches, int]] = {}
        self._scored: dict[int, list[Match]] = {}
        self._explained: dict[tuple[int, str], Match] = {}
        self._new: dict[datetime, _News] = {}
        compiled = compiled_profiles.compile(list({p.id: p for some in wanted.values() for p in some}.values()))
        self.unreadable = compiled.errors
        for part in compiled.parts:
            matches = search.matches(part.index.subset(part.rows))
            self._matches |= {profile.id: (matches, row) for row, profile in enumerate(part.profiles)}

    def new(self, since: datetime) -> "_News":
        """The papers first seen after that. Many had their last digest at the same time: made once."""
        if since not in self._new:
            self._new[since] = _News(self._papers, since)
        return self._new[since]

    def matches(self, profile: Profile) -> list[Match]:
        """Best first, without evidence. Many follow the same profile: made once."""
        if profile.id not in self._scored:
            found = self._matches.get(profile.id)
            self._scored[profile.id] = [] if found is None else found[0].without_evidence(found[1], profile)
        return self._scored[profile.id]

    def explained(self, chosen: Sequence[Match]) -> list[Match]:
        """Matches with their evidence. A profile's rules are gone through once for all of its matches."""
        unknown: dict[int, list[Match]] = {}
        for match in chosen:
            if (match.profile.id, match.paper.id) not in self._explained:
                unknown.setdefault(match.profile.id, []).append(match)
        for profile_id, some in unknown.items():
            matches, row = self._matches[profile_id]
            self._explained |= {(profile_id, match.paper.id): match for match in matches.with_evidence(row, some)}
        return [self._explained[match.profile.id, match.paper.id] for match in chosen]

    def excluded(self, profile: Profile) -> set[str]:
        """The ids of the papers that a profile keeps out."""
        if profile.id not in self._matches:
            return set()
        matches, row = self._matches[profile.id]
        return {self._papers[column].id for column in matches.excluded_papers(row)}


class _News:
    """The papers first seen after a moment."""

    def __init__(self, papers: Sequence[Paper], since: datetime) -> None:
        self.papers = [p for p in papers if p.first_seen_at is not None and p.first_seen_at > since]
        self.popular = [p for p in self.papers if p.upvotes or p.stars]
        self._ids = {p.id for p in self.papers}
        self._others: dict[frozenset[AnnounceType], set[str]] = {EVERY_TYPE: set()}
        self._all = len(self.papers) == len(papers)

    def among(self, matches: Sequence[Match]) -> Sequence[Match]:
        """Those matches that are of these papers."""
        return matches if self._all else [match for match in matches if match.paper.id in self._ids]

    def not_of(self, types: frozenset[AnnounceType]) -> set[str]:
        """The ids of those that were announced otherwise. Most readers want every type, the others one of few sets."""
        if types not in self._others:
            self._others[types] = {p.id for p in self.papers if p.announce_type not in types}
        return self._others[types]


def _whose(profile: Profile, subscriber: Subscriber) -> str:
    return f"profile {profile.name!r}" if profile.owner_id is None else f"the keywords of {subscriber.email}"


def _decide_one(
    subscriber: Subscriber,
    slot_at: datetime,
    found_by: _Found,
    *,
    since: datetime,
    held: set[str],
    selection_settings: SelectionSettings,
    now: datetime,
) -> Digest:
    wanted = found_by.wanted[subscriber.id]
    new = found_by.new(since)
    muted = set().union(*(found_by.excluded(p) for p in wanted if p.owner_id is not None))
    left_out = muted | new.not_of(subscriber.announce_types)
    found = [new.among(found_by.matches(p)) for p in wanted]
    choice = choose(found, already=held, muted=left_out, limit=subscriber.max_papers, explain=found_by.explained)
    known = held | left_out | {item.paper.id for item in choice.items}
    popular = (p for p in new.popular if p.id not in known)
    shows_trending = bool(choice.items) and subscriber.wants_trending
    return Digest(
        subscriber=subscriber,
        slot_at=slot_at,
        created_at=now,
        dated_on=now.astimezone(ZoneInfo(subscriber.schedule.timezone)).date(),
        message_id=message_id("digest", subscriber, slot_at, selection_settings.domain),
        items=choice.items,
        more=tuple(paper.id for paper in choice.more),
        trending=trending(popular, limit=selection_settings.trending) if shows_trending else (),
        empty_reason="" if choice.items else _why_empty(subscriber, wanted, new.papers, found, held=held, muted=muted),
    )


def candidates_since(subscriber: Subscriber, selection_settings: SelectionSettings, now: datetime) -> datetime:
    """Papers first seen after this are candidates for a subscriber's digest that is decided at `now`."""
    if subscriber.last_digest_at is None:
        return now - timedelta(days=selection_settings.first_digest_days)
    since = subscriber.last_digest_at - OVERLAP
    return max(since, now - CATCH_UP) if catches_up(subscriber) else since


def _why_empty(
    subscriber: Subscriber,
    wanted: Sequence[Profile],
    candidates: Sequence[Paper],
    found: Sequence[Sequence[Match]],
    *,
    held: set[str],
    muted: set[str],
) -> str:
    if not wanted:
        return "follows no profile and has no keywords"
    left_out = {match.paper.id for matches in found for match in matches} - held
    if left_out:
        other_type = "of an announce type that they do not want"
        reasons = [why for why, some in (("muted", left_out & muted), (other_type, left_out - muted)) if some]
        return f"every match is {' or '.join(reasons)}"
    # The overlap was looked through last time already.
    seen_until = subscriber.last_digest_at
    fresh = sum(1 for p in candidates if seen_until is None or (p.first_seen_at or seen_until) > seen_until)
    return f"no keyword matched any of {fresh} new papers" if fresh else "no new papers"
