"""Selects the papers that a subscriber gets. Only reads the store.

Candidates are the papers ingested since the subscriber's last digest, with an overlap for papers that were committed
late, but none older than what the first digest looked at. Papers in recent digests are left out, and papers of an
announce type that the subscriber does not want.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self

from digest.matching import MAX_STEPS, Matches, Search, choose, trending
from digest.models import CLOCK_SKEW, EVERY_TYPE, AnnounceType, Digest, Match, Paper, Profile, Subscriber, message_id
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.store import Transaction, digests, papers, profiles
from digest.subscribers.schedule import CATCH_UP, catches_up, past

# A paper gets its time before its transaction commits: one from before a digest may become visible only after it.
OVERLAP = timedelta(days=2)

# Of one profile: more than rules may cost when they are saved, so that they are still matched with more papers.
_MAX_STEPS = 4 * MAX_STEPS

_BACKGROUND = timedelta(days=30)  # how rare a rule is, is measured on the papers of this period
_NEVER = datetime.max.replace(tzinfo=UTC)
_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)  # for a paper without a time


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
    return _search(new, papers.list_first_seen(tx, after=begin, until=after), begin)


def _search(new: Sequence[Paper], older: Sequence[Paper], begin: datetime) -> Search:
    """Return a search over the papers of `new`, oldest first; rarity is measured on those first seen after `begin`."""
    recent = sum(1 for paper in new if paper.first_seen_at is not None and paper.first_seen_at <= begin)
    return Search(new, older, recent=recent, max_steps=_MAX_STEPS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which papers a digest looks at: those ingested after the last digest, and those first seen in (since, until].

    Papers are numbered in the order of ingest, so that none is lost where a clock was wrong.
    """

    above: int | None  # the number of the last paper that the last digest looked at; None for a first digest
    since: datetime
    until: datetime = _NEVER
    oldest: datetime | None = None  # nothing older, whatever its number

    @property
    def read_since(self) -> datetime:
        """The papers first seen after this time must be read."""
        return self.oldest or self.since

    def contains(self, paper: Paper) -> bool:
        """Return True if a digest with this window looks at the paper."""
        seen_at = paper.first_seen_at or _UNKNOWN
        if self.oldest is not None and seen_at <= self.oldest:
            return False
        return self.since < seen_at <= self.until or (self.above is not None and paper.number > self.above)


def window_of(subscriber: Subscriber, settings: SelectionSettings, now: datetime) -> Window:
    """Return the window of a subscriber's next digest, if it is decided at `now`."""
    last_digest_at, begin = past(subscriber.last_digest_at, now), subscriber.papers_from
    knows_papers = subscriber.papers_to is not None and (begin is None or past(begin, now) is not None)
    if subscriber.last_digest_at is None or (last_digest_at is None and not knows_papers):
        return Window(above=None, since=first_digest_since(subscriber, settings, now))
    oldest = now - CATCH_UP if catches_up(subscriber) else None
    since = now if last_digest_at is None else last_digest_at - OVERLAP
    if begin is not None:  # what the first digest did not look at is never news
        since = max(since, begin)
    if subscriber.papers_to is None:  # it was decided by an older version, which knew only times
        return Window(above=None, since=since, oldest=oldest)
    return Window(above=subscriber.papers_to, since=since, until=now + CLOCK_SKEW, oldest=oldest)


def first_digest_since(subscriber: Subscriber, settings: SelectionSettings, now: datetime) -> datetime:
    """Return the time after which the papers of a first digest were seen.

    It looks back to when the subscriber confirmed, if that is earlier than configured: what came since is news to a
    subscriber who waited for the day of a weekly digest.
    """
    confirmed_at = past(subscriber.confirmed_at, now) or now
    return max(now - CATCH_UP, min(confirmed_at, now - timedelta(days=settings.first_digest_days)))


