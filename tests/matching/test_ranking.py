"""Which matching papers a subscriber gets."""

from digest.matching import choose
from digest.matching.ranking import Choice
from digest.models import Match
from tests.builders import a_match, a_paper

A, B, C = a_paper("a"), a_paper("b"), a_paper("c")


def chosen(*wanted: list[Match], already: tuple[str, ...] = (), muted: tuple[str, ...] = (), limit: int = 25) -> Choice:
    return choose(wanted, known=already, left_out=muted, limit=limit)


def shown(choice: Choice) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(item.profile, item.paper.title, item.also) for item in choice.items]


def test_a_paper_that_two_profiles_want_is_shown_once_where_it_scores_higher() -> None:
    choice = chosen([a_match(A, "X", 1)], [a_match(A, "Y", 2)])
    assert shown(choice) == [("Y", "a", ("X",))]


def test_of_equal_scores_the_first_profile_shows_the_paper() -> None:
    assert shown(chosen([a_match(A, "X", 1)], [a_match(A, "Y", 1)])) == [("X", "a", ("Y",))]


def test_sections_are_ordered_by_their_best_paper_and_papers_by_score() -> None:
    choice = chosen([a_match(A, "X", 1), a_match(B, "X", 3)], [a_match(C, "Y", 2)])
    assert shown(choice) == [("X", "b", ()), ("X", "a", ()), ("Y", "c", ())]


def test_papers_over_the_limit_are_listed_as_more() -> None:
    choice = chosen([a_match(A, "X", 1), a_match(B, "X", 3), a_match(C, "X", 2)], limit=1)
    assert shown(choice) == [("X", "b", ())]
    assert [p.title for p in choice.more] == ["c", "a"]


def test_sent_and_muted_papers_are_left_out() -> None:
    choice = chosen([a_match(A), a_match(B), a_match(C)], already=(A.id,), muted=(B.id,))
    assert [title for _, title, _ in shown(choice)] == ["c"]
