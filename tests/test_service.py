"""digest serve: the pages, and the stages on their schedules, until SIGTERM."""

import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from digest.app import App
from digest.errors import StoreError
from digest.models import Stage
from digest.pipeline.publish import PublishReport
from digest.security.links import Scope
from digest.service import _create_scheduler, _DaemonThreads, _run_now, serve
from digest.store import subscribers
from digest.store.daily_status import Trouble
from digest.transport.smtp_server import SmtpServer
from digest.web.server import listen, url_of
from tests.commandline import Cli
from tests.serving import IN_TIME, Serving, received_until
from tests.smtp import Postbox


@pytest.fixture
def cli(cli: Cli) -> Iterator[Cli]:
    """Pages are served on a free port. What `serve` does on signals ends with the test: Ctrl-C has to end the tests."""
    cli.configure("[web]\nport = 0\n")
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield cli
    for number, does in before.items():
        signal.signal(number, does)


@pytest.fixture
def serving(cli: Cli) -> Iterator[Callable[[], Serving]]:
    """Starts `digest serve`; what a failed test leaves running is ended."""
    begun: list[Serving] = []

    def begin() -> Serving:
        begun.append(Serving(cli.folder, "serve"))
        return begun[-1]

    yield begin
    for one in begun:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        one.read_to_the_end()


def wait_for_mail(folder: Path) -> None:
    deadline = time.monotonic() + IN_TIME
    while not list(folder.glob("outbox/new/*.eml")):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_serves_until_sigterm_and_stops_cleanly(cli: Cli, serving: Callable[[], Serving]) -> None:
    cli.ok("subscriber", "add", "reader@example.org", "--confirmed")  # nothing for them
    cli.ok("subscriber", "add", "other@example.org")  # a confirmation email is queued for them
    with App.open(cli.folder / "config.toml") as app, app.store.write() as tx:
        tx.exec_driver_sql("UPDATE subscribers SET confirmed_at = '2026-01-01 00:00:00' WHERE id = 1")
    served = serving()
    wait_for_mail(cli.folder)
    served.wait_for("papers_new=2")
    served.wait_for("follows no profile")
    served.process.send_signal(signal.SIGTERM)
    served.end()
    for event in ("serving", "papers_new=2", "follows no profile", "delivered", "stopping", "stopped"):
        assert event in served.said
    assert re.search("no mail .* subscriber=1", served.said)
    assert "@" not in served.said


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_it_stops_as_cleanly_when_its_terminal_is_closed_or_at_ctrl_c(
    serving: Callable[[], Serving], number: signal.Signals
) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup, which has it ignored
    served = serving()
    signal.signal(signal.SIGHUP, before)
    served.wait_for("papers_new=2")
    served.process.send_signal(number)
    served.end()
    assert "stopped" in served.said


@pytest.fixture
def mute(cli: Cli) -> Iterator[Callable[[], None]]:
    """A source that accepts connections and says nothing. Yields what waits until it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as asked:
        cli.configure("[fetch]\nallow_private = ['127.0.0.1']\n")
        cli.configure(
            f"[[source]]\nname = 'mute'\nkind = 'feed'\nurl = 'http://127.0.0.1:{server.getsockname()[1]}/'\n"
        )
        server.settimeout(IN_TIME)
        yield lambda: asked.enter_context(server.accept()[0]).settimeout(IN_TIME)


def test_it_ends_within_ten_seconds_beside_a_hanging_source_and_a_half_sent_request(
    serving: Callable[[], Serving], mute: Callable[[], None]
) -> None:
    served = serving()
    host, _, port = served.wait_for(r"url=http://(127\.0\.0\.1:\d+)\n?").partition(":")
    mute()
    address = (host, int(port))
    with socket.create_connection(address) as half_sent, socket.create_connection(address) as idle:
        half_sent.sendall(b"POST /subscribe HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nemail")
        idle.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert received_until(idle, b"ok").endswith(b"ok")
        begun = time.monotonic()
        served.stop()
    assert time.monotonic() - begun < 10
    assert "stopped" in served.said


_BLOCKED = """
import os, signal, sqlite3, sys, threading
import digest.service
digest.service._END_SECONDS = 0.2
one, other = (sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None) for _ in range(2))
one.execute("BEGIN IMMEDIATE")
with digest.service.stop_on_first_signal():
    threading.Timer(0.2, os.kill, (os.getpid(), getattr(signal, sys.argv[2]))).start()
    other.execute("BEGIN IMMEDIATE")
