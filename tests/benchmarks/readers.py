"""A newsletter with many readers, each of whom gets ten papers of the day: real papers, in an installation on disk.

Readers either have keywords of their own, or follow three of fifty shared profiles. All profiles ask for five to twenty
things, were compiled when they were saved, and lie in the snapshot, as they do every morning but the first.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
import sqlalchemy as sa

from digest.app import App
from digest.matching import Search, compile_rules
from digest.models import OWN_KEYWORDS, CompiledRule, CompiledRules, Paper, fingerprint
from digest.store import Transaction, papers, profiles, subscribers
from digest.store import schema as tables
from digest.store.database import backend
from tests.benchmarks.matching import RULES, indexed
from tests.benchmarks.profiles import SampleRule, pool, population
from tests.builders import NOW
from tests.recordings import DAYS, papers_of

PAPERS_A_MAIL = 10
TODAY = "2026-06-02"  # of the recorded days that with the most papers
_SHARED = 50  # profiles
_FOLLOWED = 3  # of them, by each reader
_MOST_RULES = 30_000  # distinct ones, of all
_AT_ONCE = 10_000  # rows

_CONFIG = """
[newsletter]
from = "Daily Papers <benchmark@example.org>"
postal_address = "Daily Papers, 3 Example Street, Example City"
base_url = "https://digest.example.org"
abstract_characters = 10_000
[delivery]
transport = "smtp"
smtp.host = "127.0.0.1"
smtp.port = {port}
smtp.connections = 10
"""


def configure(folder: Path, port: int = 25) -> Path:
    """The newsletter's configuration: whole abstracts, and ten connections to that port."""
    file = folder / "config.toml"
    file.write_text(_CONFIG.format(port=port), encoding="ascii")
    return file


def create_newsletter(folder: Path, n: int, *, shared: bool) -> None:
    """Create a newsletter with `n` readers who have never got a mail, with their own keywords or shared profiles."""
    today = papers_of(TODAY)
    compiled_profiles = list(islice(_ten_papers_each(today, _SHARED if shared else n), _SHARED if shared else n))
    with App.open(configure(folder)) as newsletter:
        with newsletter.store.write() as tx:
            _add_papers(tx, today)
            add_subscribers(tx, n)
            _add_profiles(tx, compiled_profiles, shared=shared)
            if shared:
                _follow(tx, n)
        with newsletter.store.read() as tx:
            wanted = profiles.find_by_subscribers(tx, range(1, min(n, 1000) + 1))
        newsletter.compiled_profiles.compile(
            [profile for some in wanted.values() for profile in some]
        )  # writes the snapshot


def keywords_of(folder: Path, most: int) -> list[tuple[str, list[str]]]:
    """(address, phrases to look for) of the first readers."""
    with App.open(folder / "config.toml") as newsletter, newsletter.store.read() as tx:
        readers = subscribers.list_active(tx, limit=most)
        wanted = profiles.find_by_subscribers(tx, [reader.id for reader in readers])
    return [(reader.email, [p for profile in wanted[reader.id] for p in _phrases(profile.rules)]) for reader in readers]


def add_subscribers(tx: Transaction, n: int) -> None:
    """Readers with the ids 1 to n, all at once."""
    for begin in range(1, n + 1, _AT_ONCE):
        numbers = range(begin, min(begin + _AT_ONCE, n + 1))
        tx.execute(sa.insert(tables.subscribers), [_subscriber(number) for number in numbers])
        backend(tx).index_subscribers(tx, numbers)


def _ten_papers_each(today: Sequence[Paper], n: int) -> Iterator[CompiledRules]:
    """Yields profiles that match at least ten of the papers."""
    rules = min(RULES[min(size for size in RULES if size >= n)], _MOST_RULES)
    people = population(pool(today, rules, boolean=True), n * 5 // 4 + 100)
    counts = np.bincount(Search(today).matches(indexed(people), limit=PAPERS_A_MAIL).profile)
    return (_profile(people.profile(row)) for row in np.flatnonzero(counts == PAPERS_A_MAIL).tolist())


def _profile(rules: Sequence[tuple[SampleRule, float]]) -> CompiledRules:
    """What `compile_rules` makes of a profile with each rule on a line; of two that ask the same the last counts."""
    asked = {_query(rule): (rule, weight) for rule, weight in rules}
    text = "\n".join(f"{rule.text} ^{weight:g}" for rule, weight in asked.values())
    asks = (CompiledRule(query, weight, line) for line, (query, (_, weight)) in enumerate(asked.items(), 1))
    return CompiledRules(text, tuple(asks))


@cache
def _query(rule: SampleRule) -> str:
    return compile_rules(rule.text).rules[0].query


def _add_papers(tx: Transaction, today: Sequence[Paper]) -> None:
    """Store today's papers, and older papers as those of earlier days."""
    new = {paper.id for paper in today}
    older = {paper.id: paper for day in DAYS for paper in papers_of(day) if paper.id not in new}
    before = NOW.replace(day=1)
    papers.add(tx, list(older.values()), first_seen_at=before, edition_on=before.date())
    papers.add(tx, today, first_seen_at=NOW, edition_on=NOW.date())


def _add_profiles(tx: Transaction, made: Sequence[CompiledRules], *, shared: bool) -> None:
    """As profiles.add and set_personal write them, but many at once."""
    number_of: dict[str, int] = {}
    for rules in made:
        for ask in rules.rules:
            number_of.setdefault(ask.query, len(number_of) + 1)
    tx.execute(sa.insert(tables.queries), [{"id": number, "text": query} for query, number in number_of.items()])
    for begin in range(0, len(made), _AT_ONCE):
        rows = []
        for number, rules in enumerate(made[begin : begin + _AT_ONCE], begin + 1):
            asks = np.array([(number_of[a.query], a.line, a.weight) for a in rules.rules], profiles._RULE)
            packed = np.array(fingerprint(rules.text), profiles._FINGERPRINT).tobytes() + asks.tobytes()
            whose = (
                {"name": f"Profile {number}", "owner_id": None}
                if shared
                else {"name": OWN_KEYWORDS, "owner_id": number}
            )
            rows.append({"rules": rules.text, "compiled": packed, "updated_at": NOW, **whose})
        tx.execute(sa.insert(tables.profiles), rows)


def _follow(tx: Transaction, n: int) -> None:
    random = Random(1)
    for begin in range(1, n + 1, _AT_ONCE):
        rows = [
            {"subscriber_id": number, "profile_id": profile}
            for number in range(begin, min(begin + _AT_ONCE, n + 1))
            for profile in random.sample(range(1, _SHARED + 1), _FOLLOWED)
        ]
        tx.execute(sa.insert(tables.follows), rows)


def _subscriber(number: int) -> dict[str, object]:
    address = f"reader{number}@example.org"
    return {
        "id": number,
        "email": address,
        "email_key": address,
        "found_by": subscribers.search_key(address, ""),
        "name": "",
        "timezone": "UTC",
        "send_at": NOW.time(),
        "days": "mon,tue,wed,thu,fri,sat,sun",
        "state": "active",
        "max_papers": PAPERS_A_MAIL,
        "language": "en",
        "epoch": 0,
        "created_at": NOW,
        "confirmed_at": NOW,
    }


def _phrases(rules: str) -> Iterator[str]:
    """Yields the phrases in rules, without operators and without excluded phrases."""
    for line in rules.splitlines():
        wanted = re.sub(r" AND NOT .*| \^.*|title:|[()]", "", line)
        yield from re.split(r" (?:AND|OR|NEAR/\d+) ", wanted)
