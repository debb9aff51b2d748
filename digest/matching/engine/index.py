"""Profiles compiled into an index, and papers that are read once for any number of such indexes."""

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from digest.errors import CostlyRuleError, RuleError
from digest.matching.engine.corpus import Corpus
from digest.matching.engine.costs import MAX_STEPS, Costs, estimate_costs
from digest.matching.engine.evaluation import Evaluation, evaluate
from digest.matching.engine.phrase_trie import PhraseTrie
from digest.matching.engine.query_plan import QueryPlan, compile_queries
from digest.matching.engine.ragged import Floats, Ints, Longs, indices_of_rows, row_offsets
from digest.matching.engine.scoring import (
    ProfileRules,
    ScoredPapers,
    best_papers,
    inverse_document_frequency,
    posting_values,
)
from digest.matching.language.parser import parse_query, parse_rules, rule_texts
from digest.matching.language.query import Rule, distinct_rules
from digest.models import EXCLUDES, Evidence, Field, Match, Paper, Profile, Reason
from digest.security.files import open_file

_Place = tuple[Field, int, int]  # start and end offset in the field's text as shown

_FIELD_ORDER = {field: place for place, field in enumerate(Field)}

_KEPT_EVALUATIONS = 2  # of the plan of all profiles, and of the plan of those that were edited since
# Increased when the file's arrays change, and when the same rules come to mean something else.
_FORMAT = 3

_PLAN = (
    "slot_offsets", "slot", "fields", "atom", "distance", "is_or", "child_offsets", "child", "negated", "level_offsets",
)  # fmt: skip
_RULES = ("offsets", "condition", "weight", "line")
_TRIE = ("keys", "targets", "phrase_of")


class Matches:
    """What matched: three arrays of equal length, sorted by profile row, then score descending, then precedence.

    `profile` (int32) is a row of the index, `paper` (int32) a column of the corpus, `score` (float32) is above 0.
    """

    def __init__(self, rules: ProfileRules, evaluation: Evaluation, value: Floats, found: ScoredPapers) -> None:
        self.profile, self.paper, self.score = found
        self._rules = rules
        self._evaluation = evaluation
        self._value = value
        self._places: dict[tuple[int, int], tuple[_Place, ...]] = {}  # by (condition, column): many profiles share some

    def for_profile(self, row: int, profile: Profile) -> list[Match]:
        """Return the matches of the profile in that row of the index, best first, with reasons and evidence."""
        return self.with_evidence(row, self.without_evidence(row, profile))

    def without_evidence(self, row: int, profile: Profile, *, of: Ints | None = None) -> list[Match]:
        """Return the matches of the profile in that row, best first, without reasons and evidence.

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
        """Return these matches of one profile, which `without_evidence` returned, with reasons and evidence."""
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
                for field, start, end in self._places_of(condition, column)
            }
            explained.append(
                replace(
                    match,
                    reasons=tuple(sorted(reasons, key=lambda reason: (-reason.score, reason.rule))),
                    evidence=tuple(sorted(evidence, key=lambda e: (_FIELD_ORDER[e.field], e.start, e.end, e.rule))),
                )
            )
        return explained

    def _places_of(self, condition: int, column: int) -> tuple[_Place, ...]:
        """Return where the condition's words are in a paper that it is true of. Negated children have no places."""
        key = condition, column
        if key not in self._places:
            evaluation, plan = self._evaluation, self._evaluation.plan
            found: list[_Place] = []
            if condition < plan.atoms:
                places = dict.fromkeys(evaluation.occurrences_of(condition, column))
                found = [evaluation.corpus.locate(*place) for place in places]
            else:
                clause = condition - plan.atoms
                children = slice(int(plan.child_offsets[clause]), int(plan.child_offsets[clause + 1]))
                for child, negated in zip(plan.child[children].tolist(), plan.negated[children].tolist(), strict=True):
                    if not negated and evaluation.holds(child, column):
                        found += self._places_of(child, column)
            self._places[key] = tuple(dict.fromkeys(found))
        return self._places[key]

    def excluded_papers(self, row: int) -> frozenset[int]:
        """Return the columns of the papers that the profile's lines beginning with - exclude."""
        excluding = [condition for _, condition, weight in self._rules_of(row) if weight < 0]
        return frozenset(column for condition in excluding for column in self._evaluation.papers_of(condition).tolist())

    def _rules_of(self, row: int) -> Iterator[tuple[int, int, float]]:
        """Yield (line, condition, weight) of each rule of the profile in that row."""
        rules = slice(int(self._rules.offsets[row]), int(self._rules.offsets[row + 1]))
        columns = (self._rules.line, self._rules.condition, self._rules.weight)
        return zip(*(column[rules].tolist() for column in columns), strict=True)


