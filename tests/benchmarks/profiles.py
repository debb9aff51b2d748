"""Profiles by the million: rules drawn from what real papers say and what people gave as their topics.

Few rules are asked for by many and most by hardly anybody (Zipf), as people's interests are. In a boolean pool every
third rule carries AND, NOT, OR in parentheses, NEAR or a field.
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
_MOST_COMMON = 0.06  # of all papers: a word in more of them is nobody's interest
_ZIPF = 0.9  # how steeply rules fall in popularity
_RULES = (5, 20)  # a profile


@dataclass(frozen=True, slots=True)
class Part:
    """One phrase of a rule: where it must stand."""

    phrase: str
    title: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """A rule as each method may write it in its own language: all of `every`, some of `some`, none of `no`."""

    every: tuple[Part, ...]
    some: tuple[Part, ...] = ()
    no: tuple[Part, ...] = ()
    near: int = 0  # the two of `every` with at most so many words between them

    @property
    def is_plain(self) -> bool:
        """Whether it is nothing but a phrase."""
        return self == Wish((Part(self.every[0].phrase),))

    @property
    def rule(self) -> str:
        """In our own language."""
        if self.near:
            return f" NEAR/{self.near} ".join(part.phrase for part in self.every)
        wanted = [f"title:{p.phrase}" if p.title else p.phrase for p in self.every]
        wanted += [f"({' OR '.join(p.phrase for p in self.some)})"] if self.some else []
        return " AND ".join(wanted) + "".join(f" AND NOT {p.phrase}" for p in self.no)


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Profiles as arrays: `of` is a pointer by profile into `wish` (a number in `pool`) and `weight`."""

    pool: Sequence[Wish]
    of: NDArray[np.int64]
    wish: NDArray[np.int32]
    weight: NDArray[np.float32]

    def profile(self, row: int) -> list[tuple[Wish, float]]:
        """What one profile asks for, with weights."""
        asked = slice(self.of[row], self.of[row + 1])
        return [
            (self.pool[i], weight)
            for i, weight in zip(self.wish[asked].tolist(), self.weight[asked].tolist(), strict=True)
        ]


def pool(papers: Sequence[Paper], size: int, *, boolean: bool, seed: int = 1) -> list[Wish]:
    """`size` rules, or as many as the papers' phrases make, the popular ones first."""
    random = Random(seed)
    phrases = _phrases(papers, random)[:size]
    return [
        _wish(phrase, phrases, random) if boolean and random.random() < 1 / 3 else Wish((Part(phrase),))
        for phrase in phrases
    ]


def population(pool: Sequence[Wish], count: int, *, seed: int = 1) -> Population:
    """`count` profiles of rules from the pool."""
    random = np.random.default_rng(seed)
    popularity = np.cumsum(1 / np.arange(1, len(pool) + 1) ** _ZIPF)
    rules = random.integers(*_RULES, count, endpoint=True)
    of = np.zeros(count + 1, np.int64)
    np.cumsum(rules, out=of[1:])
    drawn = np.searchsorted(popularity, random.random(of[-1]) * popularity[-1]).astype(np.int32)
    return Population(pool, of, drawn, random.integers(1, 6, of[-1]).astype(np.float32))


def _wish(phrase: str, phrases: Sequence[str], random: Random) -> Wish:
    # The other phrases are rather popular ones: nobody excludes or adds what is never there.
    one, two = (Part(phrases[int(random.random() ** 2 * len(phrases))]) for _ in range(2))
    this = Part(phrase)
    return random.choice(
        (
            Wish((this, one)),
            Wish((this,), no=(one,)),
            Wish((this,), some=(one, two)),
            Wish((this, one), near=5),
            Wish((Part(phrase, title=True),)),
        )
    )


def _phrases(papers: Sequence[Paper], random: Random) -> list[str]:
    """Topics that people gave and phrases of one to three words that stand in several papers, then those of one."""
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
