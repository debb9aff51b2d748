"""The front page, and the papers by day, week and month."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from digest.app import App
from tests.builders import a_paper
from tests.web.conftest import browser
from tests.web.html import faults_of
from tests.web.papers import HOSTILE, merge_papers, publish_papers, share_profile


def titles(page: str) -> list[str]:
    """The titles of the papers on a page, in order."""
    return re.findall(r'<h2\s+dir="auto"><a[^>]*>\s*(.*?)\s*</a></h2>', page)


def links(page: str) -> dict[str, str]:
    """Where each link of a page leads, by what it says."""
    found = re.findall(r'<a\s[^>]*?href="([^"]*)"[^>]*>([^<]*)</a>', page)
    return {" ".join(text.split()): href.replace("&amp;", "&") for href, text in found}


def head_links(page: str, rel: str) -> list[str]:
    return [href.replace("&amp;", "&") for href in re.findall(rf'<link\s+rel="{rel}"[^>]*href="([^"]*)"', page)]


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", "", page).split())


@pytest.fixture
def many(app: App) -> App:
    """Editions with 1, 120 and 2 papers."""
    publish_papers(app, a_paper("First"), on="2026-05-29")
    publish_papers(app, *(a_paper(f"P{i:03}") for i in range(120)), on="2026-06-02")
    publish_papers(app, a_paper("Liked", upvotes=3), a_paper("Last"), on="2026-06-03")
    return app


def test_a_newsletter_without_papers_says_so(site: TestClient) -> None:
    for path in ("/", "/papers"):
        page = site.get(path)
        assert page.status_code == 200
        assert faults_of(page.text) == []
    assert "No papers yet." in site.get("/papers").text


def test_papers_is_the_newest_edition_under_its_own_name(many: App, site: TestClient) -> None:
    page = site.get("/papers").text
    assert "<h1>Wednesday, June 3, 2026</h1>" in page
    assert titles(page) == ["Liked", "Last"]
    assert head_links(page, "canonical") == ["https://digest.example.org/papers/2026-06-03"]


@pytest.mark.parametrize(
    ("path", "heading", "count", "earlier", "later"),
    [
        ("2026-06-03", "Wednesday, June 3, 2026", "2 new papers", "Earlier: Jun 2", None),
        ("2026-06-02", "Tuesday, June 2, 2026", "120 new papers", "Earlier: May 29", "Later: Jun 3"),
        ("2026-05-29", "Friday, May 29, 2026", "1 new paper", None, "Later: Jun 2"),
        ("2026-W23", "Week 23 of 2026", "Jun 1 – Jun 7 · 122 new papers", "Earlier: Week 22", None),
        ("2026-06", "June 2026", "122 new papers", "Earlier: May 2026", None),
        ("2026-05", "May 2026", "1 new paper", None, "Later: June 2026"),
    ],
)
def test_an_edition_leads_to_the_nearest_that_have_papers(
    many: App, site: TestClient, path: str, heading: str, count: str, earlier: str | None, later: str | None
) -> None:
    page = site.get(f"/papers/{path}").text
    assert f"<h1>{heading}</h1>" in page
    assert count in words(page)
    steps = [text for text in links(page) if text.startswith(("Earlier", "Later"))]
    assert steps == [step for step in (earlier, later) if step]
    assert all(site.get(links(page)[step]).status_code == 200 for step in steps)


def test_a_day_leads_to_its_week_and_month_and_they_to_their_days(many: App, site: TestClient) -> None:
    day = links(site.get("/papers/2026-06-03").text)
    assert (day["Week 23"], day["June 2026"]) == ("/papers/2026-W23", "/papers/2026-06")
    assert links(site.get("/papers/2026-W23").text)["June 2026"] == "/papers/2026-06"
    month = site.get("/papers/2026-06").text
    assert {"Tue, Jun 2": "/papers/2026-06-02", "Wed, Jun 3": "/papers/2026-06-03"}.items() <= links(month).items()


def test_a_day_without_papers_says_so_and_leads_to_those_around_it(many: App, site: TestClient) -> None:
    page = site.get("/papers/2026-05-31")
    assert page.status_code == 200
    assert "No papers in this period." in page.text
    assert links(page.text)["Earlier: May 29"] == "/papers/2026-05-29"
    assert links(page.text)["Later: Jun 2"] == "/papers/2026-06-02"


def test_trending_papers_come_first_if_there_are_any(many: App, site: TestClient) -> None:
    publish_papers(many, a_paper("Starred", stars=1), on="2026-06-03")
    assert titles(site.get("/papers/2026-06-03").text) == ["Liked", "Starred", "Last"]
    newest = site.get("/papers/2026-06-03?order=newest").text
    assert titles(newest) == ["Starred", "Last", "Liked"]
    assert links(newest)["Trending first"] == "/papers/2026-06-03"
    quiet = site.get("/papers/2026-05-29").text
    assert links(quiet)["Newest first"] == "/papers/2026-05-29"
    assert links(quiet)["Trending first"] == "/papers/2026-05-29?order=trending"


def test_an_order_that_there_is_not_is_the_usual_one(many: App, site: TestClient) -> None:
    assert titles(site.get("/papers/2026-06-03?order='--").text) == ["Liked", "Last"]


def test_an_edition_has_pages_of_fifty(many: App, site: TestClient) -> None:
    shown: list[str] = []
    path: str | None = "/papers/2026-06-02?order=trending"
    lengths = []
    while path:
        page = site.get(path).text
        found = titles(page)
        lengths.append(len(found))
        shown += found
        assert faults_of(page) == []
        path = links(page).get("Next page")
        assert head_links(page, "next") == ([path] if path else [])
    assert lengths == [50, 50, 20]
    assert sorted(shown) == [f"P{i:03}" for i in range(120)]
    assert head_links(page, "prev") == ["/papers/2026-06-02?order=trending&page=2"]
    assert head_links(page, "canonical") == ["https://digest.example.org/papers/2026-06-02?order=trending&page=3"]


def test_a_page_that_there_is_not_is_not_found(many: App, site: TestClient) -> None:
    for page in ["0", "-1", "4", "x", "", "1.0", "²", "٢", "9" * 5000]:
        assert site.get("/papers/2026-06-02", params={"page": page}).status_code == 404, page


def test_an_invalid_period_is_not_found(many: App, site: TestClient) -> None:
    for name in ("2026", "2026-13", "2026-W60", "today", "2026-06-03.", "2026-06-03.pdf", "2026-06.rss.rss", "9999-12"):
        assert site.get(f"/papers/{name}").status_code == 404, name


def test_the_ends_of_the_calendar_are_empty_editions(many: App, site: TestClient) -> None:
    for name in ("0001-01-01", "0001-W01", "0001-01", "9998-12-31", "9998-12"):
        assert "No papers in this period." in site.get(f"/papers/{name}").text, name


def test_an_edition_asks_what_to_search_it_for(many: App, site: TestClient) -> None:
    page = " ".join(site.get("/papers/2026-W23").text.split())
    assert '<form class="inline" role="search" action="/search">' in page
    assert '<input type="hidden" name="in" value="2026-W23">' in page


def test_merged_papers_are_in_one_edition(many: App, site: TestClient) -> None:
    merge_papers(many, "test:Last", "test:First")
    assert titles(site.get("/papers/2026-06-03").text) == ["Liked"]
    assert "1 new paper" in words(site.get("/papers/2026-06-03").text)


def test_the_front_page_shows_the_best_of_the_newest_edition(many: App, site: TestClient) -> None:
    publish_papers(many, *(a_paper(f"More {i}", "word " * 500, upvotes=i) for i in range(7)), on="2026-06-04")
    page = site.get("/").text
    assert titles(page) == ["More 6", "More 5", "More 4", "More 3", "More 2"]
    assert page.count("word") < 600
    assert links(page)["Subscribe"] == "/subscribe"
    assert links(page)["See all 7 papers"] == "/papers/2026-06-04"


@pytest.mark.parametrize(
    ("path", "feeds"),
    [
        ("/", ["/papers"]),
        ("/papers/2026-06-03", ["/papers/2026-06-03", "/papers"]),
        ("/profile/Cats", ["/profile/Cats"]),
    ],
)
def test_feeds_are_links_on_the_page(app: App, site: TestClient, path: str, feeds: list[str]) -> None:
    publish_papers(app, a_paper("A cat"))
    share_profile(app, "Cats", "cat")
    shown = re.findall(r'<li><a href="(/[^"]+)">(RSS|Atom|JSON)</a>', site.get(path).text)
    forms = {"RSS": "rss", "Atom": "atom", "JSON": "json"}
    assert shown == [(f"{feed}.{forms[form]}", form) for feed in feeds for form in forms]


def test_no_page_offers_to_subscribe_if_sign_up_is_closed(open_site: Callable[..., TestClient]) -> None:
    page = open_site("[signup]\npolicy = 'closed'\n").get("/").text
    assert "/subscribe" not in page


@pytest.mark.parametrize("path", ["/", "/papers", "/papers/2026-06-03", "/papers/2026-W23", "/papers/2026-06"])
def test_text_of_papers_is_never_markup(app: App, site: TestClient, path: str) -> None:
    publish_papers(app, HOSTILE, a_paper("مرحبا بالعالم"), a_paper("]]>"), a_paper("0", upvotes=10**12, stars=1))
    page = site.get(path).text
    assert faults_of(page) == []
    assert "<script" not in page
    assert "49" not in words(page)
    assert not set(page) & set("\0\x0b\x1b\u202e\u2066\ufeff\ufffe\uffff\ufdd0")
    assert not re.search(r'href="(?!/|https?://|mailto:)', page.replace('href="#main"', ""))


def test_the_dates_of_editions_are_in_the_newsletters_language(open_site: Callable[..., TestClient]) -> None:
    site = open_site('[newsletter]\nlanguage = "de"\n')
    assert "<h1>Freitag, 11. September 2026</h1>" in site.get("/papers/2026-09-11").text
    assert "<h1>Woche 37 2026</h1>" in site.get("/papers/2026-W37").text
    assert "<h1>September 2026</h1>" in site.get("/papers/2026-09").text


def test_editions_below_a_path_link_to_pages_below_it(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[newsletter]\nbase_url = "https://example.org/a/b"\n', encoding="utf-8")
    with App.open(tmp_path / "config.toml") as app:
        publish_papers(app, *(a_paper(f"P{i}") for i in range(60)), on="2026-06-02")
        publish_papers(app, a_paper("Last"))
        for path in ("/a/b", "/papers", "/a/b/papers/2026-06-02", "/papers/2026-06", "/paper/test:P1", "/profiles"):
            page = browser(app).get(path).text
            assert not re.search(r'(href|action)="/(?!a/b)', page)
            assert head_links(page, "canonical")[0].startswith("https://example.org/a/b/")
