"""Polite fetching, against real servers on loopback."""

import contextlib
import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import stamina

from digest.errors import SourceError, StoppedError
from digest.sources import fetch
from digest.sources.fetch import Fetcher

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """A server whose every GET is answered by `answer`; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/feed"
        finally:
            server.shutdown()
            thread.join()


def say(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def fetcher(tmp_path: Path) -> Iterator[Fetcher]:
    with (
        Fetcher(base=tmp_path, contact="admin@example.org", allow_private=["127.0.0.1"]) as opened,
        stamina.set_testing(True, attempts=2),
    ):
        yield opened


def reason(fetcher: Fetcher, url: str) -> str:
    with pytest.raises(SourceError) as caught:
        fetcher.fetch("src", url)
    assert "\n" not in caught.value.reason
    return caught.value.reason


def test_a_feed_that_has_not_changed_is_not_sent_again(fetcher: Fetcher) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.headers.get("If-None-Match") == '"v1"' and handler.headers.get("If-Modified-Since") == "then":
            say(handler, 304)
        else:
            say(handler, 200, b"body", ETag='"v1"', Last_Modified="then")

    with serving(answer) as url:
        first = fetcher.fetch("src", url)
        again = fetcher.fetch("src", url, etag=first.etag, last_modified=first.last_modified)
    assert first.body == b"body"
    assert (again.body, again.etag, again.last_modified) == (None, '"v1"', "then")


@pytest.mark.parametrize("odd", ["caf\u00e9", "x" * 5_000])
def test_a_validator_that_cannot_be_sent_back_is_forgotten(fetcher: Fetcher, odd: str) -> None:
    with serving(lambda handler: say(handler, 200, b"body", ETag=odd, Last_Modified=odd)) as url:
        first = fetcher.fetch("src", url)
        assert (first.etag, first.last_modified) == ("", "")
        assert fetcher.fetch("src", url, etag=first.etag).body == b"body"


def test_the_user_agent_names_digest_and_a_contact(fetcher: Fetcher) -> None:
    with serving(lambda handler: say(handler, 200, handler.headers["User-Agent"].encode())) as url:
        assert fetcher.fetch("src", url).body == b"paper-digest/0.1.0 (admin@example.org)"


def test_a_compressed_answer_is_unpacked(fetcher: Fetcher) -> None:
    with serving(lambda handler: say(handler, 200, gzip.compress(b"body"), Content_Encoding="gzip")) as url:
        assert fetcher.fetch("src", url).body == b"body"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, b"<html><title>Not here</title></html>", "HTTP 404: Not here"),
        (
            400,
            b"<feed><title>Feed error for feed &quot;cs.XX&quot;</title></feed>",
            'HTTP 400: Feed error for feed "cs.XX"',
        ),
        (403, b"", "HTTP 403"),
    ],
)
def test_an_error_status_is_reported_with_the_pages_title(
    fetcher: Fetcher, status: int, body: bytes, said: str
) -> None:
    with serving(lambda handler: say(handler, status, body)) as url:
        assert reason(fetcher, url) == said


def test_a_temporary_error_is_retried(fetcher: Fetcher) -> None:
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        say(handler, 503 if len(asked) == 1 else 200, b"body", Retry_After="0")

    with serving(answer) as url:
        assert fetcher.fetch("src", url).body == b"body"
    assert len(asked) == 2


def test_retries_end_after_a_few_attempts(fetcher: Fetcher) -> None:
    with serving(lambda handler: say(handler, 503)) as url:
        assert reason(fetcher, url) == "HTTP 503"


def test_a_refused_connection_is_reported(fetcher: Fetcher) -> None:
    with serving(lambda handler: say(handler, 200)) as url:
        pass
    assert reason(fetcher, url).startswith("cannot be reached: ")


def test_an_answer_that_breaks_off(fetcher: Fetcher) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"half")

    with serving(answer) as url:
        assert reason(fetcher, url).startswith("cannot be reached: ")


def test_an_answer_that_is_no_http(fetcher: Fetcher) -> None:
    def hello(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"hello")

    with serving(hello) as url:
        assert reason(fetcher, url).startswith("cannot be reached: ")


def test_an_answer_that_says_it_is_packed_and_is_not(fetcher: Fetcher) -> None:
    with serving(lambda handler: say(handler, 200, b"plain", Content_Encoding="gzip")) as url:
        assert "header" in reason(fetcher, url)


def test_an_answer_that_never_comes(fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    fetcher._client.timeout = 0.1

    def wait(_: BaseHTTPRequestHandler) -> None:
        done.wait(5)

    with serving(wait) as url:
        assert reason(fetcher, url) == "no answer within 30 s"
        done.set()


def test_a_slow_answer_is_cut_off(fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "MAX_SECONDS", 0.2)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        for _ in range(100):
            try:
                handler.wfile.write(b"x")
            except OSError:
                return
            time.sleep(0.02)

    with serving(answer) as url:
        assert "takes longer than" in reason(fetcher, url)


def test_an_answer_that_is_too_large_unpacked(fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "MAX_BYTES", 2**20)
    bomb = gzip.compress(b"0" * (3 * 2**20))
    with serving(lambda handler: say(handler, 200, bomb, Content_Encoding="gzip")) as url:
        assert reason(fetcher, url) == "the answer is larger than 1 MB"


def test_a_private_address_is_fetched_only_if_allowed(tmp_path: Path) -> None:
    with serving(lambda handler: say(handler, 200, b"secret")) as url, Fetcher(base=tmp_path) as fetcher:
        for host in ("127.0.0.1", "localhost"):
            said = reason(fetcher, url.replace("127.0.0.1", host))
            assert "is at the private address" in said
            assert f"add '{host}' to fetch.allow_private" in said


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "100.64.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "::1", "fe80::1%eth0", "fd00::1"),
        *("::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::1", "ff0e::1"),
        # Outside 2000::/3, or for another use, whatever IPv4 address they hold.
        *("64:ff9b:1::5db8:d70e", "fec0::1", "::5db8:d70e", "::ffff:93.184.215.14", "2002:5db8:d70e::1", "2001::1"),
        *("3fff::1", "3fff:fff::1", "5f00::1", "2001:db8::1", "2001:10::1", "100::1", "4000::1", "ffff::1", "::"),
    ],
)
def test_a_name_with_a_private_address_is_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    public = (0, 0, 0, "", ("93.184.215.14", 443))
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [public, (0, 0, 0, "", (address, 443))])
    with Fetcher(base=tmp_path, attempts=1) as fetcher:
        assert f"example.org is at the private address {address}" in reason(fetcher, "https://example.org/")


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07::1", "64:ff9b::5db8:d70e", "2001:4860::8888"])
def test_a_public_address_is_fetched(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (address, 443))])
    assert fetch._public_address("example.org", 443) == address


def test_a_redirect_to_a_private_address_is_not_followed(tmp_path: Path) -> None:
    with (
        serving(lambda handler: say(handler, 200, b"secret")) as inner,
        serving(lambda handler: say(handler, 302, Location=inner)) as outer,
        Fetcher(base=tmp_path, allow_private=["localhost"]) as fetcher,
    ):
        assert "127.0.0.1 is at the private address" in reason(fetcher, outer.replace("127.0.0.1", "localhost"))


def test_a_redirect_to_a_file_is_not_followed(fetcher: Fetcher) -> None:
    with serving(lambda handler: say(handler, 302, Location="file:///etc/passwd")) as url:
        assert reason(fetcher, url) == "redirects to something that is not http or https"


def test_a_redirect_in_a_circle_ends(fetcher: Fetcher) -> None:
    with serving(lambda handler: say(handler, 302, Location="/feed")) as url:
        assert reason(fetcher, url) == "redirects in a circle"


def test_requests_to_arxiv_are_three_seconds_apart(tmp_path: Path) -> None:
    now = [100.0]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    with Fetcher(base=tmp_path, clock=lambda: now[0], sleep=sleep) as fetcher:
        for host in ("export.arxiv.org", "rss.arxiv.org", "example.org", "notarxiv.org"):
            fetcher._pause(host)
    assert slept == [0.0, 3.0]


def test_a_file_is_read_once_until_it_changes(fetcher: Fetcher, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"one")
    first = fetcher.fetch("src", "list.txt")
    assert first.body == b"one"
    assert fetcher.fetch("src", (tmp_path / "list.txt").as_uri(), etag=first.etag).body is None
    (tmp_path / "list.txt").write_bytes(b"other")
    assert fetcher.fetch("src", "list.txt", etag=first.etag).body == b"other"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nowhere.txt", "No such file"),
        (".", "Is a directory"),
        ("~no-such-user/papers.xml", "~no-such-user/papers.xml: No such file"),
        ("/dev/zero", "/dev/zero is not a file"),
        ("ftp://x/y", "ftp:// is not supported"),
        ("http://", ""),
        ("https://[x/feed", "https://[x/feed is not a valid address: Invalid IPv6 URL"),
    ],
)
def test_a_source_that_cannot_be_read_is_reported(fetcher: Fetcher, url: str, said: str) -> None:
    assert said in reason(fetcher, url)


@pytest.mark.parametrize("url", ["rss.example.org/atom/cs.LG", "example.org", "www.example.org:8080/feed.xml?x=1"])
def test_an_address_without_its_scheme_is_recognised(fetcher: Fetcher, url: str) -> None:
    assert reason(fetcher, url).endswith(f"No such file or directory; for a web address, write https://{url}")


@pytest.mark.parametrize("url", ["papers.xml", "feeds/list.txt", "list", "/srv/example.org/feed"])
def test_a_path_is_not_taken_for_an_address(fetcher: Fetcher, url: str) -> None:
    assert "https://" not in reason(fetcher, url)


def test_a_file_that_looks_like_an_address_is_read(fetcher: Fetcher, tmp_path: Path) -> None:
    (tmp_path / "example.org").write_bytes(b"one")
    assert fetcher.fetch("src", "example.org").body == b"one"


def test_a_file_that_is_too_large(fetcher: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "MAX_BYTES", 2**20)
    (tmp_path / "big").write_bytes(b"0" * (2**20 + 1))
    assert "is larger than 1 MB" in reason(fetcher, "big")


def test_addresses_from_the_public_read_no_file_and_are_not_retried(tmp_path: Path) -> None:
    (tmp_path / "feed.xml").write_text("x")
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        say(handler, 503)

    with Fetcher(base=None, allow_private=["127.0.0.1"], attempts=1, seconds=5) as fetcher, serving(answer) as url:
        for file in ((tmp_path / "feed.xml").as_uri(), str(tmp_path / "feed.xml"), "feed.xml", "~/feed.xml"):
            assert reason(fetcher, file) == "only https:// and http:// addresses are looked up"
        assert reason(fetcher, url) == "HTTP 503"
    assert len(asked) == 1


@pytest.mark.parametrize("name", ["connect", "headers", "body", "pause"])
def test_fetching_ends_at_once_when_the_program_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    done = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if name == "pause":
            say(handler, 503, Retry_After="50")
            return
        if name == "body":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n<rss")
        done.wait(10)

    def resolve(*_: object, **__: object) -> None:
        done.wait(10)

    begun = time.monotonic()
    with serving(answer) as url:
        if name == "connect":
            monkeypatch.setattr("socket.getaddrinfo", resolve)
            url = "https://example.org/"  # noqa: PLW2901
        with (
            Fetcher(
                base=tmp_path, allow_private=["127.0.0.1"], stopping=lambda: time.monotonic() > begun + 0.5
            ) as fetcher,
            pytest.raises(StoppedError),
        ):
            fetcher.fetch("src", url)
        assert time.monotonic() - begun < 5
        done.set()


def test_a_short_timeout_is_kept(tmp_path: Path) -> None:
    done = threading.Event()

    def answer(_: BaseHTTPRequestHandler) -> None:
        done.wait(10)

    with serving(answer) as url, Fetcher(base=None, allow_private=["127.0.0.1"], attempts=1, seconds=0.2) as fetcher:
        begun = time.monotonic()
        assert "no answer within" in reason(fetcher, url)
        assert time.monotonic() - begun < 5
        done.set()


@pytest.mark.parametrize("before", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_slow_answer_is_cut_off_in_headers_and_body(before: bytes) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(before)
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(b"a")
                time.sleep(0.05)

    begun = time.monotonic()
    with serving(answer) as url, Fetcher(base=None, allow_private=["127.0.0.1"], attempts=1, seconds=0.2) as fetcher:
        assert reason(fetcher, url)
    assert time.monotonic() - begun < 5
