"""Times that a wrong clock wrote: nothing is lost, nothing comes twice, and no one waits for the wrong time."""

from dataclasses import replace
from datetime import datetime, time, timedelta
from functools import partial

import pytest

from digest.matching import compile_rules
from digest.models import Schedule, Stage, Subscriber, SubscriberState, Weekday
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.pipeline.publish import PublishReport, publish, publish_welcome
from digest.pipeline.selection import SelectionSettings
from digest.pipeline.stage_runs import StageRuns
from digest.store import Store, daily_status, deliveries, digests, papers, profiles, subscribers
from digest.store.daily_status import Trouble
from digest.subscribers.problems import problem_of
from digest.subscribers.schedule import digest_due, next_digest_at, paused, rescheduled, resumed
from tests.builders import MEMBERSHIP, NOW, a_paper, a_subscriber, at

SETTINGS = SelectionSettings(first_digest_days=1, welcome_days=7, trending=0, domain="example.org")
DAY = timedelta(days=1)


def subscribe(store: Store, email: str = "reader@example.org", *, now: datetime = NOW, **rest: object) -> Subscriber:
    with store.write() as tx:
        added = MEMBERSHIP.add(tx, a_subscriber(email, **rest), origin="tests", now=now)
        profiles.set_personal(tx, added.id, compile_rules("cats"), now=now)
        return subscribers.get_by_id(tx, added.id)


def see(store: Store, title: str, when: datetime) -> None:
    with store.write() as tx:
        papers.add(tx, [a_paper(f"cats {title}")], first_seen_at=when, edition_on=when.date())


def run(store: Store, now: datetime, *, clock: datetime | None = None, everyone: bool = False) -> PublishReport:
    compiled = CompiledProfiles(store, store.file.with_suffix(".profiles"))
    return publish(store, compiled, SETTINGS, now=now, clock=lambda: clock or now, everyone=everyone)


def stored(store: Store, email: str = "reader@example.org") -> Subscriber:
    with store.read() as tx:
        return subscribers.get(tx, email)


def mailed(store: Store, email: str = "reader@example.org") -> list[list[str]]:
    """The titles in each digest of a reader, oldest first."""
    with store.read() as tx:
        found = deliveries.list_by_subscriber(tx, subscribers.get(tx, email).id)
    return [[item.paper.title.removeprefix("cats ") for item in d.digest.items] for d in found if d.digest]


# Slots from before they were confirmed


def test_a_reader_who_is_added_on_monday_for_sundays_gets_nothing_that_monday(store: Store) -> None:
    monday = at("2026-06-01 09:00")
    see(store, "news", monday - timedelta(hours=3))
    subscribe(store, now=monday, schedule=Schedule(days=frozenset({Weekday.SUN})))
    assert run(store, monday + timedelta(minutes=1)) == PublishReport()
    assert next_digest_at(stored(store), monday) == at("2026-06-07 07:00")


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Asia/Tokyo", "Pacific/Auckland"])
def test_imported_readers_are_mailed_at_their_own_next_hour_and_every_list_says_when(store: Store, zone: str) -> None:
    imported_at = at("2026-06-03 09:01")
    subscribe(store, now=imported_at, schedule=Schedule(timezone=zone, send_at=time(7)))
    slot = next_digest_at(stored(store), imported_at)
    assert slot is not None
    assert f"{slot.astimezone(stored(store).schedule.zone):%H:%M}" == "07:00"
    see(store, "news", imported_at)
    for moment in (imported_at, imported_at + timedelta(hours=1), slot - timedelta(minutes=1)):
        assert run(store, moment) == PublishReport()
    assert run(store, slot).digests == 1


