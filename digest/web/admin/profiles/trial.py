"""What unsaved rules would have found in the last thirty days. The editor asks while they are typed.

It is shown with a chart of papers per day, in units that the page scales to its width.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import takewhile

from digest.errors import CostlyRuleError, RuleError
from digest.mail.context import Segment
from digest.mail.encoding import SafeText
from digest.matching.language.hints import Hint
from digest.matching.rule_stats import RuleStats
from digest.models import DigestItem, Profile
from digest.pipeline.recent_papers import RecentPapers
from digest.web.forms import Mistake, Piece, marked, read_lines, readable
from digest.web.papers import PaperCards

HEIGHT = 100.0  # of the chart, in units that the page scales to its width
STEP = 10  # from one day to the next
_GAP = 2  # between two bars
_MIN_HEIGHT = 1.0  # of a bar, so that a single paper can be seen

FULL = 25  # papers: the most that a digest holds by default
_FEW = 10  # papers a day
_MAX_SHOWN = 10  # papers
_MAX_CHANGED = 5  # papers that a change adds, and that it removes
_MAX_RULES = 100
_EXCERPT = 220  # characters
_LEAD = 70  # of these, before the first match


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartDay:
    """One day of the chart."""

    on: date
    papers: int
    before: int  # found by the saved rules
    of: int  # papers of that day


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """The bar of one day; `y` counts from the top."""

    x: float
    y: float
    width: float
    height: float
    day: ChartDay


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The chart, and its numbers. Raises ValueError if there are no days."""

    width: int
    height: float
    top: int  # papers at the full height
    bars: tuple[Bar, ...]
    line: str  # the points of the saved rules' line, or "" if it is the same
    mark: float | None  # the y of `full` papers; None if above the chart
    days: tuple[ChartDay, ...]

    def __post_init__(self) -> None:
        if not self.days:
            raise ValueError("a chart needs at least one day")

    @property
    def most(self) -> ChartDay:
        """The first day with the most papers."""
        return max(self.days, key=lambda day: day.papers)


