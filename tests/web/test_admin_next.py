"""The page of the next digests: the hour, the number of mails, the recipients, and why others get none."""

from dataclasses import replace
from datetime import time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.matching import compile_rules
from digest.models import EVERY_DAY, Schedule, Subscriber, SubscriberState, Weekday
from digest.store import deliveries, outbox, profiles, subscribers
from digest.web.admin import today as ahead
from tests.builders import NOW, a_subscriber
from tests.web.admin_site import refuses_an_editor, signed_in
from tests.web.papers import HOSTILE, add_papers, share_profile
from tests.web.subscribers import add_subscriber
from tests.web.test_routes import everything

_STATES = (SubscriberState.ACTIVE, SubscriberState.PAUSED)

EARLY = NOW - timedelta(minutes=30)  # half past six


def add_reader(app: App, name: str, hour: str = "08:30", zone: str = "UTC", **rest: Any) -> Subscriber:
    days = rest.pop("days", EVERY_DAY)
    schedule = Schedule(timezone=zone, send_at=time.fromisoformat(hour), days=days)
    return add_subscriber(app, f"{name}@example.org", schedule=schedule, **rest)


def text_of(app: App, site: TestClient) -> str:
    return " ".join(signed_in(app, site).read("/admin/next").split())


def test_the_page_shows_the_hour_the_count_the_papers_and_the_recipients(app: App, site: TestClient) -> None:
    add_papers(app, "A paper on cats", "A second one on cats", "On dogs", seen_at=EARLY)
    share_profile(app, "Cats", "cats")
    share_profile(app, "Zebras", "zebra")
    reader = add_reader(app, "cat", profiles=("Cats",))
    add_reader(app, "zebra", profiles=("Zebras",))
    add_reader(app, "nothing", "08:59")
    add_reader(app, "later", "09:00", profiles=("Cats",))
    add_reader(app, "past", "06:59", profiles=("Cats",))  # before they were confirmed
    add_reader(app, "paused", state=SubscriberState.PAUSED, profiles=("Cats",))
    text = text_of(app, site)
    assert "3 subscribers are due for a digest between 2026-06-03 08:00 and 09:00." in text
    assert "1 will get an email. 2 papers in total." in text
    assert f'href="/admin/subscribers/{reader.id}"' in text
    assert "A paper on cats" in text or "A second one on cats" in text
    assert "follows no profile and has no keywords" in text
    assert "no keyword matched any of 3 new papers" in text
    assert "later@example.org" not in text


def test_an_hour_is_that_of_the_newsletters_clock_and_a_readers_is_their_own(app: App, site: TestClient) -> None:
    add_reader(app, "far", "17:00", "Asia/Tokyo")  # 08:00 UTC
    add_reader(app, "near", "08:45")
    add_reader(app, "half", "14:00", "Asia/Kolkata")  # 08:30 UTC
    assert "3 subscribers are due" in text_of(app, site)


def test_the_hour_is_the_next_one_in_which_a_subscriber_is_due(app: App) -> None:
    add_papers(app, "A paper on cats", seen_at=NOW + timedelta(days=4, hours=20))
    share_profile(app, "Cats", "cats")
    add_reader(app, "cat", profiles=("Cats",), days=frozenset({Weekday.MON}))
    add_reader(app, "zebra", "08:10", days=frozenset({Weekday.MON}))
    with app.store.read() as tx:
        hour = ahead.next_hour(tx, timezone=ZoneInfo("UTC"), now=NOW)
        assert hour is not None
        decided, _ = ahead.forecast(tx, app.compiled_profiles, app.selection_settings, hour)
    assert f"{hour.begins_at:%a %H:%M}" == "Mon 08:00"
    told = {d.subscriber.email: (d.items and d.items[0].paper.title, d.empty_reason) for d in decided}
    assert app.publish(now=hour.ends_at).digests == 1
    with app.store.read() as tx:
        (mail,) = deliveries.list_queued(tx)
    assert mail.digest is not None
    assert told[mail.subscriber.email] == (mail.digest.items[0].paper.title, "")
    assert told["zebra@example.org"][1] == "follows no profile and has no keywords"


