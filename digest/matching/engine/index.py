"""Profiles compiled into an index, and papers that are read once for any number of such indexes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Self

import numpy as np
from numpy.typing import NDArray

from digest.errors import RuleError
from digest.matching.engine.corpus import Corpus
from digest.matching.engine.evaluation import Evaluation, evaluate
from digest.matching.engine.matches import Matches
from digest.matching.engine.phrase_trie import PhraseTrie
from digest.matching.engine.query_plan import QueryPlan, compile_queries
from digest.matching.engine.ragged import Floats, Ints, Longs, indices_of_rows, row_offsets
from digest.matching.engine.scoring import ProfileRules, best_papers, inverse_document_frequency, posting_values
from digest.matching.language.parser import parse_query, parse_rules
from digest.matching.language.query import Rule, distinct_rules
from digest.models import EXCLUDES, Paper, Profile

_KEPT_EVALUATIONS = 2  # of the plan of all profiles, and of the plan of those that were edited since


class ProfileIndex:
    """Compiled profiles, one a row. Immutable; safe to share between threads."""

    def __init__(self, plan: QueryPlan, rules: ProfileRules) -> None:
        self.plan = plan
        self.rules = rules

    @classmethod
    def build(cls, profiles: Iterable[Profile]) -> Self:
        """Returns an index of these profiles. Raises RuleError, naming the profile, if its rules are invalid."""
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
        """Returns an index of stored rules, as `compile_rules` made them.

        `queries` are distinct; `offsets` are row offsets, by profile, into `query` (a number in `queries`), `weight`
        and `line`.
        """
        # Popular queries come first, so that what is looked up most often is close together in memory.
        popular = np.argsort(-np.bincount(query, minlength=len(queries)), kind="stable")
        plan, conditions = compile_queries(parse_query(queries[number]) for number in popular.tolist())
        condition = np.empty_like(conditions)
        condition[popular] = conditions
        return cls(plan, ProfileRules(offsets=offsets, condition=condition[query], weight=weight, line=line))

    def __len__(self) -> int:
        return len(self.rules)

    def subset(self, rows: NDArray[np.int64]) -> Self:
        """Returns an index of these rows, in this order."""
        rules = self.rules
        each, counts = indices_of_rows(rules.offsets, rows)
        some = ProfileRules(row_offsets(counts), rules.condition[each], rules.weight[each], rules.line[each])
        return type(self)(self.plan, some)

    def match(
        self,
        papers: Sequence[Paper] | Evaluation,
        *,
        idf: Floats | None = None,
        limit: int | None = None,
        workers: int = 1,
    ) -> Matches:
        """Returns the best `limit` papers of every profile, or all that match. O(words + postings + matches).

        `idf` is the inverse document frequency of each condition of the plan; None counts all the same. Uses that many
        `workers`, which are processes, where the system can fork.
        """
        evaluation = papers if isinstance(papers, Evaluation) else evaluate(self.plan, Corpus(papers))
        value = posting_values(evaluation, idf)
        found = best_papers(self.rules, evaluation, value, limit=limit, workers=workers)
        return Matches(self.rules, evaluation, value, found)


class Search:
    """Matches profile indexes against the same papers. Rules that are rarely true count more.

    Keeps the evaluations of the last plans. Not safe to share between threads.
    """

    def __init__(self, papers: Sequence[Paper] | Corpus, older: Sequence[Paper] = (), *, recent: int = 0) -> None:
        """Document frequencies are counted in `older` and in `papers` from number `recent` on.

        O(characters), unless `papers` is a Corpus. Several threads may each have a search of the same corpus.
        """
        self.corpus = papers if isinstance(papers, Corpus) else Corpus(papers)
        self._older = Corpus(older)
        self._recent = recent
        self._evaluations: dict[QueryPlan, tuple[Evaluation, Floats]] = {}  # the last used is the last

    @property
    def papers(self) -> Sequence[Paper]:
        """The papers to match profiles against."""
        return self.corpus.papers

    def matches(self, index: ProfileIndex, *, limit: int | None = None, workers: int = 1) -> Matches:
        """Returns the best `limit` papers of every profile of the index, or all that match."""
        evaluation, idf = self.evaluate(index.plan)
        return index.match(evaluation, idf=idf, limit=limit, workers=workers)

    def evaluate(self, plan: QueryPlan) -> tuple[Evaluation, Floats]:
        """Returns (the evaluation of the plan on the papers, the inverse document frequency of each condition)."""
        if plan in self._evaluations:
            self._evaluations[plan] = self._evaluations.pop(plan)
        else:
            evaluation, older = evaluate(plan, self.corpus), evaluate(plan, self._older)
            counts = evaluation.document_frequencies(self._recent) + older.document_frequencies()
            total = len(self.corpus) - self._recent + len(self._older)
            self._evaluations[plan] = evaluation, inverse_document_frequency(counts, total)
            if len(self._evaluations) > _KEPT_EVALUATIONS:
                del self._evaluations[next(iter(self._evaluations))]
        return self._evaluations[plan]


# Increased when the file's arrays change, and when the same rules come to mean something else.
_FORMAT = 3

_PLAN = (
    "slot_offsets", "slot", "fields", "atom", "distance", "is_or", "child_offsets", "child", "negated", "level_offsets",
)  # fmt: skip
_RULES = ("offsets", "condition", "weight", "line")
_TRIE = ("keys", "targets", "phrase_of")


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """An index, with the id (ascending) and the fingerprint of the rules of the profile in each row."""

    index: ProfileIndex
    ids: NDArray[np.int64]
    fingerprints: NDArray[np.uint64]


def save_snapshot(file: Path, snapshot: Snapshot) -> None:
    """Writes a snapshot atomically: readers see the old file or the new one. Raises OSError."""
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
    with NamedTemporaryFile(dir=file.parent, prefix=f"{file.name}.", delete=False) as opened:
        written = Path(opened.name)
        try:
            np.savez(opened, **arrays)
            written.replace(file)
        except OSError:
            written.unlink()
            raise


def load_snapshot(file: Path) -> Snapshot | None:
    """Returns the snapshot in `file`, or None if there is none that this version can read."""
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
