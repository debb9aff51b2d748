"""digest profile backtest: what a profile would have found in the last days, rule by rule."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from digest.cli.options import MOST_DAYS, ConfigOption, JsonOption, NowOption, moment, open_app, wanted_rules
from digest.cli.output import print_json, print_table, print_text, say, warn_of_unreadable
from digest.errors import RuleError
from digest.matching import Search, parse_rules
from digest.matching.backtest import Backtest, RuleStats, backtest
from digest.models import Paper, Profile
from digest.store import papers, profiles

_BARS = "▁▂▃▄▅▆▇█"
_MOST_LISTED = 20  # papers that come or go, for people; --json has them all


@dataclass(frozen=True, slots=True)
class _Change:
    """A paper that the rules given would add to what the saved ones find, or take away."""

    paper: Paper
    added: bool


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The profile's name.")],
    days: Annotated[int, typer.Option("--days", min=1, max=MOST_DAYS, help="How far back to look.")] = 30,
    rules: Annotated[
        str | None,
        typer.Option(
            "--rules",
            metavar="RULES",
            help="Rules to try (text, @FILE or -), of a profile or a new one; nothing is saved.",
        ),
    ] = None,
    as_json: JsonOption = False,
    now: NowOption = None,
    config: ConfigOption = None,
) -> None:
    """Show what a profile would have found in the last days: papers a day, how each rule did, what to change.

    With --rules: the same for rules that are not saved, and which papers they would add and take away.
    """
    until = moment(now)
    tried = None if rules is None else Profile(name=name, rules=wanted_rules(rules).text)
    with open_app(config) as app, app.store.read() as tx:
        saved = profiles.find(tx, name) if tried else profiles.get(tx, name)
        read = papers.list_first_seen(tx, after=until - timedelta(days=days), until=until)
        zone = ZoneInfo(app.config.newsletter.timezone)
    search = Search(read)
    dates = [(paper.first_seen_at or until).astimezone(zone).date() for paper in read]
    results = [backtest(profile, search, dates) for profile in _readable(saved, tried)]
    changes = list(_changes(*results)) if len(results) > 1 else None
    if as_json:
        for record in _records(results[-1], changes or ()):
            print_json(record)
    elif read:
        _print(results[-1], changes or ())
    say(_summary(results[-1], changes, name, days))


def _readable(saved: Profile | None, tried: Profile | None) -> Iterator[Profile]:
    """Both, if there are both; but rules that cannot be read any more do not keep others from being tried."""
    if saved is not None:
        try:
            parse_rules(saved.rules)
            yield saved
        except RuleError as error:
            if tried is None:
                raise
            warn_of_unreadable([(f"profile {saved.name!r}", str(error))])
    if tried is not None:
        yield tried


def sparkline(values: Sequence[int | None]) -> str:
    """A bar for each value, the highest for the largest; a dot for 0, a space where there is no value."""
    largest = max((value for value in values if value), default=0)
    return "".join(
        " " if value is None else _BARS[(value * len(_BARS) - 1) // largest] if value else "·" for value in values
    )


def _changes(before: Backtest, after: Backtest) -> Iterator[_Change]:
    """What the later result has and the earlier not, then the other way round."""
    for one, other, added in ((after, before, True), (before, after, False)):
        known = {paper.id for paper in other.papers}
        yield from (_Change(paper, added) for paper in one.papers if paper.id not in known)


def _records(result: Backtest, changes: Sequence[_Change]) -> Iterator[dict[str, Any]]:
    for day, (found, there) in result.days.items():
        yield {"record": "day", "day": day, "papers": found, "of": there}
    for rule in result.rules:
        yield {"record": "rule", **asdict(rule), "share": round(rule.share, 4), "floods": rule.floods}
    for change in changes:
        record = "added" if change.added else "removed"
        yield {"record": record, "id": change.paper.id, "title": change.paper.title}


def _print(result: Backtest, changes: Sequence[_Change]) -> None:
    found = [papers if there else None for papers, there in result.days.values()]
    most = max(papers for papers, _ in result.days.values())
    first, last = min(result.days), max(result.days)
    print_text(f"papers a day, at most {most}:  {first:%d %b} {sparkline(found)} {last:%d %b}\n")
    print_table(("papers", "share", "alone", "line", "rule", ""), [_row(rule) for rule in result.rules])
    for sign, title, added in (("+", "come", True), ("-", "go", False)):
        some = [change.paper for change in changes if change.added == added]
        if some:
            print_text(
                f"\n{len(some)} papers {title}" + (f", the best {_MOST_LISTED}:" if len(some) > _MOST_LISTED else ":")
            )
            print_table(("", "paper", "title"), [(sign, paper.id, paper.title) for paper in some[:_MOST_LISTED]])


def _row(rule: RuleStats) -> tuple[object, ...]:
    written = f"-{rule.rule}" if rule.excludes else rule.rule
    return rule.papers, f"{rule.share:.1%}", rule.alone, rule.line, written, _note(rule)


def _note(rule: RuleStats) -> str:
    mend = f"; {rule.suggestion.rule} is true of {rule.suggestion.papers}" if rule.suggestion else ""
    if rule.floods:
        return f"floods{mend}"
    if not rule.share:
        return f"never true{mend}"
    if rule.excludes:
        return "keeps out" if rule.papers else "keeps nothing out that is asked for"
    return ""


def _summary(result: Backtest, changes: Sequence[_Change] | None, name: str, days: int) -> str:
    total = sum(there for _, there in result.days.values())
    if not total:
        return f"no papers of the last {days} days; --days looks farther back"
    average = len(result.papers) / sum(there > 0 for _, there in result.days.values())
    said = f"{len(result.papers)} of {total} papers match, {average:.1f} on a day with papers"
    if changes is None:
        return said
    added = sum(change.added for change in changes)
    return f"{said}; {added} more than by the saved rules of {name!r}, and {len(changes) - added} gone"