class PaperSelector:
    """Selects digests. Reads the papers of a period once, for any number of subscribers."""

    def __init__(self, compiled_profiles: CompiledProfiles, settings: SelectionSettings, *, now: datetime) -> None:
        self._compiled_profiles = compiled_profiles
        self._settings = settings
        self._now = now
        self._papers = _PapersRead(Search([]), above=None, since=None, last=0)
        self.invalid_rules: dict[str, str] = {}  # owner -> first error

    def prepare(self, tx: Transaction, people: Sequence[Subscriber]) -> None:
        """Read the papers that the digests of these subscribers look at, unless they were read before."""
        if people:
            self._read(tx, [window_of(subscriber, self._settings, self._now) for subscriber in people])

    def _read(self, tx: Transaction, windows: Sequence[Window]) -> None:
        read = self._papers
        # What is limited by `oldest` is read by that time, or the papers of a pause of a year would be read.
        numbers = [window.above for window in windows if window.above is not None and window.oldest is None]
        above = min([*numbers, *([] if read.above is None else [read.above])], default=None)
        since = min(window.read_since for window in windows)
        since = since if read.since is None else min(since, read.since)
        if (above, since) != (read.above, read.since):
            self._papers = _PapersRead.read(tx, above=above, since=since, now=self._now)

    def select(self, tx: Transaction, due: Sequence[tuple[Subscriber, datetime]]) -> list[Digest]:
        """Return the digest of each (subscriber, slot) pair, to be stored by the caller."""
        if not due:
            return []
        people = [subscriber for subscriber, _ in due]
        windows = {s.id: window_of(s, self._settings, self._now) for s in people}
        self._read(tx, list(windows.values()))
        followed = profiles.find_by_subscribers(tx, list(windows))
        batch = _BatchMatches(self._papers.search, self._compiled_profiles, followed)
        # Before a first digest there are none, unless a clock was wrong.
        earliest = min(_UNKNOWN if window.above is None else window.read_since for window in windows.values())
        known = digests.known_paper_ids(tx, list(windows), after=earliest)
        for subscriber in people:
            for profile in followed[subscriber.id]:
                if profile.id in batch.errors:
                    shared = f"profile {profile.name!r}"
                    owner = shared if profile.owner_id is None else f"the keywords of {subscriber.email}"
                    self.invalid_rules[owner] = batch.errors[profile.id].reason
        return [self._select_one(s, slot_at, batch, window=windows[s.id], known=known[s.id]) for s, slot_at in due]

    def _select_one(
        self, subscriber: Subscriber, slot_at: datetime, batch: "_BatchMatches", *, window: Window, known: set[str]
    ) -> Digest:
        followed = batch.followed[subscriber.id]
        candidates = batch.candidates(window)
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
            dated_on=self._now.astimezone(subscriber.schedule.zone).date(),
            message_id=message_id("digest", subscriber, slot_at, self._settings.domain),
            items=choice.items,
            more=tuple(paper.id for paper in choice.more),
            trending=trending(popular, limit=self._settings.trending) if shows_trending else (),
            empty_reason=reason,
            papers_from=self._papers_from(subscriber, window),
            papers_to=self._papers.last,
        )

    def _papers_from(self, subscriber: Subscriber, window: Window) -> datetime | None:
        """Return the time before which no paper is news any more, if that changes: after a first digest.

        Also if the clock is behind: this digest seems to be older than its papers, so no overlap would find them in it.
        """
        newest = self._papers.search.papers[-1].first_seen_at if self._papers.search.papers else None
        if newest is not None and past(newest, self._now) is None:
            return newest
        return window.since if subscriber.last_digest_at is None else None


