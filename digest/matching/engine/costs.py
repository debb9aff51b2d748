"""Estimates what rules cost to evaluate, from the dictionary of the papers alone, before any of it is done.

The unit is a step: an occurrence of a phrase that is looked at for one condition, or a paper that a condition is true
of. A step takes SECONDS_PER_STEP and, while it is evaluated, up to a hundred bytes.

How often a word or prefix occurs is known exactly. Phrases are estimated as if their words were independent. That is
too low for common phrases, such as "of the", but each token continues only one of those: all together cost no more than
reading the papers once. What costs much are prefixes, which overlap, and words that are asked for in many ways, since
`th* NEAR/1 in*` and `th* NEAR/2 in*` are different conditions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from digest.matching.engine.corpus import Corpus
from digest.matching.engine.query_plan import QueryPlan
from digest.matching.engine.ragged import Doubles, Ints, Longs
from digest.models import CompiledRules

SECONDS_PER_STEP = 7e-8  # of processor time, measured over 15,000 papers
MAX_STEPS = 5_000_000.0  # of one profile: less than half a second

_FEW_CHARACTERS = 500  # a hundred words: the most frequent of all, in conditions of every form, cost less

_NEAR = 6.0  # measured: what an occurrence costs in a NEAR or a name, beside one in a term
_TOGETHER = 4.0  # words of a phrase are found together about so much more often than by chance


def may_cost_much(rules: CompiledRules) -> bool:
    """Return whether rules may cost more than MAX_STEPS, whatever the papers: not a few whole words and phrases."""
    return any("*" in rule.query or " NEAR/" in rule.query for rule in rules.rules) or len(rules.text) > _FEW_CHARACTERS


@dataclass(frozen=True, eq=False)
class Costs:
    """What a plan and its rules cost, in steps."""

    total: float
    by_rule: Doubles  # what rules share counts for each in part
    by_phrase: Doubles  # how often each occurs

    def by_profile(self, offsets: Longs) -> Doubles:
        """Return the cost of each profile. `offsets` are row offsets, by profile, into the rules."""
        return np.diff(np.concatenate(([0.0], np.cumsum(self.by_rule)))[offsets])


def estimate_costs(plan: QueryPlan, rules: Ints, corpora: Sequence[Corpus]) -> Costs:
    """Estimate what evaluating a plan on these papers costs. `rules` are conditions. O(words of the rules)."""
    own, papers, occurrences = np.zeros(plan.conditions), np.zeros(plan.conditions), np.zeros(plan.phrases)
    for corpus in filter(len, corpora):
        found = _costs_in(plan, corpus)
        own, papers, occurrences = own + found[0], papers + found[1], occurrences + found[2]
    uses = np.bincount(rules, minlength=plan.conditions)
    uses += np.bincount(plan.child, minlength=plan.conditions)
    shared = own / np.maximum(uses, 1)  # each condition is evaluated once for all that use it
    for begin, end in plan.levels:
        children = slice(*plan.child_offsets[[begin, end]].tolist())
        of_children = np.add.reduceat(shared[plan.child[children]], plan.child_offsets[begin:end] - children.start)
        clauses = slice(plan.atoms + begin, plan.atoms + end)
        shared[clauses] += of_children / np.maximum(uses[clauses], 1)
    return Costs(float(own.sum()), shared[rules] + papers[rules], occurrences)


def _costs_in(plan: QueryPlan, corpus: Corpus) -> tuple[Doubles, Doubles, Doubles]:
    """Return, by condition, the cost and the number of papers, and by phrase, how often it occurs."""
    occurrences, walk = _occurrences_and_walk(plan, corpus)
    slots = np.diff(plan.slot_offsets)
    each = np.repeat(np.arange(plan.phrases), slots)  # by slot of a phrase: the phrase
    atom = plan.atom[plan.slot]
    weight = np.where(plan.slots_of_atom[atom] > 1, _NEAR, 1.0)
    cost, papers = np.zeros(plan.conditions), np.zeros(plan.conditions)
    cost[: plan.atoms] = np.bincount(atom, walk[each] / slots[each] + weight * occurrences[each], minlength=plan.atoms)
    in_slot = np.minimum(np.bincount(plan.slot, occurrences[each], minlength=len(plan.atom)), len(corpus))
    if plan.atoms:
        papers[: plan.atoms] = np.minimum.reduceat(in_slot, np.flatnonzero(plan.is_first_slot))
    for begin, end in plan.levels:
        children = slice(*plan.child_offsets[[begin, end]].tolist())
        starts = plan.child_offsets[begin:end] - children.start
        of_children = papers[plan.child[children]]
        sums = np.add.reduceat(of_children, starts)
        fewest = np.minimum.reduceat(np.where(plan.negated[children], len(corpus), of_children), starts)
        sizes = np.diff(plan.child_offsets[begin : end + 1])
        is_or = plan.is_or[begin:end]
        clauses = slice(plan.atoms + begin, plan.atoms + end)
        cost[clauses] = np.where(is_or, sums, fewest * sizes)
        papers[clauses] = np.where(is_or, np.minimum(sums, len(corpus)), fewest)
    return cost, papers, occurrences


def _occurrences_and_walk(plan: QueryPlan, corpus: Corpus) -> tuple[Doubles, Doubles]:
    """Return, by phrase, how often it occurs, and its part of the steps that the walk through the trie takes."""
    trie, tokens = plan.trie, max(len(corpus.word), 1)
    counts = trie.symbol_counts(corpus)
    patterns = counts.sum() / tokens  # that a token fits
    levels = list(trie.levels())
    found = np.zeros(len(trie.phrase_of))  # by node
    for nodes in levels:
        before, here = found[trie.parent[nodes]], counts[trie.symbol_to[nodes]]
        together = np.minimum(np.minimum(before, here), before * here * (_TOGETHER / tokens))
        found[nodes] = here if nodes is levels[0] else together
    phrases = (trie.phrase_of >= 0).astype(np.float64)  # that begin with the words up to a node
    for nodes in reversed(levels):
        phrases += np.bincount(trie.parent[nodes], phrases[nodes], minlength=len(phrases))
    walk = np.zeros(len(found))
    for nodes in levels:
        steps = found[nodes] * np.where(trie.has_branches[nodes], 1 + patterns, 1)
        walk[nodes] = walk[trie.parent[nodes]] + steps / phrases[nodes]
    ends = np.empty(plan.phrases, np.int64)
    last = np.flatnonzero(trie.phrase_of >= 0)
    ends[trie.phrase_of[last]] = last
    return found[ends], walk[ends]
