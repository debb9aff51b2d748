"""How others find what profiles want: a regular expression each, `in`, SQLite's FTS5, tantivy.

Each is made ready for some papers and profiles, then run on the first `count` of these. FTS5 and tantivy give the best
twenty papers, the first two, which have no scores, all. They compare words as they are written, in lower case.
"""

import re
import sqlite3
from collections.abc import Callable, Sequence
from itertools import cycle, islice

import tantivy

from digest.models import Paper
from tests.benchmarks.profiles import Part, Wish

LIMIT = 20

Profile = Sequence[tuple[Wish, float]]  # what it asks for, with weights
Run = Callable[[int], list[list[int]]]  # of the first so many profiles: rows of papers
_Test = Callable[[int], bool]  # of a paper's row


def by_regex(papers: Sequence[Paper], profiles: Sequence[Profile]) -> Run:
    """A script's way: the plain rules of a profile in one expression, the others' parts in one each."""
    titles = [paper.title for paper in papers]
    texts = [f"{paper.title}\n{paper.abstract}" for paper in papers]

    def holds(expression: str, *, title: bool = False) -> _Test:
        search, where = re.compile(rf"\b(?:{expression})\b", re.IGNORECASE).search, titles if title else texts
        return lambda row: search(where[row]) is not None

    def near(wish: Wish) -> _Test:
        one, two = (part.phrase for part in wish.every)
        gap = rf"\W+(?:\w+\W+){{0,{wish.near}}}"
        return holds(f"{one}{gap}{two}|{two}{gap}{one}")

    def test(profile: Profile) -> _Test:
        plain = [wish.every[0].phrase for wish, _ in profile if wish.is_plain]
        tests = [holds("|".join(plain))] if plain else []
        tests += [
            near(wish) if wish.near else _all(wish, lambda part: holds(part.phrase, title=part.title))
            for wish, _ in profile
            if not wish.is_plain
        ]
        return lambda row: any(test(row) for test in tests)

    return _each(profiles, lambda profile: list(filter(test(profile), range(len(papers)))))


def by_in(papers: Sequence[Paper], profiles: Sequence[Profile]) -> Run:
    """The same with `in`, on texts that were cut into words before; NEAR, which it cannot say, is both words."""
    titles = [_spaced(paper.title) for paper in papers]
    texts = [_spaced(f"{paper.title} . {paper.abstract}") for paper in papers]

    def holds(part: Part) -> _Test:
        phrase, where = f" {part.phrase} ", titles if part.title else texts
        return lambda row: phrase in where[row]

    def found(profile: Profile) -> list[int]:
        tests = [_all(wish, holds) for wish, _ in profile]
        return [row for row in range(len(papers)) if any(test(row) for test in tests)]

    return _each(profiles, found)


def by_fts5(papers: Sequence[Paper], profiles: Sequence[Profile]) -> Run:
    """A query a profile on an index of the papers, the best by BM25. Has no weights."""
    db = sqlite3.connect(":memory:", check_same_thread=False)
    db.execute("CREATE VIRTUAL TABLE papers USING fts5(title, abstract)")
    rows = ((row, paper.title, paper.abstract) for row, paper in enumerate(papers))
    db.executemany("INSERT INTO papers (rowid, title, abstract) VALUES (?, ?, ?)", rows)
    query = f"SELECT rowid FROM papers WHERE papers MATCH ? ORDER BY bm25(papers, 2.0, 1.0) LIMIT {LIMIT}"
    asked = [" OR ".join(f"({_fts5(wish)})" for wish, _ in profile) for profile in profiles]
    return _each(asked, lambda written: [row for (row,) in db.execute(query, (written,))])


def by_tantivy(papers: Sequence[Paper], profiles: Sequence[Profile]) -> Run:
    """The same with the fastest engine that has a Python binding. Queries are parsed beforehand."""
    schema = tantivy.SchemaBuilder()
    for field in ("title", "abstract"):
        schema.add_text_field(field)
    index = tantivy.Index(schema.build())
    writer = index.writer(50_000_000, 1)  # one thread, so one segment, in which papers are numbered as they come
    for paper in papers:
        writer.add_document(tantivy.Document(title=[paper.title], abstract=[paper.abstract]))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()
    asked = [
        index.parse_query(
            " OR ".join(f"({_lucene(wish)})^{weight:g}" for wish, weight in profile),
            ["title", "abstract"],
            field_boosts={"title": 2.0},
        )
        for profile in profiles
    ]

    return _each(asked, lambda query: [at.doc for _, at in searcher.search(query, LIMIT, count=False).hits])


def _all(wish: Wish, holds: Callable[[Part], _Test]) -> _Test:
    every, some, no = (tuple(map(holds, parts)) for parts in (wish.every, wish.some, wish.no))
    return lambda row: (
        all(test(row) for test in every)
        and (not some or any(test(row) for test in some))
        and not any(test(row) for test in no)
    )


def _spaced(text: str) -> str:
    words = " ".join(re.findall(r"\w+|[.]", text.lower()))
    return f" {words} "


def _fts5(wish: Wish) -> str:
    if wish.near:
        return f"NEAR({' '.join(_quoted(part) for part in wish.every)}, {wish.near})"
    wanted = [("title : " if part.title else "") + _quoted(part) for part in wish.every]
    wanted += [f"({' OR '.join(map(_quoted, wish.some))})"] if wish.some else []
    return " AND ".join(wanted) + "".join(f" NOT {_quoted(part)}" for part in wish.no)


def _lucene(wish: Wish) -> str:
    if wish.near:
        return f'"{" ".join(part.phrase for part in wish.every)}"~{wish.near}'
    if wish.is_plain:
        return _quoted(wish.every[0])
    wanted = [f"+{'title:' if part.title else ''}{_quoted(part)}" for part in wish.every]
    wanted += [f"+({' '.join(map(_quoted, wish.some))})"] if wish.some else []
    return " ".join([*wanted, *(f"-{_quoted(part)}" for part in wish.no)])


def _quoted(part: Part) -> str:
    return f'"{part.phrase}"'


def _each(things: Sequence[object], find: Callable[..., list[int]]) -> Run:
    return lambda count: [find(thing) for thing in islice(cycle(things), count)]
