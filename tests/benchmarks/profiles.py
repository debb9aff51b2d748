"""Profiles by the million, with rules from the phrases of real papers and from topics that people named.

Few rules are in many profiles and most are in very few (Zipf), as it is with the interests of people. In a boolean pool
every third rule has AND, NOT, OR in parentheses, NEAR or a field.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from digest.models import Paper
from tests.builders import RECORDINGS

_STOP = frozenset(
    "a an and are as at be been but by can do for from has have he her his how however in into is it its more not of on"
    " or our she so such than that the their then these they this those through to was we were what when where which"
    " while who why will with you your".split()
)
_MOST_COMMON = 0.06  # of all papers: a word in more of them is not an interest
_ZIPF = 0.9  # how steeply rules fall in popularity
_RULES = (5, 20)  # a profile


@dataclass(frozen=True, slots=True)
class Phrase:
    """One phrase of a rule."""

    text: str
    in_title: bool = False


@dataclass(frozen=True, slots=True)
class SampleRule:
    """A rule that each method writes in its own query language."""

    all_of: tuple[Phrase, ...]
    any_of: tuple[Phrase, ...] = ()
    none_of: tuple[Phrase, ...] = ()
    near: int = 0  # if not 0, both phrases of `all_of` with at most so many words between them

    @property
    def is_plain(self) -> bool:
        """Whether the rule is only a phrase."""
        return self == SampleRule((Phrase(self.all_of[0].text),))

    @property
    def text(self) -> str:
        """The rule in our own language."""
        if self.near:
            return f" NEAR/{self.near} ".join(part.text for part in self.all_of)
        wanted = [f"title:{p.text}" if p.in_title else p.text for p in self.all_of]
        wanted += [f"({' OR '.join(p.text for p in self.any_of)})"] if self.any_of else []
        return " AND ".join(wanted) + "".join(f" AND NOT {p.text}" for p in self.none_of)


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Profiles as arrays: `offsets` are row offsets, by profile, into `rule` (a number in `pool`) and `weight`."""

    pool: Sequence[SampleRule]
    offsets: NDArray[np.int64]
    rule: NDArray[np.int32]
    weight: NDArray[np.float32]

    def profile(self, row: int) -> list[tuple[SampleRule, float]]:
        """What one profile asks for, with weights."""
        asked = slice(self.offsets[row], self.offsets[row + 1])
        return [
            (self.pool[i], weight)
            for i, weight in zip(self.rule[asked].tolist(), self.weight[asked].tolist(), strict=True)
        ]


def pool(papers: Sequence[Paper], size: int, *, boolean: bool, seed: int = 1) -> list[SampleRule]:
    """`size` rules, or as many as the papers' phrases make, the popular ones first."""
    random = Random(seed)
    phrases = _phrases(papers, random)[:size]
    return [
        _rule(phrase, phrases, random) if boolean and random.random() < 1 / 3 else SampleRule((Phrase(phrase),))
        for phrase in phrases
    ]


def population(pool: Sequence[SampleRule], count: int, *, seed: int = 1) -> Population:
    """`count` profiles of rules from the pool."""
    random = np.random.default_rng(seed)
    popularity = np.cumsum(1 / np.arange(1, len(pool) + 1) ** _ZIPF)
    rules = random.integers(*_RULES, count, endpoint=True)
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(rules, out=offsets[1:])
    drawn = np.searchsorted(popularity, random.random(offsets[-1]) * popularity[-1]).astype(np.int32)
    return Population(pool, offsets, drawn, random.integers(1, 6, offsets[-1]).astype(np.float32))


def _rule(phrase: str, phrases: Sequence[str], random: Random) -> SampleRule:
    # The other phrases are popular ones: people do not add or exclude words that never occur.
    one, two = (Phrase(phrases[int(random.random() ** 2 * len(phrases))]) for _ in range(2))
    this = Phrase(phrase)
    return random.choice(
        (
            SampleRule((this, one)),
            SampleRule((this,), none_of=(one,)),
            SampleRule((this,), any_of=(one, two)),
            SampleRule((this, one), near=5),
            SampleRule((Phrase(phrase, in_title=True),)),
        )
    )


def _phrases(papers: Sequence[Paper], random: Random) -> list[str]:
    """Topics that people gave and phrases of one to three words in several papers, then phrases in one paper."""
    counts: Counter[str] = Counter()
    for paper in papers:
        counts.update(list(dict.fromkeys([*_ngrams(paper.title), *_ngrams(paper.abstract)])))
    usual = [phrase for phrase, found in counts.items() if 1 < found <= _MOST_COMMON * len(papers)]
    usual = list(dict.fromkeys([*_topics(), *usual]))
    seldom = [phrase for phrase, found in counts.items() if found == 1]
    random.shuffle(usual)
    random.shuffle(seldom)
    return list(dict.fromkeys([*usual, *seldom]))


def _ngrams(text: str) -> Iterator[str]:
    words = re.findall(r"[a-z]+", text.lower())
    for length in (1, 2, 3):
        for i in range(len(words) - length + 1):
            some = words[i : i + length]
            if len(some[0]) > 2 and some[0] not in _STOP and some[-1] not in _STOP:
                yield " ".join(some)


def _topics() -> Iterator[str]:
    file = RECORDINGS / "profiles" / "arXivDigest_topics.csv"
    if not file.exists():
        return
    with file.open(encoding="utf-8") as rows:
        for row in csv.reader(rows):
            if re.fullmatch(r"[a-z]+( [a-z]+)*", row[0]):
                yield row[0]
