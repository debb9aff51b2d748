"""Add, change, remove, restore, import and export shared profiles."""

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
    """Compile the rules of a profile. Raises RuleError, and UsageError if they could never find a paper."""
    rules = compile_rules(text)
    if not rules.rules:
        raise UsageError("no rules; write one per line, such as: diffusion model")
    if all(rule.weight == EXCLUDES for rule in rules.rules):
        raise UsageError("these rules only exclude papers; add one that finds some, such as: diffusion model")
    return rules


def clean_name(name: str) -> str:
    """Return the name on one line, without spaces around it. Raises UsageError if nothing is left."""
    if not name.strip():
        raise UsageError("a profile needs a name")
    return " ".join(name.split())


def add(tx: Transaction, name: str, rules: CompiledRules, *, by: str, now: datetime) -> Profile:
    """Add a profile. Raises UsageError if it has no name, or one that is taken."""
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
    """Change a profile's rules or its name; followers stay. Raises NotFoundError, UsageError."""
    before = profiles.get(tx, name)
    after = profiles.edit(
        tx, name, rules=rules, new_name=None if new_name is None else clean_name(new_name), by=by, now=now
    )
    if after != before:
        renamed = f"{before.name} → {after.name}" if after.name != before.name else after.name
        audit.record(tx, by, "profile edit", renamed, now=now)
    return after


def remove(tx: Transaction, name: str, *, by: str, now: datetime) -> None:
    """Remove a profile from all its followers; its versions stay. Raises NotFoundError."""
    profiles.remove(tx, name)
    audit.record(tx, by, "profile remove", name, now=now)


def restore(tx: Transaction, name: str, number: int, *, by: str, now: datetime) -> Profile:
    """Save the rules of an earlier version as a new one. A removed profile comes back, without followers.

    Raises NotFoundError, and UsageError if these rules cannot be saved any more.
    """
    return restore_version(tx, profiles.get(tx, name, or_removed=True), number, by=by, now=now)


def restore_version(tx: Transaction, known: Profile, number: int, *, by: str, now: datetime) -> Profile:
    """Restore a version of `known`, one of perhaps several removed profiles with the same name, as `restore` does.

    Raises UsageError also if another profile has its name now.
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
    """Parse names and rules from the text of `to_json_lines`. Raises UsageError that starts with the line number."""
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            name, rules = record["name"], record["rules"]
        except (ValueError, KeyError, TypeError):
            name = rules = None
        if not isinstance(name, str) or not isinstance(rules, str):
            raise UsageError(f'{number}: expected {{"name": …, "rules": …}} on one line')
        try:
            found.append((clean_name(name), compile_profile_rules(rules)))
        except UsageError as error:
            raise UsageError(f"{number}: profile {name!r}: {error}") from None
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPreview:
    """What an import would do with a profile."""

    name: str
    new: bool
    words: str = ""  # the change, such as "2 lines added"; "" for none


def preview_import(tx: Transaction, some: Sequence[tuple[str, CompiledRules]]) -> list[ImportPreview]:
    """Return what `import_all` would do. Only reads."""
    rules_of = {profile.name: profile.rules for profile in profiles.list_shared(tx)}
    found = []
    for name, rules in some:
        before = rules_of.get(name)
        words = profile_diff.describe_rule_changes(before or "", rules.text)
        found.append(ImportPreview(name=name, new=before is None, words=words))
        rules_of[name] = rules.text
    return found


def import_all(tx: Transaction, some: Sequence[tuple[str, CompiledRules]], *, by: str, now: datetime) -> None:
    """Add profiles. Existing ones get these rules."""
    for name, rules in some:
        if profiles.find(tx, name) is None:
            add(tx, name, rules, by=by, now=now)
        else:
            edit(tx, name, rules=rules, by=by, now=now)


def to_json_lines(some: Sequence[Profile]) -> str:
    """Return profiles as JSON, one per line."""
    records = ({"name": profile.name, "rules": profile.rules} for profile in some)
    return "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records)
