"""Pages and searches a list of a million subscribers and imports 100,000 rows: python -m tests.benchmarks.people

Reads pages of 50 anywhere in the list, with the total, and searches for parts of addresses and names that match one
subscriber, thousands or none. Rivals use OFFSET, LIKE '%…%', and store rows one by one. Then it imports the same rows
on the admin pages, from the upload on, and measures how long a small write by another user waits during the import. The
rival imports all rows in one transaction; a write that waits longer than half a minute fails. --quick does a tenth.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import cast

import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.testclient import TestClient

from digest.app import App
from digest.errors import StoreError, UsageError
from digest.mail import Templates
from digest.models import Subscriber, SubscriberState
from digest.store import Store, Transaction, audit, subscriber_search, subscribers
from digest.store.subscriber_search import PageCursor, SubscriberFilter
from digest.subscribers import fields
from digest.subscribers.importing import import_rows
from digest.web.app import create_app
from tests.benchmarks.harness import Case, Method, Row, compare, report
from tests.builders import MEMBERSHIP, NOW, a_subscriber
from tests.web.admin_site import signed_in

_PEOPLE, _ROWS = 1_000_000, 100_000
_PAGE = 50
_QUERIES = 300  # pages, and as many texts
_SLOW = 30  # as many of them for the rivals
_AT_ONCE = 5000

_ACTIVE, _PAUSED, _LEFT = SubscriberState.ACTIVE, SubscriberState.PAUSED, SubscriberState.UNSUBSCRIBED
_STATES = (*[_ACTIVE] * 90, *[_PAUSED] * 2, *[_LEFT] * 8)
_FIRST = [
    a + b + c for a in "jo ma an li ke pa su ti re xa".split() for b in "hn ri na sa vi ul".split() for c in "aeions"
]
_LAST = [
    a + b + c for a in "smi bro gar mil kel tan wan sch".split() for b in "th wn ler ly g mann".split() for c in "aeios"
]
_TOP = ("org", "net", "com")

_OFFSET = sa.text("SELECT * FROM subscribers ORDER BY email_key LIMIT 50 OFFSET :at")
_COUNT = sa.text("SELECT count(*) FROM subscribers")
_LIKE = sa.text("SELECT * FROM subscribers WHERE email LIKE :text OR name LIKE :text ORDER BY email_key LIMIT 50")


def random_subscriber(number: int, random: Random) -> Subscriber:
    """Returns a subscriber whose address and name resemble those of others."""
    first, last = random.choice(_FIRST), random.choice(_LAST)
    email = f"{first}.{last}{number}@uni-{random.randrange(300)}.example.{random.choice(_TOP)}"
    return a_subscriber(email, name=f"{first} {last}".title(), state=random.choice(_STATES))


def texts(people: Sequence[Subscriber], random: Random) -> list[str]:
    """Returns a search text for each subscriber: part of an address, a name, a domain, a short prefix, or a typo."""
    ways: list[Callable[[Subscriber], str]] = [
        lambda s: s.email,
        lambda s: s.email[3:16],
        lambda s: s.name,
        lambda s: s.name.split()[1].lower(),
        lambda s: s.email.partition("@")[2],
        lambda s: s.email[:2],
        lambda s: s.email[:4],
        lambda s: f"{s.name[1:]}q",
    ]
    return [random.choice(ways)(s) for s in people]


def measure(*, people: int, rows: int) -> Iterator[Sequence[Row]]:
    """The rows of every case, with that many subscribers in the list and that many to import."""
    with TemporaryDirectory() as folder:
        with Store.open(Path(folder, "people.db")) as store:
            yield from _measure_reading(store, people)
        yield compare(_import(Path(folder), rows))
        yield from _measure_admin_import(Path(folder), rows)


def _measure_reading(store: Store, count: int) -> Iterator[Sequence[Row]]:
    random = Random(1)
    made = (random_subscriber(number, random) for number in range(count))
    known: list[Subscriber] = []
    while some := list(islice(made, _AT_ONCE)):
        with store.write() as tx:
            subscribers.add_all(tx, some, now=NOW)
        known += random.sample(some, max(1, len(some) * _QUERIES * 2 // count))
    random.shuffle(known)
    pages = [
        random.choice((PageCursor(after=s.email, limit=_PAGE), PageCursor(before=s.email, limit=_PAGE))) for s in known
    ]
    pages, wanted = pages[:_QUERIES], texts(known[:_QUERIES], random)
    took = {
        ("page", "digest"): _time_queries(store, [partial(_page, place=place) for place in pages]),
        ("page", "OFFSET"): _time_queries(
            store, [partial(_page_by_offset, at=random.randrange(count)) for _ in range(_SLOW)]
        ),
        ("search", "digest"): _time_queries(store, [partial(_search, text=text) for text in wanted]),
        ("search", "LIKE"): _time_queries(store, [partial(_search_with_like, text=text) for text in wanted[:_SLOW]]),
    }
    for case, rival in (("page", "OFFSET"), ("search", "LIKE")):
        for name, part in (("median", 0.5), ("p95", 0.95)):
            yield [_row(f"{case}, {name}", method, took[case, method], part) for method in ("digest", rival)]


def _page(tx: Transaction, *, place: PageCursor) -> object:
    return subscriber_search.list_page(tx, SubscriberFilter(), place)


def _page_by_offset(tx: Transaction, *, at: int) -> object:
    return tx.execute(_OFFSET, {"at": at}).all(), tx.scalar(_COUNT)


def _search(tx: Transaction, *, text: str) -> object:
    return subscriber_search.list_page(tx, SubscriberFilter(text=text), PageCursor(limit=_PAGE))


def _search_with_like(tx: Transaction, *, text: str) -> object:
    return tx.execute(_LIKE, {"text": f"%{text}%"}).all()


def _time_queries(store: Store, queries: Sequence[Callable[[Transaction], object]]) -> list[float]:
    """Returns the seconds that each query took in its own transaction, after a few to warm up."""
    took: list[float] = []
    for query in (*queries[:5], *queries):
        begin = time.perf_counter()
        with store.read() as tx:
            query(tx)
        took.append(time.perf_counter() - begin)
    return took[5:]


def _row(case: str, method: str, took: Sequence[float], part: float) -> Row:
    seconds = sorted(took)[min(int(len(took) * part), len(took) - 1)]
    return Row(case=case, method=method, n=1, measured=1, seconds=seconds, rate=1 / seconds, peak_mb=0.0)


def _import(folder: Path, count: int) -> Case:
    random = Random(2)
    text = fields.to_csv(random_subscriber(number, random) for number in range(count))
    languages = Templates().languages

    def rows(most: int) -> Iterator[fields.CsvRow]:
        read = fields.read_csv(text, fields.SubscriberOptions(languages=languages), confirmed=False)
        return islice(read, most)

    def together(most: int) -> None:
        with Store.open(folder / "import.db") as store, store.write() as tx:
            for _ in import_rows(tx, MEMBERSHIP, rows(most), origin="import", now=NOW):
                pass

    def one_by_one(most: int) -> None:
        with Store.open(folder / "import.db") as store, store.write() as tx:
            for row in rows(most):
                if row.subscriber is None:
                    raise UsageError(row.reason)
                MEMBERSHIP.add(tx, row.subscriber, origin="import", now=NOW)

    def delete_database() -> None:
        for file in folder.glob("import.db*"):
            file.unlink()

    methods = [
        Method("digest", together, before=delete_database),
        Method("one by one", one_by_one, most=1000, before=delete_database),
    ]
    return Case("import", count, methods, long=True)


def _measure_admin_import(folder: Path, count: int) -> Iterator[Sequence[Row]]:
    random = Random(2)
    text = fields.to_csv(random_subscriber(number, random) for number in range(count))
    waits = {"digest": Waits(), "one transaction": Waits()}
    with _newsletter(folder / "pieces") as app:
        client = TestClient(create_app(app, clock=lambda: NOW), follow_redirects=False)
        admin = signed_in(app, client)
        begin = time.perf_counter()
        where = admin.upload("/admin/subscribers/import", text).headers["Location"]
        _wait(client)
        yield [_single_row("admin, check", "digest", time.perf_counter() - begin, count)]
        with waits["digest"].measured(app.store):
            begin = time.perf_counter()
            admin.post(where, do="import")
            _wait(client)
            took = time.perf_counter() - begin
    with _newsletter(folder / "one") as app, waits["one transaction"].measured(app.store):
        begin = time.perf_counter()
        with app.store.write() as tx:
            for _ in import_rows(
                tx, app.membership, app.read_subscriber_rows(tx, text, confirmed=False), origin="import", now=NOW
            ):
                pass
        alone = time.perf_counter() - begin
    yield [
        _single_row("admin, import", "digest", took, count),
        _single_row("admin, import", "one transaction", alone, count),
    ]
    for name, part in (("p95", 0.95), ("longest", 1.0)):
        yield [_row(f"write meanwhile, {name}", method, found.seconds, part) for method, found in waits.items()]


class Waits:
    """Measures how long a small write waits for the lock, twenty times a second."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    @contextmanager
    def measured(self, store: Store) -> Iterator[None]:
        """Measure the writes that happen during the block."""
        over = threading.Event()

        def write() -> None:
            while not over.wait(0.05) or not self.seconds:
                begin = time.perf_counter()
                with suppress(StoreError), store.write() as tx:  # it is locked for half a minute
                    audit.record(tx, "benchmark", "write", now=NOW)
                self.seconds.append(time.perf_counter() - begin)

        thread = threading.Thread(target=write)
        thread.start()
        yield
        over.set()
        thread.join()


@contextmanager
def _newsletter(folder: Path) -> Iterator[App]:
    folder.mkdir()
    (folder / "config.toml").write_text('[newsletter]\nbase_url = "https://digest.example.org"\n', encoding="utf-8")
    with App.open(folder / "config.toml") as app:
        yield app


def _wait(client: TestClient) -> None:
    while not cast(Starlette, client.app).state.services.long_background.finish(600):
        pass


def _single_row(case: str, method: str, seconds: float, count: int) -> Row:
    return Row(case=case, method=method, n=count, measured=count, seconds=seconds, rate=count / seconds, peak_mb=0.0)


if __name__ == "__main__":
    report(
        "tests.benchmarks.people",
        lambda quick: measure(people=_PEOPLE // (10 if quick else 1), rows=_ROWS // (10 if quick else 1)),
    )