"""


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_a_signal_ends_a_program_that_waits_for_a_locked_database(tmp_path: Path, number: str) -> None:
    program = [sys.executable, "-c", _BLOCKED, str(tmp_path / "a.db"), number]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stderr) == (
        1,
        "error: did not stop in time; the next run does again what was not recorded\n",
    )


def test_a_second_signal_ends_it_at_once(serving: Callable[[], Serving], mute: Callable[[], None]) -> None:
    served = serving()
    host, _, port = served.wait_for(r"url=http://(127\.0\.0\.1:\d+)\n?").partition(":")
    mute()
    address = (host, int(port))
    with socket.create_connection(address) as half_sent, socket.create_connection(address) as idle:
        half_sent.sendall(b"POST /subscribe HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nemail")  # delays the end
        idle.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert received_until(idle, b"ok").endswith(b"ok")
        served.process.send_signal(signal.SIGTERM)
        served.wait_for("stopping")
        begun = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(IN_TIME) == -signal.SIGTERM
    assert time.monotonic() - begun < 5
    served.read_to_the_end()


SLOW_FEED = b"<rss version='2.0'><channel>" + b"<item><title>a</title></item>" * 300_000 + b"</channel></rss>"


@pytest.mark.parametrize("answer", [None, SLOW_FEED], ids=["TLS", "parsing"])
def test_it_ends_within_ten_seconds_beside_a_source_that_takes_long(
    cli: Cli, serving: Callable[[], Serving], answer: bytes | None
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(IN_TIME)
        url, scheme = f"127.0.0.1:{server.getsockname()[1]}/", "https" if answer is None else "http"
        cli.configure(
            '[fetch]\nallow_private = ["127.0.0.1"]\n'
            f'[[source]]\nname = "slow"\nkind = "feed"\nurl = "{scheme}://{url}"\n'
        )
        served = serving()
        connection, _ = server.accept()
        with connection:
            if answer is SLOW_FEED:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer))
            connection.sendall(answer or b"")
            time.sleep(1.5)
            begun = time.monotonic()
            served.stop()
            assert time.monotonic() - begun < 10
    assert "source failed" not in served.said


def test_one_click_works_over_real_http_while_the_stages_run(cli: Cli, serving: Callable[[], Serving]) -> None:
    cli.ok("subscriber", "add", "reader@example.org", "--confirmed")
    with App.open(cli.folder / "config.toml") as app, app.store.read() as tx:
        reader = subscribers.get(tx, "reader@example.org")
        link = app.links.url(Scope.UNSUBSCRIBE, reader.id, reader.epoch)
    served = serving()
    url = served.wait_for(r"url=(http://127\.0\.0\.1:\d+)\n?")
    with httpx2.Client() as http:
        answer = http.post(link.replace("https://digest.example.org", url), data={"List-Unsubscribe": "One-Click"})
        assert (answer.status_code, answer.text) == (200, "You have unsubscribed from Daily Papers\n")
        assert "server" not in answer.headers
        assert http.get(f"{url}/health").text == "ok"
        begun = time.monotonic()
        served.process.send_signal(signal.SIGTERM)  # with a connection that is kept open
        served.end()
    assert time.monotonic() - begun < 10
    assert cli.ok("subscriber", "show", "reader@example.org", "--json").record["state"] == "unsubscribed"
    token = link.rpartition("/")[2]
    assert token not in served.said


def test_a_port_in_use_is_reported_in_one_line_before_anything_starts(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = cli.folder / "config.toml"
        config.write_text(config.read_text().replace("port = 0", f"port = {port}"))
        ran = cli("serve")
    assert ran.code == 1
    assert ran.err.splitlines()[-1] == (
        f"error: cannot listen on 127.0.0.1, port {port}: address already in use; set web.host and web.port"
    )
    assert "papers_new" not in ran.err


def test_a_failed_web_server_ends_the_program(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: None)
    ran = cli("serve")
    assert ran.code == 1
    assert "the web server stopped unexpectedly" in ran.err


def test_a_faulty_template_stops_it_before_it_begins(cli: Cli) -> None:
    (cli.folder / "mine" / "email").mkdir(parents=True)
    (cli.folder / "mine" / "email" / "digest.txt.j2").write_text("{% if %}")
    cli.configure("[templates]\npath = 'mine'\n")
    ran = cli("serve")
    assert ran.code == 2
    assert "digest.txt.j2:1: " in ran.err


def serve_for_a_while(app: App, until: threading.Event, **rest: Any) -> None:
    stop = threading.Event()
    serving = threading.Thread(target=serve, args=(app,), kwargs={"stop": stop} | rest)
    serving.start()
    assert until.wait(IN_TIME)
    stop.set()
    serving.join(IN_TIME)
    assert not serving.is_alive()


def test_a_failing_stage_is_reported_and_the_others_continue(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    delivered, both = threading.Event(), threading.Event()
    real = App.deliver

    def locked(*_: object, **__: object) -> None:
        if delivered.wait(IN_TIME):
            both.set()
        raise StoreError("the database is locked")

    def deliver(app: App, **rest: object) -> object:
        try:
            return real(app, **rest)  # type: ignore[arg-type]
        finally:
            delivered.set()

    monkeypatch.setattr(App, "publish", locked)
    monkeypatch.setattr(App, "deliver", deliver)
    cli.configure("[delivery]\ntransport = 'smtp'\n[delivery.smtp]\nhost = '127.0.0.1'\nport = 1\n")
    (cli.folder / "papers.txt").unlink()
    cli.ok("subscriber", "add", "other@example.org")
    with App.open(cli.folder / "config.toml") as app:
        serve_for_a_while(app, both)
    said = capsys.readouterr().err
    assert "the database is locked" in said
    assert "No such file" in said
    assert "cannot be reached" in said
    assert cli.ok("outbox", "list", "--json").record["state"] == "queued"


def test_a_publish_that_dies_each_time_is_logged_with_its_stack_and_makes_today_red(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    died = threading.Event()

    def broken(*_: object, **__: object) -> None:
        died.set()
        raise ZeroDivisionError("by zero")

    with App.open(cli.folder / "config.toml") as app:
        monkeypatch.setattr("digest.app.publish", broken)
        serve_for_a_while(app, died)
        with app.store.read() as tx:
            today = app.daily_status(tx, now=datetime.now(UTC))
    assert today.trouble is Trouble.STAGE
    captured = capsys.readouterr()
    said = captured.out + captured.err
    assert "in broken" in said
    assert "publish: internal error: ZeroDivisionError: by zero" in said


def test_what_fails_after_the_sources_were_read_is_a_failure_of_the_stage(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    died = threading.Event()

    def on_a_bad_disk(*_: object, **__: object) -> None:
        died.set()
        raise sqlite3.OperationalError("disk I/O error")

    with App.open(cli.folder / "config.toml") as app:
        monkeypatch.setattr("digest.pipeline.recent_papers.RecentPapers.load", on_a_bad_disk)
        serve_for_a_while(app, died)
        with app.store.read() as tx:
            failed = [
                status.record for status in app.daily_status(tx, now=datetime.now(UTC)).stages if status.record.failures
            ]
    assert [(one.stage, one.failure) for one in failed] == [(Stage.INGEST, "OperationalError: disk I/O error")]
    captured = capsys.readouterr()
    assert "in on_a_bad_disk" in captured.out + captured.err


def test_the_log_names_no_addresses_not_even_those_in_replies(cli: Cli, serving: Callable[[], Serving]) -> None:
    cli.ok("subscriber", "add", "other@example.org")
    with SmtpServer(Postbox(at_rcpt={"other@example.org": "550 <other@example.org>: is not here"})) as server:
        cli.configure(f"[delivery]\ntransport = 'smtp'\n[delivery.smtp]\nhost = '127.0.0.1'\nport = {server.port}\n")
        served = serving()
        served.wait_for("not delivered .* reply='550 <.address.>: is not here' subscriber=1")
        served.stop()
    assert "@" not in served.said


def test_mail_that_comes_while_others_are_sent_follows_at_once(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begun, free, again = threading.Event(), threading.Event(), threading.Event()
    real = App.deliver

    def deliver(app: App, **rest: object) -> object:
        if begun.is_set():
            again.set()
        begun.set()
        assert free.wait(IN_TIME)
        return real(app, **rest)  # type: ignore[arg-type]

    def leave() -> None:
        assert begun.wait(IN_TIME)
        assert httpx2.post(url + path).status_code == 200
        free.set()

    monkeypatch.setattr(App, "deliver", deliver)
    cli.ok("subscriber", "add", "reader@example.org", "--confirmed")
    with App.open(cli.folder / "config.toml") as app, listen("127.0.0.1", 0) as listener:
        url, path = url_of(listener), f"/unsubscribe/{app.links.token(Scope.UNSUBSCRIBE, 1, 0)}"
        leaving = threading.Thread(target=leave)
        leaving.start()
        serve_for_a_while(app, again, listener=listener)
        leaving.join(IN_TIME)
    assert cli.ok("outbox", "list", "--json").record["kind"] == "goodbye"
    assert "skipped" not in caplog.text


def test_a_stop_lets_the_mail_at_hand_finish_and_keeps_the_rest(cli: Cli) -> None:
    emails = "".join(f"{i}@example.org\n" for i in range(40))
    (cli.folder / "people.csv").write_text(f"email\n{emails}")
    cli.ok("subscriber", "import", "people.csv")
    postbox = Postbox(delay=0.05)
    with SmtpServer(postbox) as server:
        smtp = f"[delivery.smtp]\nhost = '127.0.0.1'\nport = {server.port}\nconnections = 1\n"
        cli.configure(f"[delivery]\ntransport = 'smtp'\n{smtp}")
        with App.open(cli.folder / "config.toml") as app:
            serve_for_a_while(app, postbox.arrived)
    states = Counter(d["state"] for d in cli.ok("outbox", "list", "--json").records)
    assert set(states) == {"sent", "queued"}
    assert states["sent"] == len(postbox.mails)


def test_it_does_not_begin_in_a_language_that_is_not_there(cli: Cli) -> None:
    config = cli.folder / "config.toml"
    config.write_text(config.read_text().replace("[newsletter]", '[newsletter]\nlanguage = "tlh"'))
    ran = cli("serve")
    assert ran.code == 2
    assert "config.toml: newsletter.language: no language 'tlh'; there are en, de" in ran.err


def test_sources_can_be_fetched_at_once_by_the_same_job(cli: Cli) -> None:
    with App.open(cli.folder / "config.toml") as app:
        scheduler = _create_scheduler(app, threading.Event(), threading.Event(), _DaemonThreads())
        scheduler.start(paused=True)
        later = datetime.now(UTC) + timedelta(hours=1)
        for job in scheduler.get_jobs():
            job.modify(next_run_time=later)
        _run_now(scheduler, "ingest")
        due = {job.id for job in scheduler.get_jobs() if job.next_run_time <= datetime.now(UTC)}
        assert due == {"ingest"}
        assert scheduler.get_job("ingest").max_instances == 1  # never two at once
        scheduler.shutdown()
        _run_now(scheduler, "ingest")  # the program stops: nothing is asked, and nothing breaks


def test_nothing_is_published_before_the_sources_were_read_for_the_first_time(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    answered, published = threading.Event(), threading.Event()

    def ingest(*_: object, **__: object) -> None:
        answered.wait(IN_TIME)
        ran.append("ingest")
        raise StoreError("the first reading failed, too")

    def publish(*_: object, **__: object) -> PublishReport:
        ran.append("publish")
        published.set()
        return PublishReport()

    monkeypatch.setattr(App, "ingest", ingest)
    monkeypatch.setattr(App, "publish", publish)
    with App.open(cli.folder / "config.toml") as app:
        scheduler = _create_scheduler(app, threading.Event(), threading.Event(), _DaemonThreads())
        begun_at = datetime.now(UTC)
        scheduler.start()
        waits_until = scheduler.get_job("publish").next_run_time
        assert timedelta(minutes=4) < waits_until - begun_at <= timedelta(minutes=5, seconds=IN_TIME)
        assert ran == []
        answered.set()
        assert published.wait(IN_TIME)
        scheduler.shutdown(wait=False)
    assert ran == ["ingest", "publish"]
