"""The pages over real HTTP: uvicorn's settings, and how it stops."""

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from ipaddress import IPv4Network, ip_network

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from digest.app import App
from digest.errors import DigestError
from digest.web.app import create_app
from digest.web.server import listen, serving, url_of
from tests.mta import wait_until
from tests.serving import received_until
from tests.web.subscribers import add_subscriber, state, unsubscribe_path

FORM = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 26\r\n\r\n"


class Running:
    """A server, and the end of it."""

    def __init__(self, app: App) -> None:
        listener = listen("127.0.0.1", 0)
        self.url = url_of(listener)
        self.address = listener.getsockname()
        self._open = ExitStack()
        self._open.enter_context(serving(create_app(app), listener, on_loss=lambda: None))

    def stop(self) -> None:
        self._open.close()

    def say(self, raw: bytes) -> bytes:
        """The answer to what is sent as it is, to its end."""
        with socket.create_connection(self.address, timeout=20) as connection:
            connection.sendall(raw)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        return answer


@pytest.fixture
def running(app: App) -> Iterator[Running]:
    server = Running(app)
    yield server
    server.stop()


def test_head_has_the_headers_of_get_and_no_body(running: Running, app: App) -> None:
    link = running.url + unsubscribe_path(app, add_subscriber(app))
    with httpx2.Client() as http:
        head, get = http.head(link), http.get(link)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Type", "Content-Length", "Content-Security-Policy", "Cache-Control"):
        assert head.headers[name] == get.headers[name]
    assert "Server" not in get.headers


def test_a_head_of_more_than_16_kb_is_refused_and_logged_as_the_rest_is(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    assert running.say(b"GET / HTTP/1.1\r\nX: " + b"x" * 17_000).startswith(b"HTTP/1.1 4")
    said = "".join(capsys.readouterr())
    assert "web server" in said
    assert "Invalid HTTP request" in said


def test_a_body_that_does_not_come_is_not_waited_for(
    running: Running, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.web.dependencies.BODY_SECONDS", 0.05)
    answer = running.say(FORM % unsubscribe_path(app, add_subscriber(app)).encode() + b"List-")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"Content-Security-Policy".lower() in answer.lower()
    assert state(app) == "active"


def test_a_body_that_is_too_large_is_answered_over_real_http(running: Running, app: App) -> None:
    link = unsubscribe_path(app, add_subscriber(app)).encode()
    answer = running.say((FORM % link).replace(b"26", b"300000") + b"x" * 20_000)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


def test_a_client_that_disconnects_early_changes_nothing_and_logs_no_error(
    running: Running, app: App, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(running.address) as connection:
        connection.sendall(FORM % unsubscribe_path(app, add_subscriber(app)).encode() + b"List-")
    with httpx2.Client() as http:
        assert http.get(f"{running.url}/health").text == "ok"
    running.stop()
    assert state(app) == "active"
    assert "page failed" not in "".join(capsys.readouterr())


def test_an_answer_under_way_is_finished_when_the_program_stops(
    running: Running, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    unsubscribe = type(app.membership).unsubscribe

    def slowly(*args: object, **kwargs: object) -> None:
        begun.set()
        time.sleep(0.3)
        unsubscribe(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(type(app.membership), "unsubscribe", slowly)
    link = running.url + unsubscribe_path(app, add_subscriber(app))
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(httpx2.post(link).status_code))
    asking.start()
    assert begun.wait(20)
    running.stop()
    asking.join(20)
    assert answers == [200]
    assert state(app) == "unsubscribed"


def test_accepted_connections_send_small_answers_at_once() -> None:
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_nothing_is_served_after_the_end(running: Running) -> None:
    running.stop()
    with pytest.raises(ConnectionRefusedError):
        running.say(b"GET / HTTP/1.1\r\n\r\n")


@pytest.mark.parametrize(
    ("host", "reason"), [("203.0.113.1", "cannot assign requested address"), ("a..b", "that is not a valid host")]
)
def test_an_address_that_cannot_be_listened_on_is_reported_in_one_line(host: str, reason: str) -> None:
    with pytest.raises(DigestError, match=rf"cannot listen on {re.escape(host)}, port 0: {reason}; set web\.host"):
        listen(host, 0)


def test_localhost_means_the_usual_address() -> None:
    with listen("localhost", 0) as listener:
        assert url_of(listener).startswith("http://127.0.0.1:")


def is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0.2)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX: "])
@pytest.mark.parametrize("after_a_response", [False, True])
def test_a_half_sent_request_is_closed(
    monkeypatch: pytest.MonkeyPatch, app: App, sent: bytes, after_a_response: bool
) -> None:
    monkeypatch.setattr("digest.web.http_protocol.HEAD_SECONDS", 0.5)
    running = Running(app)
    with socket.create_connection(running.address, timeout=20) as connection:
        if after_a_response:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert received_until(connection, b"ok").endswith(b"ok")
        begun = time.monotonic()
        while not is_closed(connection):  # also while one byte after the other arrives
            assert time.monotonic() - begun < 5  # half a second, and what a busy machine adds
            with suppress(ConnectionError):
                connection.sendall(sent[:1])
                sent = sent[1:]
    running.stop()


def test_an_answer_may_take_longer_than_a_request_may_take_to_arrive(monkeypatch: pytest.MonkeyPatch, app: App) -> None:
    monkeypatch.setattr("digest.web.http_protocol.HEAD_SECONDS", 0.1)

    async def slow(_: Request) -> Response:
        await asyncio.sleep(0.5)
        return PlainTextResponse("late")

    site = Starlette(routes=[Route("/", slow)])
    listener = listen("127.0.0.1", 0)
    with serving(site, listener, on_loss=lambda: None), httpx2.Client() as http:
        for _ in range(2):
            assert http.get(url_of(listener)).text == "late"


@pytest.mark.parametrize("half", [b"", b"GET / HT", FORM % b"/subscribe" + b"email="])
def test_one_address_cannot_take_every_place_with_half_sent_requests(running: Running, half: bytes) -> None:
    with ExitStack() as kept:
        for _ in range(600):
            connection = kept.enter_context(socket.create_connection(running.address, timeout=20))
            connection.sendall(half)
        for _ in range(3):
            assert httpx2.get(f"{running.url}/health").text == "ok"


@pytest.mark.parametrize(("trusted", "closed"), [((), 2), ((ip_network("127.0.0.0/8"),), 0)])
def test_a_trusted_proxy_may_have_any_number_of_connections(
    monkeypatch: pytest.MonkeyPatch, app: App, trusted: tuple[IPv4Network, ...], closed: int
) -> None:
    monkeypatch.setattr("digest.web.http_protocol.MAX_WAITING", 2)
    listener = listen("127.0.0.1", 0)
    with serving(create_app(app), listener, on_loss=lambda: None, trusted=trusted), ExitStack() as kept:
        address = listener.getsockname()
        idle = [kept.enter_context(socket.create_connection(address, timeout=20)) for _ in range(3)]
        assert httpx2.get(f"{url_of(listener)}/health").text == "ok"
        wait_until(lambda: sum(map(is_closed, idle)) == closed, f"{closed} closed connections")
