"""Selects the papers that a subscriber gets. Only reads the store.

Candidates are the papers first seen since the subscriber's last digest, with an overlap for papers that were committed
late. Papers in recent digests are left out, and papers of an announce type that the subscriber does not want.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from digest.matching import MAX_STEPS, Matches, Search, choose, trending
from digest.models import EVERY_TYPE, AnnounceType, Digest, Match, Paper, Profile, Subscriber, message_id
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.store import Transaction, digests, papers, profiles
from digest.subscribers.schedule import CATCH_UP, catches_up

# A paper gets its time before its transaction commits: one from before a digest may become visible only after it.
OVERLAP = timedelta(days=2)

# Of one profile: more than at the doors, so that saved rules go on to be matched as more papers come.
_MAX_STEPS = 4 * MAX_STEPS

_BACKGROUND = timedelta(days=30)  # how rare a rule is, is measured on the papers of this period


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionSettings:
    """The configuration of selection."""

    first_digest_days: int  # how far back a new subscriber's first digest looks
    welcome_days: int  # how far back a welcome looks
    trending: int  # how many popular papers a digest adds
    domain: str  # the right side of every Message-ID

    @property
    def for_welcome(self) -> Self:
        """The settings for a welcome, which looks further back."""
        return replace(self, first_digest_days=self.welcome_days)


def search_since(tx: Transaction, after: datetime, *, until: datetime) -> Search:
    """Return a search over the papers first seen in (after, until]; rarity is measured on the last thirty days."""
    begin = until - _BACKGROUND
    new = papers.list_first_seen(tx, after=after, until=until)
    older = papers.list_first_seen(tx, after=begin, until=after)
    recent = sum(1 for paper in new if paper.first_seen_at is not None and paper.first_seen_at <= begin)
    return Search(new, older, recent=recent, max_steps=_MAX_STEPS)


def candidates_since(subscriber: Subscriber, settings: SelectionSettings, now: datetime) -> datetime:
    """Return the time after which papers must be first seen to be candidates for a digest selected at `now`."""
    if subscriber.last_digest_at is None:
        return now - timedelta(days=settings.first_digest_days)
    since = subscriber.last_digest_at - OVERLAP
    return max(since, now - CATCH_UP) if catches_up(subscriber) else since


class PaperSelector:
    """Selects digests. Reads the papers of a period once, for any number of subscribers."""

    def __init__(self, compiled_profiles: CompiledProfiles, settings: SelectionSettings, *, now: datetime) -> None:
        self._compiled_profiles = compiled_profiles
        self._settings = settings
        self._now = now
        self._search = Search([])
        self._search_since = now
        self.invalid_rules: dict[str, str] = {}  # owner -> first error

    def select(self, tx: Transaction, due: Sequence[tuple[Subscriber, datetime]]) -> list[Digest]:
        """Return the digest of each (subscriber, slot) pair, to be stored by the caller."""
        if not due:
            return []
        since = {s.id: candidates_since(s, self._settings, self._now) for s, _ in due}
        earliest = min(since.values())
        if earliest < self._search_since:
            self._search = search_since(tx, earliest, until=self._now)
            self._search_since = earliest
        followed = profiles.find_by_subscribers(tx, list(since))
        batch = _BatchMatches(self._search, self._compiled_profiles, followed)
        known = digests.known_paper_ids(tx, list(since), after=earliest)
        for subscriber, _ in due:
            for profile in followed[subscriber.id]:
                if profile.id in batch.errors:
                    shared = f"profile {profile.name!r}"
                    owner = shared if profile.owner_id is None else f"the keywords of {subscriber.email}"
                    self.invalid_rules[owner] = batch.errors[profile.id].reason
        return [self._select_one(s, slot_at, batch, since=since[s.id], known=known[s.id]) for s, slot_at in due]

    def _select_one(
        self, subscriber: Subscriber, slot_at: datetime, batch: "_BatchMatches", *, since: datetime, known: set[str]
    ) -> Digest:
        followed = batch.followed[subscriber.id]
        candidates = batch.candidates(since)
        muted = set().union(*(batch.excluded_papers(p) for p in followed if p.owner_id is not None))
        left_out = muted | candidates.not_of(subscriber.announce_types)
        matches = [candidates.among(batch.matches(p)) for p in followed]
        choice = choose(
            matches, known=known, left_out=left_out, limit=subscriber.max_papers, explain=batch.with_evidence
        )
        shown = known | left_out | {item.paper.id for item in choice.items}
        popular = (p for p in candidates.popular if p.id not in shown)
        shows_trending = bool(choice.items) and subscriber.wants_trending
        reason = "" if choice.items else _why_empty(subscriber, candidates.papers, matches, known=known, muted=muted)
        return Digest(
            subscriber=subscriber,
            slot_at=slot_at,
            created_at=self._now,
            dated_on=self._now.astimezone(ZoneInfo(subscriber.schedule.timezone)).date(),
            message_id=message_id("digest", subscriber, slot_at, self._settings.domain),
            items=choice.items,
            more=tuple(paper.id for paper in choice.more),
            trending=trending(popular, limit=self._settings.trending) if shows_trending else (),
            empty_reason=reason,
        )


class _BatchMatches:
    """Matches of all profiles followed by one batch of subscribers. Each result is computed once and shared."""

    def __init__(
        self, search: Search, compiled_profiles: CompiledProfiles, followed: Mapping[int, Sequence[Profile]]
    ) -> None:
        self.followed = followed  # by subscriber id
        self._papers = search.papers
        self._matches: dict[int, tuple[Matches, int]] = {}  # profile id -> (matches, its row)
        self._without_evidence: dict[int, list[Match]] = {}
        self._with_evidence: dict[tuple[int, str], Match] = {}
        self._candidates: dict[datetime, _Candidates] = {}
        compiled = compiled_profiles.compile(list({p.id: p for some in followed.values() for p in some}.values()))
        self.errors = dict(compiled.errors)
        for part in compiled.parts:
            too_costly = search.leave_out_costly(part.index)
            matches = search.matches(part.index.subset(part.rows))
            for row, (row_in_index, profile) in enumerate(zip(part.rows.tolist(), part.profiles, strict=True)):
                if row_in_index in too_costly:
                    self.errors[profile.id] = too_costly[row_in_index]
                else:
                    self._matches[profile.id] = matches, row

    def candidates(self, since: datetime) -> "_Candidates":
        """The papers first seen after `since`. Many subscribers had their last digest at the same time."""
        if since not in self._candidates:
            self._candidates[since] = _Candidates(self._papers, since)
        return self._candidates[since]

    def matches(self, profile: Profile) -> list[Match]:
        """The matches of a profile, best first, without evidence."""
        if profile.id not in self._without_evidence:
            found = self._matches.get(profile.id)
            self._without_evidence[profile.id] = [] if found is None else found[0].without_evidence(found[1], profile)
        return self._without_evidence[profile.id]

    def with_evidence(self, chosen: Sequence[Match]) -> list[Match]:
        """These matches with their evidence, which is found for all matches of a profile at once."""
        missing: dict[int, list[Match]] = {}
        for match in chosen:
            if (match.profile.id, match.paper.id) not in self._with_evidence:
                missing.setdefault(match.profile.id, []).append(match)
        for profile_id, some in missing.items():
            matches, row = self._matches[profile_id]
            self._with_evidence |= {(profile_id, match.paper.id): match for match in matches.with_evidence(row, some)}
        return [self._with_evidence[match.profile.id, match.paper.id] for match in chosen]

    def excluded_papers(self, profile: Profile) -> set[str]:
        """The ids of the papers that a profile's lines beginning with - exclude."""
        if profile.id not in self._matches:
            return set()
        matches, row = self._matches[profile.id]
        return {self._papers[column].id for column in matches.excluded_papers(row)}


