"""Public pages are rendered once, and sent from the cache until something changes."""

import asyncio
from itertools import product
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient
from starlette.types import Message

from digest.app import App
from digest.errors import StoreError
from digest.store import Store, profiles
from digest.web.app import create_app
from digest.web.cache import CachedResponse, ResponseCache
from digest.web.server import listen, serving, url_of
from tests.builders import NOW, a_paper
from tests.web.papers import publish_papers, share_profile

PATHS = ["/", "/papers", "/papers/2026-06-03", "/papers.atom", "/papers/2026-06.json", "/profiles", "/profile/P.rss"]


@pytest.fixture
def filled(app: App) -> App:
    publish_papers(app, a_paper("A cat"))
    share_profile(app, "P", "cat")
    return app


def test_public_pages_have_a_strong_etag_and_may_be_cached(filled: App, site: TestClient) -> None:
    for path in [*PATHS, "/paper/test:A cat", "/bibtex/test:A cat", "/profile/P", "/robots.txt"]:
        first, second = site.get(path), site.get(path)
        assert first.status_code == 200, path
        assert first.headers["ETag"].startswith('"')
        assert first.headers["Cache-Control"] == "public, max-age=60"
        assert (first.content, first.headers) == (second.content, second.headers)
        assert "Set-Cookie" not in first.headers


@pytest.mark.parametrize("tag", ["{}", "W/{}", '"other", {}', "*"])
def test_a_matching_etag_is_answered_with_304(filled: App, site: TestClient, tag: str) -> None:
    for method, path in product(["GET", "HEAD"], PATHS):
        first = site.get(path)
        asked = {"If-None-Match": tag.format(first.headers["ETag"])}
        again = site.request(method, path, headers=asked)
        assert (again.status_code, again.content) == (304, b"")
        for name in ("ETag", "Cache-Control", "Content-Security-Policy", "X-Content-Type-Options"):
            assert again.headers[name] == first.headers[name]
        assert "Content-Length" not in again.headers


def test_a_different_etag_gets_the_page(filled: App, site: TestClient) -> None:
    for tag in ['"other"', "", "other, none", '""']:
        assert site.get("/papers", headers={"If-None-Match": tag}).status_code == 200


def test_head_has_all_of_get_but_the_body(filled: App, site: TestClient) -> None:
    for path in PATHS:
        cold, get, warm = site.head(path), site.get(path), site.head(path)
        for head in (cold, warm):
            assert head.content == b""
            assert head.headers == get.headers
        assert get.headers["Content-Length"] == str(len(get.content))


def test_changes_are_shown(filled: App, site: TestClient) -> None:
    before = [site.get(path) for path in PATHS]
    publish_papers(filled, a_paper("Another cat"))
    with filled.store.write() as tx:
        profiles.edit(tx, "P", new_name="Q", by="tests", now=NOW)
    for path, was in zip(PATHS, before, strict=True):
        now = site.get(path)
        assert now.content != was.content
        assert now.headers.get("ETag") != was.headers["ETag"]


def test_a_page_and_its_parameters_are_another_page(filled: App, site: TestClient) -> None:
    publish_papers(filled, a_paper("Liked", upvotes=1))
    orders = [site.get(f"/papers?order={order}").text for order in ("trending", "newest", "trending")]
    assert orders[0] == orders[2] != orders[1]


def test_equivalent_requests_use_the_cached_page(filled: App, reads: list[str]) -> None:
    publish_papers(filled, *(a_paper(f"Paper {n}") for n in range(60)))
    site = TestClient(create_app(filled, clock=lambda: NOW, lag=1000))
    pages = {path: site.get(path) for path in (*PATHS, "/papers?page=2&order=newest")}
    begun = len(reads)
    for path, page in pages.items():
        for words in ("x=1", "x=1&x=2", "order=x", "%00=%ff"):
            if "?" not in path:
                assert site.get(f"{path}?{words}").headers == page.headers
    assert site.get("/papers?order=newest&page=1&page=2").content == pages["/papers?page=2&order=newest"].content
    assert len(reads) == begun


