"""digest profile …: shared keyword profiles."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from digest.admin import profile_actions
from digest.cli import backtest, history
from digest.cli.options import (
    ORIGIN,
    ConfigOption,
    JsonOption,
    RulesOption,
    moment,
    open_app,
    wanted_rules,
    why_unreadable,
)
from digest.cli.output import print_json, print_records, print_text, say, warn_of_unreadable
from digest.errors import RuleError, UsageError
from digest.matching import parse_rules
from digest.models import CompiledRules, Profile
from digest.store import profiles

commands = typer.Typer(help="Keyword profiles: named sets of rules that subscribers follow.", no_args_is_help=True)

commands.command("backtest")(backtest.command)
commands.command("history")(history.history)
commands.command("restore")(history.restore)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The profile's name.")]


@commands.command()
def add(name: Name, rules: RulesOption, config: ConfigOption = None) -> None:
    """Add a shared profile."""
    text = wanted_rules(rules)
    with open_app(config) as app, app.store.write() as tx:
        added = profile_actions.add(tx, name, text, by=ORIGIN, now=moment(None))
    say(f"added profile {added.name!r}")


@commands.command()
def edit(
    name: Name,
    rules: Annotated[str | None, typer.Option("--rules", metavar="RULES", help="New rules: text, @FILE or -.")] = None,
    rename: Annotated[str | None, typer.Option("--name", metavar="NEW", help="A new name; followers stay.")] = None,
    config: ConfigOption = None,
) -> None:
    """Change a profile's rules or its name."""
    text = None if rules is None else wanted_rules(rules)
    if text is None and rename is None:
        raise UsageError("nothing to change; give --rules or --name")
    with open_app(config) as app, app.store.write() as tx:
        changed = profile_actions.edit(tx, name, rules=text, new_name=rename, by=ORIGIN, now=moment(None))
    say(f"changed profile {changed.name!r}")


@commands.command("list")
def list_(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the shared profiles."""
    with open_app(config) as app, app.store.read() as tx:
        followers = profiles.count_followers(tx)
        records = [
            {"name": p.name, "rules": _count_rules(p), "followers": followers[p.name]} for p in profiles.list_shared(tx)
        ]
    print_records(records, as_json=as_json, empty="no profiles yet; `digest profile add NAME --rules RULES` adds one")


@commands.command()
def show(name: Name, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Print a profile's rules."""
    with open_app(config) as app, app.store.read() as tx:
        profile = profiles.get(tx, name)
    if as_json:
        print_json({"name": profile.name, "rules": profile.rules})
    else:
        print_text(profile.rules.rstrip("\n"))


@commands.command()
def remove(name: Name, config: ConfigOption = None) -> None:
    """Remove a profile; nobody follows it any more."""
    with open_app(config) as app, app.store.write() as tx:
        profile_actions.remove(tx, name, by=ORIGIN, now=moment(None))
    say(f"removed profile {name!r}; `digest profile history` still has its rules")


@commands.command("export")
def export(config: ConfigOption = None) -> None:
    """Print every shared profile as JSON, one a line, for `digest profile import`."""
    with open_app(config) as app, app.store.read() as tx:
        print_text(profile_actions.to_json_lines(profiles.list_shared(tx)).rstrip("\n"))


@commands.command("import")
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What `export` printed; - for stdin.")],
    config: ConfigOption = None,
) -> None:
    """Add the profiles in FILE, and give those that are there already the rules in FILE. All or none."""
    wanted = _read_profiles(file)
    with open_app(config) as app, app.store.write() as tx:
        profile_actions.import_all(tx, wanted, by=ORIGIN, now=moment(None))
    say(f"imported {len(wanted)} profiles")


def _count_rules(profile: Profile) -> int:
    try:
        return len(parse_rules(profile.rules))
    except RuleError as error:
        warn_of_unreadable([(f"profile {profile.name!r}", str(error))])
        return 0


def _read_profiles(file: str) -> list[tuple[str, CompiledRules]]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: cannot be read: {why_unreadable(error)}") from None
    try:
        return profile_actions.parse_json_lines(text)
    except UsageError as error:
        raise UsageError(f"{file}:{error}") from None
