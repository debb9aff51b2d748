"""digest profile …: shared keyword profiles, their versions, and how their rules perform."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from digest.admin import profile_actions
from digest.admin.profile_actions import describe, diff, with_descriptions
from digest.cli.options import (
    MAX_DAYS,
    MAX_NUMBER,
    ConfigOption,
    JsonOption,
    NowOption,
    RulesOption,
    compile_rules_option,
    moment,
    new_group,
    open_app,
    read_text,
    signed,
    writing_rules,
)
from digest.cli.output import print_json, print_records, print_table, say, warn_of_unreadable
from digest.errors import RuleError, UsageError
from digest.matching import parse_rules
from digest.matching.paper_collection import Findings, PaperCollection
from digest.matching.rule_stats import RuleStats
from digest.models import Paper, Profile, ProfileVersion
from digest.store import papers, profiles

commands = new_group("Keyword profiles: named sets of rules that subscribers follow.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The profile's name.")]
KnownNameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A profile's name, even a removed one's.")]

_BARS = "▁▂▃▄▅▆▇█"
_MAX_LISTED = 20  # added or removed papers in the table; --json has them all


@commands.command()
def add(name: NameArgument, rules: RulesOption, config: ConfigOption = None) -> None:
    """Add a shared profile."""
    compiled = compile_rules_option(rules)
    with open_app(config) as app, writing_rules(app, compiled) as tx:
        added = profile_actions.add(tx, name, compiled, **signed())
    say(f"added profile {added.name!r}")


@commands.command()
def edit(
    name: NameArgument,
    rules: Annotated[str | None, typer.Option("--rules", metavar="RULES", help="New rules: text, @FILE or -.")] = None,
    rename: Annotated[str | None, typer.Option("--name", metavar="NEW", help="A new name; followers are kept.")] = None,
    config: ConfigOption = None,
) -> None:
    """Change a profile's rules or its name."""
    compiled = None if rules is None else compile_rules_option(rules)
    if compiled is None and rename is None:
        raise UsageError("nothing to change; give --rules or --name")
    with open_app(config) as app, writing_rules(app, compiled) as tx:
        changed = profile_actions.edit(tx, name, rules=compiled, new_name=rename, **signed())
    say(f"changed profile {changed.name!r}")


@commands.command("list")
def list_(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the shared profiles."""
    with open_app(config) as app, app.store.read() as tx:
        followers, found = profiles.count_followers(tx), profiles.list_shared(tx)
    records = []
    for profile in found:
        try:
            count = len(parse_rules(profile.rules))
        except RuleError as error:
            warn_of_unreadable([(f"profile {profile.name!r}", str(error))])
            count = 0
        records.append({"name": profile.name, "rules": count, "followers": followers[profile.name]})
    print_records(records, as_json=as_json, empty="no profiles yet; `digest profile add NAME --rules RULES` adds one")


@commands.command()
def show(name: NameArgument, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Print a profile's rules."""
    with open_app(config) as app, app.store.read() as tx:
        profile = profiles.get(tx, name)
    if as_json:
        print_json({"name": profile.name, "rules": profile.rules})
    else:
        print(profile.rules.rstrip("\n"))


@commands.command()
def remove(name: NameArgument, config: ConfigOption = None) -> None:
    """Remove a profile from all its followers."""
    with open_app(config) as app, app.store.write() as tx:
        profile_actions.remove(tx, name, **signed())
    say(f"removed profile {name!r}; `digest profile history` still has its rules")


@commands.command()
def export(config: ConfigOption = None) -> None:
    """Print every shared profile as JSON, one per line, for `digest profile import`."""
    with open_app(config) as app, app.store.read() as tx:
        print(profile_actions.to_json_lines(profiles.list_shared(tx)).rstrip("\n"))


@commands.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The output of `export`; - for stdin.")],
    config: ConfigOption = None,
) -> None:
    """Add the profiles in FILE. Existing profiles get the rules in FILE. All or none are imported."""
    text = read_text(file)
    with open_app(config) as app:
        try:
            imported = profile_actions.parse_json_lines(text, check=partial(app.check_cost, now=moment(None)))
        except UsageError as error:
            raise UsageError(f"{file}:{error}") from None
        with app.store.write() as tx:
            profile_actions.import_all(tx, imported, **signed())
    say(f"imported {len(imported)} profiles")