def test_a_head_request_does_not_prevent_caching_the_page(filled: App, site: TestClient) -> None:
    for path in PATHS:
        head = site.head(path)
        page = site.get(path)
        assert (head.content, head.headers) == (b"", page.headers)
        assert len(page.content) == int(head.headers["Content-Length"]) > 0


def test_a_missing_page_is_not_cached(filled: App, site: TestClient) -> None:
    for path in ["/nowhere", "/papers/nonsense", "/paper/nobody"]:
        answer = site.get(path)
        assert answer.status_code == 404
        assert answer.headers["Cache-Control"] == "no-store"
        assert "ETag" not in answer.headers


def test_a_cookie_changes_nothing(filled: App, site: TestClient) -> None:
    bare = site.get("/papers").content
    assert site.get("/papers", headers={"Cookie": "__Host-digest=1.2.3"}).content == bare


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one with each transaction that reads."""
    begun: list[str] = []
    read = Store.read

    def counted(store: Store) -> Any:
        begun.append("read")
        return read(store)

    monkeypatch.setattr(Store, "read", counted)
    return begun


def test_a_page_that_is_kept_asks_the_database_nothing(filled: App, reads: list[str]) -> None:
    site = TestClient(create_app(filled, clock=lambda: NOW, lag=1000))
    site.get("/papers")
    begun = len(reads)
    assert begun
    for _ in range(5):
        assert site.get("/papers").status_code == 200
    assert len(reads) == begun


def test_the_version_is_looked_at_once_in_its_time(filled: App, reads: list[str]) -> None:
    site = TestClient(create_app(filled, clock=lambda: NOW, lag=0))
    site.get("/papers")
    begun = len(reads)
    site.get("/papers")
    assert len(reads) == begun + 1


def kept(size: int) -> CachedResponse:
    return CachedResponse([], b"x" * size, b'"x"', (1, 1), 10.0**9)


def test_a_cache_is_limited_in_bytes_and_evicts_unused_pages() -> None:
    cache = ResponseCache(max_bytes=1000)
    for name in "abc":
        cache.add(name, b"", kept(300))
    assert cache.find("a", b"", (1, 1))
    cache.add("d", b"", kept(300))
    assert [name for name in "abcd" if cache.find(name, b"", (1, 1))] == ["a", "c", "d"]
    cache.add("a", b"", kept(701))  # in place of the other
    assert [name for name in "abcd" if cache.find(name, b"", (1, 1))] == ["a"]
    cache.add("e", b"", kept(1001))
    assert [name for name in "abcde" if cache.find(name, b"", (1, 1))] == ["a"]


def test_a_page_of_another_version_or_too_old_is_not_found() -> None:
    cache = ResponseCache()
    cache.add("new", b"", kept(1))
    cache.add("old", b"", CachedResponse([], b"", b"", (1, 1), -1000.0))
    assert cache.find("new", b"", (1, 1))
    assert cache.find("new", b"", (1, 2)) is None
    assert cache.find("new", b"x=1", (1, 1)) is None
    assert cache.find("old", b"", (1, 1)) is None


def test_an_answer_is_sent_as_asgi_wants_it() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(kept(3).send({"type": "http", "method": "GET", "headers": []}, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[1]["body"] == b"xxx"


def test_over_real_http_one_connection_gets_page_head_and_304_in_turn(filled: App) -> None:
    listener = listen("127.0.0.1", 0)
    url = f"{url_of(listener)}/papers"
    with serving(create_app(filled), listener, on_loss=lambda: None), httpx2.Client() as http:
        for _ in range(3):
            get = http.get(url)
            head = http.head(url)
            again = http.get(url, headers={"If-None-Match": get.headers["ETag"]})
            assert [answer.status_code for answer in (get, head, again)] == [200, 200, 304]
            assert head.headers["Content-Length"] == get.headers["Content-Length"] == str(len(get.content))
            assert (head.content, again.content) == (b"", b"")


@pytest.mark.parametrize(("error", "status"), [(StoreError("locked"), 503), (ValueError("odd"), 500)])
def test_while_the_database_fails_a_page_says_so_and_is_not_kept(
    filled: App, site: TestClient, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(Store, "read", fail)
        answer = site.get("/papers")
        assert answer.status_code == status
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert site.get("/papers").status_code == 200
