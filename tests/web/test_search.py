"""Searching papers with the rules of profiles."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.web.app import create_app
from tests.builders import NOW, a_paper
from tests.web.html import faults_of
from tests.web.papers import add_papers


def search(site: TestClient, q: str = "", *, period: str = "", page: str = "1", status: int = 200) -> str:
    answer = site.get("/search", params={"q": q, "in": period, "page": page})
    assert answer.status_code == status
    assert faults_of(answer.text) == []
    return " ".join(answer.text.split())


def test_the_empty_form_shows_examples_that_can_be_read(site: TestClient) -> None:
    examples = re.findall(r'<a href="(/search[?][^"]*)"><code>', search(site))
    assert examples[0] == "/search?q=diffusion%20model"
    assert [site.get(example).status_code for example in examples] == [200, 200, 200]


def test_only_the_empty_form_may_be_indexed(open_site: Callable[..., TestClient]) -> None:
    site = open_site("[web]\nindexed = true\n")
    assert "noindex" not in search(site)
    for query in ({"q": "cat"}, {"q": "cat AND"}, {"in": "x"}):
        assert '<meta name="robots" content="noindex">' in " ".join(site.get("/search", params=query).text.split())


def test_matches_are_shown_best_first_and_marked(app: App, site: TestClient) -> None:
    add_papers(app, a_paper("A dog", "and a cat"), a_paper("The cat's way"), "A bird")
    page = search(site, "cat")
    assert "2 papers · last 30 days" in page
    assert page.index("The <mark>cat</mark>") < page.index("and a <mark>cat</mark>")
    assert "A bird" not in page


def test_several_lines_are_several_rules_and_stay_lines(app: App, site: TestClient) -> None:
    add_papers(app, "cats", "dogs", "birds")
    page = search(site, "cat\r\ndog")
    assert "2 papers" in page
    assert "> cat dog</textarea>" in page


def test_twenty_stand_on_a_page(app: App, site: TestClient) -> None:
    add_papers(app, *(f"cat {n}" for n in range(45)))
    first, last = search(site, "cat AND co OR cat"), search(site, "cat", page="3")
    assert (first.count("<article"), last.count("<article")) == (20, 5)
    assert '<a href="/search?q=cat%20AND%20co%20OR%20cat&amp;page=2" rel="next">' in first
    assert 'rel="prev"' not in first
    assert "Page 3 of 3" in last
    assert 'rel="next"' not in last
    assert '<a href="/search?q=cat&amp;page=2" rel="prev">' in last


@pytest.mark.parametrize("page", ["0", "4", "-1", "x", "٣", "9" * 50])
def test_a_page_that_is_not_there_says_so(app: App, site: TestClient, page: str) -> None:
    add_papers(app, *(f"cat {n}" for n in range(45)))
    answer = search(site, "cat", page=page, status=404)
    assert "There are no more results." in answer
    assert '<a href="/search?q=cat">First page</a>' in answer


def test_a_period_is_searched_by_its_editions(app: App, site: TestClient) -> None:
    add_papers(app, "cat of old", seen_at=NOW - timedelta(days=400))
    add_papers(app, "cat of today")
    old, today = search(site, "cat", period="2025-04"), search(site, "cat", period="2026-W23")
    assert ("1 paper · 2025-04" in old, "of old" in old, "of today" in old) == (True, True, False)
    assert ("1 paper · 2026-W23" in today, "of old" in today, "of today" in today) == (True, False, True)
    assert '<option value="2025-04" selected>2025-04</option>' in old


@pytest.mark.parametrize("period", ["yesterday", "2026-13", "9999-12", "<b>"])
def test_an_invalid_period_is_reported_with_an_example(site: TestClient, period: str) -> None:
    page = search(site, "cat", period=period, status=404)
    assert "Use a date, week or month such as 2026-09-11, 2026-W37 or 2026-09" in page
    assert 'value="cat"' in page


def test_mistakes_are_marked_where_they_are(site: TestClient) -> None:
    page = search(site, 'cat AND "dog', status=422)
    assert "Line 1, column 9:" in page
    assert 'aria-invalid="true"' in page
    assert 'value="cat AND &#34;dog"' in page


def test_keywords_that_only_exclude_find_nothing_and_say_why(app: App, site: TestClient) -> None:
    add_papers(app, "cat")
    page = search(site, "-dog", status=422)
    assert "only exclude papers" in page
    assert "<article" not in page


def test_an_empty_result_is_reported(site: TestClient) -> None:
    assert "No results · last 30 days" in search(site, "cat")


def test_one_client_searches_so_often_and_sees_the_empty_form_all_the_same(app: App) -> None:
    site = TestClient(create_app(app, clock=lambda: NOW), client=("192.0.2.7", 50000))
    answers = [site.get("/search", params={"q": "cat AND"}).status_code for _ in range(121)]
    assert answers == [422] * 120 + [429]
    assert site.get("/search").status_code == 200
    assert site.post("/preview", data={"rules": "cat"}).status_code == 429


def test_a_query_is_never_markup(app: App, site: TestClient) -> None:
    add_papers(app, a_paper("<script>alert(1)</script> cat"))
    page = search(site, 'cat OR "<script>alert(1)</script>"')
    assert "<script>alert" not in page
    assert "&lt;" in page


def test_the_form_works_below_a_path(open_site: Callable[..., TestClient]) -> None:
    site = open_site('[newsletter]\nbase_url = "https://example.org/digest"\n')
    assert '<form action="/digest/search" role="search">' in search(site)
    assert '<a href="/digest/search?q=diffusion%20model">' in search(site)