@commands.command()
def history(
    name: KnownNameArgument,
    number: Annotated[
        int | None,
        typer.Option(
            "--diff", metavar="N", max=MAX_NUMBER, help="Print what version N changed in the rules, as a unified diff."
        ),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List the versions of a profile, newest first: when and by whom each was saved, and what it changed."""
    with open_app(config) as app, app.store.read() as tx:
        profile = profiles.get(tx, name, or_removed=True)
        if number is not None:
            before, after = profiles.get_version(tx, profile, number)
            lines, change = diff(before, after), describe(before, after)
            if as_json:
                print_json({**_version_record(after, change), "diff": lines})
                return
            if lines:
                print("\n".join(lines))
            say(change)
            return
        saved = with_descriptions(profiles.list_versions(tx, profile.id))
        removed = profiles.find(tx, name) is None
    records = [
        _version_record(version, change) | ({"name": version.name, "rules": version.rules} if as_json else {})
        for version, change in saved
    ]
    print_records(records, as_json=as_json, empty=f"profile {name!r} has no saved versions")
    if removed:
        say(f"profile {name!r} was removed; `digest profile restore` brings it back")


@commands.command()
def restore(
    name: KnownNameArgument,
    number: Annotated[
        int,
        typer.Argument(
            metavar="VERSION", max=MAX_NUMBER, help="A version's number, as `digest profile history` shows it."
        ),
    ],
    config: ConfigOption = None,
) -> None:
    """Save the rules of an earlier version as a new version. A removed profile comes back, without followers."""
    with open_app(config) as app:
        with app.store.read() as tx:
            known = profiles.get(tx, name, or_removed=True)
            rules = profile_actions.read_version(tx, known, number, check=partial(app.check_cost, now=moment(None)))
        with app.store.write() as tx:
            before = profiles.find(tx, name)
            restored = profile_actions.restore(tx, known, number, rules, **signed())
            newest = profiles.list_versions(tx, restored.id)[0].number
    if before == restored:
        say(f"profile {name!r} has these rules already")
    else:
        back = "" if before else "; it has no followers"
        say(f"profile {name!r} has the rules of version {number} again, as version {newest}{back}")


def _version_record(version: ProfileVersion, change: str) -> dict[str, object]:
    return {"version": version.number, "saved_at": version.saved_at, "saved_by": version.saved_by, "change": change}


@commands.command()
def backtest(
    name: NameArgument,
    days: Annotated[int, typer.Option("--days", min=1, max=MAX_DAYS, help="Number of days to look back.")] = 30,
    rules: Annotated[
        str | None,
        typer.Option("--rules", metavar="RULES", help="Rules to try instead (text, @FILE or -); nothing is saved."),
    ] = None,
    as_json: JsonOption = False,
    now: NowOption = None,
    config: ConfigOption = None,
) -> None:
    """Show what a profile would have found in recent days: papers per day, each rule's matches, suggestions.

    With --rules: what these rules would have found, and which papers they would add and remove.
    """
    until = moment(now)
    tried = None if rules is None else Profile(name=name, rules=compile_rules_option(rules).text)
    with open_app(config) as app, app.store.read() as tx:
        saved = profiles.find(tx, name) if tried else profiles.get(tx, name)
        read = papers.list_first_seen(tx, after=until - timedelta(days=days), until=until)
        zone = ZoneInfo(app.config.newsletter.timezone)
    dated = [(p, (p.first_seen_at or until).astimezone(zone).date()) for p in read]
    collection = PaperCollection(dated, max_steps=math.inf)  # of any number of days; no one else waits
    everything = collection.dated_within(date.min, date.max)
    results: list[Findings] = []
    rule_stats: list[RuleStats] = []
    for profile in _readable(saved, tried):
        results.append(
            collection.find([profile], everything, counted_after=None, begin=0, limit=len(read), evidence=False)
        )
        rule_stats = collection.rule_stats(profile)
    result, changes = results[-1], {}
    if len(results) > 1:
        before, after = ({item.paper.id: item.paper for item in one.items} for one in results)
        changes["added"] = [paper for paper_id, paper in after.items() if paper_id not in before]
        changes["removed"] = [paper for paper_id, paper in before.items() if paper_id not in after]
    if as_json:
        for record in _backtest_records(result, rule_stats, changes):
            print_json(record)
    elif read:
        _print_backtest(result, rule_stats, changes)
    total = sum(there for _, there in result.days.values())
    if not total:
        say(f"no papers in the last {days} days; --days looks further back")
        return
    average = result.count / sum(there > 0 for _, there in result.days.values())
    summary = f"{result.count} of {total} papers match, {average:.1f} on a day with papers"
    if changes:
        added, removed = len(changes["added"]), len(changes["removed"])
        summary += f"; {added} more than by the saved rules of {name!r}, and {removed} fewer"
    say(summary)


def _readable(saved: Profile | None, tried: Profile | None) -> Iterator[Profile]:
    """Yield both profiles, but warn of saved rules that cannot be read any more if others are tried."""
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
    """Return a bar for each value, the highest for the largest, a dot for 0 and a space for None."""
    largest = max((value for value in values if value), default=0)
    return "".join(
        " " if value is None else _BARS[(value * len(_BARS) - 1) // largest] if value else "·" for value in values
    )


def _backtest_records(
    result: Findings, rule_stats: list[RuleStats], changes: dict[str, list[Paper]]
) -> Iterator[dict[str, Any]]:
    for day, (found, there) in result.days.items():
        yield {"record": "day", "day": day, "papers": found, "of": there}
    for rule in rule_stats:
        yield {"record": "rule", **asdict(rule), "share": round(rule.share, 4), "floods": rule.floods}
    for change, some in changes.items():
        yield from ({"record": change, "id": paper.id, "title": paper.title} for paper in some)


def _print_backtest(result: Findings, rule_stats: list[RuleStats], changes: dict[str, list[Paper]]) -> None:
    found = [count if there else None for count, there in result.days.values()]
    most = max(count for count, _ in result.days.values())
    first, last = min(result.days), max(result.days)
    print(f"papers per day, at most {most}:  {first:%d %b} {sparkline(found)} {last:%d %b}\n")
    rows = []
    for rule in rule_stats:
        written = f"-{rule.rule}" if rule.excludes else rule.rule
        rows.append((rule.papers, f"{rule.share:.1%}", rule.alone, rule.line, written, _note(rule)))
    print_table(("papers", "share", "alone", "line", "rule", ""), rows)
    for change, some in changes.items():
        if some:
            best = f", the best {_MAX_LISTED}" if len(some) > _MAX_LISTED else ""
            print(f"\n{len(some)} papers {change}{best}:")
            sign = "+" if change == "added" else "-"
            print_table(("", "paper", "title"), [(sign, paper.id, paper.title) for paper in some[:_MAX_LISTED]])


def _note(rule: RuleStats) -> str:
    """Return what is wrong with a rule, and a better one."""
    better = f"; {rule.suggestion.rule} matches {rule.suggestion.papers}" if rule.suggestion else ""
    if rule.floods:
        return f"matches too much{better}"
    if not rule.share:
        return f"never matches{better}"
    if rule.excludes:
        return "excludes" if rule.papers else "excludes nothing that other rules match"
    return ""
