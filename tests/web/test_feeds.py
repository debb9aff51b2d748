"""RSS, Atom and JSON Feed of editions and shared profiles."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from xml.etree import ElementTree as ET

import feedparser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from digest.app import App
from digest.web.feeds import FORMATS, Feed, feed_response, item
from digest.web.papers import PaperCards
from tests.builders import NOW, a_paper
from tests.mail.samples import PAPER
from tests.web.papers import HOSTILE, publish_papers, share_profile

BASE = "https://digest.example.org"
ATOM = "{http://www.w3.org/2005/Atom}"
MEDIA = {"rss": "application/rss+xml", "atom": "application/atom+xml", "json": "application/feed+json"}
PLACES = ["/papers", "/papers/2026-06-03", "/papers/2026-W23", "/papers/2026-06", "/profile/All%20%26%20more"]


@pytest.fixture
def filled(app: App) -> App:
    publish_papers(app, PAPER, HOSTILE, a_paper("مرحبا بالعالم"), a_paper("0"), a_paper("]]>", "x < y & z"))
    share_profile(app, "All & more", "low precision\nمرحبا")
    return app


def parsed(content: bytes, form: str) -> Any:
    found = feedparser.parse(content, response_headers={"content-type": f"{MEDIA[form]}; charset=utf-8"})
    assert found.bozo is False, found.bozo_exception
    return found


def check_json(content: bytes) -> dict[str, Any]:
    """What JSON Feed 1.1 requires, and forbids."""
    feed: dict[str, Any] = json.loads(content)
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert isinstance(feed["title"], str)
    for one in feed["items"]:
        assert isinstance(one["id"], str)
        assert isinstance(one["content_html"], str)
        assert datetime.fromisoformat(one["date_published"]).tzinfo
        assert all(isinstance(author["name"], str) for author in one.get("authors", ()))
        assert all(isinstance(tag, str) for tag in one["tags"])
        assert one.get("external_url", "https://").startswith(("http://", "https://"))
    return feed


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("form", ["rss", "atom"])
def test_feedparser_finds_nothing_wrong_with_any_feed(filled: App, site: TestClient, place: str, form: str) -> None:
    answer = site.get(f"{place}.{form}")
    assert answer.headers["Content-Type"] == f"{MEDIA[form]}; charset=utf-8"
    feed = parsed(answer.content, form)
    assert feed.version == {"rss": "rss20", "atom": "atom10"}[form]
    assert feed.entries
    assert [link.href for link in feed.feed.links if link.rel == "self"] == [f"{BASE}{place}.{form}"]
    assert BASE + place in {link.href for link in feed.feed.links}
    for entry in feed.entries:
        assert entry.id == entry.link
        assert entry.id.startswith(f"{BASE}/paper/")
        assert site.get(entry.id.removeprefix(BASE)).status_code == 200
        assert entry.published_parsed[:5] == NOW.timetuple()[:5]


@pytest.mark.parametrize("place", PLACES)
def test_a_json_feed_has_what_it_must(filled: App, site: TestClient, place: str) -> None:
    answer = site.get(f"{place}.json")
    assert answer.headers["Content-Type"] == "application/feed+json; charset=utf-8"
    feed = check_json(answer.content)
    assert (feed["feed_url"], feed["home_page_url"]) == (f"{BASE}{place}.json", BASE + place)
    assert all(one["id"] == one["url"] for one in feed["items"])


def test_a_paper_is_in_each_feed_with_authors_categories_and_abstract(filled: App, site: TestClient) -> None:
    (entry,) = [e for e in parsed(site.get("/papers.atom").content, "atom").entries if e.id.endswith("2606.00001")]
    assert entry.title == PAPER.title
    assert [author.name for author in entry.authors] == list(PAPER.authors)
    assert [tag.term for tag in entry.tags] == list(PAPER.categories)
    assert "where p &lt; 0.05 &amp; q." in entry.content[0].value
    assert {link.rel: link.href for link in entry.links}["related"] == PAPER.url
    (entry,) = [e for e in parsed(site.get("/papers.rss").content, "rss").entries if e.id.endswith("2606.00001")]
    assert (entry.title, [tag.term for tag in entry.tags]) == (PAPER.title, list(PAPER.categories))
    assert [author.name for author in entry.authors] == list(PAPER.authors)
    assert "where p &lt; 0.05 &amp; q." in entry.summary
    (one,) = [i for i in site.get("/papers.json").json()["items"] if i["id"].endswith("2606.00001")]
    assert (one["title"], one["tags"], one["external_url"]) == (PAPER.title, list(PAPER.categories), PAPER.url)


def test_dates_are_written_as_each_format_has_them(filled: App, site: TestClient) -> None:
    rss = site.get("/papers.rss").text
    dates = re.findall("<(?:pubDate|lastBuildDate)>(.*?)</", rss)
    assert {parsedate_to_datetime(date) for date in dates} == {NOW}
    assert set(dates) == {"Wed, 03 Jun 2026 07:00:00 GMT"}
    assert set(re.findall("<(?:updated|published)>(.*?)</", site.get("/papers.atom").text)) == {"2026-06-03T07:00:00Z"}


def test_the_latest_hundred_are_in_the_feed_of_the_newest(app: App, site: TestClient) -> None:
    publish_papers(app, *(a_paper(f"{i:03}") for i in range(90)), on="2026-06-01")
    publish_papers(app, *(a_paper(f"{i:03}") for i in range(90, 120)), on="2026-06-02")
    latest = [one["title"] for one in site.get("/papers.json").json()["items"]]
    assert latest == [f"{i:03}" for i in reversed(range(20, 120))]
    assert len(site.get("/papers/2026-06-01.json").json()["items"]) == 90
    assert len(site.get("/papers/2026-W23.json").json()["items"]) == 120


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("place", ["/papers", "/papers/2026-06-03"])
def test_a_feed_without_papers_is_a_feed(app: App, site: TestClient, form: str, place: str) -> None:
    content = site.get(f"{place}.{form}").content
    assert (check_json(content)["items"] if form == "json" else parsed(content, form).entries) == []


@pytest.mark.parametrize("path", ["/papers.xml", "/papers.", "/papers/x.atom", "/profile/none.atom", "/profile/.atom"])
def test_an_unknown_feed_is_not_found(filled: App, site: TestClient, path: str) -> None:
    assert site.get(path).status_code == 404


@pytest.mark.parametrize("page", [*PLACES, "/"])
def test_pages_say_in_their_head_where_their_feeds_are(filled: App, site: TestClient, page: str) -> None:
    head = site.get(page).text
    named = re.findall(r'<link\s+rel="alternate" type="([^"]*)"[^>]*href="([^"]*)"', head)
    assert {kind for kind, _ in named} == set(MEDIA.values())
    assert all(site.get(href).headers["Content-Type"].startswith(kind) for kind, href in named)


WILD = st.text(alphabet=st.one_of(st.characters(), st.sampled_from("<>&]\"'\r\n\0\x1b\u202e\ufffe\uffff\U0001fffe")))


@given(WILD, WILD, WILD)
def test_any_text_makes_a_well_formed_feed(title: str, abstract: str, name: str) -> None:
    paper = replace(PAPER, title=title, abstract=abstract, authors=(name, title), categories=(name,), url=name)
    papers = (item(paper, PaperCards().show(paper), BASE),)
    feed = Feed(title=title, author="A", language="en", page_url=BASE, url=f"{BASE}/x", items=papers)
    for form in FORMATS:
        content = bytes(feed_response(feed, form).body)
        assert isinstance(content, bytes)
        if form == "json":
            check_json(content)
        else:
            root = ET.fromstring(content)
            assert len(root.findall("channel/item" if form == "rss" else f"{ATOM}entry")) == 1
            assert "<script" not in content.decode()


def test_a_feed_is_as_old_as_its_newest_paper() -> None:
    feed = Feed(title="", author="", language="en", page_url="", url="", items=())
    assert feed.updated_at == datetime(1970, 1, 1, tzinfo=UTC)
