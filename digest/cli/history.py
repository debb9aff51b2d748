"""digest profile history and restore: the texts that a shared profile had, and one of them again."""

from typing import Annotated

import typer

from digest.admin import profile_actions
from digest.admin.profile_diff import describe, diff, with_descriptions
from digest.cli.options import ORIGIN, ConfigOption, JsonOption, moment, open_app
from digest.cli.output import print_json, print_records, print_text, say
from digest.models import ProfileVersion
from digest.store import profiles

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The profile's name; that of a removed one, too.")]


def history(
    name: _Name,
    number: Annotated[
        int | None,
        typer.Option("--diff", metavar="N", help="Print what version N changed in the rules, as a unified diff."),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List the versions of a profile, the newest first: when each was saved, by whom, and what it changed."""
    with open_app(config) as app, app.store.read() as tx:
        profile = profiles.get_current_or_removed(tx, name)
        if number is not None:
            _print_diff(*profiles.get_version(tx, profile, number), as_json=as_json)
            return
        kept = with_descriptions(profiles.list_versions(tx, profile.id))
        removed = profiles.find(tx, name) is None
    records = [_record(version, words, whole=as_json) for version, words in kept]
    print_records(records, as_json=as_json, empty=f"nothing is known of profile {name!r} before now")
    if removed:
        say(f"profile {name!r} was removed; `digest profile restore` brings it back")


def restore(
    name: _Name,
    number: Annotated[
        int, typer.Argument(metavar="VERSION", help="The number of a version, as `digest profile history` shows it.")
    ],
    config: ConfigOption = None,
) -> None:
    """Give a profile the rules of an earlier version, as a new one. A removed profile comes back, with no followers."""
    with open_app(config) as app, app.store.write() as tx:
        before = profiles.find(tx, name)
        restored = profile_actions.restore(tx, name, number, by=ORIGIN, now=moment(None))
        newest = profiles.list_versions(tx, restored.id)[0].number
    if before == restored:
        say(f"profile {name!r} has these rules already")
    else:
        back = "" if before else "; nobody follows it"
        say(f"profile {name!r} has the rules of version {number} again, as version {newest}{back}")


def _record(version: ProfileVersion, words: str, *, whole: bool) -> dict[str, object]:
    record = {"version": version.number, "saved_at": version.saved_at, "saved_by": version.saved_by, "change": words}
    return record | ({"name": version.name, "rules": version.rules} if whole else {})


def _print_diff(before: ProfileVersion | None, after: ProfileVersion, *, as_json: bool) -> None:
    lines, words = diff(before, after), describe(before, after)
    if as_json:
        print_json({**_record(after, words, whole=False), "diff": lines})
        return
    if lines:
        print_text("\n".join(lines))
    say(words)
