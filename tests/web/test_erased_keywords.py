"""What a reader wrote is gone when they are erased: from the queries, the snapshot, and all files of the database."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.matching import compile_rules
from digest.matching.engine.index import save_snapshot
from digest.models import Profile, Subscriber
from digest.pipeline import compiled_profiles, publish
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.store import Store, profiles, subscribers
from tests.builders import NOW
from tests.commandline import Cli
from tests.web.admin_site import an_admin, signed_in
from tests.web.api import Client, token_of
from tests.web.papers import add_papers
from tests.web.reader_site import sign_in_reader
from tests.web.subscribers import EMAIL, add_subscriber, finish_background, pending

SECRETS = (b"xylophone", b"harpsichord", b"clavinet")


@pytest.fixture(autouse=True)
def _a_snapshot_for_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_profiles, "_SNAPSHOT_FROM", 2)


def write_keywords(app: App, reader: Subscriber) -> None:
    """Have a reader write keywords twice, of which only `zither` is another reader's, too, and make a snapshot."""
    other = add_subscriber(app, "other@example.org")
    add_papers(app, "A zither")
    for whose, text in ((reader, "xylophone\nclavinet*"), (reader, "zither AND harpsichord"), (other, "zither")):
        with app.store.write() as tx:
            profiles.set_personal(tx, whose.id, compile_rules(text), now=NOW)
    app.compiled_profiles.compile(wanted_profiles(app))
    assert {secret for secret in SECRETS if traces(app, secret)} == set(SECRETS)


def traces(app: App, secret: bytes) -> list[Path]:
    files = app.store.file.parent.glob("**/*")
    return [file for file in files if file.is_file() and secret in file.read_bytes().lower()]


def any_traces(app: App) -> list[Path]:
    return [file for secret in SECRETS for file in traces(app, secret)]


def snapshot(store: Store) -> Path:
    return store.file.with_name(f"{store.file.name}.profiles")


def wanted_profiles(app: App) -> list[Profile]:
    with app.store.read() as tx:
        of_each = profiles.find_by_subscribers(tx, [s.id for s in subscribers.list_all(tx)])
    return [profile for some in of_each.values() for profile in some]


def _by_reader(app: App, site: TestClient, reader: Subscriber) -> None:
    assert sign_in_reader(app, site, reader).post("/settings/data", sure="1").status_code == 200


def _by_admin(app: App, site: TestClient, reader: Subscriber, do: str = "erase") -> None:
    signed_in(app, site).post_and_follow(f"/admin/subscribers/{reader.id}", do=do, sure="1")


def _removed_by_admin(app: App, site: TestClient, reader: Subscriber) -> None:
    _by_admin(app, site, reader, do="remove")


def _by_api(app: App, site: TestClient, reader: Subscriber) -> None:
    Client(site, token_of(app, an_admin(app))).ok("POST", f"/subscribers/{reader.id}/erase")


def _removed_by_api(app: App, site: TestClient, reader: Subscriber) -> None:
    Client(site, token_of(app, an_admin(app))).ok("DELETE", f"/subscribers/{reader.id}")


@pytest.mark.parametrize("erase", [_by_reader, _by_admin, _removed_by_admin, _by_api, _removed_by_api])
def test_no_file_has_the_keywords_of_a_reader_who_was_erased_or_removed(
    app: App, site: TestClient, erase: Callable[[App, TestClient, Subscriber], None]
) -> None:
    reader = add_subscriber(app)
    write_keywords(app, reader)
    erase(app, site, reader)
    assert not snapshot(app.store).exists()  # at once
    finish_background(site)
    assert not any_traces(app)
    assert traces(app, b"zither")  # the other reader's


def test_no_file_has_the_keywords_of_a_reader_who_never_confirmed(app: App) -> None:
    write_keywords(app, pending(app))
    later = NOW + timedelta(days=400)
    publish.delete_unconfirmed(app.store, app.compiled_profiles, now=later)
    assert not any_traces(app)


@pytest.mark.parametrize("command", ["erase", "remove"])
def test_no_file_has_the_keywords_of_a_reader_whom_a_command_erased(cli: Cli, command: str) -> None:
    with App.open(cli.folder / "config.toml") as app:
        write_keywords(app, add_subscriber(app))
    cli.ok("subscriber", command, EMAIL)
    with App.open(cli.folder / "config.toml") as app:
        assert not any_traces(app)


def test_a_snapshot_that_was_being_made_meanwhile_is_not_kept(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = add_subscriber(app)
    write_keywords(app, reader)

    def save_late(*given: Any) -> None:
        with app.store.write() as tx:
            subscribers.remove(tx, EMAIL)
        app.forget_deleted()
        save_snapshot(*given)

    monkeypatch.setattr(compiled_profiles, "save_snapshot", save_late)
    snapshot(app.store).unlink()
    CompiledProfiles(app.store, snapshot(app.store)).compile(wanted_profiles(app))
    assert not any_traces(app)
    assert not snapshot(app.store).exists()
