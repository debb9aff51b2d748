"""Clocks that jump, and subscribers who change their hours: every paper comes once, and a date has one digest."""

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, time, timedelta
from functools import partial
from pathlib import Path
from random import Random

from digest.matching import compile_rules
from digest.models import EVERY_DAY, Schedule
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.pipeline.publish import publish
from digest.pipeline.selection import SelectionSettings
from digest.store import Store, digests, papers, profiles, subscribers
from digest.subscribers.schedule import rescheduled
from tests.builders import NOW, a_paper, a_subscriber
from tests.faults.gallery import Attack

_SETTINGS = SelectionSettings(first_digest_days=1, welcome_days=7, trending=0, domain="example.org")
_ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Mars/Base",
)
_EMAIL = "reader@example.org"
_DAYS = 8
_DAYS_BEFORE = 30
_AN_INPUT = 8  # each is a week with dozens of runs, so there are fewer


def attacks(random: Random, count: int, folder: Path) -> Iterator[Attack]:
    """Yield weeks in which the clock is wrong for some runs."""
    with Store.open(folder / "empty.db") as store, store.write() as tx:
        profiles.add(tx, "Cats", compile_rules("cats"), by="tests", now=NOW)
        subscribers.add(tx, a_subscriber(_EMAIL, profiles=("Cats",)), now=NOW - timedelta(hours=1))
        for days in range(_DAYS_BEFORE, 0, -1):  # by which a wrong clock can be told from a right one
            seen_at = NOW - timedelta(days=days)
            papers.add(tx, [a_paper(f"dogs {days}")], first_seen_at=seen_at, edition_on=seen_at.date())
    for number in range(max(20, count // _AN_INPUT)):
        yield Attack(f"week {number}", partial(_live, Random(random.random()), folder))


def _live(random: Random, folder: Path) -> None:
    file = folder / "week.db"
    for old in folder.glob("week.*"):
        old.unlink()
    shutil.copy(folder / "empty.db", file)
    with Store(file) as store:
        compiled = CompiledProfiles(store, file.with_suffix(".profiles"))
        wrong = {random.randrange(_DAYS * 3): random.choice((1, -1)) * random.uniform(0.01, 400) for _ in range(2)}
        moved = {random.randrange(_DAYS * 3) for _ in range(2)}
        titles = [f"cats {step}" for step in range(_DAYS * 3)]
        for step in range(_DAYS * 3):
            now = NOW + timedelta(hours=8 * step)
            with store.write() as tx:
                papers.add(tx, [a_paper(f"cats {step}")], first_seen_at=now, edition_on=now.date())
                if step in moved:
                    before = subscribers.get(tx, _EMAIL)
                    hour = Schedule(timezone=random.choice(_ZONES), send_at=time(random.randrange(24)), days=EVERY_DAY)
                    subscribers.save(tx, rescheduled(before, replace(before, schedule=hour), now))
            if step in wrong:
                for hours in range(0, 5 * random.choice((1, 1, 2, 9)), 5):
                    at = now + timedelta(days=wrong[step], hours=hours)
                    title = f"cats {step} at {at}"
                    with store.write() as tx:
                        papers.add(tx, [a_paper(title)], first_seen_at=at, edition_on=at.date())
                    titles.append(title)
                    publish(store, compiled, _SETTINGS, now=at, clock=partial(_always, at))
            publish(store, compiled, _SETTINGS, now=now, clock=partial(_always, now))
        end = now + timedelta(days=2)
        publish(store, compiled, _SETTINGS, now=end, clock=partial(_always, end), everyone=True)
        with store.read() as tx:
            found = digests.list_by_subscriber(tx, subscribers.get(tx, _EMAIL).id)
        sent = Counter(paper["id"] for digest in found for paper in digest["papers"])
        assert sent == {f"test:{title}": 1 for title in titles}, sent


def _always(at: datetime) -> datetime:
    """A clock that stands still."""
    return at
