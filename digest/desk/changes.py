"""What was changed from one version of a profile to the next: in a few words, and line by line. Pure."""

import difflib
from collections import Counter
from collections.abc import Sequence

from digest.models import ProfileVersion

_MOST_PAIRS = 1_000_000  # of equal lines that a diff tries in half a second; real texts have as many as they have lines


def describe(before: ProfileVersion | None, after: ProfileVersion) -> str:
    """A change in a few words, such as "2 lines added, renamed from 'Cats'". `before` is None for the first version."""
    if before is None:
        return f"begins with {_counted(len(_lines(after.rules)))}"
    words = _of_rules(before.rules, after.rules)
    if before.name != after.name:
        words.append(f"renamed from {before.name!r}")
    return ", ".join(words) or "brought back after it was removed"


def describe_rules(before: str, after: str) -> str:
    """The same of two texts; "" where they are one."""
    return ", ".join(_of_rules(before, after))


def with_words(newest_first: Sequence[ProfileVersion]) -> list[tuple[ProfileVersion, str]]:
    """Each version of a profile, as they come, with what it changed."""
    before = [*newest_first[1:], None]
    return [(after, describe(older, after)) for older, after in zip(before, newest_first, strict=False)]


def diff(before: ProfileVersion | None, after: ProfileVersion) -> list[str]:
    """A unified diff of the rules, by lines without their ends; empty where no line changed.

    Two texts of the same few lines, many thousand times, are not compared but replaced whole: it would take a minute.
    """
    old, new = _lines(before.rules) if before else [], _lines(after.rules)
    labels = (_label(before) if before else "nothing", _label(after))
    if old != new and _pairs(old, new) > _MOST_PAIRS:
        head = [f"--- {labels[0]}", f"+++ {labels[1]}", f"@@ -1,{len(old)} +1,{len(new)} @@"]
        return [*head, *(f"-{line}" for line in old), *(f"+{line}" for line in new)]
    return list(difflib.unified_diff(old, new, *labels, lineterm=""))


def _pairs(old: Sequence[str], new: Sequence[str]) -> int:
    """How many pairs of equal lines difflib would try: in a long text it leaves out those that come most often."""
    most = len(new) if len(new) < 200 else len(new) // 100 + 1
    in_old = Counter(old)
    return sum(in_old[line] * count for line, count in Counter(new).items() if count <= most)


def _of_rules(before: str, after: str) -> list[str]:
    """What became of the lines: counted, which is fast enough for a whole history, not compared in order."""
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
    """The lines as the rules' reader counts them; what ends the text begins none."""
    lines = rules.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if not lines[-1] else lines


def _label(version: ProfileVersion) -> str:
    return f"{version.name}, version {version.number}"
