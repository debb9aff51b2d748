"""Cards: what a template needs to show a paper."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.mail.cards import Excerpt, Hit, PaperCache, build_card, reasons, shortened, web_url
from digest.mail.context import Card, Place
from digest.models import AnnounceType, DigestItem, Evidence, Field
from tests.builders import a_paper, an_item, at

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6)
PLAIN = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


def a_card(item: DigestItem, max_abstract: int = 99) -> Card:
    prepared = PaperCache().get(item.paper)
    return build_card(item, prepared, max_abstract=max_abstract, paper_url="https://p", mute_url="https://m/".__add__)


@given(PLAIN, SPANS)
def test_marking_never_changes_the_text(text: str, spans: list[tuple[int, int]]) -> None:
    found = Excerpt(text, 99).segments(spans)
    assert "".join(s.text for s in found) == text
    assert all(s.text for s in found)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=30, max_size=30), SPANS)
def test_only_matched_spans_are_marked(text: str, spans: list[tuple[int, int]]) -> None:
    marked = [c for s in Excerpt(text, 99).segments(spans) for c in [s.hit] * len(s.text)]
    assert marked == [any(a <= i < b for a, b in spans) for i in range(30)]


@given(st.text(max_size=80), st.integers(1, 80))
def test_a_shortened_text_is_short_and_begins_as_the_text(text: str, most: int) -> None:
    short = shortened(text, most)
    assert len(short) <= most
    assert short == text or text.startswith(short.removesuffix("…"))


def test_each_keyword_is_one_reason_with_its_places() -> None:
    paper = a_paper("Cats, cats and dogs", "A cat, a DOG, dogs.")
    spans = [(Field.TITLE, 0, 4), (Field.TITLE, 6, 10), (Field.TITLE, 15, 19)]
    spans += [(Field.ABSTRACT, 2, 5), (Field.ABSTRACT, 9, 12), (Field.ABSTRACT, 14, 18)]
    found = reasons([Hit(paper, Evidence(field=f, start=a, end=b, rule="r")) for f, a, b in spans])
    assert [(hit.text, place) for hit, place in found] == [
        ("Cats", Place.TITLE),
        ("dogs", Place.TITLE_AND_ABSTRACT),
        ("cat", Place.ABSTRACT),
        ("DOG", Place.ABSTRACT),
    ]


def test_a_match_in_the_cut_off_text_is_not_marked() -> None:
    paper = a_paper("x", "A cat and a dog.")
    dog = an_item(paper, "P", 1.0, (Field.ABSTRACT, "cat"), (Field.ABSTRACT, "dog"))
    found = a_card(dog, max_abstract=10).abstract
    assert [(s.text, s.hit) for s in found] == [("A ", False), ("cat", True), ("…", False)]


def test_few_authors_are_all_named() -> None:
    few = a_card(an_item(a_paper(authors=("A", "B", "C"))))
    assert (few.authors, few.et_al) == ("A, B, C", False)
    many = a_card(an_item(a_paper(authors=("A", "B", "C", "D"))))
    assert (many.authors, many.et_al) == ("A, B, C", True)


@pytest.mark.parametrize(
    ("announced", "updated", "cross_listed"),
    [
        (AnnounceType.NEW, False, False),
        (AnnounceType.CROSS, False, True),
        (AnnounceType.REPLACE, True, False),
        (AnnounceType.REPLACE_CROSS, True, True),
    ],
)
def test_a_card_says_how_its_paper_was_announced(announced: AnnounceType, updated: bool, cross_listed: bool) -> None:
    shown = a_card(an_item(a_paper(announce_type=announced, published_at=at("2026-06-02 23:59"))))
    assert (shown.updated, shown.cross_listed) == (updated, cross_listed)
    assert str(shown.published_on) == "2026-06-02"


@pytest.mark.parametrize("url", ["https://x.org", "HTTP://x.org/a?b=c#d", "https://[::1]/x"])
def test_links_to_the_web_are_kept(url: str) -> None:
    assert web_url(url) == url


@pytest.mark.parametrize(
    "url", ["", "x.org", "ftp://x.org", "https://", "https://x.org/a b", "https://x.org/" + "x" * 999]
)
def test_other_links_are_dropped(url: str) -> None:
    assert web_url(url) == ""
