"""Two weeks of a newsletter in which much goes wrong: a source, a subscriber, a clock, and the mail server.

The days are in the future, so that the real time, by which wrong times are told, is earlier than all of them.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from digest.app import App
from digest.matching import compile_rules
from digest.models import DeliveryState, Schedule, Subscriber, SubscriberState
from digest.store import deliveries, digests, outbox, profiles, subscribers, suppressions
from digest.store.daily_status import Trouble
from tests.commandline import ABSTRACT, CONFIG
from tests.faults.newsletter import _DELIVERY
from tests.faults.server import Fault, FaultyServer, Step

START = datetime(2031, 6, 2, tzinfo=UTC)  # a Monday
DAYS = 14
HOURS = (6, 8, 12, 22)  # when the stages run; digests are due at 07:00 on the clocks of their readers
WRONG = START + timedelta(days=17, hours=13)  # what a clock once says on the ninth day
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo")
READERS = 12
BROKEN = "reader5@example.org"  # in UTC
SENDER = "papers@example.org"

_SECOND_SOURCE = '\n[serve]\ningest_minutes = 1440\n[[source]]\nname = "second"\nkind = "text"\nurl = "second.txt"\n'


class Fortnight:
    """The newsletter, its mail server, and what *Today* said."""

    def __init__(self, folder: Path, server: FaultyServer) -> None:
        self.folder, self.server = folder, server
        config = CONFIG + _SECOND_SOURCE + _DELIVERY.format(doubt="resend", port=server.port, connections=2)
        (folder / "config.toml").write_text(config, encoding="utf-8")
        self.serve("second.txt", "Nothing new")
        self.titles: list[str] = []
        self.troubles: dict[tuple[int, int], Trouble | None] = {}  # by day and hour, after the stages ran
        self.before: dict[tuple[int, int], Trouble | None] = {}  # just after something happened
        self.app = App.open(folder / "config.toml")
        with self.app.store.write() as tx:
            profiles.add(tx, "Cats", compile_rules("cats"), by="tests", now=START)
            people = [
                Subscriber(
                    email=f"reader{n}@example.org",
                    profiles=("Cats",),
                    schedule=Schedule(timezone="UTC" if n == 5 else ZONES[n % 4], send_at=time(7)),
                )
                for n in range(READERS)
            ]
            subscribers.add_all(tx, people, now=START)

    def serve(self, file: str, *titles: str) -> None:
        """What a source serves from now on."""
        text = "\n".join(f"{title}\n{ABSTRACT}{title}." for title in titles)
        (self.folder / file).write_text(text, encoding="utf-8")

    def run(self, now: datetime) -> None:
        """Run the stages; the sources are read once a day."""
        if now.hour in {HOURS[0], WRONG.hour}:
            self.app.ingest(now=now)
        self.app.publish(now=now)
        self.app.deliver(now=now)

    def trouble(self, now: datetime) -> Trouble | None:
        """Return what *Today* says."""
        with self.app.store.read() as tx:
            return self.app.daily_status(tx, now=now).trouble

    def live(self) -> None:
        """Fourteen days."""
        refused = Fault(SENDER, Step.MAIL, answer="550 5.7.1 Service unavailable; client host blocked")
        events: dict[tuple[int, int], Callable[[], object]] = {
            (1, 6): (self.folder / "second.txt").unlink,
            (2, 6): lambda: self.change(BROKEN, timezone="Mars/Base"),
            (3, 12): lambda: self.change(BROKEN, timezone="UTC"),
            (7, 6): lambda: self.serve("second.txt", "Nothing new"),
            (8, 12): lambda: self.run(WRONG),
            (10, 6): lambda: self.server.faults.update({(SENDER, Step.MAIL): refused}),
            (12, 6): self.server.faults.clear,
        }
        for day in range(DAYS):
            self.titles.append(f"A study of cats, part {day}")
            self.serve("papers.txt", *self.titles)
            for hour in HOURS:
                now = START + timedelta(days=day, hours=hour)
                if (day, hour) in events:
                    events[day, hour]()
                    self.before[day, hour] = self.trouble(now)
                if hour == HOURS[0]:
                    with self.app.store.write() as tx:
                        outbox.end_hold(tx)  # the admin tries again each morning
                self.run(now)
                self.troubles[day, hour] = self.trouble(now)

    def change(self, email: str, *, timezone: str) -> None:
        with self.app.store.write() as tx:
            reader = subscribers.get(tx, email)
            changed = replace(reader, schedule=replace(reader.schedule, timezone=timezone), problem="")
            subscribers.save(tx, changed)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fortnight]:
    with FaultyServer() as server:
        fortnight = Fortnight(tmp_path_factory.mktemp("fortnight"), server)
        fortnight.live()
        yield fortnight
        fortnight.app.close()


def test_every_slot_has_one_outcome(lived: Fortnight) -> None:
    with lived.app.store.read() as tx:
        for reader in subscribers.list_all(tx):
            zone = reader.schedule.zone
            decided = [d["slot_at"].astimezone(zone) for d in digests.list_by_subscriber(tx, reader.id)]
            assert {f"{slot:%H:%M}" for slot in decided} == {"07:00"}
            dates = Counter(slot.date() for slot in decided)
            assert set(dates.values()) == {1}
            days = [(START + timedelta(days=n)).date() for n in range(1, DAYS)]
            assert [day for day in days if day not in dates] == []


def test_no_paper_is_lost_and_none_comes_twice(lived: Fortnight) -> None:
    with lived.app.store.read() as tx:
        for reader in subscribers.list_all(tx):
            mails = deliveries.list_by_subscriber(tx, reader.id)
            assert {mail.state for mail in mails} == {DeliveryState.SENT}
            titles = [item.paper.title for mail in mails if mail.digest for item in mail.digest.items]
            last_at = max(mail.digest.created_at for mail in mails if mail.digest)
            due = [t for n, t in enumerate(lived.titles) if START + timedelta(days=n, hours=HOURS[0]) <= last_at]
            assert len(due) >= DAYS - 1
            assert sorted(titles) == sorted(due)
            got = [mail for mail in lived.server.mails if mail.recipient == reader.email]
            assert len(got) == len(mails)


def test_no_one_is_suppressed(lived: Fortnight) -> None:
    with lived.app.store.read() as tx:
        assert not suppressions.has_any(tx)
        assert {reader.state for reader in subscribers.list_all(tx)} == {SubscriberState.ACTIVE}


def test_today_is_red_exactly_while_something_is_wrong(lived: Fortnight) -> None:
    expected: dict[tuple[int, int], Trouble | None] = dict.fromkeys(lived.troubles)
    for moment in lived.troubles:
        if (4, 8) <= moment < (7, 6):  # a source may be silent for four days
            expected[moment] = Trouble.SOURCE
        if (2, 6) <= moment < (3, 12):
            expected[moment] = Trouble.SUBSCRIBERS
        if (10, 8) <= moment < (12, 6):  # after five refusals
            expected[moment] = Trouble.HOLD
    assert lived.troubles == expected
    assert lived.before[8, 12] is Trouble.CLOCK