def chart(days: Sequence[ChartDay], *, compared: bool, full: int) -> Chart:
    """Return the chart of one or more days. `compared` adds a line for the saved rules, if they find other numbers."""
    differs = compared and any(day.papers != day.before for day in days)
    top = max(1, *(day.papers for day in days), *(day.before for day in days if differs))

    def y(papers: int) -> float:
        return round(HEIGHT - HEIGHT * papers / top, 1) if papers else HEIGHT

    steps = ((f"{at * STEP},{y(day.before)}", f"{(at + 1) * STEP},{y(day.before)}") for at, day in enumerate(days))
    return Chart(
        width=STEP * len(days),
        height=HEIGHT,
        top=top,
        bars=tuple(
            Bar(x=at * STEP + _GAP / 2, y=top_of_bar, width=STEP - _GAP, height=round(HEIGHT - top_of_bar, 1), day=day)
            for at, day in enumerate(days)
            if day.papers
            for top_of_bar in [min(y(day.papers), HEIGHT - _MIN_HEIGHT)]
        ),
        line=" ".join(point for step in steps for point in step) if differs else "",
        mark=y(full) if full <= top else None,
        days=tuple(days),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRule:
    """A rule's statistics, and the line to write instead, or "".

    Raises ValueError for a line without a suggestion.
    """

    record: RuleStats
    instead: str = ""

    def __post_init__(self) -> None:
        if self.instead and self.record.suggestion is None:
            raise ValueError("a line to write instead comes from a suggestion")

    @property
    def percent(self) -> float:
        """The share of papers that it matches."""
        return round(self.record.share * 100, 1)

    @property
    def is_poor(self) -> bool:
        """True if it matches no paper, or too many."""
        return self.record.floods or not self.record.papers


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPaper:
    """A paper in a few lines, with the matches marked."""

    path: str  # of its page, relative to the site's path
    title: tuple[Segment, ...]
    excerpt: tuple[Segment, ...]  # of its abstract, around the first match


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The papers that saving would add or remove: their number, and the first few."""

    count: int
    papers: tuple[FoundPaper, ...]

    @property
    def more(self) -> int:
        """The number of papers not shown."""
        return self.count - len(self.papers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What the rules would have found, without the lines that have mistakes."""

    text: str = ""
    mistakes: tuple[Mistake, ...] = ()
    is_cut: bool = False  # there may be more mistakes: the rest was not read
    hints: tuple[Hint, ...] = ()  # phrases that may be meant as lists or operators
    marked: tuple[Piece, ...] = ()  # the text with its mistakes, if it has any
    wanted: bool = False  # at least one rule does not only exclude papers
    compared: bool = False  # with the saved rules
    count: int = 0
    of: int = 0  # papers that were searched
    days: int = 0  # that had papers
    a_day: float = 0  # papers found per day, with a decimal if few
    before: float = 0  # papers that the saved rules find per day
    chart: Chart | None = None
    rules: tuple[JudgedRule, ...] = ()  # if there are very many, those that could be better
    unlisted: int = 0  # how many rules are left out
    papers: tuple[FoundPaper, ...] = ()
    added: Changed = field(default_factory=lambda: Changed(count=0, papers=()))
    removed: Changed = field(default_factory=lambda: Changed(count=0, papers=()))

    @property
    def more(self) -> int:
        """The number of papers not shown."""
        return self.count - len(self.papers)

    @property
    def floods(self) -> bool:
        """True if the rules find more papers a day than a digest holds."""
        return self.a_day > FULL


def try_rules(
    recent_papers: RecentPapers, cards: PaperCards, text: str, saved: Profile | None, *, now: datetime
) -> Trial:
    """Return what rules would find, beside what the saved profile finds, if there is one. Raises StoreError."""
    rules, keywords = read_lines(text)
    trial = Trial(
        text=text,
        mistakes=keywords.mistakes,
        is_cut=keywords.is_cut,
        hints=keywords.hints,
        marked=marked(keywords) if rules is None else (),
    )
    if rules is None:
        rules, _ = read_lines(readable(keywords))
    if rules is None or not rules.has_positive_rules:
        return trial
    tried = Profile(name="tried", rules=rules.text)
    try:
        change = recent_papers.compare(saved or tried, tried, now=now, limit=_MAX_SHOWN)
    except RuleError:  # of the saved rules, which an older version of the language allowed, or of these
        saved = None
        try:
            change = recent_papers.compare(tried, tried, now=now, limit=_MAX_SHOWN)
        except CostlyRuleError as error:
            return replace(trial, mistakes=(*trial.mistakes, Mistake.of(error)))
    before = change.before.days
    days = [ChartDay(on=on, papers=n, before=before[on][0], of=of) for on, (n, of) in change.after.days.items()]
    with_papers = sum(day.of > 0 for day in days)
    lines, judged = text.split("\n"), []
    for stats in recent_papers.rule_stats(tried, now=now):
        # The line to write instead keeps its weight and its comment.
        better = lines[stats.line - 1].replace(stats.rule, stats.suggestion.rule, 1) if stats.suggestion else ""
        judged.append(JudgedRule(record=stats, instead=better))
    listed = judged if len(judged) <= _MAX_RULES else [rule for rule in judged if rule.is_poor][:_MAX_RULES]
    return replace(
        trial,
        wanted=True,
        compared=saved is not None,
        count=change.after.count,
        of=sum(day.of for day in days),
        days=with_papers,
        a_day=rate(change.after.count / max(with_papers, 1)),
        before=rate(change.before.count / max(with_papers, 1)),
        chart=chart(days, compared=saved is not None, full=FULL) if days else None,
        rules=tuple(listed),
        unlisted=len(judged) - len(listed),
        papers=_found_papers(cards, change.after.items),
        added=Changed(count=change.added.count, papers=_found_papers(cards, change.added.items[:_MAX_CHANGED])),
        removed=Changed(count=change.removed.count, papers=_found_papers(cards, change.removed.items[:_MAX_CHANGED])),
    )


def _found_papers(cards: PaperCards, items: Sequence[DigestItem]) -> tuple[FoundPaper, ...]:
    shown = (cards.show(item.paper, item.evidence) for item in items)
    return tuple(FoundPaper(path=p.path, title=p.card.title, excerpt=_excerpt(p.card.abstract)) for p in shown)


def use_suggestion(trial: Trial, line: int) -> str:
    """Return the text of a trial with the suggestion for a line in its place, if there is one."""
    suggested = {rule.record.line: rule.instead for rule in trial.rules if rule.instead}
    lines = trial.text.split("\n")
    return "\n".join(suggested[line] if at == line and line in suggested else old for at, old in enumerate(lines, 1))


def rate(a_day: float) -> float:
    """Papers per day, with a decimal if there are few, so that each added rule shows."""
    return round(a_day, 1) if a_day < _FEW else round(a_day)


def _excerpt(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Return the words around the first marked segment, or else the first words."""
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
