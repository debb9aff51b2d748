"""Finds papers with the reference evaluator and with the index, and checks that both agree."""

from digest.matching import ProfileIndex, parse_rules
from digest.models import Paper
from tests.builders import a_paper, a_profile
from tests.matching.reference import is_true


def found(rules: str, *papers: Paper) -> list[str]:
    """The titles of the papers that the rules match, in the order given."""
    read = parse_rules(rules)
    wanted = [
        any(is_true(rule.query, paper) for rule in read if not rule.excludes)
        and not any(is_true(rule.query, paper) for rule in read if rule.excludes)
        for paper in papers
    ]
    matched = set(ProfileIndex.build([a_profile(rules)]).match(papers).paper.tolist())
    assert matched == {column for column, is_wanted in enumerate(wanted) if is_wanted}
    return [paper.title for paper, is_wanted in zip(papers, wanted, strict=True) if is_wanted]


def matches(rule: str, paper: str | Paper) -> bool:
    """Whether the rule finds the paper, or one of that title."""
    return bool(found(rule, paper if isinstance(paper, Paper) else a_paper(paper)))