@dataclass(frozen=True, slots=True)
class _PapersRead:
    """The papers that were read: those with a number above `above`, and those first seen after `since`."""

    search: Search
    above: int | None  # None: none because of their numbers
    since: datetime | None  # None: nothing was read yet
    last: int  # the number of the last paper that was stored by then

    @classmethod
    def read(cls, tx: Transaction, *, above: int | None, since: datetime, now: datetime) -> Self:
        """Read papers to search, and the older ones of the last thirty days, on which rarity is measured."""
        begin = now - _BACKGROUND
        last = papers.last_number(tx)
        lowest = last if above is None else above
        new: list[Paper] = []
        older: list[Paper] = []
        for paper in papers.list_for_selection(tx, above=lowest, since=min(since, begin)):
            seen_at = paper.first_seen_at or _UNKNOWN
            if paper.number > lowest or seen_at > since:
                new.append(paper)
            elif begin < seen_at <= now:
                older.append(paper)
        return cls(_search(new, older, begin), above, since, last)


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
        self._candidates: dict[Window, _Candidates] = {}
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

    def candidates(self, window: Window) -> "_Candidates":
        """Return the papers in a window. Many subscribers had their last digest at the same time."""
        if window not in self._candidates:
            self._candidates[window] = _Candidates(self._papers, window)
        return self._candidates[window]

    def matches(self, profile: Profile) -> list[Match]:
        """Return the matches of a profile, best first, without evidence."""
        if profile.id not in self._without_evidence:
            found = self._matches.get(profile.id)
            self._without_evidence[profile.id] = [] if found is None else found[0].without_evidence(found[1], profile)
        return self._without_evidence[profile.id]

    def with_evidence(self, chosen: Sequence[Match]) -> list[Match]:
        """Return these matches with their evidence, which is found for all matches of a profile at once."""
        missing: dict[int, list[Match]] = {}
        for match in chosen:
            if (match.profile.id, match.paper.id) not in self._with_evidence:
                missing.setdefault(match.profile.id, []).append(match)
        for profile_id, some in missing.items():
            matches, row = self._matches[profile_id]
            self._with_evidence |= {(profile_id, match.paper.id): match for match in matches.with_evidence(row, some)}
        return [self._with_evidence[match.profile.id, match.paper.id] for match in chosen]

    def excluded_papers(self, profile: Profile) -> set[str]:
        """Return the ids of the papers that a profile's lines beginning with - exclude."""
        if profile.id not in self._matches:
            return set()
        matches, row = self._matches[profile.id]
        return {self._papers[column].id for column in matches.excluded_papers(row)}


class _Candidates:
    """The papers in a window."""

    def __init__(self, papers: Sequence[Paper], window: Window) -> None:
        self.papers = [paper for paper in papers if window.contains(paper)]
        self.popular = [p for p in self.papers if p.upvotes or p.stars]
        self._ids = {p.id for p in self.papers}
        self._not_of: dict[frozenset[AnnounceType], set[str]] = {EVERY_TYPE: set()}
        self._are_all = len(self.papers) == len(papers)

    def among(self, matches: Sequence[Match]) -> Sequence[Match]:
        """Return the matches of these papers."""
        return matches if self._are_all else [match for match in matches if match.paper.id in self._ids]

    def not_of(self, types: frozenset[AnnounceType]) -> set[str]:
        """Return the ids of the papers of other types. Subscribers choose among few sets, so results are kept."""
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
    """Return the reason for an empty digest. `matches` has one entry for each followed profile."""
    if not matches:
        return "follows no profile and has no keywords"
    left_out = {match.paper.id for some in matches for match in some} - known
    if left_out:
        other_type = "of a type that they do not want"
        reasons = [why for why, some in (("muted", left_out & muted), (other_type, left_out - muted)) if some]
        return f"every match is {' or '.join(reasons)}"
    # The overlap was searched for the last digest already.
    seen_until, papers_to = subscriber.last_digest_at, subscriber.papers_to
    if papers_to is not None:
        fresh = sum(1 for p in candidates if p.number > papers_to)
    else:
        fresh = sum(1 for p in candidates if seen_until is None or (p.first_seen_at or seen_until) > seen_until)
    return f"no keyword matched any of {fresh} new papers" if fresh else "no new papers"
