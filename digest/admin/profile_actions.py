"""Keyword profiles that are shared: added, changed, removed and brought back. Their versions are kept."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from digest.admin import profile_diff
from digest.errors import UsageError
from digest.matching import compile_rules
from digest.models import EXCLUDES, CompiledRules, Profile
from digest.store import Transaction, audit, profiles


def compile_profile_rules(text: str) -> CompiledRules:
    """Rules that ask for some papers. Raises RuleError, and UsageError where they could never find one."""
    rules = compile_rules(text)
    if not rules.rules:
        raise UsageError("no rules; write one a line, such as: diffusion model")
    if all(rule.weight == EXCLUDES for rule in rules.rules):
        raise UsageError("these rules only keep papers out; add one that asks for some, such as: diffusion model")
    return rules


def clean_name(name: str) -> str:
    """The name without white space around it and inside one line. Raises UsageError if none is left."""
    if not name.strip():
        raise UsageError("a profile needs a name")
    return " ".join(name.split())


def add(tx: Transaction, name: str, rules: CompiledRules, *, by: str, now: datetime) -> Profile:
    """A new profile. Raises UsageError where it has no name, or one that is taken."""
    added = profiles.add(tx, clean_name(name), rules, by=by, now=now)
    audit.record(tx, by, "profile add", added.name, now=now)
    return added


def edit(
    tx: Transaction,
    name: str,
    *,
    rules: CompiledRules | None = None,
    new_name: str | None = None,
    by: str,
    now: datetime,
) -> Profile:
    """Other rules or another name; followers stay. Raises NotFoundError, UsageError."""
    before = profiles.get(tx, name)
    after = profiles.edit(
        tx, name, rules=rules, new_name=None if new_name is None else clean_name(new_name), by=by, now=now
    )
    if after != before:
        renamed = f"{before.name} → {after.name}" if after.name != before.name else after.name
        audit.record(tx, by, "profile edit", renamed, now=now)
    return after


def remove(tx: Transaction, name: str, *, by: str, now: datetime) -> None:
    """Nobody follows it any more; its versions stay. Raises NotFoundError."""
    profiles.remove(tx, name)
    audit.record(tx, by, "profile remove", name, now=now)


def restore(tx: Transaction, name: str, number: int, *, by: str, now: datetime) -> Profile:
    """Give a profile the rules of one of its versions, as a new one; a removed one comes back, followed by nobody.

    Raises NotFoundError, and UsageError where these rules would not be saved today.
    """
    return restore_version(tx, profiles.get_current_or_removed(tx, name), number, by=by, now=now)


def restore_version(tx: Transaction, known: Profile, number: int, *, by: str, now: datetime) -> Profile:
    """The same of a profile that was looked up, as of several that were removed one after another under one name.

    Raises UsageError also where another has its name by now.
    """
    _, version = profiles.get_version(tx, known, number)
    try:
        rules = compile_profile_rules(version.rules)
    except UsageError as error:
        raise UsageError(f"version {number} of profile {known.name!r}: {error}") from None
    before = profiles.find_by_id(tx, known.id)
    after = profiles.restore(tx, known, rules, by=by, now=now)
    if after != before:
        audit.record(tx, by, "profile restore", f"{after.name}, version {number}", now=now)
    return after


def parse_json_lines(text: str) -> list[tuple[str, CompiledRules]]:
    """Names and rules as `to_json_lines` writes them. Raises UsageError that begins with the number of the line."""
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        name, rules = _parts(line)
        if name is None or rules is None:
            raise UsageError(f'{number}: expected {{"name": …, "rules": …}} on one line')
        try:
            found.append((clean_name(name), compile_profile_rules(rules)))
        except UsageError as error:
            raise UsageError(f"{number}: profile {name!r}: {error}") from None
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPreview:
    """What would become of a profile that is taken in."""

    name: str
    new: bool
    words: str = ""  # what would be changed: "2 lines added"; "" where nothing would


def preview_import(tx: Transaction, some: Sequence[tuple[str, CompiledRules]]) -> list[ImportPreview]:
    """What `import_all` would do. Reads only."""
    rules_of = {profile.name: profile.rules for profile in profiles.list_shared(tx)}
    found = []
    for name, rules in some:
        before = rules_of.get(name)
        words = profile_diff.describe_rule_changes(before or "", rules.text)
        found.append(ImportPreview(name=name, new=before is None, words=words))
        rules_of[name] = rules.text
    return found


def import_all(tx: Transaction, some: Sequence[tuple[str, CompiledRules]], *, by: str, now: datetime) -> None:
    """Add profiles; those that are there already get these rules."""
    for name, rules in some:
        if profiles.find(tx, name) is None:
            add(tx, name, rules, by=by, now=now)
        else:
            edit(tx, name, rules=rules, by=by, now=now)


def to_json_lines(some: Sequence[Profile]) -> str:
    """Profiles as JSON, one a line."""
    records = ({"name": profile.name, "rules": profile.rules} for profile in some)
    return "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records)


def _parts(line: str) -> tuple[str | None, str | None]:
    try:
        record = json.loads(line)
        name, rules = record["name"], record["rules"]
    except (ValueError, KeyError, TypeError):
        return None, None
    return (name if isinstance(name, str) else None), (rules if isinstance(rules, str) else None)
