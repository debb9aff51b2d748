"""The store is ready for another database: sqlite.py has what only SQLite does, the rest compiles for PostgreSQL."""

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

import digest
from digest.matching import compile_rules
from digest.models import (
    Admin,
    ApiToken,
    Bounce,
    BounceKind,
    Consent,
    ConsentEvent,
    DeliveryState,
    DoubtPolicy,
    Entry,
    MailKind,
    Role,
    Schedule,
    Stage,
    SubmissionState,
    Subscriber,
    SubscriberState,
    Suppression,
    SuppressionReason,
    TokenScope,
    Wording,
)
from digest.store import (
    Store,
    Transaction,
    admins,
    audit,
    bounces,
    consents,
    daily_status,
    deliveries,
    digests,
    ended_sessions,
    outbox,
    papers,
    profiles,
    sources,
    stages,
    submissions,
    subscriber_search,
    subscribers,
    suppressions,
)
from digest.store.audit import AuditFilter
from digest.store.deliveries import DeliveryFilter
from digest.store.outbox import AttemptResult
from digest.store.papers import Order
from digest.store.schema import metadata
from digest.store.sources import SourceState
from digest.store.sqlite import Sqlite
from digest.store.subscriber_search import PageCursor, SubscriberFilter
from tests.builders import NOW, a_digest, a_paper, a_subscriber, an_item

POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]
PACKAGE = Path(digest.__file__).parent
STORE = PACKAGE / "store"
PORTABLE = sorted(file for file in STORE.glob("*.py") if file.name != "sqlite.py")
SHARED_FUNCTIONS = {"coalesce", "count", "date", "distinct", "json_array_length", "max", "min"}  # both databases have
BUILDS_STATEMENTS = {"select", "insert", "update", "delete", "insert_or_ignore", "upsert"}

LATER, TODAY = NOW + timedelta(hours=1), NOW.date()


@pytest.mark.parametrize("file", PORTABLE, ids=lambda file: file.name)
def test_only_one_module_knows_sqlite(file: Path) -> None:
    text = file.read_text()
    assert re.findall(r"sqlalchemy\.dialects|import sqlite3|PRAGMA|rowid|MATCH|IMMEDIATE|on_conflict", text) == []
    functions = re.findall(r"\bsa\.func\.(\w+)", text)
    assert set(functions) <= SHARED_FUNCTIONS
    counted = [line for line in text.splitlines() if ".rowcount" in line]
    assert [line for line in counted if not re.search(r"sa\.(delete|update)\(", line)] == []


@pytest.mark.parametrize("file", PORTABLE, ids=lambda file: file.name)
def test_no_id_is_the_highest_one_plus_one(file: Path) -> None:
    assert re.findall(r"func\.max\([^\n]*\)\s*\+\s*1", file.read_text()) == []


def test_no_other_package_has_sql() -> None:
    sql = re.compile(
        r"\bsqlalchemy\b|\bsqlite3\b|\bSELECT\b.*\bFROM\b|\bINSERT INTO\b|\bDELETE FROM\b|\bUPDATE \w+ SET\b"
    )
    files = [file for file in PACKAGE.rglob("*.py") if STORE not in file.parents]
    assert [str(file) for file in files if sql.search(file.read_text())] == []


def test_every_table_can_be_created_in_postgresql() -> None:
    for table in metadata.sorted_tables:
        assert str(sa.schema.CreateTable(table).compile(dialect=POSTGRESQL))
        for index in table.indexes:
            assert str(sa.schema.CreateIndex(index).compile(dialect=POSTGRESQL))


