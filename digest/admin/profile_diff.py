"""Differences between two versions of a profile: in a few words, and line by line."""

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import Match
from itertools import accumulate

from digest.models import ProfileVersion

_MAX_STEPS = 2_000_000  # lines, and pairs of equal lines, that a diff looks at: some tenths of a second


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
