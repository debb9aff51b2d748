"""Cards: what a template needs to show a paper."""

from hypothesis import given
from hypothesis import strategies as st

from digest.mail.cards import card, segments, shortened
from digest.models import DigestItem, Evidence, Field
from tests.builders import a_paper

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6)


@given(st.text(max_size=30), SPANS)
def test_marking_never_changes_the_text(text: str, spans: list[tuple[int, int]]) -> None:
    found = segments(text, spans)
    assert "".join(s.text for s in found) == text
    assert all(s.text for s in found)


@given(st.text(min_size=30, max_size=30), SPANS)
def test_what_lies_in_a_span_is_marked_and_nothing_else(text: str, spans: list[tuple[int, int]]) -> None:
    marked = [c for s in segments(text, spans) for c in [s.hit] * len(s.text)]
    assert marked == [any(a <= i < b for a, b in spans) for i in range(30)]


@given(st.text(max_size=80), st.integers(1, 80))
def test_a_shortened_text_is_short_and_begins_as_the_text(text: str, most: int) -> None:
    short = shortened(text, most)
    assert len(short) <= most
    assert short == text or text.startswith(short.removesuffix("…"))


def item(*evidence: tuple[Field, int, int], title: str = "Cats and cats", also: tuple[str, ...] = ()) -> DigestItem:
    return DigestItem(
        paper=a_paper(title, "A cat."),
        profile="P",
        score=1.0,
        evidence=tuple(Evidence(field=f, start=a, end=b, rule="cat") for f, a, b in evidence),
        also=also,
    )


def test_a_reason_is_told_once_with_its_places() -> None:
    found = card(item((Field.TITLE, 0, 4), (Field.TITLE, 9, 13), (Field.ABSTRACT, 2, 5)), max_abstract=99).reasons
    assert [(r.text, r.place) for r in found] == [("Cats", "title"), ("cat", "abstract")]


def test_a_match_behind_the_cut_is_not_marked() -> None:
    dog = DigestItem(
        paper=a_paper("x", "A cat and a dog."),
        profile="P",
        score=1.0,
        evidence=tuple(Evidence(field=Field.ABSTRACT, start=a, end=b, rule="x") for a, b in ((2, 5), (12, 15))),
    )
    found = card(dog, max_abstract=10).abstract
    assert [(s.text, s.hit) for s in found] == [("A ", False), ("cat", True), ("…", False)]


def test_few_authors_are_all_named() -> None:
    few = card(DigestItem(paper=a_paper(authors=("A", "B", "C")), profile="P", score=1, evidence=()), max_abstract=9)
    assert few.authors == "A, B, C"
