"""One subscriber's data is broken, or changes at a bad moment: that touches no other subscriber's mail."""

from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest

from digest.app import App
from digest.matching import compile_rules
from digest.models import Schedule, Subscriber, SubscriberState
from digest.pipeline import publish as publishing
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.pipeline.deliver import deliver
from digest.pipeline.isolation import do_for_all
from digest.pipeline.publish import PublishReport, publish
from digest.pipeline.selection import PaperSelector, SelectionSettings
from digest.store import Store, daily_status, deliveries, papers, profiles, subscribers
from digest.store.daily_status import Trouble
from digest.subscribers.problems import problem_of
from digest.transport.maildir import MaildirTransport
from tests.builders import MEMBERSHIP, NOW, a_paper, a_subscriber
from tests.commandline import Cli
from tests.mail.samples import composer
from tests.web.admin_site import signed_in
from tests.web.conftest import browser

SETTINGS = SelectionSettings(first_digest_days=1, welcome_days=7, trending=0, domain="example.org")
READERS = 40
BROKEN = "reader17@example.org"
DAY = timedelta(days=1)


@pytest.fixture
def full(store: Store) -> Store:
    """Forty readers who all want the one paper there is."""
    add_readers(store)
    return store


def add_readers(store: Store) -> None:
    with store.write() as tx:
        profiles.add(tx, "Cats", compile_rules("cats"), by="tests", now=NOW)
        people = [a_subscriber(f"reader{n}@example.org", profiles=("Cats",)) for n in range(READERS)]
        subscribers.add_all(tx, people, now=NOW)
        papers.add(tx, [a_paper("cats")], first_seen_at=NOW - timedelta(hours=1), edition_on=NOW.date())


def run(store: Store, now: object = NOW) -> PublishReport:
    compiled = CompiledProfiles(store, store.file.with_suffix(".profiles"))
    return publish(store, compiled, SETTINGS, now=NOW, clock=lambda: NOW)


def send(store: Store, folder: Path) -> list[str]:
    """Deliver, and return the addresses whose mails were not sent."""
    report = deliver(store, MaildirTransport(folder), composer(), MEMBERSHIP, now=NOW, clock=lambda: NOW)
    return [email for email, _ in report.refused]


def break_column(store: Store, column: str, value: object, email: str = BROKEN) -> None:
    with store.write() as tx:
        tx.exec_driver_sql(f"UPDATE subscribers SET {column} = ? WHERE email = ?", (value, email))


