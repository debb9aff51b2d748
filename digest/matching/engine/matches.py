"""What matched, and why. Reasons and evidence are computed only for the matches that they are asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from digest.matching.engine.evaluation import Evaluation
from digest.matching.engine.ragged import Floats, Ints
from digest.matching.engine.scoring import ProfileRules, ScoredPapers
from digest.matching.language.parser import rule_texts
from digest.models import Evidence, Field, Match, Profile, Reason

_FIELD_ORDER = {field: place for place, field in enumerate(Field)}

Place = tuple[Field, int, int]  # start and end offset in the field's text as shown


class EvidenceFinder:
    """Finds the words that make a condition true of a paper. Caches them: many profiles share conditions."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self._places: dict[tuple[int, int], tuple[Place, ...]] = {}

    def places(self, condition: int, column: int) -> tuple[Place, ...]:
        """Returns where the condition's words are in a paper that it is true of. Negated children have no places."""
        key = condition, column
        if key not in self._places:
            evaluation, plan = self._evaluation, self._evaluation.plan
            found: list[Place] = []
            if condition < plan.atoms:
                begin, end = evaluation.occurrences.begin, evaluation.occurrences.end
                numbers = dict.fromkeys(evaluation.occurrences_of(condition, column))
                found = [evaluation.corpus.locate(int(begin[number]), int(end[number])) for number in numbers]
            else:
                clause = condition - plan.atoms
                children = slice(int(plan.child_offsets[clause]), int(plan.child_offsets[clause + 1]))
                for child, negated in zip(plan.child[children].tolist(), plan.negated[children].tolist(), strict=True):
                    if not negated and evaluation.holds(child, column):
                        found += self.places(child, column)
            self._places[key] = tuple(dict.fromkeys(found))
        return self._places[key]


class Matches:
    """What matched: three arrays of equal length, sorted by profile row, then score descending, then precedence.

    `profile` (int32) is a row of the index, `paper` (int32) a column of the corpus, `score` (float32) is above 0.
    """

    def __init__(self, rules: ProfileRules, evaluation: Evaluation, value: Floats, found: ScoredPapers) -> None:
        self.profile, self.paper, self.score = found
        self._rules = rules
        self._evaluation = evaluation
        self._value = value
        self._evidence_finder = EvidenceFinder(evaluation)

    def __len__(self) -> int:
        return len(self.score)

    def for_profile(self, row: int, profile: Profile) -> list[Match]:
        """Returns the matches of the profile in that row of the index, best first, with reasons and evidence."""
        return self.with_evidence(row, self.without_evidence(row, profile))

    def without_evidence(self, row: int, profile: Profile, *, of: Ints | None = None) -> list[Match]:
        """Returns the matches of the profile in that row, best first, without reasons and evidence.

        Much faster than with them. `of` limits the matches to papers in these columns.
        """
        begin, end = np.searchsorted(self.profile, [row, row + 1])
        found, scores = self.paper[begin:end], self.score[begin:end]
        if of is not None:
            wanted = np.isin(found, of)
            found, scores = found[wanted], scores[wanted]
        papers = self._evaluation.corpus.papers
        return [
            Match(paper=papers[column], profile=profile, score=score)
            for column, score in zip(found.tolist(), scores.tolist(), strict=True)
        ]

    def with_evidence(self, row: int, matches: Sequence[Match]) -> list[Match]:
        """Returns these matches of one profile, which `without_evidence` returned, with reasons and evidence."""
        columns = [self._evaluation.corpus.columns[match.paper.id] for match in matches]
        found: dict[int, list[tuple[int, int, float, bool]]] = {column: [] for column in columns}
        for line, condition, weight in self._rules_of(row):
            papers = self._evaluation.papers_of(condition).tolist()
            for posting, column in enumerate(papers, int(self._evaluation.offsets[condition])):
                if column in found:
                    points = weight * float(self._value[posting])
                    found[column].append((line, condition, points, bool(self._evaluation.in_title[posting])))
        lines = {line for rules in found.values() for line, *_ in rules}
        texts = rule_texts(matches[0].profile.rules, lines) if matches else {}
        explained: list[Match] = []
        for match, column in zip(matches, columns, strict=True):
            rules = found[column]
            reasons = [Reason(rule=texts[line], score=points, in_title=title) for line, _, points, title in rules]
            evidence = {
                Evidence(field=field, start=start, end=end, rule=texts[line])
                for line, condition, _, _ in rules
                for field, start, end in self._evidence_finder.places(condition, column)
            }
            explained.append(
                replace(
                    match,
                    reasons=tuple(sorted(reasons, key=lambda reason: (-reason.score, reason.rule))),
                    evidence=tuple(sorted(evidence, key=lambda e: (_FIELD_ORDER[e.field], e.start, e.end, e.rule))),
                )
            )
        return explained

    def excluded_papers(self, row: int) -> frozenset[int]:
        """Returns the columns of the papers that the profile's lines beginning with - exclude."""
        excluding = [condition for _, condition, weight in self._rules_of(row) if weight < 0]
        return frozenset(column for condition in excluding for column in self._evaluation.papers_of(condition).tolist())

    def _rules_of(self, row: int) -> Iterator[tuple[int, int, float]]:
        """Yields (line, condition, weight) of each rule of the profile in that row."""
        rules = slice(int(self._rules.offsets[row]), int(self._rules.offsets[row + 1]))
        columns = (self._rules.line, self._rules.condition, self._rules.weight)
        return zip(*(column[rules].tolist() for column in columns), strict=True)