def test_of_very_many_the_first_are_looked_at_and_it_says_so(
    app: App, site: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "MAX_DECIDED", 3)
    add_papers(app, "A paper on cats", seen_at=EARLY)
    share_profile(app, "Cats", "cats")
    for number in range(5):
        add_reader(app, f"cat{number}", profiles=("Cats",))
    text = text_of(app, site)
    assert "5 subscribers are due" in text
    assert "Of the first 3, 3 will get an email." in text
    assert ("cat2@" in text, "cat3@" in text) == (True, False)


def test_ten_are_named(app: App, site: TestClient) -> None:
    add_papers(app, "A paper on cats", seen_at=EARLY)
    share_profile(app, "Cats", "cats")
    for number in range(12):
        add_reader(app, f"cat{number}", profiles=("Cats",))
    text = text_of(app, site)
    assert ("Some of the recipients" in text, text.count("@example.org")) == (True, 10)


def test_to_look_writes_nothing_down(app: App, site: TestClient) -> None:
    add_papers(app, "A paper on cats", seen_at=EARLY)
    share_profile(app, "Cats", "cats")
    add_reader(app, "cat", profiles=("Cats",))
    admin = signed_in(app, site)
    before = everything(app)
    admin.read("/admin/next")
    assert everything(app) == before


def test_a_hold_and_rules_that_cannot_be_read_are_told(app: App, site: TestClient) -> None:
    reader = add_reader(app, "cat")
    with app.store.write() as tx:
        outbox.start_hold(tx, "", now=NOW)
        profiles.set_personal(tx, reader.id, compile_rules("cat"), now=NOW)
        tx.exec_driver_sql("UPDATE profiles SET rules = 'a AND', compiled = NULL")
    text = text_of(app, site)
    assert "Sending is on hold" in text
    assert "the keywords of cat@example.org" in text


def test_a_hostile_paper_is_text(app: App, site: TestClient) -> None:
    add_papers(app, HOSTILE, seen_at=EARLY)
    share_profile(app, "Hostile", "script")
    add_reader(app, "cat", profiles=("Hostile",))
    text = text_of(app, site)
    assert ("<script>alert" in text, "\u202e" in text, "alert(1)" in text) == (False, False, True)


def test_an_empty_schedule_is_reported(app: App, site: TestClient) -> None:
    assert "No digests are scheduled" in text_of(app, site)


def test_it_is_not_for_editors(app: App, site: TestClient) -> None:
    assert refuses_an_editor(app, site, "/admin/next")


def test_today_says_the_hour_and_how_many_and_counts_very_many_by_a_sample(
    app: App, site: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = signed_in(app, site)
    assert "the time of" not in admin.read("/admin")
    for number in range(60):
        add_reader(app, f"reader{number}", "08:30" if number % 2 else "18:30")
    said = "{} subscribers are due for a digest between 2026-06-03 08:00 and 09:00."
    assert said.format("30") in " ".join(admin.read("/admin").split())
    monkeypatch.setattr(subscribers, "_MAX_COUNTED", 59)
    monkeypatch.setattr(subscribers, "_SAMPLE", 20)
    for path in ("/admin", "/admin/next"):
        assert said.format("About 30") in " ".join(admin.read(path).split())


def test_an_estimate_from_a_sample_is_close(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribers, "_MAX_COUNTED", 100)
    monkeypatch.setattr(subscribers, "_SAMPLE", 100)
    early, late = (Schedule(send_at=time(hour)) for hour in (6, 20))
    people = [a_subscriber(f"{n}@example.org", schedule=late if n % 10 == 0 else early) for n in range(1000)]
    with app.store.write() as tx:
        subscribers.add_all(tx, [replace(one, state=_STATES[n % 7 == 0]) for n, one in enumerate(people)], now=NOW)
        groups, is_exact = subscribers.count_by_schedule(tx)
    counts = {group.schedule: count for group, count in groups.items()}
    assert not is_exact
    assert 700 < sum(counts.values()) < 1000
    assert 20 < counts[late] < 200 < counts[early]
