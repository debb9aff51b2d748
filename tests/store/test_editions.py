"""Editions: the papers of a date, in order and page by page."""

from datetime import date

import pytest

from digest.models import Paper
from digest.store import Store, papers
from digest.store.papers import Order
from tests.builders import a_paper, at

ALWAYS = date(2026, 1, 1), date(2026, 12, 31)


@pytest.fixture
def filled(store: Store) -> Store:
    """Three editions; a paper of the first was merged into one of the second."""
    add(store, "2026-06-01", a_paper("a"), a_paper("gone"))
    add(store, "2026-06-03", a_paper("b", stars=9), a_paper("c", upvotes=0), a_paper("d", upvotes=5))
    add(store, "2026-06-30", a_paper("e", upvotes=5, stars=1))
    with store.write() as tx:
        papers.merge(tx, younger="test:gone", older="test:b")
    return store


def add(store: Store, day: str, *new: Paper) -> None:
    with store.write() as tx:
        papers.add(tx, new, first_seen_at=at(f"{day} 07:00"), edition_on=date.fromisoformat(day))


def titles(store: Store, order: Order, first_on: date, last_on: date, *, offset: int = 0, limit: int = 50) -> str:
    with store.read() as tx:
        found = papers.list_in_editions(tx, first_on, last_on, order, offset=offset, limit=limit)
    return "".join(paper.title for paper in found)


def test_papers_are_listed_newest_first_and_by_id_within_one_moment(filled: Store) -> None:
    assert titles(filled, Order.NEWEST, *ALWAYS) == "edcba"


def test_trending_papers_are_ordered_by_upvotes_then_stars(filled: Store) -> None:
    assert titles(filled, Order.TRENDING, *ALWAYS) == "edbca"
    add(filled, "2026-06-02", a_paper("f", upvotes=5, stars=2), a_paper("g", stars=1))
    assert titles(filled, Order.TRENDING, *ALWAYS) == "fedbgca"


def test_pages_follow_each_other_without_gaps(filled: Store) -> None:
    pages = [titles(filled, Order.NEWEST, *ALWAYS, offset=at, limit=2) for at in (0, 2, 4, 6)]
    assert pages == ["ed", "cb", "a", ""]


def test_a_period_includes_its_first_and_last_date(filled: Store) -> None:
    assert titles(filled, Order.NEWEST, date(2026, 6, 1), date(2026, 6, 3)) == "dcba"
    assert titles(filled, Order.NEWEST, date(2026, 6, 2), date(2026, 6, 2)) == ""


def test_a_page_longer_than_one_query_is_complete(store: Store) -> None:
    add(store, "2026-06-01", *(a_paper(f"{i}.") for i in range(1200)))
    assert titles(store, Order.NEWEST, *ALWAYS, limit=1100).count(".") == 1100


def test_counts_by_day_leave_out_days_without_papers(filled: Store) -> None:
    with filled.read() as tx:
        counts = papers.count_by_edition(tx, date(2026, 6, 1), date(2026, 6, 29))
    assert counts == {date(2026, 6, 1): 1, date(2026, 6, 3): 3}


def test_the_nearest_editions_are_found_across_empty_days(filled: Store) -> None:
    with filled.read() as tx:
        assert papers.find_previous_edition(tx, date(2026, 6, 30)) == date(2026, 6, 3)
        assert papers.find_next_edition(tx, date(2026, 6, 3)) == date(2026, 6, 30)
        assert papers.find_previous_edition(tx, date(2026, 6, 1)) is None
        assert papers.find_next_edition(tx, date(2026, 6, 30)) is None


def test_a_paper_has_an_edition_until_it_is_merged(filled: Store) -> None:
    with filled.read() as tx:
        assert papers.find_edition_of(tx, "test:e") == date(2026, 6, 30)
        assert papers.find_edition_of(tx, "test:gone") is None
        assert papers.find_edition_of(tx, "test:nobody") is None


def test_zero_upvotes_are_not_popular(filled: Store) -> None:
    with filled.read() as tx:
        assert papers.has_popular(tx, date(2026, 6, 3), date(2026, 6, 3))
        assert not papers.has_popular(tx, date(2026, 6, 1), date(2026, 6, 1))
