"""Digests on the web: behind the link in each mail, and signed in."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.models import Digest, Field, MailKind, Subscriber
from digest.security.links import Scope, encode_time
from digest.store import digests, papers
from tests.builders import NOW, a_digest, a_paper, an_item, at
from tests.web.html import faults_of
from tests.web.reader_site import sign_in_reader
from tests.web.subscribers import add_subscriber, changed, removed

HOSTILE = '<script>alert(1)</script>{{ 7*7 }} "><img src=x>'
HOSTILE_PAPER = a_paper(HOSTILE, HOSTILE, id="test:hostile", url="javascript:alert(1)", authors=(HOSTILE,))


def send(
    app: App,
    reader: Subscriber,
    *items: Any,
    slot_at: datetime = NOW,
    kind: MailKind = MailKind.DIGEST,
    **rest: Any,
) -> Digest:
    """Store a digest of the reader as publishing does, with all its papers."""
    digest = a_digest(
        items,
        subscriber=reader,
        slot_at=slot_at,
        created_at=slot_at,
        dated_on=slot_at.date(),
        message_id=f"{encode_time(slot_at)}.{reader.id}@example.org",
        **rest,
    )
    with app.store.write() as tx:
        named = [*(item.paper for item in items), *digest.trending, *(a_paper(i[5:], id=i) for i in digest.more)]
        known = papers.find_by_keys(tx, [paper.id for paper in named])
        new = list({paper.id: paper for paper in named if paper.id not in known}.values())
        papers.add(tx, new, first_seen_at=slot_at, edition_on=slot_at.date())
        digests.freeze(tx, [digest], kind=kind, now=slot_at)
    return digest


def link(app: App, reader: Subscriber, about: str = "", written_at: datetime = NOW) -> str:
    token = app.links.token(Scope.READ, reader.id, reader.epoch, about=about or encode_time(NOW), written_at=written_at)
    return f"/read/{token}"


def cats(title: str = "A study of cats", profile: str = "Cats", **rest: Any) -> Any:
    paper = rest.pop("paper", None) or a_paper(title, "On cats, at length.", url="https://example.org/1")
    return an_item(paper, profile, 3.0, (Field.TITLE, "cats"), **rest)


def test_the_link_shows_the_digest_with_reasons_and_what_did_not_fit(app: App, site: TestClient) -> None:
    reader = add_subscriber(app)
    popular = a_paper("A popular paper", upvotes=9)
    send(app, reader, cats(), cats("More cats", "Your keywords"), more=("test:Left over",), trending=(popular,))
    page = site.get(link(app, reader))
    flat = " ".join(page.text.split())
    assert page.status_code == 200
    assert "Your digest of June 3, 2026" in flat
    assert re.findall(r'<h2 class="section-name"[^>]*>([^<]+)</h2>', flat) == [
        "Cats", "Your keywords", "Trending", "1 more paper that didn’t fit into the email",
    ]  # fmt: skip
    assert "A study of <mark>cats</mark>" in flat
    assert "On cats, at length." in flat
    assert "Why: <bdi>“cats”</bdi> in the title" in flat
    for title in ("More", "A popular paper", "Left over"):
        assert title in flat
    assert "/settings/" not in flat  # a link to read opens nothing else of theirs
    assert faults_of(page.text) == []


def test_the_page_that_a_reader_shares_carries_no_powers(app: App, site: TestClient) -> None:
    """Its links are all for everyone, or ask to sign in. The reader's own browser gets links to mute."""
    reader = add_subscriber(app)
    send(app, reader, cats(), more=tuple(f"test:Left over {n}" for n in range(60)))
    shared = link(app, reader)
    strangers = sign_in_reader(app, site, add_subscriber(app, "other@example.org")).cookie
    for page in (shared, f"{shared}?page=2"):
        for cookie in ("", strangers):
            text = site.get(page, headers={"Cookie": cookie}).text
            for written in re.findall(r"[\w.~-]{24,}", text):
                allowed = [scope for scope in Scope if app.links.verify(scope, written) is not None]
                assert allowed in ([], [Scope.READ])
            assert not re.search("mute|<form", text)
    for page in (shared, f"/settings/digests/{encode_time(NOW)}"):
        text = site.get(page, headers={"Cookie": sign_in_reader(app, site, reader).cookie}).text
        (mute,) = set(re.findall(r'href="([^"]+)">mute', text))
        assert mute == "/settings/mute?keyword=cats"
        assert site.get(mute).headers["Location"] == "/sign-in"


def test_a_digest_shows_a_paper_as_it_was_sent_after_a_revision(app: App, site: TestClient) -> None:
    reader = add_subscriber(app)
    send(app, reader, cats())
    with app.store.write() as tx:
        papers.add_revision(tx, a_paper("Withdrawn", id="test:A study of cats"))
    page = site.get(link(app, reader)).text
    assert "Withdrawn" not in page


def test_a_welcome_without_papers_has_a_page_and_a_digest_that_was_never_sent_has_none(
    app: App, site: TestClient
) -> None:
    reader = add_subscriber(app)
    send(app, reader, kind=MailKind.WELCOME, empty_reason="no new papers")
    assert "There is nothing here." in site.get(link(app, reader)).text
    send(app, reader, slot_at=NOW + timedelta(days=1), empty_reason="no new papers")
    assert site.get(link(app, reader, encode_time(NOW + timedelta(days=1)))).status_code == 404
    assert "There is nothing here." in sign_in_reader(app, site, reader).get("/settings/digests").text


