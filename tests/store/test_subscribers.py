"""Subscribers and the profiles they follow."""

from collections.abc import Callable
from dataclasses import replace
from datetime import time

import pytest

from digest.errors import NotFoundError, UsageError
from digest.matching import compile_rules
from digest.matching.language.query import MAX_CHARACTERS
from digest.models import Profile, Schedule, SubscriberState, Weekday
from digest.store import Store, profiles, subscribers
from digest.store.subscribers import Served
from tests.builders import NOW, a_subscriber, at


def test_a_subscriber_is_loaded_as_added(store: Store) -> None:
    schedule = Schedule(timezone="Asia/Tokyo", send_at=time(18, 30), days=frozenset({Weekday.MON, Weekday.SUN}))
    new = a_subscriber("A@example.org", name="A", schedule=schedule, max_papers=3, profiles=("P", "Q"))
    with store.write() as tx:
        for name in ("Q", "P"):
            profiles.add(tx, name, compile_rules("cat"), by="tests", now=NOW)
        added = subscribers.add(tx, new, now=NOW)
    with store.read() as tx:
        assert subscribers.get(tx, "a@EXAMPLE.org") == added == replace(new, id=added.id)


def test_an_address_is_unique_in_any_letter_case(store: Store) -> None:
    with store.write() as tx:
        subscribers.add(tx, a_subscriber("A@example.org"), now=NOW)
        with pytest.raises(UsageError, match="is already a subscriber"):
            subscribers.add(tx, a_subscriber("a@example.org"), now=NOW)


def test_an_unknown_address_is_reported_with_the_most_similar_one(store: Store) -> None:
    with store.write() as tx:
        subscribers.add(tx, a_subscriber("reader@example.org"), now=NOW)
        profiles.add(tx, "Vision", compile_rules("cat"), by="tests", now=NOW)
        with pytest.raises(
            NotFoundError, match="no subscriber 'raeder@example.org'; did you mean 'reader@example.org'"
        ):
            subscribers.get(tx, "raeder@example.org")
        with pytest.raises(NotFoundError, match="no profile 'Visoin'; did you mean 'Vision'"):
            profiles.get(tx, "Visoin")


def test_only_confirmed_subscribers_are_active(store: Store) -> None:
    with store.write() as tx:
        pending = subscribers.add(tx, a_subscriber(state=SubscriberState.PENDING), now=NOW)
        assert subscribers.list_active(tx, limit=10) == []
        subscribers.confirm(tx, pending, now=NOW)
        assert [s.email for s in subscribers.list_active(tx, limit=10)] == [pending.email]


def test_active_subscribers_are_listed_in_pages_with_their_profiles(store: Store) -> None:
    with store.write() as tx:
        profiles.add(tx, "P", compile_rules("cat"), by="tests", now=NOW)
        for i in range(5):
            subscribers.add(tx, a_subscriber(f"{i}@example.org", profiles=("P",) if i % 2 else ()), now=NOW)
        first = subscribers.list_active(tx, limit=3)
        rest = subscribers.list_active(tx, after_id=first[-1].id, limit=3)
    assert [(s.email[0], s.profiles) for s in first + rest] == [
        ("0", ()), ("1", ("P",)), ("2", ()), ("3", ("P",)), ("4", ()),
    ]  # fmt: skip


def test_mark_served_stores_the_slot(store: Store) -> None:
    with store.write() as tx:
        s = subscribers.add(tx, a_subscriber(), now=NOW)
        subscribers.mark_served(tx, [Served(subscriber_id=s.id, slot_at=at("2026-06-03 05:00"))], now=NOW)
        served = subscribers.get(tx, s.email)
    assert (served.last_slot_at, served.last_digest_at) == (at("2026-06-03 05:00"), NOW)


def test_a_subscribers_own_profile_comes_before_the_shared_ones(store: Store) -> None:
    with store.write() as tx:
        for name in ("Q", "P"):
            profiles.add(tx, name, compile_rules(name), by="tests", now=NOW)
        one = subscribers.add(tx, a_subscriber("one@example.org", profiles=("P", "Q")), now=NOW)
        two = subscribers.add(tx, a_subscriber("two@example.org", profiles=("Q",)), now=NOW)
        profiles.set_personal(tx, one.id, compile_rules("own"), now=NOW)
        wanted = profiles.find_by_subscribers(tx, [one.id, two.id])
        assert profiles.count_followers(tx) == {"P": 1, "Q": 2}
    assert {i: [p.rules for p in some] for i, some in wanted.items()} == {one.id: ["own", "P", "Q"], two.id: ["Q"]}