def test_a_reader_who_confirms_by_mail_gets_the_welcome_at_once_and_the_next_digest_at_their_hour(store: Store) -> None:
    pending = subscribe(store, state=SubscriberState.PENDING)
    see(store, "before", NOW)
    confirmed_at = NOW + timedelta(hours=2)
    with store.write() as tx:
        confirmed = MEMBERSHIP.confirm(tx, pending, origin="mail", now=confirmed_at)
    compiled = CompiledProfiles(store, store.file.with_suffix(".profiles"))
    publish_welcome(store, compiled, confirmed, SETTINGS, now=confirmed_at)
    assert mailed(store) == [["before"]]
    assert run(store, confirmed_at + timedelta(minutes=1)) == PublishReport()
    assert next_digest_at(stored(store), confirmed_at) == NOW + DAY


def test_a_digest_out_of_turn_takes_the_place_of_no_slot(store: Store) -> None:
    subscribe(store, now=NOW - DAY)
    see(store, "first", NOW - timedelta(hours=2))
    assert run(store, NOW - timedelta(hours=1), everyone=True).digests == 1
    see(store, "second", NOW - timedelta(minutes=30))
    assert run(store, NOW).digests == 1
    assert mailed(store) == [["first"], ["second"]]


# One digest a date


@pytest.mark.parametrize(
    ("later", "next_at"),
    [
        (Schedule(send_at=time(9)), "2026-06-04 09:00"),
        (Schedule(send_at=time(6)), "2026-06-04 06:00"),
        (Schedule(send_at=time(23, 59)), "2026-06-04 23:59"),
        (Schedule(timezone="America/New_York"), "2026-06-04 11:00"),
        (Schedule(timezone="Asia/Tokyo"), "2026-06-03 22:00"),  # Thursday there
        (Schedule(days=frozenset({Weekday.WED, Weekday.FRI}), send_at=time(9)), "2026-06-05 09:00"),
    ],
    ids=["later", "earlier", "midnight", "west", "east", "days"],
)
def test_changing_the_hour_zone_or_days_after_a_digest_gives_no_second_one_that_date(
    store: Store, later: Schedule, next_at: str
) -> None:
    subscribe(store, now=NOW - DAY)
    see(store, "first", NOW - timedelta(hours=1))
    run(store, NOW)
    changed_at = NOW + timedelta(hours=1)
    with store.write() as tx:
        before = subscribers.get(tx, "reader@example.org")
        subscribers.save(tx, rescheduled(before, replace(before, schedule=later), changed_at))
    see(store, "second", changed_at)
    assert next_digest_at(stored(store), changed_at) == at(next_at)
    for minutes in range(60, 24 * 60, 30):
        moment = NOW + timedelta(minutes=minutes)
        assert run(store, moment).digests == (moment == at(next_at))


def test_new_days_do_not_make_a_slot_of_today_that_has_passed(store: Store) -> None:
    mondays = replace(a_subscriber(), schedule=Schedule(days=frozenset({Weekday.MON})), last_slot_at=NOW - 2 * DAY)
    daily = rescheduled(mondays, replace(mondays, schedule=Schedule()), NOW + timedelta(hours=3))
    assert digest_due(daily, NOW + timedelta(hours=3)) is None
    assert digest_due(daily, NOW + DAY) == NOW + DAY


# What a digest looks at


def test_a_second_digest_never_looks_behind_what_the_first_looked_at(store: Store) -> None:
    see(store, "too old", NOW - timedelta(hours=30))
    see(store, "first", NOW - timedelta(hours=20))
    subscribe(store, now=NOW - timedelta(hours=2))
    run(store, NOW)
    assert run(store, NOW + DAY).empty_reasons == (("reader@example.org", "no new papers"),)
    assert mailed(store) == [["first"]]


