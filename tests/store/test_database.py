"""The database file: opening, migrating, and the errors when it cannot be used."""

import sqlite3
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from digest.errors import NotFoundError, StoreError
from digest.matching import compile_rules
from digest.models import EVERY_TYPE, SubscriberState
from digest.store import Store, papers, profiles, submissions, subscribers
from digest.store.database import alembic_config
from digest.store.schema import HEAD, SUBSCRIBERS_SEARCH, metadata
from tests.builders import NOW, a_paper, a_subscriber, all_papers
from tests.built_once import DURABLE


def test_the_migrations_create_the_tables_of_the_schema(store: Store) -> None:
    def is_ours(name: str | None, *_: object) -> bool:
        return name is None or not name.startswith(SUBSCRIBERS_SEARCH)  # FTS5 makes tables of its own

    with store.read() as tx:
        options = {"compare_type": True, "include_name": is_ours}
        assert compare_metadata(MigrationContext.configure(tx, opts=options), metadata) == []
    assert store.version() == HEAD


def test_head_is_the_newest_migration() -> None:
    folder = Path(__file__).resolve().parents[2] / "digest/store/migrations"
    assert ScriptDirectory(str(folder)).get_current_head() == HEAD


def test_an_upgrade_keeps_the_data_of_an_older_database(tmp_path: Path) -> None:
    old = Store(tmp_path / "old.db")
    with old.write() as tx:
        command.upgrade(alembic_config(tx), "0001")
        tx.execute(sa.text("INSERT INTO papers VALUES (1, 'title:x', 1, '2026-06-01', '2026-06-01', 1, 2, NULL)"))
        tx.execute(
            sa.text("INSERT INTO paper_revisions VALUES (1, 1, 'Old', '', '[]', '[]', '', '', '', '', 'new', NULL)")
        )
        tx.execute(sa.text("INSERT INTO profiles VALUES (1, 'Pets', NULL, 'cats', '2026-06-01')"))
    old.upgrade()
    with old.read() as tx:
        (paper,) = all_papers(tx)
        assert [(p.name, p.rules) for p in profiles.list_uncompiled(tx)] == [("Pets", "cats")]
    assert (old.version(), paper.title, paper.title_source) == (HEAD, "Old", "")
    old.close()


def test_an_upgrade_from_0005_keeps_subscribers_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "old.db"
    old = Store(file)
    with old.write() as tx:
        command.upgrade(alembic_config(tx), "0005")
        tx.execute(sa.text("INSERT INTO papers VALUES (1, 'title:x', 1, '2026-06-01', '2026-06-01', 1, 2, NULL)"))
        tx.execute(
            sa.text("INSERT INTO profiles (id, name, rules, updated_at) VALUES (1, 'Pets', 'cats', '2026-06-01')")
        )
        reader = {"id": 7, "email": "reader@example.org", "email_key": "reader@example.org", "name": "R"}
        reader |= {"timezone": "Europe/Berlin", "send_at": "07:30", "days": "mon", "language": "de", "max_papers": 9}
        reader |= {"state": "paused", "epoch": 3, "created_at": "2026-06-01"}
        columns, values = ", ".join(reader), ", ".join(f":{name}" for name in reader)
        tx.execute(sa.text(f"INSERT INTO subscribers ({columns}) VALUES ({values})"), reader)
        tx.execute(sa.text("INSERT INTO numbers VALUES ('subscribers', 7)"))
        tx.execute(sa.text("INSERT INTO follows VALUES (7, 1)"))
    old.close()
    with Store(file) as store:
        store.upgrade()
    with Store.open(file) as store:
        with store.read() as tx:
            kept = subscribers.get(tx, "reader@example.org")
            resuming = subscribers.list_ended_pauses(tx, now=NOW)
        with store.write() as tx:
            assert subscribers.add(tx, a_subscriber("next@example.org"), now=NOW).id == 8
            submissions.add(tx, "https://arxiv.org/abs/2504.17830", origin="page", now=NOW)
    assert (kept.id, kept.epoch, kept.max_papers, kept.profiles) == (7, 3, 9, ("Pets",))
    assert (kept.announce_types, kept.wants_trending, kept.new_email, kept.feed) == (EVERY_TYPE, True, "", "")
    assert (kept.state, kept.resumes_at, resuming) == (SubscriberState.PAUSED, None, [])


