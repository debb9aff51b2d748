"""Real keyword lists on twelve recorded days: our matches compared with those of a plain substring search.

`python -m tests.matching.test_lists` prints the table and some of the differences.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice

import pytest

from digest.matching import ProfileIndex
from digest.models import Paper
from digest.text import fold, stem
from tests.builders import RECORDINGS, a_profile, needs_recordings
from tests.matching.finding import match_all
from tests.recordings import DAYS, papers_of

pytestmark = needs_recordings


@dataclass(frozen=True)
class Difference:
    """A keyword and a paper that only one of the two searches finds."""

    keyword: str
    paper: Paper
    ours: bool  # we find it, a substring search does not

    @property
    def text(self) -> str:
        return f"{self.paper.title}\n{self.paper.abstract}"

    def why(self) -> str:
        """The rule of the language that explains it, or "" if there is none."""
        return self._why_we_find_it() if self.ours else self._why_we_do_not()

    def _why_we_find_it(self) -> str:
        (match,) = match_all(ProfileIndex.build([a_profile(self.keyword)]), [self.paper]).for_profile(
            0, a_profile(self.keyword)
        )
        found = {self.paper.text_of(e.field)[e.start : e.end] for e in match.evidence}
        if any(joined(text) == joined(self.keyword) for text in found):
            return "a dash is a space or nothing, and case and accents fold"
        if any(joined(text, plural=True) == joined(self.keyword, plural=True) for text in found):
            return "plurals fold"
        return ""

    def _why_we_do_not(self) -> str:
        places = [m.span() for m in re.finditer(re.escape(self.keyword.lower()), self.text.lower())]
        if all(self._is_cut(*place) for place in places):
            return "only whole words count, so no part of a longer one"
        if all("\n" in self.text[begin:end] for begin, end in places):
            return "no phrase crosses from title to abstract"
        return ""

    def _is_cut(self, begin: int, end: int) -> bool:
        """Whether the substring is only a part of the words that contain it."""
        around = self.text[_start_of_word(self.text, begin) : _end_of_word(self.text, end)]
        return joined(around, plural=True) != joined(self.keyword, plural=True)


def joined(text: str, *, plural: bool = False) -> str:
    """The words of a text in order, without plural endings."""
    return "".join(stem(fold(word)) if plural else fold(word) for word in re.findall(r"[^\W_]+", text))


def _start_of_word(text: str, at: int) -> int:
    while at and text[at - 1].isalnum():
        at -= 1
    return at


def _end_of_word(text: str, at: int) -> int:
    while at < len(text) and text[at].isalnum():
        at += 1
    return at


@cache
def papers() -> list[Paper]:
    return list({paper.id: paper for day in DAYS for paper in papers_of(day)}.values())


@cache
def lists() -> dict[str, list[str]]:
    """The recorded lists by origin, without keywords in an operator language of their own."""
    found: dict[str, list[str]] = {}
    for record in json.loads((RECORDINGS / "profiles/transcribed_profiles.json").read_text(encoding="utf-8")):
        groups = [record.get("lines", ()), record.get("include", ()), *record.get("named_groups", {}).values()]
        name = record["source"].partition("@")[0].partition(":")[0]
        name += f" ({sum(other.startswith(name) for other in found) + 1})" if name in found else ""
        found[name] = [keyword.partition(" | ")[0] for some in groups for keyword in some if " AND " not in keyword]
    return {name: keywords for name, keywords in found.items() if keywords}


def ours(keywords: Sequence[str]) -> list[set[str]]:
    """By keyword, the ids of the papers that we find."""
    matches = match_all(ProfileIndex.build([a_profile(keyword) for keyword in keywords]), papers())
    found: list[set[str]] = [set() for _ in keywords]
    for row, column in zip(matches.profile.tolist(), matches.paper.tolist(), strict=True):
        found[row].add(papers()[column].id)
    return found


def substrings(keywords: Sequence[str]) -> list[set[str]]:
    """By keyword, the ids of the papers whose lower-case text contains it."""
    texts = {paper.id: f"{paper.title}\n{paper.abstract}".lower() for paper in papers()}
    return [{i for i, text in texts.items() if keyword.lower() in text} for keyword in keywords]


def differences(keywords: Sequence[str]) -> Iterator[Difference]:
    by_id = {paper.id: paper for paper in papers()}
    for keyword, we, they in zip(keywords, ours(keywords), substrings(keywords), strict=True):
        yield from (Difference(keyword, by_id[i], ours=i in we) for i in sorted(we ^ they))


@pytest.mark.parametrize("name", lists() if RECORDINGS.is_dir() else [])
def test_every_difference_from_a_substring_search_is_explained_by_a_language_rule(name: str) -> None:
    unexplained = [(d.keyword, d.ours, d.paper.id) for d in differences(lists()[name]) if not d.why()]
    assert unexplained == []


def main() -> None:
    """The table, and differences to look at."""
    print(f"{len(papers())} papers")
    for name, keywords in lists().items():
        we, they = set[str]().union(*ours(keywords)), set[str]().union(*substrings(keywords))
        found = Counter(d.ours for d in differences(keywords))
        print(f"{name}: {len(keywords)} keywords, {len(we)} papers, by substring {len(they)}")
        print(f"    {found[True]} pairs of keyword and paper found besides, {found[False]} not found")
    for keywords in lists().values():
        for d in islice(differences(keywords), 0, None, 40):
            print(f"{'+' if d.ours else '-'} {d.keyword!r} {d.paper.id} {d.why()}")


if __name__ == "__main__":
    main()