def test_papers_that_did_not_fit_are_shown_in_pages(app: App, site: TestClient) -> None:
    reader = add_subscriber(app)
    send(app, reader, cats(), more=tuple(f"test:left {n:03}" for n in range(120)))
    where = link(app, reader)
    first, second, last = (site.get(f"{where}?page={n}").text for n in (1, 2, 3))
    assert ("left 000" in first, "left 049" in first, "left 050" in first) == (True, True, False)
    assert ("left 050" in second, "left 119" in second, "A study of" in second) == (True, False, False)
    assert ("left 119" in last, 'rel="next"' in last, 'rel="prev"' in last) == (True, False, True)
    assert f'href="{where}?page=2"' in first
    assert faults_of(second) == []


@pytest.mark.parametrize("page", ["0", "-1", "x", "1e3", "9" * 30, "٣", ""])
def test_a_page_number_that_is_invalid_is_not_found(app: App, site: TestClient, page: str) -> None:
    reader = add_subscriber(app)
    send(app, reader, cats())
    own = sign_in_reader(app, site, reader)
    for where in (link(app, reader), f"/settings/digests/{encode_time(NOW)}", "/settings/digests"):
        assert own.get(f"{where}?page={page}").status_code == 404


def test_hostile_papers_are_escaped(app: App, site: TestClient) -> None:
    reader = add_subscriber(app)
    item = an_item(HOSTILE_PAPER, HOSTILE, 1.0, (Field.TITLE, "<script>alert(1)"))
    send(app, reader, replace(item, also=(HOSTILE,)), more=("test:" + HOSTILE,), trending=(HOSTILE_PAPER,))
    page = site.get(link(app, reader)).text
    assert faults_of(page) == []
    assert "<script" not in page
    assert "<img" not in page
    assert "javascript:" not in page
    assert "{{ 7*7 }}" in page


def test_past_digests_are_listed_newest_first_with_their_counts(app: App, site: TestClient) -> None:
    reader = add_subscriber(app)
    for day in range(1, 36):
        send(app, reader, *(cats(f"cats {n}") for n in range(day % 3 + 1)), slot_at=NOW - timedelta(days=day))
    own = sign_in_reader(app, site, reader)
    page = own.get("/settings/digests").text
    rows = re.findall(
        r'href="/settings/digests/(\w+)">([^<]+)</a></td><td>(\d+)<', re.sub(r"\n", " ", page).replace("> <", "><")
    )
    assert len(rows) == 30
    assert rows[0] == (encode_time(NOW - timedelta(days=1)), "Tuesday, June 2, 2026", "2")
    assert faults_of(page) == []
    assert 'href="/settings/digests?page=2" rel="next"' in " ".join(page.split())
    later = own.get("/settings/digests?page=2").text
    assert later.count("/settings/digests/") == 5
    shown = own.get(f"/settings/digests/{rows[0][0]}")
    assert "Your digest of June 2, 2026" in shown.text
    assert 'href="/settings/pause"' in shown.text
    assert faults_of(shown.text) == []


def test_a_digest_of_another_reader_is_not_found(app: App, site: TestClient) -> None:
    reader, other = add_subscriber(app), add_subscriber(app, "other@example.org")
    send(app, other, cats("Secret cats"))
    own = sign_in_reader(app, site, reader)
    for answer in (site.get(link(app, reader)), own.get(f"/settings/digests/{encode_time(NOW)}")):
        assert answer.status_code == 404
        assert "Secret" not in answer.text
    assert "Wednesday" not in own.get("/settings/digests").text


@pytest.mark.parametrize("slot", ["x", "-1", "f" * 30, "0", "6a%2f..", "1" * 5000])
def test_a_slot_without_a_digest_is_not_found(app: App, site: TestClient, slot: str) -> None:
    assert sign_in_reader(app, site, add_subscriber(app)).get(f"/settings/digests/{slot}").status_code == 404


@pytest.mark.parametrize("how", ["old", "left", "removed"])
def test_an_expired_link_shows_nothing(app: App, site: TestClient, how: str) -> None:
    reader = add_subscriber(app)
    send(app, reader, cats())
    where = link(app, reader, written_at=NOW - timedelta(days=180) if how == "old" else NOW)
    if how == "left":
        changed(app, reader, epoch=1)
    elif how == "removed":
        removed(app, reader)
    answer = site.get(where)
    assert (answer.status_code, "cats" in answer.text) == (410, False)


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.READ])
def test_a_link_of_another_scope_shows_nothing(app: App, site: TestClient, scope: Scope) -> None:
    reader = add_subscriber(app)
    send(app, reader, cats())
    token = app.links.token(scope, reader.id, reader.epoch, about=encode_time(NOW), written_at=NOW)
    assert site.get(f"/read/{token}").status_code == 404


def test_the_link_in_the_mail_opens_the_page(app: App, site: TestClient) -> None:
    reader = add_subscriber(app)
    digest = send(app, reader, cats(), slot_at=at("2026-06-03 07:00").replace(microsecond=123456))
    token = app.links.token(Scope.READ, reader.id, 0, about=encode_time(digest.slot_at), written_at=digest.created_at)
    assert site.get(f"/read/{token}").status_code == 200


def test_the_page_is_in_the_readers_language(app: App, site: TestClient) -> None:
    reader = add_subscriber(app, language="de")
    send(app, reader, cats("cats", "Your keywords"), more=("test:Left over",))
    page = site.get(link(app, reader)).text
    assert "Ihr Digest vom 3. Juni 2026" in page
    assert "Ihre Stichwörter" in page
    assert "1 weiterer Artikel, der nicht in die E‑Mail passte" in page


def test_merged_papers_are_shown_once_under_their_new_id(app: App, site: TestClient) -> None:
    reader = add_subscriber(app)
    send(app, reader, cats(), more=("test:younger", "test:older"))
    with app.store.write() as tx:
        papers.merge(tx, younger="test:younger", older="test:older")
    page = site.get(link(app, reader)).text
    assert page.count("/paper/test:older") == 1
