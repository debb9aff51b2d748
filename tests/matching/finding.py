"""Finds papers with the reference evaluator and with the index, and checks that both agree."""

from collections.abc import Sequence

import numpy as np

from digest.matching import Matches, ProfileIndex, parse_rules
from digest.matching.engine.corpus import Corpus
from digest.matching.engine.evaluation import evaluate
from digest.matching.engine.scoring import best_papers, posting_values
from digest.models import Paper
from tests.builders import a_paper, a_profile
from tests.matching.reference import is_true


def match_all(index: ProfileIndex, papers: Sequence[Paper], *, limit: int | None = None, workers: int = 1) -> Matches:
    """What an index finds if all its rules count alike, also those that are rarely true."""
    evaluation = evaluate(index.plan, Corpus(papers))
    value = posting_values(evaluation, np.ones(len(evaluation.offsets) - 1, np.float32))
    scored = best_papers(index.rules, evaluation, value, limit=limit, workers=workers)
    return Matches(index.rules, evaluation, value, scored)


def found(rules: str, *papers: Paper) -> list[str]:
    """The titles of the papers that the rules match, in the order given."""
    read = parse_rules(rules)
    wanted = [
        any(is_true(rule.query, paper) for rule in read if not rule.excludes)
        and not any(is_true(rule.query, paper) for rule in read if rule.excludes)
        for paper in papers
    ]
    matched = set(match_all(ProfileIndex.build([a_profile(rules)]), papers).paper.tolist())
    assert matched == {column for column, is_wanted in enumerate(wanted) if is_wanted}
    return [paper.title for paper, is_wanted in zip(papers, wanted, strict=True) if is_wanted]


def matches(rule: str, paper: str | Paper) -> bool:
    """Whether the rule finds the paper, or one of that title."""
    return bool(found(rule, paper if isinstance(paper, Paper) else a_paper(paper)))