@pytest.fixture
def breaks(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Makes it impossible to select papers for one reader, until it is undone."""
    select_one = PaperSelector._select_one

    def fail_for_one(self: PaperSelector, subscriber: Subscriber, *rest: Any, **named: Any) -> object:
        if subscriber.email == BROKEN:
            raise ZeroDivisionError("a bad day\0")
        return select_one(self, subscriber, *rest, **named)

    monkeypatch.setattr(PaperSelector, "_select_one", fail_for_one)
    return monkeypatch


def problem(store: Store, email: str = BROKEN) -> str:
    with store.read() as tx:
        return problem_of(subscribers.get(tx, email), NOW)


@pytest.mark.parametrize("broken", [{0}, {39}, {3, 17, 18}, set(), set(range(40))], ids=str)
def test_exactly_the_broken_ones_are_left_out(broken: set[int]) -> None:
    done: list[int] = []
    failed: list[int] = []

    def act(some: object) -> None:
        assert isinstance(some, list)
        if broken & set(some):
            raise ValueError(some)
        done.extend(some)

    do_for_all(list(range(READERS)), act, failed=lambda one, _: failed.append(one))
    assert (set(failed), sorted(done)) == (broken, sorted(set(range(READERS)) - broken))


def test_a_subscriber_whose_digest_cannot_be_decided_is_marked_and_the_others_get_theirs(
    full: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], breaks: pytest.MonkeyPatch
) -> None:
    report = run(full)
    assert (report.digests, [email for email, _ in report.failures]) == (READERS - 1, [BROKEN])
    assert problem(full) == "internal error: ZeroDivisionError: a bad day"
    assert "pipeline/selection.py" in "".join(capsys.readouterr())  # the stack
    assert send(full, tmp_path) == []
    run(full)
    assert "selection.py" not in "".join(capsys.readouterr())  # once is enough
    with full.read() as tx:
        assert daily_status.get(tx, on=NOW.date(), since=NOW - DAY, now=NOW).trouble is Trouble.SUBSCRIBERS
    breaks.undo()
    assert run(full).digests == 1
    assert problem(full) == ""


def test_publishing_failed_if_no_digest_could_be_decided(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    add_readers(app.store)

    def fail(*_: object, **__: object) -> object:
        raise ZeroDivisionError("a bad day")

    with monkeypatch.context() as broken:
        broken.setattr(PaperSelector, "_select_one", fail)
        app.publish(now=NOW)
    with app.store.read() as tx:
        status = app.daily_status(tx, now=NOW)
    assert status.trouble is Trouble.STAGE
    (stage,) = status.stages
    assert stage.record.failure.startswith(f"no digest could be decided, of {READERS} subscribers; the first: internal")
    assert app.publish(now=NOW).digests == READERS
    with app.store.read() as tx:
        assert app.daily_status(tx, now=NOW).trouble is None


def test_subscribers_erased_paused_or_moved_while_digests_are_decided_do_not_touch_the_others(
    full: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    select = PaperSelector.select
    moved = "moved@example.org"

    def meanwhile(self: PaperSelector, tx: object, due: object) -> object:
        found = select(self, tx, due)  # type: ignore[arg-type]
        if due:
            monkeypatch.setattr(PaperSelector, "select", select)
            with full.write() as other:
                subscribers.remove_all(other, [f"reader{n}@example.org" for n in range(5)])
                paused = replace(subscribers.get(other, "reader6@example.org"), state=SubscriberState.PAUSED)
                subscribers.save(other, paused)
                subscribers.save(other, replace(subscribers.get(other, "reader7@example.org"), email=moved))
        return found

    monkeypatch.setattr(PaperSelector, "select", meanwhile)
    assert run(full).digests == READERS - 6
    with full.read() as tx:
        addresses = {delivery.subscriber.email for delivery in deliveries.list_queued(tx)}
    assert moved in addresses
    assert "reader6@example.org" not in addresses


@pytest.mark.parametrize("zone", ["Mars/Base", "Europe/Atlantis", "", "../etc/passwd", "Europe", "\0", "x" * 9999])
def test_an_unknown_time_zone_is_replaced_by_the_newsletters_and_marked(full: Store, zone: str) -> None:
    full.set_timezone("Asia/Tokyo")
    break_column(full, "timezone", zone)
    break_column(full, "send_at", "16:00:00.000000")  # 07:00 UTC in Tokyo
    assert run(full).digests == READERS
    assert problem(full).endswith("the digest comes by Asia/Tokyo")
    with full.write() as tx:
        reader = subscribers.get(tx, BROKEN)
        assert reader.problem
        subscribers.save(tx, replace(reader, schedule=Schedule(), problem=""))
    assert problem(full) == ""


MUTATIONS = [
    *(("send_at", value) for value in ("25:99", "teatime", "", 7, b"\xff")),
    *(("days", value) for value in ("mon,someday", "", "\0", 3)),
    *(("state", value) for value in ("asleep", "", "ACTIVE", 4)),
    *((column, value) for column in ("last_slot_at", "last_digest_at", "confirmed_at") for value in ("soon", "", 0)),
    *(("announce_types", value) for value in ("new,newer", "\0")),
    *(("max_papers", value) for value in ("", "many", -1, 2**62, 0.5)),
    *(("name", value) for value in ("\0", "a\0b", "\r\nBcc: x@example.org", "\x1b[31m", "\u202e", "x" * 100_000)),
    *(("language", value) for value in ("xx", "", "\0", "../de")),
    *(("papers_to", value) for value in ("far", -1, 2**62)),
    ("epoch", "one"),
    ("wants_trending", "perhaps"),
]


@pytest.mark.parametrize(("column", "value"), MUTATIONS)
def test_a_damaged_row_stops_neither_the_others_nor_a_page(
    app: App, column: str, value: object, tmp_path: Path
) -> None:
    add_readers(app.store)
    break_column(app.store, column, value)
    report = run(app.store)
    assert report.digests >= READERS - 1
    assert set(send(app.store, tmp_path / "mail")) <= {BROKEN}
    admin = signed_in(app, browser(app))
    with app.store.read() as tx:
        broken = subscribers.get(tx, BROKEN)
    pages = ["", "/next", "/subscribers", "/subscribers?problem=1", "/deliveries", "/subscribers/export"]
    for path in (*pages, f"/subscribers/{broken.id}", f"/subscribers/{broken.id}/edit"):
        assert admin.get(f"/admin{path}").status_code == 200, path


def test_a_digest_that_cannot_be_read_fails_alone(full: Store, tmp_path: Path) -> None:
    run(full)
    with full.write() as tx:
        damaged = ("not json", "{}", '[["test:cats"]]', "[[1, 2, 3, 4, 5, 6]]", "null")
        for number, items in enumerate(damaged, 1):
            tx.exec_driver_sql("UPDATE digests SET items = ? WHERE id = ?", (items, number))
    assert len(send(full, tmp_path)) == len(damaged)
    with full.read() as tx:
        states = [delivery.state.value for delivery in deliveries.list_newest(tx)]
    assert (states.count("sent"), states.count("failed")) == (READERS - len(damaged), len(damaged))


def test_a_mail_that_cannot_be_composed_waits_and_the_others_are_sent(
    full: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(full)
    with full.read() as tx:
        broken_id = subscribers.get(tx, BROKEN).id
    writer = composer()
    compose = writer.message

    def message(delivery: object) -> object:
        if delivery.subscriber.id == broken_id:  # type: ignore[attr-defined]
            raise RuntimeError("a template's bad day")
        return compose(delivery)  # type: ignore[arg-type]

    monkeypatch.setattr(writer, "message", message)
    report = deliver(full, MaildirTransport(tmp_path), writer, MEMBERSHIP, now=NOW, clock=lambda: NOW)
    assert (report.sent, report.deferred) == (READERS - 1, 1)
    assert report.refused == ((BROKEN, "not sent: internal error: RuntimeError: a template's bad day"),)


@pytest.mark.usefixtures("breaks")
def test_a_broken_subscriber_does_not_make_a_command_fail_silently(cli: Cli) -> None:
    cli.ok("subscriber", "add", "well@example.org", "--keywords", "cat", "--confirmed")
    cli.ok("subscriber", "add", BROKEN, "--keywords", "cat", "--confirmed")
    ran = cli("run", "--everyone", "--json")
    assert (ran.code, ran.record["publish"]["failed"]) == (1, 1)
    assert "Traceback" not in ran.err
    assert f"no digest for {BROKEN}: internal error: ZeroDivisionError" in ran.err
    assert cli.ok("subscriber", "show", BROKEN, "--json").record["problem"].startswith("internal error")


def test_times_of_day_are_read_as_they_are_stored(full: Store) -> None:
    break_column(full, "send_at", "06:30:00.000000")
    with full.read() as tx:
        assert subscribers.get(tx, BROKEN).schedule.send_at == time(6, 30)
    assert publishing.next_publish_at(full, now=NOW - DAY) is not None
