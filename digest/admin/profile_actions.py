"""Add, change, remove, restore, import and export shared profiles; and the difference between two versions of one."""

import difflib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import Match
from itertools import accumulate

from digest.errors import UsageError
from digest.matching import compile_rules
from digest.models import EXCLUDES, CompiledRules, Profile, ProfileVersion
from digest.store import Transaction, audit, profiles

_MAX_STEPS = 2_000_000  # lines, and pairs of equal lines, that a diff looks at: some tenths of a second


def compile_profile_rules(text: str) -> CompiledRules:
    """Compile the rules of a profile. Raises RuleError, and UsageError if they could never find a paper."""
    rules = compile_rules(text)
    if not rules.rules:
        raise UsageError("no rules; write one per line, such as: diffusion model")
    if all(rule.weight == EXCLUDES for rule in rules.rules):
        raise UsageError("these rules only exclude papers; add one that finds papers, such as: diffusion model")
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


def read_version(
    tx: Transaction, known: Profile, number: int, *, check: Callable[[CompiledRules], None]
) -> CompiledRules:
    """Return the rules of an earlier version, to restore it. `check` may refuse them by a UsageError.

    Raises NotFoundError, and UsageError if these rules cannot be saved any more.
    """
    _, version = profiles.get_version(tx, known, number)
    try:
        rules = compile_profile_rules(version.rules)
        check(rules)
    except UsageError as error:
        raise UsageError(f"version {number} of profile {known.name!r}: {error}") from None
    return rules


def restore(tx: Transaction, known: Profile, number: int, rules: CompiledRules, *, by: str, now: datetime) -> Profile:
    """Save `rules`, which `read_version` returned for this number, as a new version.

    A removed profile comes back, without followers; `known` is one of perhaps several with the same name. Raises
    UsageError if another profile has its name now.
    """
    before = profiles.find_by_id(tx, known.id)
    after = profiles.restore(tx, known, rules, by=by, now=now)
    if after != before:
        audit.record(tx, by, "profile restore", f"{after.name}, version {number}", now=now)
    return after


def parse_json_lines(text: str, *, check: Callable[[CompiledRules], None]) -> list[tuple[str, CompiledRules]]:
    """Parse names and rules from the text of `to_json_lines`. Raises UsageError that starts with the line number.

    `check` may refuse rules by a UsageError.
    """
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
            compiled = compile_profile_rules(rules)
            check(compiled)
            found.append((clean_name(name), compiled))
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
        words = describe_rule_changes(before or "", rules.text)
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


def describe(before: ProfileVersion | None, after: ProfileVersion) -> str:
    """Return a change in words, such as "2 lines added". `before` is None for the first version."""
    if before is None:
        return f"first version with {_counted(len(_lines(after.rules)))}"
    words = _of_rules(before.rules, after.rules)
    if before.name != after.name:
        words.append(f"renamed from {before.name!r}")
    return ", ".join(words) or "restored after it was removed"


def describe_rule_changes(before: str, after: str) -> str:
    """Return the change of rules in a few words, or "" if there is none."""
    return ", ".join(_of_rules(before, after))


def with_descriptions(newest_first: Sequence[ProfileVersion]) -> list[tuple[ProfileVersion, str]]:
    """Return each version of a profile with what it changed."""
    before = [*newest_first[1:], None]
    return [(after, describe(older, after)) for older, after in zip(before, newest_first, strict=False)]


def diff(before: ProfileVersion | None, after: ProfileVersion) -> list[str]:
    """Return a unified diff of the rules, as lines without line ends; empty if no line changed.

    Long texts that differ in thousands of places, or repeat the same few lines, are shown as replaced: comparing them
    could take a minute, while other requests wait.
    """
    old, new = _lines(before.rules) if before else [], _lines(after.rules)
    labels = (_label(before) if before else "nothing", _label(after))
    try:
        _BoundedMatcher(old, new).get_matching_blocks()
    except _TooLongError:
        head = [f"--- {labels[0]}", f"+++ {labels[1]}", f"@@ -1,{len(old)} +1,{len(new)} @@"]
        return [*head, *(f"-{line}" for line in old), *(f"+{line}" for line in new)]
    return list(difflib.unified_diff(old, new, *labels, lineterm=""))


class _TooLongError(Exception):
    """Comparing would take too long."""


class _BoundedMatcher(difflib.SequenceMatcher[str]):
    """Compares as `unified_diff` does, but only for a number of steps."""

    def __init__(self, old: Sequence[str], new: Sequence[str]) -> None:
        super().__init__(None, old, new)
        # Steps for the lines before each line of the old text.
        found: Mapping[str, Sequence[int]] = self.b2j  # type: ignore[attr-defined]
        self._steps = [0, *accumulate(1 + len(found.get(line, ())) for line in old)]
        self._left = _MAX_STEPS

    def find_longest_match(self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None) -> Match:
        """Find a match between two positions. Raises _TooLongError."""
        self._left -= self._steps[-1 if ahi is None else ahi] - self._steps[alo]
        if self._left < 0:
            raise _TooLongError
        return super().find_longest_match(alo, ahi, blo, bhi)


def _of_rules(before: str, after: str) -> list[str]:
    """Count added and removed lines, which is fast enough for a whole history, without comparing their order."""
    if before == after:
        return []
    old, new = Counter(_lines(before)), Counter(_lines(after))
    added, removed = (new - old).total(), (old - new).total()
    words = [f"{_counted(count)} {what}" for count, what in ((added, "added"), (removed, "removed")) if count]
    if not words:
        words.append("lines moved" if _lines(before) != _lines(after) else "line ends changed")
    return words


def _counted(lines: int) -> str:
    return f"{lines} line{'s' * (lines != 1)}"


def _lines(rules: str) -> list[str]:
    """Split rules into lines as their parser counts them; a line end at the end starts no new line."""
    lines = rules.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if not lines[-1] else lines


def _label(version: ProfileVersion) -> str:
    return f"{version.name}, version {version.number}"