class ProfileIndex:
    """Compiled profiles, one a row. Immutable; safe to share between threads."""

    def __init__(self, plan: QueryPlan, rules: ProfileRules) -> None:
        self.plan = plan
        self.rules = rules

    @classmethod
    def build(cls, profiles: Iterable[Profile]) -> Self:
        """Return an index of these profiles. Raises RuleError, naming the profile, if its rules are invalid."""
        rules_of: list[list[Rule]] = []
        for profile in profiles:
            try:
                rules_of.append(distinct_rules(parse_rules(profile.rules)))
            except RuleError as error:
                raise RuleError(error.line, error.column, f"{error.reason} (profile {profile.name!r})") from None
        rules = list(chain.from_iterable(rules_of))
        plan, conditions = compile_queries(rule.query for rule in rules)
        profile_rules = ProfileRules(
            offsets=row_offsets(np.array([len(some) for some in rules_of], np.int64)),
            condition=conditions,
            weight=np.array([EXCLUDES if rule.excludes else rule.weight for rule in rules], np.float32),
            line=np.array([rule.line for rule in rules], np.int32),
        )
        return cls(plan, profile_rules)

    @classmethod
    def from_compiled(cls, queries: Sequence[str], *, offsets: Longs, query: Ints, weight: Floats, line: Ints) -> Self:
        """Return an index of stored rules, as `compile_rules` made them.

        `queries` are distinct; `offsets` are row offsets, by profile, into `query` (a number in `queries`), `weight`
        and `line`.
        """
        # Popular queries come first, so that what is looked up most often is close together in memory.
        popular = np.argsort(-np.bincount(query, minlength=len(queries)), kind="stable")
        plan, conditions = compile_queries(parse_query(queries[number]) for number in popular.tolist())
        condition = np.empty_like(conditions)
        condition[popular] = conditions
        return cls(plan, ProfileRules(offsets=offsets, condition=condition[query], weight=weight, line=line))

    def subset(self, rows: NDArray[np.int64]) -> Self:
        """Return an index of these rows, in this order."""
        rules = self.rules
        each, counts = indices_of_rows(rules.offsets, rows)
        some = ProfileRules(row_offsets(counts), rules.condition[each], rules.weight[each], rules.line[each])
        return type(self)(self.plan, some)


@dataclass(frozen=True, slots=True, eq=False)
class _Evaluated:
    """A plan that was evaluated for a search."""

    evaluation: Evaluation
    idf: Floats
    too_costly: Mapping[int, CostlyRuleError]  # by row of the index: profiles that were left out


