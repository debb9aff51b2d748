"""The methods of the matching benchmark do the same work."""

import numpy as np

from tests.benchmarks.matchers import by_fts5, by_in, by_regex, by_tantivy
from tests.benchmarks.matching import cases, indexed, match, real_papers
from tests.benchmarks.profiles import Phrase, Population, SampleRule, pool
from tests.builders import a_paper

PAPERS = [
    a_paper("sparse attention for speech"),
    a_paper("x", "attention is sparse here, speech is not"),
    a_paper("attention", "far from all that is sparse"),
    a_paper("pruning", "sparse attention"),
    a_paper("nothing at all"),
]
ATTENTION, SPARSE, PRUNING = Phrase("attention"), Phrase("sparse"), Phrase("pruning")
RULES = {
    SampleRule((Phrase("sparse attention"),)): {0, 3},
    SampleRule((ATTENTION, SPARSE)): {0, 1, 2, 3},
    SampleRule((ATTENTION,), none_of=(PRUNING,)): {0, 1, 2},
    SampleRule((ATTENTION,), any_of=(PRUNING, Phrase("speech"))): {0, 1, 3},
    SampleRule((Phrase("attention", in_title=True),)): {0, 2},
}


def test_every_method_finds_the_same() -> None:
    profiles = [[(rule, 1.0)] for rule in RULES]
    for by in (by_regex, by_in, by_fts5, by_tantivy):
        assert [set(found) for found in by(PAPERS, profiles)(len(profiles))] == list(RULES.values()), by


def test_methods_that_support_near_find_it() -> None:
    profile = [(SampleRule((ATTENTION, SPARSE), near=1), 1.0)]
    for by in (by_regex, by_fts5):
        assert set(by(PAPERS, [profile])(1)[0]) == {0, 1, 3}, by


def test_our_engine_finds_what_the_others_find() -> None:
    people = Population(
        list(RULES),
        np.arange(len(RULES) + 1),
        np.arange(len(RULES), dtype=np.int32),
        np.ones(len(RULES), np.float32),
    )
    matches = match(indexed(people), PAPERS)
    found = zip(matches.profile.tolist(), matches.paper.tolist(), strict=True)
    assert set(found) == {(row, column) for row, some in enumerate(RULES.values()) for column in some}


def test_a_rule_pool_is_reproducible_and_a_third_of_a_boolean_one_has_operators() -> None:
    papers = real_papers()[:50]
    rules = pool(papers, 3000, boolean=True)
    assert rules == pool(papers, 3000, boolean=True)
    assert all(rule.is_plain for rule in pool(papers, 300, boolean=False))
    assert 0.25 < sum(not rule.is_plain for rule in rules) / len(rules) < 0.4


def test_every_case_runs() -> None:
    for case in cases([1000], real_papers()[:60]):
        for method in case.methods:
            assert method.run(min(2, method.most)) is not None
