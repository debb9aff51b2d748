"""Editions: the papers of a date, in order and page by page."""

from datetime import date

import pytest

from digest.models import Paper
from digest.store import Store, editions, papers
from digest.store.editions import Order
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
        found = editions.list_papers(tx, first_on, last_on, order, offset=offset, limit=limit)
    return "".join(paper.title for paper in found)


def test_the_newest_come_first_and_of_one_moment_those_that_came_last(filled: Store) -> None:
    assert titles(filled, Order.NEWEST, *ALWAYS) == "edcba"


def test_what_is_trending_has_the_most_upvotes_then_the_most_stars(filled: Store) -> None:
    assert titles(filled, Order.TRENDING, *ALWAYS) == "edbca"
    add(filled, "2026-06-02", a_paper("f", upvotes=5, stars=2), a_paper("g", stars=1))
    assert titles(filled, Order.TRENDING, *ALWAYS) == "fedbgca"


def test_pages_follow_one_another(filled: Store) -> None:
    pages = [titles(filled, Order.NEWEST, *ALWAYS, offset=at, limit=2) for at in (0, 2, 4, 6)]
    assert pages == ["ed", "cb", "a", ""]


def test_first_and_last_date_belong_to_the_period(filled: Store) -> None:
    assert titles(filled, Order.NEWEST, date(2026, 6, 1), date(2026, 6, 3)) == "dcba"
    assert titles(filled, Order.NEWEST, date(2026, 6, 2), date(2026, 6, 2)) == ""


def test_a_page_longer_than_one_query_is_whole(store: Store) -> None:
    add(store, "2026-06-01", *(a_paper(f"{i}.") for i in range(1200)))
    assert titles(store, Order.NEWEST, *ALWAYS, limit=1100).count(".") == 1100


def test_dates_are_counted_and_those_without_papers_left_out(filled: Store) -> None:
    with filled.read() as tx:
        counts = editions.count_by_day(tx, date(2026, 6, 1), date(2026, 6, 29))
    assert counts == {date(2026, 6, 1): 1, date(2026, 6, 3): 3}


def test_the_nearest_editions_are_found_over_days_without_one(filled: Store) -> None:
    with filled.read() as tx:
        assert editions.find_previous_date(tx, date(2026, 6, 30)) == date(2026, 6, 3)
        assert editions.find_next_date(tx, date(2026, 6, 3)) == date(2026, 6, 30)
        assert editions.find_previous_date(tx, date(2026, 6, 1)) is None
        assert editions.find_next_date(tx, date(2026, 6, 30)) is None


def test_the_edition_of_a_paper_is_known_while_it_stands_for_itself(filled: Store) -> None:
    with filled.read() as tx:
        assert editions.find_date_of(tx, "test:e") == date(2026, 6, 30)
        assert editions.find_date_of(tx, "test:gone") is None
        assert editions.find_date_of(tx, "test:nobody") is None


def test_zero_upvotes_are_not_popular(filled: Store) -> None:
    with filled.read() as tx:
        assert editions.has_popular(tx, date(2026, 6, 3), date(2026, 6, 3))
        assert not editions.has_popular(tx, date(2026, 6, 1), date(2026, 6, 1))
