"""Compiled profiles: stored beside the database, and never older than the last saved change."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from digest.matching import compile_rules
from digest.models import Paper, Profile
from digest.pipeline import compiled_profiles as module
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.store import Store, profiles
from tests.builders import NOW, a_paper
from tests.matching.finding import match_all

PAPERS = [a_paper("cat"), a_paper("dog"), a_paper("bird")]


@pytest.fixture(autouse=True)
def _a_snapshot_for_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SNAPSHOT_FROM", 2)
    monkeypatch.setattr(module, "_MAX_EDITED", 1)


@pytest.fixture
def kept(store: Store) -> CompiledProfiles:
    """The interests of four profiles: cat, dog, bird, fish."""
    with store.write() as tx:
        for word in ("cat", "dog", "bird", "fish"):
            profiles.add(tx, word, compile_rules(word), by="tests", now=NOW)
    return CompiledProfiles(store, file_of(store))


def file_of(store: Store) -> Path:
    return store.file.with_suffix(".profiles")


def saved(store: Store) -> list[Profile]:
    with store.read() as tx:
        return profiles.list_shared(tx)


def edit(store: Store, name: str, rules: str) -> None:
    with store.write() as tx:
        profiles.edit(tx, name, rules=compile_rules(rules), by="tests", now=NOW)


def found(
    compiled_profiles: CompiledProfiles, wanted: Sequence[Profile], papers: Sequence[Paper] = PAPERS
) -> dict[str, list[str]]:
    """By profile, the titles that it finds."""
    titles: dict[str, list[str]] = {}
    for part in compiled_profiles.compile(wanted).parts:
        matches = match_all(part.index.subset(part.rows), papers)
        for row, profile in enumerate(part.profiles):
            titles[profile.name] = [match.paper.title for match in matches.for_profile(row, profile)]
    return titles


ALL = {"cat": ["cat"], "dog": ["dog"], "bird": ["bird"], "fish": []}


def test_profiles_are_matched_from_the_snapshot(kept: CompiledProfiles, store: Store) -> None:
    assert found(kept, saved(store)) == ALL
    assert file_of(store).exists()
    assert len(kept.compile(saved(store)).parts) == 1
    assert found(CompiledProfiles(store, file_of(store)), saved(store)) == ALL


def test_few_profiles_are_compiled_without_one(kept: CompiledProfiles, store: Store) -> None:
    assert found(kept, saved(store)[:1]) == {"bird": ["bird"]}
    assert not file_of(store).exists()


def test_an_edited_profile_is_seen_at_once_and_the_rest_is_not_compiled_again(
    kept: CompiledProfiles, store: Store
) -> None:
    found(kept, saved(store))
    written = file_of(store).read_bytes()
    edit(store, "cat", "dog OR bird")
    pieces = kept.compile(saved(store)).parts
    assert [len(part.profiles) for part in pieces] == [3, 1]
    assert found(kept, saved(store)) == ALL | {"cat": ["bird", "dog"]}
    assert file_of(store).read_bytes() == written


def test_the_snapshot_is_rebuilt_when_many_profiles_were_edited(kept: CompiledProfiles, store: Store) -> None:
    found(kept, saved(store))
    for name in ("cat", "dog"):
        edit(store, name, "bird")
    pieces = kept.compile(saved(store)).parts
    assert [len(part.profiles) for part in pieces] == [4]
    assert found(kept, saved(store)) == ALL | {"cat": ["bird"], "dog": ["bird"]}


def test_a_profile_that_comes_back_to_its_old_rules_is_used_as_it_lies_there(
    kept: CompiledProfiles, store: Store
) -> None:
    found(kept, saved(store))
    edit(store, "cat", "dog")
    edit(store, "cat", "cat")
    assert len(kept.compile(saved(store)).parts) == 1


def test_a_snapshot_of_another_database_is_no_use(kept: CompiledProfiles, store: Store, tmp_path: Path) -> None:
    found(kept, saved(store))
    with Store.open(tmp_path / "other.db") as other:
        with other.write() as tx:
            for word in ("bird", "cat", "dog"):
                profiles.add(tx, word, compile_rules(word), by="tests", now=NOW)
        assert found(CompiledProfiles(other, file_of(store)), saved(other)) == {w: [w] for w in ("bird", "cat", "dog")}


def test_a_damaged_snapshot_is_rebuilt(kept: CompiledProfiles, store: Store) -> None:
    file_of(store).write_bytes(b"damaged")
    assert found(kept, saved(store)) == ALL


def test_profiles_of_an_older_version_are_compiled_once(kept: CompiledProfiles, store: Store) -> None:
    with store.write() as tx:
        tx.exec_driver_sql("UPDATE profiles SET compiled = NULL WHERE name IN ('cat', 'dog')")
    assert found(kept, saved(store)) == ALL
    with store.read() as tx:
        assert profiles.list_uncompiled(tx) == []


def test_without_a_place_for_the_snapshot_profiles_are_matched_all_the_same(
    store: Store, kept: CompiledProfiles
) -> None:
    file_of(store).mkdir()
    with capture_logs() as logged:
        assert found(kept, saved(store)) == ALL
    assert [entry["event"] for entry in logged] == ["cannot save compiled profiles"]


def test_profiles_that_cannot_be_read_do_not_keep_others_from_being_matched(
    kept: CompiledProfiles, store: Store
) -> None:
    with store.write() as tx:
        tx.exec_driver_sql("UPDATE profiles SET rules = 'cat ^1e1', compiled = NULL WHERE name = 'cat'")
    cat = next(profile for profile in saved(store) if profile.name == "cat")
    for wanted in (saved(store), [cat]):
        compiled = kept.compile(wanted)
        assert {number: error.column for number, error in compiled.errors.items()} == {cat.id: 5}
    assert found(kept, saved(store)) == {name: titles for name, titles in ALL.items() if name != "cat"}


def test_unused_queries_are_deleted(kept: CompiledProfiles, store: Store) -> None:
    edit(store, "cat", "dog")
    found(kept, saved(store))
    with store.read() as tx:
        assert tx.exec_driver_sql("SELECT text FROM queries ORDER BY text").scalars().all() == ["bird", "dog", "fish"]


def test_several_processes_may_make_the_snapshot_at_once(kept: CompiledProfiles, store: Store) -> None:
    wanted = saved(store)

    def renew(_: int) -> dict[str, list[str]]:
        compiled_profiles = CompiledProfiles(store, file_of(store))
        compiled_profiles._rebuild()
        return found(CompiledProfiles(store, file_of(store)), wanted)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(renew, range(24))) == [ALL] * 24
    assert [path.name for path in store.file.parent.iterdir() if "profiles" in path.name] == [file_of(store).name]
