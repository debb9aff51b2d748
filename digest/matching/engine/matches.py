"""What matched, and why: reasons and evidence are looked for only when a match is asked for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from digest.matching.engine.evidence import Witness
from digest.matching.engine.join import Asks, Best
from digest.matching.engine.ragged import Floats, Ints
from digest.matching.engine.truth import Truth
from digest.matching.language.parser import rule_texts
from digest.models import Evidence, Field, Match, Profile, Reason

_ORDER = {field: place for place, field in enumerate(Field)}


class _Ask(NamedTuple):
    line: int
    condition: int
    weight: float


class _Met(NamedTuple):
    line: int
    condition: int
    points: float
    in_title: bool


class Matches:
    """What matched: three arrays of equal length, sorted by profile row, then score descending, then precedence.

    `profile` and `paper` (int32) are rows of the index and of what it was matched against, `score` (float32) is > 0.
    """

    def __init__(self, asks: Asks, truth: Truth, value: Floats, found: Best) -> None:
        self.profile, self.paper, self.score = found
        self._asks = asks
        self._truth = truth
        self._value = value
        self._witness = Witness(truth)

    def __len__(self) -> int:
        return len(self.score)

    def for_profile(self, row: int, profile: Profile) -> list[Match]:
        """The matches of the profile in that row of the index, best first, with their reasons and evidence."""
        return self.with_evidence(row, self.without_evidence(row, profile))

    def without_evidence(self, row: int, profile: Profile, *, of: Ints | None = None) -> list[Match]:
        """The same without reasons and evidence, which take longer to find than the matches.

        `of`: only those of the papers in these columns.
        """
        begin, end = np.searchsorted(self.profile, [row, row + 1])
        found, scores = self.paper[begin:end], self.score[begin:end]
        if of is not None:
            wanted = np.isin(found, of)
            found, scores = found[wanted], scores[wanted]
        papers = self._truth.corpus.papers
        return [
            Match(paper=papers[column], profile=profile, score=score)
            for column, score in zip(found.tolist(), scores.tolist(), strict=True)
        ]

    def with_evidence(self, row: int, matches: Sequence[Match]) -> list[Match]:
        """Some matches of one profile, as `without_evidence` gave them, with their reasons and evidence."""
        columns = [self._truth.corpus.columns[match.paper.id] for match in matches]
        met = self._met(row, columns)
        lines = {rule.line for rules in met.values() for rule in rules}
        texts = rule_texts(matches[0].profile.rules, lines) if matches else {}
        return [
            replace(
                match,
                reasons=_reasons(met[column], texts),
                evidence=self._evidence(column, met[column], texts),
            )
            for match, column in zip(matches, columns, strict=True)
        ]

    def excluded_papers(self, row: int) -> frozenset[int]:
        """The rows of the papers that the profile's lines beginning with - keep out."""
        return frozenset(column for ask in self._asked(row) if ask.weight < 0 for column in self._papers(ask.condition))

    def _met(self, row: int, columns: Sequence[int]) -> dict[int, list[_Met]]:
        """By paper, the rules of a profile that are true of it."""
        met: dict[int, list[_Met]] = {column: [] for column in columns}
        for ask in self._asked(row):
            first = int(self._truth.papers_of[ask.condition])
            for fact, column in enumerate(self._papers(ask.condition), first):
                if column in met:
                    points = ask.weight * float(self._value[fact])
                    met[column].append(_Met(ask.line, ask.condition, points, bool(self._truth.in_title[fact])))
        return met

    def _asked(self, row: int) -> Iterator[_Ask]:
        asked = slice(int(self._asks.of[row]), int(self._asks.of[row + 1]))
        columns = (self._asks.line, self._asks.condition, self._asks.weight)
        return map(_Ask, *(column[asked].tolist() for column in columns))

    def _papers(self, condition: int) -> list[int]:
        truth = self._truth
        columns: list[int] = truth.paper[truth.papers_of[condition] : truth.papers_of[condition + 1]].tolist()
        return columns

    def _evidence(self, column: int, met: Sequence[_Met], texts: Mapping[int, str]) -> tuple[Evidence, ...]:
        found = {
            Evidence(field=field, start=start, end=end, rule=texts[rule.line])
            for rule in met
            for field, start, end in self._witness.places(rule.condition, column)
        }
        return tuple(sorted(found, key=lambda e: (_ORDER[e.field], e.start, e.end, e.rule)))


def _reasons(met: Sequence[_Met], texts: Mapping[int, str]) -> tuple[Reason, ...]:
    """What each rule adds to the score, the most first."""
    found = (Reason(rule=texts[rule.line], score=rule.points, in_title=rule.in_title) for rule in met)
    return tuple(sorted(found, key=lambda reason: (-reason.score, reason.rule)))