def test_every_statement_of_the_store_compiles_for_postgresql(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    as_in_postgresql(monkeypatch)
    with compiled_for_postgresql() as statements, traced_lines() as lines:
        exercise(store)
    assert len(statements) > 150
    assert sorted(statement_lines() - lines) == []


def as_in_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the backend answer with what PostgreSQL understands and SQLite can run as well."""

    def upsert(
        table: sa.Table, values: Mapping[str, Any], *, key: Sequence[str], changes: Mapping[str, Any] | None = None
    ) -> postgresql.Insert:
        statement = postgresql.insert(table).values(dict(values))
        return statement.on_conflict_do_update(index_elements=list(key), set_=dict(changes or values))

    def insert_or_ignore(table: sa.Table) -> postgresql.Insert:
        return postgresql.insert(table).on_conflict_do_nothing()

    def contains(column: sa.ColumnElement[str], text: str) -> sa.ColumnElement[bool]:
        return column.contains(text, autoescape=True)

    for stand_in in (upsert, insert_or_ignore, contains):
        monkeypatch.setattr(Sqlite, stand_in.__name__, staticmethod(stand_in))
    for name in ("has_element", "has_element_beginning"):
        monkeypatch.setattr(Sqlite, name, staticmethod(lambda *_: sa.true()))


@contextmanager
def compiled_for_postgresql() -> Iterator[set[str]]:
    """Compile every statement that is executed for PostgreSQL, too."""
    statements: set[str] = set()

    def compiled(_connection: sa.Connection, statement: sa.Executable, *_: object) -> None:
        if isinstance(statement, sa.ClauseElement):
            statements.add(str(statement.compile(dialect=POSTGRESQL)))

    sa.event.listen(sa.Engine, "before_execute", compiled)
    try:
        yield statements
    finally:
        sa.event.remove(sa.Engine, "before_execute", compiled)


@contextmanager
def traced_lines() -> Iterator[set[tuple[str, int]]]:
    """Collect the lines of the store's modules that are run."""
    lines: set[tuple[str, int]] = set()
    folder, before = f"{STORE}/", sys.gettrace()

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        file = frame.f_code.co_filename
        if not file.startswith(folder):
            return None
        if event == "line":
            lines.add((Path(file).name, frame.f_lineno))
        return trace

    sys.settrace(trace)
    try:
        yield lines
    finally:
        sys.settrace(before)


def statement_lines() -> set[tuple[str, int]]:
    """Every line in a function of the store that builds a statement."""
    return {
        (file.name, call.lineno)
        for file in PORTABLE
        for function in ast.walk(ast.parse(file.read_text()))
        if isinstance(function, ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in BUILDS_STATEMENTS
    }


def exercise(store: Store) -> None:
    """Call everything that the store can do at least once."""
    with store.write() as tx:
        use_papers(tx)
        use_profiles(tx)
        people = use_subscribers(tx)
    with store.write() as tx:
        use_digests(tx, people)
        use_outbox(tx, people[0])
    with store.write() as tx:
        use_records(tx, people[0])
        use_admins(tx)
        use_stages(tx)
        subscribers.remove(tx, people[0].email)


def use_papers(tx: Transaction) -> None:
    both = [a_paper("Cats", id="arxiv:1"), a_paper("Dogs", id="doi:2")]
    papers.add(tx, both, first_seen_at=NOW, edition_on=TODAY)
    papers.add_keys(tx, {"title:1": "arxiv:1"})
    papers.add_revision(tx, a_paper("More cats", id="arxiv:1"))
    papers.set_popularity(tx, [replace(both[0], upvotes=1)])
    papers.record_sightings(tx, "source", [(Entry(guid="1", title="Cats"), "arxiv:1")], now=NOW)
    assert papers.version(tx) > 0
    assert papers.list_first_seen(tx, after=NOW - timedelta(1), until=NOW)
    assert len(papers.list_for_selection(tx, above=papers.last_number(tx) - 1, since=LATER)) == 1
    assert papers.count_first_seen_after(tx, LATER) == papers.count_times_after(tx, LATER) == 0
    assert papers.has_first_seen(tx, after=NOW - timedelta(1), until=NOW)
    papers.correct_future_times(tx, after=NOW - timedelta(1), now=NOW)
    assert papers.find_by_keys(tx, ["title:1"])
    assert papers.find_revisions(tx, [("arxiv:1", 1)])
    assert papers.list_sightings(tx, "arxiv:1")
    assert papers.list_keys(tx, "arxiv:1")
    assert papers.list_in_editions(tx, TODAY, TODAY, Order.TRENDING, offset=0, limit=9)
    assert papers.list_with_edition_dates(tx, TODAY, TODAY)
    assert papers.list_newest(tx, limit=9)
    assert papers.has_popular(tx, TODAY, TODAY)
    assert papers.find_edition_of(tx, "arxiv:1") == TODAY
    assert papers.find_previous_edition(tx, TODAY) is papers.find_next_edition(tx, TODAY) is None
    submissions.add(tx, "https://example.org/1", origin="page", now=NOW)
    assert submissions.count_waiting(tx) == len(submissions.list_page(tx, offset=0, limit=9)) == 1
    submissions.decide(tx, 1, SubmissionState.APPROVED, paper_id="arxiv:1", now=NOW)
    assert submissions.get(tx, 1) in submissions.list_all(tx)
    sources.save(tx, SourceState(name="source", url="https://example.org", checked_at=NOW))
    assert "source" in sources.list_states(tx)
    assert sources.count_papers(tx, since=NOW - timedelta(1))
    sources.remove_others(tx, ["source"])


def use_profiles(tx: Transaction) -> None:
    cat = compile_rules("cat")
    added = profiles.add(tx, "Pets", cat, by="tests", now=NOW)
    profiles.edit(tx, "Pets", rules=compile_rules("dog"), by="tests", now=NOW)
    assert profiles.get_by_id(tx, added.id) == profiles.get_by_id(tx, added.id, or_removed=True)
    assert profiles.get_version(tx, added, 2)
    assert profiles.latest_version_numbers(tx)
    profiles.remove(tx, "Pets")
    assert profiles.list_removed(tx) == [profiles.get(tx, "Pets", or_removed=True)]
    profiles.restore(tx, profiles.get_by_id(tx, added.id, or_removed=True), cat, by="tests", now=NOW)
    profiles.store_compiled(tx, added.id, cat)
    profiles.delete_unused_queries(tx)
    assert (profiles.version(tx), profiles.list_uncompiled(tx)) == (4, [])
    assert profiles.load_compiled(tx).ids.tolist() == [added.id]


def use_subscribers(tx: Transaction) -> list[Subscriber]:
    assert daily_status.missing_for_launch(tx) == "people"
    reader = subscribers.add(tx, a_subscriber("reader@example.org", profiles=("Pets",)), now=NOW)
    pending = subscribers.add(tx, a_subscriber("pending@example.org", state=SubscriberState.PENDING), now=NOW)
    profiles.set_personal(tx, reader.id, compile_rules("cat"), now=NOW)
    assert profiles.find_personal(tx, reader.id) in profiles.find_by_subscribers(tx, [reader.id])[reader.id]
    assert profiles.count_followers(tx) == {"Pets": 1}
    (pets,) = profiles.list_shared(tx)
    assert profiles.count_followers_of(tx, pets.id) == (1, 0)
    assert profiles.list_followers(tx, pets.id, after=0, limit=9) == [(reader.id, reader.email)]
    assert subscribers.find_ids(tx, [reader.email]) == {reader.email: reader.id}
    assert subscribers.existing_keys(tx, [reader.email]) == {reader.email}
    assert subscribers.get_dates(tx, reader.id)["confirmed_at"] == NOW
    assert subscribers.list_unconfirmed(tx, before=LATER) == [pending.email]
    assert subscribers.list_ended_pauses(tx, now=NOW) == []
    schedules = [Schedule(timezone="UTC", send_at=time(7))]
    assert subscribers.list_by_schedules(tx, schedules, limit=9) is not None
    for text in ("", "r", "read", "\N{CJK UNIFIED IDEOGRAPH-4E2D}"):
        subscriber_search.list_page(tx, SubscriberFilter(text=text), PageCursor(limit=9))
    with pytest.MonkeyPatch.context() as small:
        small.setattr("digest.store.subscriber_search._FEW", 0)
        small.setattr("digest.store.subscribers._MAX_COUNTED", 0)
        subscriber_search.list_page(
            tx, SubscriberFilter(state=SubscriberState.ACTIVE, text="reader"), PageCursor(limit=9)
        )
        subscribers.count_by_schedule(tx)
    assert len(subscriber_search.list_after(tx, "", limit=9)) == len(subscribers.list_all(tx)) == 2
    assert subscribers.find_by_id(tx, pending.id) == pending
    subscribers.confirm(tx, pending, now=NOW)
    subscribers.save(tx, replace(reader, email="new@example.org"))
    subscribers.record_problem(tx, [reader.id], "no time zone")
    assert subscribers.count_problems(tx) == 1
    assert subscribers.find_unchanged(tx, [reader, pending]) == set()
    subscribers.correct_future_times(tx, [reader.id], now=NOW)
    with pytest.raises(digest.errors.NotFoundError):
        subscribers.get(tx, "nobody@example.org")
    return subscribers.list_active(tx, limit=9)


def use_digests(tx: Transaction, people: list[Subscriber]) -> None:
    shown = papers.find_by_keys(tx, ["arxiv:1"])["arxiv:1"]
    decided = [a_digest([an_item(shown, "Pets", 1.0)], subscriber=s, message_id=f"{s.id}@x") for s in people]
    assert digests.freeze(tx, decided, now=NOW) == 2
    reader, slot_at = people[0].id, decided[0].slot_at
    assert digests.known_paper_ids(tx, [reader], after=NOW - timedelta(1)) == {reader: {"arxiv:1"}}
    assert digests.list_last(tx, reader, limit=1) == [digests.find_by_slot(tx, reader, slot_at)]
    assert [line.count for line in digests.list_summaries(tx, reader, offset=0, limit=9)] == [1]
    assert digests.find_first_decision(tx, reader, since=NOW - timedelta(1))
    assert len(digests.list_by_subscriber(tx, reader)) == 1
    assert digests.count_created_after(tx, LATER) == digests.count_times_after(tx, LATER) == 0
    digests.correct_future_times(tx, after=LATER, now=NOW)
    papers.merge(tx, younger="doi:2", older="arxiv:1")
    assert papers.list_public_ids(tx, "arxiv:1") == ["arxiv:1", "doi:2"]


def use_outbox(tx: Transaction, reader: Subscriber) -> None:
    outbox.queue_mail(tx, MailKind.SIGN_IN, reader, message_id="3@x", now=NOW)
    outbox.reclaim_expired_leases(tx, clock=NOW, doubt=DoubtPolicy.PARK)
    outbox.correct_future_times(tx, after=LATER, now=NOW)
    due = [mail.id for mail in outbox.list_due_mails(tx, now=NOW, limit=9)]
    assert outbox.count_due(tx, now=NOW) == len(outbox.lease(tx, due, worker="w/1/1", clock=NOW)) == 3
    outbox.start_sending(tx, due, worker="w/1/1", clock=NOW)
    states = (DeliveryState.SENT, DeliveryState.DEFERRED)
    results = [AttemptResult(delivery_id=i, state=state, reply="250") for i, state in zip(due, states, strict=False)]
    outbox.record_results(tx, results, worker="w/1/1", now=NOW)
    outbox.release(tx, "w/1/1", in_doubt=due[2:])
    assert deliveries.count_in_doubt(tx) == 1
    outbox.resolve_doubt(tx, due[2:], arrived=True, now=NOW)
    outbox.retry(tx, [], now=NOW)
    outbox.cancel(tx, reader.id, "left", now=NOW)
    outbox.fail(tx, {due[1]: "suppressed"}, now=NOW)
    outbox.start_hold(tx, "reason", now=NOW)
    status = daily_status.get(tx, on=TODAY, since=NOW - timedelta(1), now=NOW)
    assert status.hold == outbox.find_hold(tx)
    assert outbox.end_hold(tx)
    with_digest = next(d for d in deliveries.list_by_subscriber(tx, reader.id) if d.digest)
    outbox.resend(tx, with_digest, message_id="4@x", now=NOW)
    for wanted in (DeliveryFilter(state=DeliveryState.SENT, kind=MailKind.DIGEST), DeliveryFilter(subscriber_ids=[1])):
        deliveries.list_page(tx, wanted, before=99, limit=9)
    assert deliveries.find(tx, due[0]) in deliveries.list_newest(tx)
    assert deliveries.get(tx, due[0]).id == due[0]
    assert deliveries.find_sent_at(tx, due[0]) == deliveries.find_finished_at(tx, due[0])
    assert deliveries.count_handed_over(tx, TODAY) == 2
    outbox.undo_attempts(tx, due[1:2], now=NOW)
    outbox.requeue_cancelled(tx, reader.id, since=NOW, now=NOW)
    assert deliveries.list_newest(tx, subscriber_id=reader.id, limit=9)
    assert deliveries.list_with_papers(tx, reader.id, ["arxiv:1"])
    assert deliveries.list_queued(tx) is not None
    assert deliveries.last_queued_at(tx, reader.id, MailKind.SIGN_IN) == NOW
    assert deliveries.count_queued_since(tx, reader.id, MailKind.SIGN_IN, NOW - timedelta(1)) == 1


def use_records(tx: Transaction, reader: Subscriber) -> None:
    wording = Wording(language="en", text="Shall we?")
    consents.add_wording(tx, wording)
    for event in (ConsentEvent.ASKED, ConsentEvent.MOVED):
        happened = Consent(event=event, at=NOW, origin="page from 192.0.2.7", wording=wording.version)
        consents.record(tx, [(reader.id, "p", happened)])
    consents.erase_origins(tx, "p", reader.id)
    assert consents.last_asked_at(tx, ["p"]) == {"p": NOW}
    assert consents.list_by_address(tx, "p") == consents.list_at_previous_addresses(tx, reader.id)
    assert consents.find_last(tx, reader.id, ConsentEvent.ASKED)
    assert consents.find_wording(tx, wording.version) == wording
    assert consents.list_subscriber_ids(tx, ["p"]) == [reader.id]
    bounce = Bounce(kind=BounceKind.SOFT)
    assert bounces.add(tx, bounce, pseudonym="p", delivery_id=1, fingerprint="1", now=NOW)
    assert bounces.count_soft_days(tx, "p", within=timedelta(1), now=NOW) == 1
    assert bounces.list_by_address(tx, "p") == bounces.list_by_delivery(tx, 1)
    assert bounces.list_newest(tx, kind=BounceKind.SOFT, before=9, limit=9)
    (stored,) = bounces.list_of_deliveries(tx, [1])
    assert bounces.list_of_day(tx, TODAY) == [stored]
    bounces.withdraw(tx, [stored.id])
    assert bounces.list_newest(tx, kind=BounceKind.OTHER, limit=9)
    bounces.delete(tx, "p")
    suppressions.add(tx, Suppression(pseudonym="p", reason=SuppressionReason.ADMIN, suppressed_at=NOW))
    suppressions.erase_evidence(tx, "p")
    assert suppressions.has_any(tx)
    assert suppressions.list_all(tx) == suppressions.list_after(tx, "", limit=9)
    suppressions.remove(tx, "p")
    suppressions.store_pseudonym_key(tx, "key")
    assert suppressions.find_pseudonym_key(tx) == "key"


def use_stages(tx: Transaction) -> None:
    stages.record_start(tx, Stage.INGEST, worker="other/1/1/1", now=NOW)
    stages.record_progress(tx, Stage.INGEST, now=NOW)
    stages.record_success(tx, Stage.INGEST, worker="other/1/1/1", now=NOW)
    stages.record_failure(tx, Stage.INGEST, "reason", worker="other/1/1/1", now=LATER)
    assert stages.list_records(tx)[Stage.INGEST].failures == 1


def use_admins(tx: Transaction) -> None:
    admin = admins.add(tx, Admin(email="admin@example.org", role=Role.ADMIN, password="x"), now=NOW)
    admins.begin_session(tx, admin, "session", now=NOW, expires_at=LATER)
    assert admins.find_by_session(tx, "session", now=NOW) == admin
    admins.end_session(tx, "session")
    ended_sessions.add(tx, "ended", expires_at=LATER, now=NOW)
    assert ended_sessions.contains(tx, "ended")
    assert audit.list_sign_in_clients(tx, since=NOW) == []
    admins.save(tx, admin)
    scopes = frozenset({TokenScope.PROFILES_READ})
    token = admins.add_token(tx, ApiToken(owner=admin, name="t", scopes=scopes, expires_at=LATER), "hash", now=NOW)
    assert [admins.find_token(tx, "hash", now=NOW)] == admins.list_tokens(tx, owner=admin) == [token]
    admins.remove_token(tx, token.id)
    audit.record(tx, "admin@example.org", "outbox hold", now=NOW)
    assert audit.list_changes(tx, AuditFilter(who="admin", what="outbox", text="hold"), before=9, limit=9)
    assert admins.list_all(tx) == [admin]
    admins.remove(tx, admin.email)