@pytest.mark.parametrize("ahead", [timedelta(hours=3), DAY, timedelta(days=10), timedelta(days=400)], ids=str)
@pytest.mark.parametrize("corrects", [True, False], ids=["at once", "never"])
def test_a_clock_that_was_ahead_for_one_run_silences_no_one_and_loses_no_paper(
    store: Store, ahead: timedelta, corrects: bool
) -> None:
    """With `corrects` stored times are corrected; without, as with `--now`, the real time is later than all of them."""
    subscribe(store, now=NOW - DAY)
    later = None if corrects else NOW + timedelta(days=1000)
    dates = 0
    for day in range(-1, 14):
        today = NOW + day * DAY
        see(store, f"of day {day}", today - timedelta(hours=1))
        if day == 4:
            wrong = today + ahead
            see(store, "of the future", wrong)
            run(store, wrong, clock=later)
        dates += run(store, today, clock=later).digests
        dates += run(store, today + timedelta(minutes=5), clock=later).digests
    titles = [title for digest in mailed(store) for title in digest]
    assert sorted(titles) == sorted([*(f"of day {day}" for day in range(-1, 14)), "of the future"])
    assert dates >= 13  # a slot that was served in advance is served once
    assert dates + 2 >= len(mailed(store))


@pytest.mark.parametrize("ahead", [20 * DAY, 400 * DAY], ids=str)
def test_a_clock_that_was_ahead_for_many_runs_is_corrected_too(store: Store, ahead: timedelta) -> None:
    subscribe(store, now=NOW - 9 * DAY)
    for day in range(-8, 1):
        see(store, f"of day {day}", NOW + day * DAY - timedelta(hours=1))
        run(store, NOW + day * DAY)
    for day in range(6):
        see(store, f"ahead {day}", NOW + ahead + day * DAY)
        run(store, NOW + ahead + day * DAY)
    for day in range(1, 9):
        see(store, f"of day {day}", NOW + day * DAY - timedelta(hours=1))
        run(store, NOW + day * DAY)
    with store.read() as tx:
        assert papers.count_first_seen_after(tx, NOW + 9 * DAY) == digests.count_created_after(tx, NOW + 9 * DAY) == 0
    titles = [title for digest in mailed(store) for title in digest]
    assert sorted(titles) == sorted([*(f"of day {day}" for day in range(-8, 9)), *(f"ahead {day}" for day in range(6))])


def test_many_runs_of_a_clock_that_is_behind_correct_nothing(store: Store) -> None:
    subscribe(store, now=NOW - 9 * DAY)
    for day in range(-8, 1):
        see(store, f"of day {day}", NOW + day * DAY - timedelta(hours=1))
        run(store, NOW + day * DAY)
    for hours in range(5):
        see(store, f"behind {hours}", NOW - 300 * DAY + timedelta(hours=hours))
        run(store, NOW - 300 * DAY + timedelta(hours=hours))
    with store.read() as tx:
        assert papers.count_first_seen_after(tx, NOW - 30 * DAY) == 9
    see(store, "last", NOW + timedelta(hours=1))
    run(store, NOW + DAY)
    assert sorted(title for digest in mailed(store) for title in digest) == sorted(
        [*(f"of day {day}" for day in range(-8, 1)), *(f"behind {hours}" for hours in range(5)), "last"]
    )


def test_a_first_digest_of_a_clock_that_is_behind_keeps_its_papers_from_the_second(store: Store) -> None:
    subscribe(store, now=NOW - 200 * DAY)
    see(store, "new", NOW - timedelta(hours=1))
    run(store, NOW - 100 * DAY, everyone=True)
    for day in range(3):
        see(store, f"of day {day}", NOW + day * DAY - timedelta(minutes=30))
        run(store, NOW + day * DAY)
    assert sorted(title for digest in mailed(store) for title in digest) == ["new", *(f"of day {d}" for d in range(3))]


def test_a_first_digest_on_the_day_of_a_weekly_reader_has_all_papers_since_they_confirmed(store: Store) -> None:
    monday = at("2026-06-01 09:00")
    see(store, "before", monday - timedelta(hours=3))
    subscribe(store, now=monday, schedule=Schedule(days=frozenset({Weekday.SUN})))
    for day in range(6):
        see(store, f"of day {day}", monday + day * DAY + timedelta(hours=1))
    assert run(store, at("2026-06-07 07:00")).digests == 1
    assert [sorted(titles) for titles in mailed(store)] == [[f"of day {day}" for day in range(6)]]