def test_an_upgrade_from_0009_does_not_reuse_the_id_of_a_removed_profile(tmp_path: Path) -> None:
    with Store(tmp_path / "old.db") as store:
        with store.write() as tx:
            command.upgrade(alembic_config(tx), "0009")
            version = "'Pets', 7, 'cats', '2026-06-01', 'tests'"
            tx.execute(sa.text(f"INSERT INTO profile_versions VALUES (1, {version})"))
            tx.execute(sa.text("INSERT INTO profiles (id, name, rules, updated_at) VALUES (3, 'P', 'x', '2026-06-01')"))
        store.upgrade()
        with store.write() as tx:
            assert profiles.add(tx, "New", compile_rules("dogs"), by="tests", now=NOW).id == 8


def test_the_file_is_written_durably(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.store.sqlite._PRAGMAS", DURABLE)
    with Store.open(tmp_path / "digest.db") as store, store.read() as tx:
        pragmas = {
            p: tx.execute(sa.text(f"PRAGMA {p}")).scalar_one() for p in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_a_failed_transaction_is_rolled_back(store: Store) -> None:
    with pytest.raises(KeyError), store.write() as tx:
        papers.add(tx, [a_paper()], first_seen_at=NOW, edition_on=NOW.date())
        raise KeyError
    with store.read() as tx:
        assert len(all_papers(tx)) == 0


def test_writers_wait_for_each_other(store: Store) -> None:
    def add(number: int) -> None:
        for i in range(5):
            with store.write() as tx:
                before = len(all_papers(tx))
                papers.add(tx, [a_paper(f"{number}/{i}")], first_seen_at=NOW, edition_on=NOW.date())
                assert len(all_papers(tx)) == before + 1

    threads = [threading.Thread(target=add, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as tx:
        assert len(all_papers(tx)) == 20


def test_a_writer_in_batches_yields_to_waiting_writers_for_a_limited_time(store: Store) -> None:
    order: list[str] = []

    def write() -> None:
        with store.write():
            order.append("another")

    thread = threading.Thread(target=write)
    with store.write():
        thread.start()
        while not store._backend._waiting_writers:
            pass
    store.yield_to_writers(20)
    with store.write():
        order.append("the next piece")
    thread.join()
    assert order == ["another", "the next piece"]
    store.yield_to_writers(20)  # no writer waits: returns immediately
    store._backend._waiting_writers = 1
    store.yield_to_writers(0.01)


def test_many_threads_can_read_at_once(store: Store) -> None:
    with ExitStack() as stack:
        for _ in range(20):
            tx = stack.enter_context(store.read())
            assert tx.scalar(sa.text("SELECT 1")) == 1


@pytest.mark.parametrize(("version", "said"), [("0000", "`digest db upgrade`"), ("9999", "newer than this program's")])
def test_a_database_of_another_version_is_refused(tmp_path: Path, version: str, said: str) -> None:
    file = tmp_path / "digest.db"
    Store.open(file).close()
    with sqlite3.connect(file) as db:
        db.execute("UPDATE alembic_version SET version_num = ?", (version,))
    db.close()
    with pytest.raises(StoreError, match=said):
        Store.open(file)


def test_a_file_that_is_not_a_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "digest.db").write_text("not a database, but long enough to be looked at" * 10)
    with pytest.raises(StoreError, match="digest.db: file is not a database"):
        Store.open(tmp_path / "digest.db")


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open database file"):
        Store.open(tmp_path / "nowhere" / "digest.db")


def test_a_number_that_no_row_can_have_is_not_found(store: Store) -> None:
    with pytest.raises(NotFoundError), store.read() as tx:
        subscribers.find_by_id(tx, 2**63)


def test_a_naive_datetime_is_refused(store: Store) -> None:
    with pytest.raises(sa.exc.StatementError, match="naive"), store.write() as tx:
        papers.add(tx, [a_paper()], first_seen_at=NOW.replace(tzinfo=None), edition_on=NOW.date())
