"""The versions of shared profiles."""

from datetime import timedelta

import pytest

from digest.errors import NotFoundError
from digest.matching import compile_rules
from digest.store import Store, profiles, subscribers
from tests.builders import NOW, a_subscriber

CAT, DOG = compile_rules("cat"), compile_rules("dog")


def test_every_change_of_rules_or_name_is_a_version_with_its_author(store: Store) -> None:
    later = NOW + timedelta(days=1)
    with store.write() as tx:
        added = profiles.add(tx, "P", CAT, by="command line", now=NOW)
        profiles.edit(tx, "P", rules=DOG, by="admin@example.org", now=later)
        profiles.edit(tx, "P", new_name="Q", by="command line", now=later)
        kept = profiles.list_versions(tx, added.id)
    assert [(v.number, v.name, v.rules, v.saved_at, v.saved_by) for v in kept] == [
        (3, "Q", "dog", later, "command line"),
        (2, "P", "dog", later, "admin@example.org"),
        (1, "P", "cat", NOW, "command line"),
    ]


def test_saving_without_a_change_makes_no_version(store: Store) -> None:
    with store.write() as tx:
        added = profiles.add(tx, "P", CAT, by="tests", now=NOW)
        profiles.edit(tx, "P", rules=CAT, new_name="P", by="tests", now=NOW)
        profiles.restore(tx, profiles.get(tx, "P", or_removed=True), CAT, by="tests", now=NOW)
        assert [v.number for v in profiles.list_versions(tx, added.id)] == [1]


def test_a_rolled_back_change_leaves_no_version(store: Store) -> None:
    with store.write() as tx:
        added = profiles.add(tx, "P", CAT, by="tests", now=NOW)
    with pytest.raises(KeyError), store.write() as tx:
        profiles.edit(tx, "P", rules=DOG, by="tests", now=NOW)
        raise KeyError
    with store.read() as tx:
        assert [v.rules for v in profiles.list_versions(tx, added.id)] == ["cat"]


def test_personal_profiles_have_no_versions(store: Store) -> None:
    with store.write() as tx:
        reader = subscribers.add(tx, a_subscriber(), now=NOW)
        for rules in (CAT, DOG):
            profiles.set_personal(tx, reader.id, rules, now=NOW)
        own = profiles.find_personal(tx, reader.id)
        assert own is not None
        assert profiles.list_versions(tx, own.id) == []


def test_a_profile_id_is_never_reused(store: Store) -> None:
    with store.write() as tx:
        reader = subscribers.add(tx, a_subscriber(), now=NOW)
        removed = profiles.add(tx, "P", CAT, by="tests", now=NOW)
        profiles.remove(tx, "P")
        profiles.set_personal(tx, reader.id, DOG, now=NOW)
        own = profiles.find_personal(tx, reader.id)
        assert own is not None
        again = profiles.add(tx, "P", DOG, by="tests", now=NOW)
        assert len({removed.id, own.id, again.id}) == 3
        assert [v.rules for v in profiles.list_versions(tx, again.id)] == ["dog"]


def test_a_restored_profile_has_its_history_and_no_followers(store: Store) -> None:
    with store.write() as tx:
        added = profiles.add(tx, "P", CAT, by="tests", now=NOW)
        reader = subscribers.add(tx, a_subscriber(profiles=("P",)), now=NOW)
        profiles.remove(tx, "P")
        profiles.set_personal(tx, reader.id, DOG, now=NOW)
        back = profiles.restore(tx, profiles.get(tx, "P", or_removed=True), CAT, by="admin@example.org", now=NOW)
        assert (back.id, back.rules, profiles.count_followers(tx)) == (added.id, "cat", {"P": 0})
        assert [(v.number, v.saved_by) for v in profiles.list_versions(tx, back.id)] == [
            (2, "admin@example.org"),
            (1, "tests"),
        ]
        assert len(profiles.load_compiled(tx).ids) == 2


def test_a_removed_profile_is_found_by_its_last_name_only(store: Store) -> None:
    with store.write() as tx:
        profiles.add(tx, "P", CAT, by="tests", now=NOW)
        profiles.edit(tx, "P", new_name="Quolls", by="tests", now=NOW)
        assert profiles.list_removed(tx) == []
        removed = profiles.get(tx, "Quolls")
        profiles.remove(tx, "Quolls")
        assert profiles.get(tx, "Quolls", or_removed=True) == removed
        with pytest.raises(NotFoundError, match="no profile 'P'; `digest profile list` shows them"):
            profiles.get(tx, "P", or_removed=True)
        with pytest.raises(NotFoundError, match="did you mean 'Quolls'"):
            profiles.restore(tx, profiles.get(tx, "Quols", or_removed=True), CAT, by="tests", now=NOW)


def test_a_name_finds_the_current_profile_then_the_newest_removed_one(store: Store) -> None:
    with store.write() as tx:
        numbers = []
        for _ in range(2):
            numbers.append(profiles.add(tx, "P", CAT, by="tests", now=NOW).id)
            profiles.remove(tx, "P")
        assert profiles.get(tx, "P", or_removed=True).id == numbers[1]
        assert (
            profiles.get(tx, "P", or_removed=True)
            != profiles.add(tx, "P", DOG, by="tests", now=NOW)
            == profiles.get(tx, "P", or_removed=True)
        )


@pytest.mark.parametrize("number", [-1, 0, 2])
def test_an_unknown_version_is_not_found(store: Store, number: int) -> None:
    with store.write() as tx:
        added = profiles.add(tx, "P", CAT, by="tests", now=NOW)
        with pytest.raises(NotFoundError, match=f"no version '{number}'; `digest profile history 'P'` shows them"):
            profiles.get_version(tx, added, number)