def test_a_wrong_clock_at_the_first_digest_takes_no_papers_from_the_second(store: Store) -> None:
    subscribe(store, now=NOW - timedelta(hours=2))
    see(store, "new", NOW - timedelta(hours=1))
    run(store, NOW + timedelta(days=40), clock=NOW + timedelta(days=40))
    run(store, NOW)
    assert mailed(store) == [["new"]]


def test_a_clock_that_was_behind_for_one_run_sends_nothing_twice(store: Store) -> None:
    subscribe(store, now=NOW - 9 * DAY)
    for day in range(-8, 1):
        see(store, f"of day {day}", NOW + day * DAY - timedelta(hours=1))
        run(store, NOW + day * DAY)
    for behind in (timedelta(hours=1), 2 * DAY, 5 * DAY, 3000 * DAY):
        run(store, NOW - behind, clock=NOW - behind)
        run(store, NOW, clock=NOW)
    see(store, "last", NOW + timedelta(hours=1))
    run(store, NOW + DAY)
    assert mailed(store) == [[f"of day {day}"] for day in range(-8, 1)] + [["last"]]


def trouble(store: Store, now: datetime) -> Trouble | None:
    with store.read() as tx:
        return daily_status.get(tx, on=now.date(), since=now - timedelta(hours=7), now=now).trouble


def test_times_in_the_future_are_shown_until_they_are_corrected(store: Store) -> None:
    subscribe(store, now=NOW - DAY)
    see(store, "news", NOW)
    run(store, NOW + 30 * DAY)
    with store.write() as tx:
        tx.exec_driver_sql("UPDATE deliveries SET state = 'sent'")  # what else would be wrong
    assert problem_of(stored(store), NOW).startswith("last_slot_at is in the future")
    assert trouble(store, NOW) is Trouble.CLOCK
    run(store, NOW)
    assert (problem_of(stored(store), NOW), trouble(store, NOW)) == ("", None)
    assert (stored(store).last_slot_at, stored(store).last_digest_at) == (NOW, NOW)
    with store.read() as tx:
        assert digests.count_created_after(tx, NOW) == 0


def test_a_reader_confirmed_by_a_clock_that_was_ahead_is_mailed_at_their_next_hour(store: Store) -> None:
    subscribe(store, now=NOW + 30 * DAY)
    now = NOW + timedelta(hours=1)
    see(store, "news", now)
    assert run(store, now) == PublishReport()
    assert stored(store).confirmed_at == now
    assert run(store, NOW + DAY).digests == 1


def test_a_pause_that_ended_while_the_clock_was_wrong_does_not_begin_again(store: Store) -> None:
    reader = subscribe(store, now=NOW - DAY)
    back = resumed(paused(reader, None), NOW + 30 * DAY)
    assert digest_due(back, NOW + DAY) == NOW + DAY


def test_a_clock_that_is_ahead_for_one_run_deletes_no_one_who_may_still_confirm(store: Store) -> None:
    with store.write() as tx:
        MEMBERSHIP.add(tx, a_subscriber(state=SubscriberState.PENDING), origin="tests", now=NOW)
    runs = StageRuns()

    def run_at(now: datetime, _: object) -> PublishReport:
        return run(store, now)

    for now, left in ((NOW, 1), (NOW + 400 * DAY, 1), (NOW + DAY, 1), (NOW + 400 * DAY, 1), (NOW + 401 * DAY, 0)):
        runs.run(store, Stage.PUBLISH, partial(run_at, now), now=now)
        with store.read() as tx:
            assert len(subscribers.list_unconfirmed(tx, before=NOW + 500 * DAY)) == left, now
