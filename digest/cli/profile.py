"""digest profile …: shared keyword profiles."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from digest.cli import backtest, history
from digest.cli.options import (
    ORIGIN,
    ConfigOption,
    JsonOption,
    RulesOption,
    check_wanted,
    installation,
    moment,
    wanted_rules,
)
from digest.cli.output import print_json, print_records, print_text, say, warn_of_unreadable
from digest.errors import RuleError, UsageError
from digest.matching import compile_rules, parse_rules
from digest.models import CompiledRules, Profile
from digest.store import profiles

app = typer.Typer(help="Keyword profiles: named sets of rules that subscribers follow.", no_args_is_help=True)

app.command("backtest")(backtest.command)
app.command("history")(history.history)
app.command("restore")(history.restore)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The profile's name.")]


@app.command()
def add(name: Name, rules: RulesOption, config: ConfigOption = None) -> None:
    """Add a shared profile."""
    text = wanted_rules(rules)
    name = _named(name)
    with installation(config) as here, here.store.write() as tx:
        profiles.add(tx, name, text, by=ORIGIN, now=moment(None))
    say(f"added profile {name!r}")


@app.command()
def edit(
    name: Name,
    rules: Annotated[str | None, typer.Option("--rules", metavar="RULES", help="New rules: text, @FILE or -.")] = None,
    rename: Annotated[str | None, typer.Option("--name", metavar="NEW", help="A new name; followers stay.")] = None,
    config: ConfigOption = None,
) -> None:
    """Change a profile's rules or its name."""
    text = None if rules is None else wanted_rules(rules)
    new_name = None if rename is None else _named(rename)
    if text is None and new_name is None:
        raise UsageError("nothing to change; give --rules or --name")
    with installation(config) as here, here.store.write() as tx:
        changed = profiles.edit(tx, name, rules=text, new_name=new_name, by=ORIGIN, now=moment(None))
    say(f"changed profile {changed.name!r}")


@app.command("list")
def list_(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the shared profiles."""
    with installation(config) as here, here.store.read() as tx:
        followers = profiles.count_followers(tx)
        records = [
            {"name": p.name, "rules": _count_rules(p), "followers": followers[p.name]} for p in profiles.list_shared(tx)
        ]
    print_records(records, as_json=as_json, empty="no profiles yet; `digest profile add NAME --rules RULES` adds one")


@app.command()
def show(name: Name, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Print a profile's rules."""
    with installation(config) as here, here.store.read() as tx:
        profile = profiles.get(tx, name)
    if as_json:
        print_json({"name": profile.name, "rules": profile.rules})
    else:
        print_text(profile.rules.rstrip("\n"))


@app.command()
def remove(name: Name, config: ConfigOption = None) -> None:
    """Remove a profile; nobody follows it any more."""
    with installation(config) as here, here.store.write() as tx:
        profiles.remove(tx, name)
    say(f"removed profile {name!r}; `digest profile history` still has its rules")


@app.command("export")
def export(config: ConfigOption = None) -> None:
    """Print every shared profile as JSON, one a line, for `digest profile import`."""
    with installation(config) as here, here.store.read() as tx:
        for profile in profiles.list_shared(tx):
            print_json({"name": profile.name, "rules": profile.rules})


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What `export` printed; - for stdin.")],
    config: ConfigOption = None,
) -> None:
    """Add the profiles in FILE, and give those that are there already the rules in FILE. All or none."""
    wanted = _read_profiles(file)
    with installation(config) as here, here.store.write() as tx:
        for name, rules in wanted:
            if profiles.find(tx, name) is None:
                profiles.add(tx, name, rules, by=ORIGIN, now=moment(None))
            else:
                profiles.edit(tx, name, rules=rules, by=ORIGIN, now=moment(None))
    say(f"imported {len(wanted)} profiles")


def _count_rules(profile: Profile) -> int:
    try:
        return len(parse_rules(profile.rules).rules)
    except RuleError as error:
        warn_of_unreadable([(f"profile {profile.name!r}", str(error))])
        return 0


def _read_profiles(file: str) -> list[tuple[str, CompiledRules]]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: cannot be read: {error}") from None
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            written = json.loads(line)
            name, rules = written["name"], written["rules"]
        except (ValueError, KeyError, TypeError):
            name = rules = None
        if not isinstance(name, str) or not isinstance(rules, str):
            raise UsageError(f'{file}:{number}: expected {{"name": …, "rules": …}} on one line') from None
        try:
            compiled = compile_rules(rules)
            check_wanted(compiled)
            found.append((_named(name), compiled))
        except UsageError as error:
            raise UsageError(f"{file}:{number}: profile {name!r}: {error}") from None
    return found


def _named(name: str) -> str:
    """The name without white space around it and inside one line. Raises UsageError if none is left."""
    if not name.strip():
        raise UsageError("a profile needs a name")
    return " ".join(name.split())
