"""Finds the known name that a misspelt one probably means, for "did you mean" in messages."""

import re
from collections.abc import Iterable

_SEPARATORS = re.compile(r"[\s_-]+")
_PARTS = re.compile(r"[/@.]")
_DIGIT = re.compile(r"[0-9]")
_LETTERS_PER_MISTAKE = 4
_MAX_COMPARED = 100  # characters: comparing takes the square of the length


def did_you_mean(written: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: "; did you mean 'x'?", or "" if no known name is near."""
    near = nearest(written, known)
    return f"; did you mean {near!r}?" if near else ""


def nearest(written: str, known: Iterable[str]) -> str:
    """Return the known name that `written` is probably a misspelling of, or "" if none is near.

    Near is at most one mistake in four letters, or one in a shorter word: a letter too many, missing, wrong, or swapped
    with the next. Addresses, paths and time zones are compared part by part, so that a shared domain does not make two
    addresses similar. Case, spaces, dashes and underscores do not count. Names with other digits are other names.
    """
    if len(written) > _MAX_COMPARED:
        return ""
    parts = _folded_parts(written)
    best, fewest = "", len(written) + 1
    for name in known:
        mistakes = _mistakes(parts, _folded_parts(name))
        if mistakes is not None and mistakes < fewest:
            best, fewest = name, mistakes
    return best


def _folded_parts(name: str) -> list[str]:
    return _PARTS.split(_SEPARATORS.sub("", name).casefold())


def _mistakes(parts: list[str], others: list[str]) -> int | None:
    """Return the number of mistakes in all parts together, or None if there are too many in one of them."""
    if len(parts) != len(others):
        return None
    total = 0
    for part, other in zip(parts, others, strict=True):
        longest = max(len(part), len(other))
        most = max(longest // _LETTERS_PER_MISTAKE, 1 if longest > 2 else 0)
        # Both are cheap, and decide for nearly all of a hundred thousand addresses.
        if abs(len(part) - len(other)) > most or len(set(part) ^ set(other)) > 2 * most:
            return None
        mistakes = _edit_distance(part, other)
        if mistakes > most or _DIGIT.findall(part) != _DIGIT.findall(other):
            return None
        total += mistakes
    return total


def _edit_distance(a: str, b: str) -> int:
    """Return the optimal string alignment distance: Levenshtein's, with a swap of two neighbours as one edit."""
    before: list[int] = []
    above = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        row = [i]
        for j, other in enumerate(b, 1):
            least = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                least = min(least, before[j - 2] + 1)
            row.append(least)
        before, above = above, row
    return above[-1]
