"""digest profile backtest: what a profile would have found in the last days, rule by rule."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from digest.cli.options import ConfigOption, JsonOption, NowOption, installation, moment, read_rules
from digest.cli.output import print_json, print_table, print_text, say
from digest.matching import Search, compile_rules
from digest.matching.backtest import Backtest, RuleRecord, backtest
from digest.models import Paper
from digest.store import papers, profiles

_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class _Change:
    """A paper that the rules given would add to what the saved ones find, or take away."""

    paper: Paper
    added: bool


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The profile's name.")],
    days: Annotated[int, typer.Option("--days", min=1, help="How far back to look.")] = 30,
    rules: Annotated[
        str | None,
        typer.Option("--rules", metavar="RULES", help="Rules to try instead (text, @FILE or -); nothing is saved."),
    ] = None,
    as_json: JsonOption = False,
    now: NowOption = None,
    config: ConfigOption = None,
) -> None:
    """Show what a profile would have found in the last days: papers a day, how each rule did, what to change.

    With --rules: the same for rules that are not saved, and which papers they would add and take away.
    """
    until = moment(now)
    tried = None if rules is None else compile_rules(read_rules(rules)).text
    with installation(config) as here, here.store.read() as tx:
        saved = profiles.get(tx, name)
        read = papers.list_first_seen(tx, after=until - timedelta(days=days), until=until)
        zone = ZoneInfo(here.config.newsletter.timezone)
    search = Search(read)
    dates = [(paper.first_seen_at or until).astimezone(zone).date() for paper in read]
    result = backtest(saved if tried is None else replace(saved, rules=tried), search, dates)
    changes = [] if tried is None else list(_changes(backtest(saved, search, dates), result))
    if as_json:
        for record in _records(result, changes):
            print_json(record)
    elif read:
        _print(result, changes)
    say(_summary(result, changes, tried is not None))


def sparkline(values: Sequence[int]) -> str:
    """A bar for each value, the highest for the largest; a space for 0."""
    largest = max(values, default=0)
    return "".join(_BARS[(value * len(_BARS) - 1) // largest] if value else " " for value in values)


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
    found = [papers for papers, _ in result.days.values()]
    first, last = min(result.days), max(result.days)
    print_text(f"papers a day  {first:%d %b} {sparkline(found)} {last:%d %b}\n")
    print_table(("papers", "share", "line", "rule", ""), [_row(rule) for rule in result.rules])
    if changes:
        print_text("")
        print_table(("", "paper", "title"), [_change_row(change) for change in changes])


def _row(rule: RuleRecord) -> tuple[object, ...]:
    written = f"-{rule.rule}" if rule.excludes else rule.rule
    return rule.papers, f"{rule.share:.1%}", rule.line, written, _note(rule)


def _note(rule: RuleRecord) -> str:
    mend = rule.suggestion
    if rule.floods:
        return "floods" + (f"; {mend.rule} is true of {mend.papers}" if mend else "")
    if not rule.papers:
        return "never true" + (f"; {mend.rule} is true of {mend.papers}" if mend else "")
    return ""


def _change_row(change: _Change) -> tuple[object, ...]:
    return "+" if change.added else "-", change.paper.id, change.paper.title


def _summary(result: Backtest, changes: Sequence[_Change], tried: bool) -> str:
    total = sum(there for _, there in result.days.values())
    average = len(result.papers) / max(len(result.days), 1)
    said = f"{len(result.papers)} of {total} papers match, {average:.1f} on a day with papers"
    if not tried:
        return said
    added = sum(change.added for change in changes)
    return f"{said}; against the saved rules {added} more and {len(changes) - added} gone"
