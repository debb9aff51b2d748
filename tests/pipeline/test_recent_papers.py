"""The papers of the last days, in memory for trying rules."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from digest.errors import RuleError
from digest.matching import compile_rules
from digest.matching.paper_collection import Findings, PaperCollection
from digest.models import OWN_KEYWORDS, Digest
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.pipeline.recent_papers import RecentPapers
from digest.pipeline.selection import PaperSelector, SelectionSettings
from digest.store import Store, Transaction, papers, profiles, subscribers
from tests.builders import NOW, a_paper, a_profile, a_subscriber

CATS = a_profile("cat")


def add(store: Store, *titles: str, seen_at: datetime = NOW) -> None:
    kept = [a_paper(title, f"On {title}", id=f"test:{title}") for title in titles]
    with store.write() as tx:
        papers.add(tx, kept, first_seen_at=seen_at, edition_on=seen_at.date())


def at_once(store: Store) -> RecentPapers:
    """A library that looks each time whether there is something new."""
    seconds = count()
    return RecentPapers(store, clock=lambda: 2 * next(seconds))


def titles(findings: Findings) -> list[str]:
    return [item.paper.title for item in findings.items]


def eventually(asked: Callable[[], Sequence[str]], wanted: Sequence[str]) -> None:
    until = time.monotonic() + 10
    while list(asked()) != list(wanted):
        assert time.monotonic() < until, asked()
        time.sleep(0.01)


def test_it_finds_what_a_digest_would_hold(store: Store) -> None:
    names = [f"the cat {n}" if n % 3 else f"dog {n}" for n in range(9)]
    add(store, *names, "bird", seen_at=NOW - timedelta(days=2))
    add(store, *(f"cat {n} long ago" for n in range(5)), "dog long ago", seen_at=NOW - timedelta(days=20))
    add(store, "cat before all", seen_at=NOW - timedelta(days=31))
    rules = ["cat\ndog^2\ntitle:the\n-8", "dog NEAR/2 on\nbird"]
    digest = _digest(store, own=rules[0], shared=rules[1], days=7)
    wanted = [a_profile(rules[0], OWN_KEYWORDS, owner_id=0), a_profile(rules[1], "Shared")]
    found = RecentPapers(store).find_recent(wanted, days=7, now=NOW, limit=100)
    shown = {item.paper.id: (item.profile, item.score, item.also, item.evidence) for item in found.items}
    assert shown == {item.paper.id: (item.profile, item.score, item.also, item.evidence) for item in digest.items}
    assert found.count == len(digest.items) > 5


def _digest(store: Store, *, own: str, shared: str, days: int) -> Digest:
    with store.write() as tx:
        reader = subscribers.add(tx, a_subscriber(max_papers=100), now=NOW)
        profiles.set_personal(tx, reader.id, compile_rules(own), now=NOW)
        profiles.add(tx, "Shared", compile_rules(shared), by="tests", now=NOW)
        profiles.set_followed(tx, reader.id, ["Shared"])
    selection_settings = SelectionSettings(first_digest_days=days, welcome_days=days, trending=0, domain="example.org")
    selector = PaperSelector(CompiledProfiles(store, store.file.with_suffix(".profiles")), selection_settings, now=NOW)
    with store.read() as tx:
        (digest,) = selector.select(tx, [(reader, NOW)])
    return digest


def test_new_papers_are_loaded_in_the_background_while_the_old_ones_answer(store: Store) -> None:
    add(store, "cat one")
    recent_papers = at_once(store)
    assert titles(recent_papers.find_recent([CATS], now=NOW)) == ["cat one"]
    add(store, "cat two two")
    assert titles(recent_papers.find_recent([CATS], now=NOW)) == ["cat one"]
    eventually(lambda: sorted(titles(recent_papers.find_recent([CATS], now=NOW))), ["cat one", "cat two two"])


def test_shown_papers_follow_a_revision(store: Store) -> None:
    add(store, "cat")
    recent_papers = at_once(store)
    recent_papers.find_recent([CATS], now=NOW)
    with store.write() as tx:
        papers.add_revision(tx, a_paper("cats of today", id="test:cat"))
    eventually(lambda: titles(recent_papers.find_recent([CATS], now=NOW)), ["cats of today"])


def test_the_store_is_asked_at_most_once_a_second(store: Store) -> None:
    seconds = [0.0]
    recent_papers = RecentPapers(store, clock=lambda: seconds[0])
    recent_papers.find_recent([CATS], now=NOW)
    add(store, "cat")
    seconds[0] = 0.9
    for _ in range(3):
        assert recent_papers.find_recent([CATS], now=NOW).count == 0
    assert "library" not in {thread.name for thread in threading.enumerate()}
    seconds[0] = 1.1
    eventually(lambda: titles(recent_papers.find_recent([CATS], now=NOW)), ["cat"])


def test_papers_expire_without_being_read_again(store: Store) -> None:
    add(store, "cat")
    recent_papers = RecentPapers(store)
    assert recent_papers.find_recent([CATS], days=7, now=NOW).count == 1
    assert recent_papers.find_recent([CATS], days=7, now=NOW + timedelta(days=8)).count == 0


def test_after_a_day_papers_are_read_again(store: Store) -> None:
    recent_papers = at_once(store)
    recent_papers.find_recent([CATS], now=NOW)
    late = NOW + timedelta(days=40)
    add(store, "cat", seen_at=late)
    eventually(lambda: titles(recent_papers.find_recent([CATS], now=late)), ["cat"])


@pytest.mark.parametrize("day", [date(2026, 6, 1), date(2025, 1, 15)])
def test_a_period_is_found_by_its_editions(store: Store, day: date) -> None:
    for offset in (-1, 0, 1):
        at = NOW.replace(year=day.year, month=day.month, day=day.day) + timedelta(days=offset)
        add(store, f"cat {at:%d}", seen_at=at)
    recent_papers = RecentPapers(store)
    assert titles(recent_papers.find_between(CATS, day, day, now=NOW)) == [f"cat {day:%d}"]
    week = recent_papers.find_between(CATS, day, day + timedelta(days=6), now=NOW)
    assert list(week.days) == [day, day + timedelta(days=1)]


def test_an_older_period_shows_papers_that_came_to_it_since(store: Store) -> None:
    recent_papers = RecentPapers(store)
    day = date(2025, 1, 15)
    assert recent_papers.find_between(CATS, day, day, now=NOW).count == 0
    add(store, "cat", seen_at=NOW.replace(year=2025, month=1, day=15))
    assert recent_papers.find_between(CATS, day, day, now=NOW).count == 1


def test_an_older_period_is_prepared_after_the_read_transaction_ended(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, "cat", seen_at=NOW - timedelta(days=90))
    there = [0]
    real_read = Store.read

    @contextmanager
    def read(self: Store) -> Iterator[Transaction]:
        with real_read(self) as tx:
            there[0] += 1
            yield tx
        there[0] -= 1

    def collection(*args: Any, **rest: Any) -> PaperCollection:
        assert there == [0]
        return PaperCollection(*args, **rest)

    monkeypatch.setattr(Store, "read", read)
    monkeypatch.setattr("digest.pipeline.recent_papers.PaperCollection", collection)
    day = (NOW - timedelta(days=90)).date()
    assert titles(RecentPapers(store).find_between(CATS, day, day, now=NOW)) == ["cat"]


def test_a_rule_that_cannot_be_read_says_where(store: Store) -> None:
    with pytest.raises(RuleError, match="line 1"):
        RecentPapers(store).find_recent([a_profile("cat AND")], now=NOW)


def test_many_threads_get_the_same_answers(store: Store) -> None:
    add(store, *(f"cat {n} dog" for n in range(200)))
    recent_papers = at_once(store)
    wrong: list[object] = []

    def ask(number: int) -> None:
        for turn in range(20):
            wanted = [f"cat {200 - number - turn} dog"]
            got = titles(recent_papers.find_recent([a_profile(f'"cat {200 - number - turn}"')], now=NOW))
            if got != wanted:
                wrong.append(got)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    with store.write() as tx:
        papers.set_popularity(tx, [a_paper("cat 1 dog", id="test:cat 1 dog", upvotes=3)])
    for thread in threads:
        thread.join()
    assert wrong == []


def test_rules_are_judged_over_the_kept_papers(store: Store) -> None:
    add(store, "cat", "dog")
    (record,) = RecentPapers(store).rule_stats(CATS, now=NOW)
    assert (record.papers, record.share) == (1, 0.5)


def test_papers_a_day_are_those_of_days_that_have_some(store: Store) -> None:
    add(store, "cat one", "cat two", "dog", seen_at=NOW - timedelta(days=2))
    add(store, "cat three", seen_at=NOW - timedelta(days=9))
    add(store, "cat before all", seen_at=NOW - timedelta(days=31))
    assert RecentPapers(store).matches_per_day([CATS, a_profile("dog"), a_profile("bird")], now=NOW) == [1.5, 0.5, 0]


def test_rules_are_compared_over_thirty_days(store: Store) -> None:
    add(store, "cat", "dog", seen_at=NOW - timedelta(days=2))
    add(store, "cat before all", "dog before all", seen_at=NOW - timedelta(days=31))
    change = RecentPapers(store).compare(CATS, a_profile("dog"), now=NOW)
    assert (titles(change.added), titles(change.removed)) == (["dog"], ["cat"])