def test_own_rules_are_replaced_and_empty_rules_delete_the_profile(store: Store) -> None:
    with store.write() as tx:
        s = subscribers.add(tx, a_subscriber(), now=NOW)
        for rules in ("cat", "dog"):
            profiles.set_personal(tx, s.id, compile_rules(rules), now=NOW)
        own = profiles.find_personal(tx, s.id)
        assert own is not None
        assert own.rules == "dog"
        profiles.set_personal(tx, s.id, compile_rules(" \n"), now=NOW)
        assert profiles.find_personal(tx, s.id) is None


def test_a_renamed_profile_keeps_its_followers(store: Store) -> None:
    with store.write() as tx:
        profiles.add(tx, "P", compile_rules("cat"), by="tests", now=NOW)
        subscribers.add(tx, a_subscriber(profiles=("P",)), now=NOW)
        profiles.edit(tx, "P", new_name="R", by="tests", now=NOW)
        assert subscribers.get(tx, "reader@example.org").profiles == ("R",)
        profiles.remove(tx, "R")
        assert subscribers.get(tx, "reader@example.org").profiles == ()


def test_a_profile_name_is_unique(store: Store) -> None:
    with store.write() as tx:
        for name in ("P", "Q"):
            profiles.add(tx, name, compile_rules("cat"), by="tests", now=NOW)
        with pytest.raises(UsageError, match="there is a profile 'P' already"):
            profiles.add(tx, "P", compile_rules("dog"), by="tests", now=NOW)
        with pytest.raises(UsageError, match="there is a profile 'Q' already"):
            profiles.edit(tx, "P", new_name="Q", by="tests", now=NOW)


def test_a_removed_subscriber_leaves_no_rows(store: Store) -> None:
    with store.write() as tx:
        s = subscribers.add(tx, a_subscriber(), now=NOW)
        profiles.set_personal(tx, s.id, compile_rules("cat"), now=NOW)
        subscribers.remove(tx, s.email)
        assert subscribers.find(tx, s.email) is None
        assert profiles.find_personal(tx, s.id) is None


def test_profiles_with_equal_rules_share_their_queries(store: Store) -> None:
    with store.write() as tx:
        profiles.add(tx, "P", compile_rules("cats OR dog\n-bird"), by="tests", now=NOW)
        profiles.add(tx, "Q", compile_rules("# pets\ndog OR cat ^2"), by="tests", now=NOW)
        kept = profiles.load_compiled(tx)
    assert sorted(kept.queries) == ["bird", "cat OR dog"]
    asked = [kept.queries[number] for number in kept.query.tolist()]
    assert sorted(zip(asked[:2], kept.weight[:2].tolist(), kept.line[:2].tolist(), strict=True)) == [
        ("bird", float("-inf"), 2),
        ("cat OR dog", 1.0, 1),
    ]
    assert (asked[2], kept.weight[2], kept.line[2]) == ("cat OR dog", 2.0, 2)
    assert kept.of.tolist() == [0, 2, 3]
    assert kept.fingerprints.tolist() == [profile.fingerprint for profile in shared(store)]


def shared(store: Store) -> list[Profile]:
    with store.read() as tx:
        return profiles.list_shared(tx)


def test_a_profile_with_ten_thousand_rules_is_stored(store: Store) -> None:
    rules = compile_rules("\n".join(f"word{n}" for n in range(10_000)), max_characters=MAX_CHARACTERS)
    with store.write() as tx:
        profiles.add(tx, "P", rules, by="tests", now=NOW)
        kept = profiles.load_compiled(tx)
    assert len(kept.queries) == len(kept.query) == 10_000


def test_only_changes_of_shared_profiles_raise_the_version(store: Store) -> None:
    versions = []
    with store.write() as tx:
        reader = subscribers.add(tx, a_subscriber(), now=NOW)
        changes: list[Callable[[], object]] = [
            lambda: profiles.add(tx, "P", compile_rules("cat"), by="tests", now=NOW),
            lambda: profiles.edit(tx, "P", rules=compile_rules("dog"), by="tests", now=NOW),
            lambda: profiles.edit(tx, "P", new_name="Q", by="tests", now=NOW),
            lambda: profiles.remove(tx, "Q"),
        ]
        for change in changes:
            change()
            versions.append(profiles.version(tx))
        assert versions == sorted(set(versions))
        profiles.set_personal(tx, reader.id, compile_rules("cow"), now=NOW)
        assert profiles.version(tx) == versions[-1]