class Search:
    """Matches profile indexes against the same papers. Rules that are rarely true count more.

    Keeps the evaluations of the last plans. Not safe to share between threads.
    """

    def __init__(
        self,
        papers: Sequence[Paper] | Corpus,
        older: Sequence[Paper] = (),
        *,
        recent: int = 0,
        max_steps: float = MAX_STEPS,
    ) -> None:
        """Document frequencies are counted in `older` and in `papers` from number `recent` on.

        O(characters), unless `papers` is a Corpus. Several threads may each have a search of the same corpus.
        `max_steps` is what one profile may cost (costs.py).
        """
        self.corpus = papers if isinstance(papers, Corpus) else Corpus(papers)
        self._older = Corpus(older)
        self._recent = recent
        self._max_steps = max_steps
        self._evaluated: dict[QueryPlan, _Evaluated] = {}  # the last used is the last

    @property
    def papers(self) -> Sequence[Paper]:
        """The papers to match profiles against."""
        return self.corpus.papers

    def estimate_steps(self, index: ProfileIndex) -> float:
        """Return what matching the index costs, before any of it is done. O(words of the rules).

        Raises CostlyRuleError if a profile costs too much.
        """
        costs = self._estimate(index)
        for error in self._list_costly(index, costs).values():
            raise error
        return costs.total

    def matches(self, index: ProfileIndex, *, limit: int | None = None, workers: int = 1) -> Matches:
        """Return the best `limit` papers of every profile of the index, or all that match.

        O(words + postings + matches). Uses that many `workers`, which are processes, where the system can fork. Raises
        CostlyRuleError if a profile costs too much, unless `leave_out_costly` evaluated this plan.
        """
        evaluated = self._evaluated.pop(index.plan, None)
        if evaluated is None:
            costs = self._estimate(index)
            for error in self._list_costly(index, costs).values():
                raise error
            evaluated = self._evaluate(index, costs, {})
        self._keep(index.plan, evaluated)
        value = posting_values(evaluated.evaluation, evaluated.idf)
        found = best_papers(index.rules, evaluated.evaluation, value, limit=limit, workers=workers)
        return Matches(index.rules, evaluated.evaluation, value, found)

    def leave_out_costly(self, index: ProfileIndex) -> Mapping[int, CostlyRuleError]:
        """Return, by row, the profiles of an index that cost too much, and evaluate the others.

        `matches` of this index, or of a subset, then does not find everything for the profiles left out.
        """
        if index.plan not in self._evaluated:
            costs = self._estimate(index)
            self._keep(index.plan, self._evaluate(index, costs, self._list_costly(index, costs)))
        return self._evaluated[index.plan].too_costly

    def _estimate(self, index: ProfileIndex) -> Costs:
        return estimate_costs(index.plan, index.rules.condition, (self.corpus, self._older))

    def _keep(self, plan: QueryPlan, evaluated: _Evaluated) -> None:
        self._evaluated[plan] = evaluated
        if len(self._evaluated) > _KEPT_EVALUATIONS:
            del self._evaluated[next(iter(self._evaluated))]

    def _evaluate(self, index: ProfileIndex, costs: Costs, too_costly: Mapping[int, CostlyRuleError]) -> _Evaluated:
        """Evaluate the conditions of all profiles that are not too costly."""
        plan, steps, atoms = index.plan, costs.total, None
        if too_costly:
            others = np.setdiff1d(np.arange(len(index.rules)), np.fromiter(too_costly, np.int64))
            steps = float(costs.by_profile(index.rules.offsets)[others].sum())
            atoms = plan.atoms_of(index.subset(others).rules.condition)
        evaluation, older = (evaluate(plan, corpus, atoms=atoms, steps=steps) for corpus in (self.corpus, self._older))
        counts = evaluation.document_frequencies(self._recent) + older.document_frequencies()
        total = len(self.corpus) - self._recent + len(self._older)
        return _Evaluated(evaluation, inverse_document_frequency(counts, total), too_costly)

    def _list_costly(self, index: ProfileIndex, costs: Costs) -> dict[int, CostlyRuleError]:
        """Return, by row, why a profile is too costly: its costliest line, and what occurs most often of that."""
        plan, rules, errors = index.plan, index.rules, dict[int, CostlyRuleError]()
        for row in np.flatnonzero(costs.by_profile(rules.offsets) > self._max_steps).tolist():
            begin, end = rules.offsets[row : row + 2].tolist()
            worst = begin + int(np.argmax(costs.by_rule[begin:end]))
            phrases = plan.phrases_of(plan.atoms_of(rules.condition[[worst]]))
            phrase = int(np.argmax(np.where(phrases, costs.by_phrase, -1)))
            times = round(float(costs.by_phrase[phrase]))
            papers = len(self.corpus) + len(self._older)
            errors[row] = CostlyRuleError(int(rules.line[worst]), plan.trie.text_of(phrase), times, papers)
        return errors


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """An index, with the id (ascending) and the fingerprint of the rules of the profile in each row."""

    index: ProfileIndex
    ids: NDArray[np.int64]
    fingerprints: NDArray[np.uint64]


def save_snapshot(file: Path, snapshot: Snapshot) -> None:
    """Write a snapshot atomically: readers see the old file or the new one. Raises OSError."""
    plan, rules = snapshot.index.plan, snapshot.index.rules
    arrays = {f"plan.{name}": getattr(plan, name) for name in _PLAN}
    arrays |= {f"rules.{name}": getattr(rules, name) for name in _RULES}
    arrays |= {f"trie.{name}": getattr(plan.trie, name) for name in _TRIE}
    arrays |= {
        "format": np.array(_FORMAT),
        "symbols": np.frombuffer("\n".join(plan.trie.symbols).encode(), np.uint8),
        "ids": snapshot.ids,
        "fingerprints": snapshot.fingerprints,
    }
    written = file.with_name(f"{file.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with open_file(written) as opened:
            np.savez(opened, **arrays)
        written.replace(file)
    finally:
        written.unlink(missing_ok=True)


def load_snapshot(file: Path) -> Snapshot | None:
    """Return the snapshot in `file`, or None if there is none that this version can read."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            if int(arrays["format"]) != _FORMAT:
                return None
            text = arrays["symbols"].tobytes().decode()
            symbols = text.split("\n") if text else []
            trie = PhraseTrie(symbols, *(arrays[f"trie.{name}"] for name in _TRIE))
            plan = QueryPlan(trie=trie, **{name: arrays[f"plan.{name}"] for name in _PLAN})
            rules = ProfileRules(**{name: arrays[f"rules.{name}"] for name in _RULES})
            return Snapshot(ProfileIndex(plan, rules), arrays["ids"], arrays["fingerprints"])
    except Exception:  # noqa: BLE001  (a damaged zip file can raise almost anything; the cache is then built again)
        return None
