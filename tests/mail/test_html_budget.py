"""The byte budget."""

from collections.abc import Sequence

import pytest

from digest.mail.cards import PaperCache
from digest.mail.html_budget import MAX_HTML_BYTES, Fit, TemplateSizes, candidate_fits
from digest.models import DigestItem
from tests.builders import a_delivery, a_digest, a_paper, an_item
from tests.mail.samples import composer

SIZES = TemplateSizes(shell=1000, section=100, card=100, reason=10, mark=10)


def first(items: Sequence[DigestItem], budget: int, trending: Sequence[DigestItem] = ()) -> Fit:
    return next(candidate_fits(items, trending, max_abstract=400, sizes=SIZES, cache=PaperCache(), budget=budget))


def some(count: int) -> list[DigestItem]:
    return [an_item(a_paper(f"Title {i}", "word " * 100, id=str(i)), "P", i) for i in range(count)]


def test_an_abstract_that_fits_is_shown_whole() -> None:
    assert first(some(3), 5000, some(1)) == Fit(tuple(some(3)), tuple(some(1)), 400)


def test_trending_papers_go_first_then_ends_of_abstracts() -> None:
    fit = first(some(3), 2950, some(1))
    assert (len(fit.items), len(fit.trending), fit.max_abstract) == (3, 0, 400)
    fit = first(some(3), 2100, some(1))
    assert (len(fit.items), len(fit.trending), fit.max_abstract) == (3, 0, 200)


def test_a_dropped_paper_frees_the_space_of_its_section() -> None:
    items = [an_item(a_paper(f"T{i}", "word " * 9, id=str(i)), f"P{i}", 99 - i) for i in range(99)]
    rendered = composer().render(a_delivery(a_digest(items)))
    shown = sum(f"T{i}</h3>" in rendered.readable_html for i in range(99))
    assert shown > 25
    assert len(rendered.html) > MAX_HTML_BYTES * 0.75


def test_the_best_papers_stay_in_their_order() -> None:
    fit = first(some(9), 2100, some(1))
    assert [item.score for item in fit.items] == [5, 6, 7, 8]
    assert (fit.trending, fit.max_abstract) == ((), 120)


def test_the_last_candidate_shows_nothing() -> None:
    assert list(candidate_fits(some(9), (), max_abstract=400, sizes=SIZES, cache=PaperCache(), budget=1))[-1] == Fit(
        (), (), 120
    )


@pytest.mark.parametrize("words", [10, 100, 1000])
@pytest.mark.parametrize("word", ["wörd & <more> ", "word ", "图表 "])
def test_a_mail_fills_its_budget_and_never_exceeds_it(words: int, word: str) -> None:
    digest = a_digest([an_item(a_paper(f"T{i}", word * words, id=str(i)), f"P{i % 3}", 99 - i) for i in range(25)])
    rendered = composer(max_abstract=10_000).render(a_delivery(digest))
    assert len(rendered.html) <= MAX_HTML_BYTES
    assert all(f"T{i}</h3>" in rendered.readable_html for i in range(25))
    if words == 1000:
        assert len(rendered.html) > MAX_HTML_BYTES / 3
