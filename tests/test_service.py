"""digest serve: the stages on their beats, until SIGTERM."""

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from digest.errors import StoreError
from digest.installation import Installation
from digest.service import serve
from digest.transport.sink import SmtpServer
from tests.commandline import Cli
from tests.smtp import Postbox

IN_TIME = 30.0  # seconds; a busy machine may need some


def wait_for_mail(folder: Path) -> None:
    deadline = time.monotonic() + IN_TIME
    while not list(folder.glob("outbox/new/*.eml")):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_serves_until_sigterm_and_stops_cleanly(cli: Cli) -> None:
    cli.ok("subscriber", "add", "reader@example.org", "--confirmed")  # nothing for them
    cli.ok("subscriber", "add", "other@example.org")  # a confirmation mail is queued for them
    process = subprocess.Popen(
        [sys.executable, "-m", "digest", "serve"], cwd=cli.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    wait_for_mail(cli.folder)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=IN_TIME)
    assert process.returncode == 0
    for event in (b"serving", b"papers_new=2", b"follows no profile", b"delivered", b"stopping", b"stopped"):
        assert event in said
    assert b"Traceback" not in said


def test_a_faulty_template_stops_it_before_it_begins(cli: Cli) -> None:
    (cli.folder / "mine" / "email").mkdir(parents=True)
    (cli.folder / "mine" / "email" / "digest.txt.j2").write_text("{% if %}")
    cli.configure("[templates]\npath = 'mine'\n")
    ran = cli("serve")
    assert ran.code == 2
    assert "digest.txt.j2:1: " in ran.err


def serve_for_a_while(here: Installation, until: threading.Event) -> None:
    stop = threading.Event()
    serving = threading.Thread(target=serve, args=(here,), kwargs={"stop": stop})
    serving.start()
    assert until.wait(IN_TIME)
    stop.set()
    serving.join(IN_TIME)
    assert not serving.is_alive()


def test_a_stage_that_fails_is_told_and_the_others_go_on(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    delivered = threading.Event()
    real = Installation.deliver

    def locked(*_: object, **__: object) -> None:
        raise StoreError("the database is locked")

    def deliver(here: Installation, **rest: object) -> object:
        try:
            return real(here, **rest)  # type: ignore[arg-type]
        finally:
            delivered.set()

    monkeypatch.setattr(Installation, "publish", locked)
    monkeypatch.setattr(Installation, "deliver", deliver)
    cli.configure("[delivery]\ntransport = 'smtp'\n[delivery.smtp]\nhost = '127.0.0.1'\nport = 1\n")
    (cli.folder / "papers.txt").unlink()
    cli.ok("subscriber", "add", "other@example.org")
    with Installation.open(cli.folder / "config.toml") as here:
        serve_for_a_while(here, delivered)
    said = capsys.readouterr().err
    assert "the database is locked" in said
    assert "No such file" in said
    assert "cannot be reached" in said
    assert cli.ok("outbox", "list", "--json").record["state"] == "queued"


def test_a_stop_lets_the_mail_at_hand_finish_and_keeps_the_rest(cli: Cli) -> None:
    emails = "".join(f"{i}@example.org\n" for i in range(40))
    (cli.folder / "people.csv").write_text(f"email\n{emails}")
    cli.ok("subscriber", "import", "people.csv")
    postbox = Postbox(delay=0.05)
    with SmtpServer(postbox) as server:
        smtp = f"[delivery.smtp]\nhost = '127.0.0.1'\nport = {server.port}\nconnections = 1\n"
        cli.configure(f"[delivery]\ntransport = 'smtp'\n{smtp}")
        with Installation.open(cli.folder / "config.toml") as here:
            serve_for_a_while(here, postbox.arrived)
    states = Counter(d["state"] for d in cli.ok("outbox", "list", "--json").records)
    assert set(states) == {"sent", "queued"}
    assert states["sent"] == len(postbox.mails)


def test_it_does_not_begin_in_a_language_that_is_not_there(cli: Cli) -> None:
    config = cli.folder / "config.toml"
    config.write_text(config.read_text().replace("[newsletter]", '[newsletter]\nlanguage = "tlh"'))
    ran = cli("serve")
    assert ran.code == 2
    assert "config.toml: newsletter.language: no language 'tlh'; there are en, de" in ran.err
