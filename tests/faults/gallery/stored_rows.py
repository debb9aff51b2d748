"""Values in the database that another program, or an older version, left there."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random

from digest.app import App
from digest.matching import compile_rules
from digest.models import Bounce, BounceKind, Entry, MailKind, SuppressionReason
from digest.store import bounces, papers, profiles, sources, submissions, subscribers
from digest.store.schema import metadata
from digest.store.sources import SourceState
from tests.builders import NOW, a_paper, a_subscriber
from tests.commandline import NEWSLETTER
from tests.faults.gallery import Attack
from tests.web.admin_site import AdminBrowser, signed_in
from tests.web.conftest import browser

_READERS = 6
_TABLES: tuple[str, ...] = (
    "subscribers",
    "papers",
    "paper_revisions",
    "digests",
    "deliveries",
    "profiles",
    "suppressions",
    "consents",
)
_TABLES += ("bounces", "sources", "submissions", "sightings", "holds", "audit")
_VALUES: tuple[object, ...] = (
    "",
    "\0",
    "a\0b",
    "soon",
    "{}",
    "[",
    "[1]",
    '["a"]',
    '[[["x"]]]',
    "null",
    -1,
    0,
    7,
    2**62,
    0.5,
    "x" * 70_000,
)
_VALUES += (
    "2026-13-45",
    "9999-12-31 23:59:59.999999",
    "0001-01-01 00:00:00",
    "\u202e",
    "é" * 300,
    "active",
    "\r\n.\r\n",
)
_PAGES = ("", "/next", "/subscribers", "/deliveries", "/bounces", "/suppressions", "/submissions", "/sources", "/log")
_AN_INPUT = 4  # each runs stages and asks for pages, so there are fewer


def attacks(random: Random, count: int, folder: Path) -> Iterator[Attack]:
    """Yield changes of one value, each followed by the stages and by requests of pages."""
    (folder / "config.toml").write_text(NEWSLETTER, encoding="utf-8")
    with App.open(folder / "config.toml") as app:
        _fill(app)
        admin = signed_in(app, browser(app))
        for number in range(max(20, count // _AN_INPUT)):
            table = random.choice(_TABLES)
            columns = [column.name for column in metadata.tables[table].columns if not column.primary_key]
            column, value = random.choice(columns), random.choice(_VALUES)
            name = f"{table}.{column} = {value!r:.40}"
            yield Attack(name, partial(_damage, app, admin, table, column, value, day=number))


def _fill(app: App) -> None:
    with app.store.write() as tx:
        profiles.add(tx, "Cats", compile_rules("cats"), by="tests", now=NOW)
        people = [a_subscriber(f"reader{n}@example.org", profiles=("Cats",)) for n in range(_READERS)]
        for person in people:
            app.membership.add(tx, person, origin="tests", now=NOW - timedelta(hours=1))
        app.membership.suppress(tx, "other@example.org", SuppressionReason.ADMIN, "", now=NOW)
        sources.save(tx, SourceState(name="source", url="https://example.org", checked_at=NOW))
        submissions.add(tx, "https://example.org/1", origin="page", now=NOW)
        bounces.add(tx, Bounce(kind=BounceKind.SOFT), pseudonym="p", delivery_id=None, fingerprint="f", now=NOW)
        app.membership.queue_mail(tx, MailKind.SIGN_IN, subscribers.get(tx, people[0].email), now=NOW)


def _damage(app: App, admin: AdminBrowser, table: str, column: str, value: object, *, day: int) -> None:
    now = NOW + timedelta(days=day)
    with app.store.write() as tx:
        papers.add(tx, [a_paper(f"cats {day}")], first_seen_at=now - timedelta(hours=1), edition_on=now.date())
        papers.record_sightings(tx, "source", [(Entry(guid=f"{day}", title="cats"), f"test:cats {day}")], now=now)
        newest = tx.exec_driver_sql(f"SELECT max(rowid) FROM {table}").scalar()
        before = tx.exec_driver_sql(f"SELECT {column} FROM {table} WHERE rowid = ?", (newest,)).scalar()
    set_value = f"UPDATE OR IGNORE {table} SET {column} = ? WHERE rowid = ?"
    try:
        with app.store.write() as tx:
            tx.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
            tx.exec_driver_sql(set_value, (value, newest))
    except Exception:  # noqa: BLE001  (the database refuses the value)
        return
    try:
        done = app.publish(now=now)
        assert done.digests + done.empty >= _READERS - 1, done
        app.deliver(now=now)
        for page in _PAGES:
            answer = admin.client.get(f"/admin{page}", headers={"cookie": admin.cookie})
            assert answer.status_code == 200, (page, answer.status_code)
    finally:
        with app.store.write() as tx:
            tx.exec_driver_sql(set_value, (before, newest))