class _Candidates:
    """The papers first seen after a moment."""

    def __init__(self, papers: Sequence[Paper], since: datetime) -> None:
        self.papers = [p for p in papers if p.first_seen_at is not None and p.first_seen_at > since]
        self.popular = [p for p in self.papers if p.upvotes or p.stars]
        self._ids = {p.id for p in self.papers}
        self._not_of: dict[frozenset[AnnounceType], set[str]] = {EVERY_TYPE: set()}
        self._are_all = len(self.papers) == len(papers)

    def among(self, matches: Sequence[Match]) -> Sequence[Match]:
        """The matches of these papers."""
        return matches if self._are_all else [match for match in matches if match.paper.id in self._ids]

    def not_of(self, types: frozenset[AnnounceType]) -> set[str]:
        """The ids of the papers announced as another type. Subscribers choose among few sets, so results are kept."""
        if types not in self._not_of:
            self._not_of[types] = {p.id for p in self.papers if p.announce_type not in types}
        return self._not_of[types]


def _why_empty(
    subscriber: Subscriber,
    candidates: Sequence[Paper],
    matches: Sequence[Sequence[Match]],
    *,
    known: set[str],
    muted: set[str],
) -> str:
    """The reason for an empty digest. `matches` has one entry for each followed profile."""
    if not matches:
        return "follows no profile and has no keywords"
    left_out = {match.paper.id for some in matches for match in some} - known
    if left_out:
        other_type = "of a type that they do not want"
        reasons = [why for why, some in (("muted", left_out & muted), (other_type, left_out - muted)) if some]
        return f"every match is {' or '.join(reasons)}"
    # The overlap was searched for the last digest already.
    seen_until = subscriber.last_digest_at
    fresh = sum(1 for p in candidates if seen_until is None or (p.first_seen_at or seen_until) > seen_until)
    return f"no keyword matched any of {fresh} new papers" if fresh else "no new papers"
