"""What the rules of a profile would have found in the last days: for who edits it, with every key. Changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile

from digest.errors import RuleError
from digest.mail.context import Segment
from digest.mail.encoding import SafeText
from digest.matching.backtest import RuleStats
from digest.matching.paper_collection import Comparison, Findings
from digest.models import DigestItem, Profile
from digest.pipeline.recent_papers import RecentPapers
from digest.web.admin.profiles.chart import Chart, ChartDay, chart
from digest.web.forms.keywords import Mistake, Piece, marked, read_lines, readable
from digest.web.papers import PaperCards, ShownPaper

FULL = 25  # papers: more than most readers' digests hold

_FEW = 10  # papers a day
_BEST = 10  # papers that are shown
_CHANGED = 5  # of those that come, and of those that go
_RULES = 100  # that are shown
_EXCERPT = 220  # characters
_LEAD = 70  # of these, before what matched


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRule:
    """How a rule did, and the line to write instead, "" where there is no better one.

    Raises ValueError for a line without a suggestion.
    """

    record: RuleStats
    instead: str = ""

    def __post_init__(self) -> None:
        if self.instead and self.record.suggestion is None:
            raise ValueError("a line to write instead comes from a suggestion")

    @property
    def percent(self) -> float:
        """Of all papers, those that it is true of."""
        return round(self.record.share * 100, 1)

    @property
    def is_poor(self) -> bool:
        """Whether it does nothing, or is true of too many."""
        return self.record.floods or not self.record.papers


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPaper:
    """A paper in a few lines, with what matched marked."""

    path: str  # of its own page, without what stands before the path of every page
    title: tuple[Segment, ...]
    excerpt: tuple[Segment, ...]  # of its abstract, around the first match


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Papers that come or go when the rules are saved: how many, and the first few."""

    count: int
    papers: tuple[FoundPaper, ...]

    @property
    def more(self) -> int:
        """How many are not shown."""
        return self.count - len(self.papers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What some rules would have found; lines that cannot be read are left out."""

    text: str = ""
    mistakes: tuple[Mistake, ...] = ()
    marked: tuple[Piece, ...] = ()  # the text with its mistakes, if it has any
    wanted: bool = False  # there are rules that ask for papers
    compared: bool = False  # with what is saved
    count: int = 0
    of: int = 0  # papers that there were
    days: int = 0  # that had papers
    a_day: float = 0  # on one of these days; of few with one decimal
    before: float = 0  # the same by the rules that are saved
    chart: Chart | None = None
    rules: tuple[JudgedRule, ...] = ()  # of very many those that could be better
    unlisted: int = 0  # the others of these
    papers: tuple[FoundPaper, ...] = ()
    added: Changed = field(default_factory=lambda: Changed(count=0, papers=()))
    removed: Changed = field(default_factory=lambda: Changed(count=0, papers=()))

    @property
    def more(self) -> int:
        """How many papers are not shown."""
        return self.count - len(self.papers)

    @property
    def floods(self) -> bool:
        """Whether there are more papers a day than a digest holds."""
        return self.a_day > FULL


@dataclass(frozen=True, slots=True)
class Trying:
    """Tries rules on the papers of the last thirty days."""

    recent_papers: RecentPapers
    cards: PaperCards

    def tried(self, text: str, saved: Profile | None, *, now: datetime) -> Trial:
        """What a text would find, beside what the saved one finds, if there is one. Raises StoreError."""
        rules, keywords = read_lines(text)
        mistaken = Trial(text=text, mistakes=keywords.mistakes, marked=marked(keywords) if rules is None else ())
        if rules is None:
            rules, _ = read_lines(readable(keywords))
        if rules is None or not rules.has_positive_rules:
            return mistaken
        tried = Profile(name="tried", rules=rules.text)
        before = saved or tried
        try:
            change = self.recent_papers.compare(before, tried, now=now, limit=_BEST)
        except RuleError:  # the saved rules', which an older version could read
            saved, before = None, tried
            change = self.recent_papers.compare(before, tried, now=now, limit=_BEST)
        records = self.recent_papers.rule_stats(tried, now=now)
        return self._trial(mistaken, change, records, compared=saved is not None)

    def used(self, text: str, line: int, *, now: datetime) -> str:
        """The text with what is suggested for a line in its place; the same where nothing is. Raises StoreError."""
        instead = {rule.record.line: rule.instead for rule in self.tried(text, None, now=now).rules if rule.instead}
        lines = text.split("\n")
        return "\n".join(instead[line] if at == line and line in instead else old for at, old in enumerate(lines, 1))

    def _trial(self, asked: Trial, change: Comparison, records: Sequence[RuleStats], *, compared: bool) -> Trial:
        days = _days(change)
        there = sum(day.of > 0 for day in days)
        rules = [_judged(record, asked.text) for record in records]
        listed = rules if len(rules) <= _RULES else [rule for rule in rules if rule.is_poor][:_RULES]
        return Trial(
            text=asked.text,
            mistakes=asked.mistakes,
            marked=asked.marked,
            wanted=True,
            compared=compared,
            count=change.after.count,
            of=sum(day.of for day in days),
            days=there,
            a_day=rate(change.after.count / max(there, 1)),
            before=rate(change.before.count / max(there, 1)),
            chart=chart(days, compared=compared, full=FULL) if days else None,
            rules=tuple(listed),
            unlisted=len(rules) - len(listed),
            papers=self._shown(change.after.items),
            added=self._changed(change.added),
            removed=self._changed(change.removed),
        )

    def _changed(self, found: Findings) -> Changed:
        return Changed(count=found.count, papers=self._shown(found.items[:_CHANGED]))

    def _shown(self, items: Sequence[DigestItem]) -> tuple[FoundPaper, ...]:
        return tuple(_found(self.cards.show(item.paper, item.evidence)) for item in items)


def rate(a_day: float) -> float:
    """Papers a day as they are told: each line that is added should show, so of few with one decimal."""
    return round(a_day, 1) if a_day < _FEW else round(a_day)


def _days(change: Comparison) -> list[ChartDay]:
    before, after = change.before.days, change.after.days
    return [ChartDay(on=on, papers=papers, before=before[on][0], of=of) for on, (papers, of) in after.items()]


def _found(shown: ShownPaper) -> FoundPaper:
    return FoundPaper(path=shown.path, title=shown.card.title, excerpt=_excerpt(shown.card.abstract))


def _excerpt(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Some words around the first that is marked, or else the first ones."""
    text = "".join(segment.text for segment in segments)
    ahead = list(takewhile(lambda segment: not segment.hit, segments))
    first = sum(len(segment.text) for segment in ahead) if len(ahead) < len(segments) else 0
    begin = text.rfind(" ", 0, first - _LEAD) + 1 if first > _LEAD else 0
    found: list[Segment] = [Segment(SafeText("… "), hit=False)] if begin else []
    at = 0
    for segment in segments:
        part = segment.text[max(begin - at, 0) : max(begin + _EXCERPT - at, 0)]
        found += [Segment(SafeText(part), segment.hit)] if part else []
        at += len(segment.text)
    return (*found, Segment(SafeText("…"), hit=False)) if at > begin + _EXCERPT else tuple(found)


def _judged(record: RuleStats, text: str) -> JudgedRule:
    """The line keeps its weight and its comment."""
    if record.suggestion is None:
        return JudgedRule(record=record)
    line = text.split("\n")[record.line - 1]
    return JudgedRule(record=record, instead=line.replace(record.rule, record.suggestion.rule, 1))
