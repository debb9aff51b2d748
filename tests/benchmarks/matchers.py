"""Other ways to match profiles: regular expressions, `in`, SQLite's FTS5, tantivy.

Each is prepared for some papers and profiles, then run on the first `count` profiles. FTS5 and tantivy return the best
twenty papers; the first two have no scores and return all. All compare words in lower case, as they are written.
"""

import re
import sqlite3
from collections.abc import Callable, Sequence
from itertools import cycle, islice

import tantivy

from digest.models import Paper
from tests.benchmarks.profiles import Phrase, SampleRule

LIMIT = 20

Profile = Sequence[tuple[SampleRule, float]]  # what it asks for, with weights
Run = Callable[[int], list[list[int]]]  # of the first so many profiles: rows of papers
_Test = Callable[[int], bool]  # of a paper's row


def by_regex(papers: Sequence[Paper], profiles: Sequence[Profile]) -> Run:
    """What a script would do: one expression for all plain rules of a profile, one for each phrase of the others."""
    titles = [paper.title for paper in papers]
    texts = [f"{paper.title}\n{paper.abstract}" for paper in papers]

    def holds(expression: str, *, title: bool = False) -> _Test:
        search, where = re.compile(rf"\b(?:{expression})\b", re.IGNORECASE).search, titles if title else texts
        return lambda row: search(where[row]) is not None

    def near(rule: SampleRule) -> _Test:
        one, two = (phrase.text for phrase in rule.all_of)
        gap = rf"\W+(?:\w+\W+){{0,{rule.near}}}"
        return holds(f"{one}{gap}{two}|{two}{gap}{one}")

    def test(profile: Profile) -> _Test:
        plain = [rule.all_of[0].text for rule, _ in profile if rule.is_plain]
        tests = [holds("|".join(plain))] if plain else []
        tests += [
            near(rule) if rule.near else _all(rule, lambda phrase: holds(phrase.text, title=phrase.in_title))
            for rule, _ in profile
            if not rule.is_plain
        ]
        return lambda row: any(test(row) for test in tests)

    return _run_each(profiles, lambda profile: list(filter(test(profile), range(len(papers)))))


def by_in(papers: Sequence[Paper], profiles: Sequence[Profile]) -> Run:
    """`in`, on texts split into words beforehand. It has no NEAR, which is read as AND."""
    titles = [_spaced(paper.title) for paper in papers]
    texts = [_spaced(f"{paper.title} . {paper.abstract}") for paper in papers]

    def holds(phrase: Phrase) -> _Test:
        words, where = f" {phrase.text} ", titles if phrase.in_title else texts
        return lambda row: words in where[row]

    def found(profile: Profile) -> list[int]:
        tests = [_all(rule, holds) for rule, _ in profile]
        return [row for row in range(len(papers)) if any(test(row) for test in tests)]

    return _run_each(profiles, found)


def by_fts5(papers: Sequence[Paper], profiles: Sequence[Profile]) -> Run:
    """One FTS5 query a profile, the best papers by BM25. Ignores weights."""
    db = sqlite3.connect(":memory:", check_same_thread=False)
    db.execute("CREATE VIRTUAL TABLE papers USING fts5(title, abstract)")
    rows = ((row, paper.title, paper.abstract) for row, paper in enumerate(papers))
    db.executemany("INSERT INTO papers (rowid, title, abstract) VALUES (?, ?, ?)", rows)
    query = f"SELECT rowid FROM papers WHERE papers MATCH ? ORDER BY bm25(papers, 2.0, 1.0) LIMIT {LIMIT}"
    asked = [" OR ".join(f"({_fts5(rule)})" for rule, _ in profile) for profile in profiles]
    return _run_each(asked, lambda written: [row for (row,) in db.execute(query, (written,))])


def by_tantivy(papers: Sequence[Paper], profiles: Sequence[Profile]) -> Run:
    """tantivy, the fastest engine with a Python binding. Queries are parsed beforehand."""
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
            " OR ".join(f"({_lucene(rule)})^{weight:g}" for rule, weight in profile),
            ["title", "abstract"],
            field_boosts={"title": 2.0},
        )
        for profile in profiles
    ]

    return _run_each(asked, lambda query: [at.doc for _, at in searcher.search(query, LIMIT, count=False).hits])


def _all(rule: SampleRule, holds: Callable[[Phrase], _Test]) -> _Test:
    every, some, no = (tuple(map(holds, parts)) for parts in (rule.all_of, rule.any_of, rule.none_of))
    return lambda row: (
        all(test(row) for test in every)
        and (not some or any(test(row) for test in some))
        and not any(test(row) for test in no)
    )


def _spaced(text: str) -> str:
    words = " ".join(re.findall(r"\w+|[.]", text.lower()))
    return f" {words} "


def _fts5(rule: SampleRule) -> str:
    if rule.near:
        return f"NEAR({' '.join(_quoted(phrase) for phrase in rule.all_of)}, {rule.near})"
    wanted = [("title : " if phrase.in_title else "") + _quoted(phrase) for phrase in rule.all_of]
    wanted += [f"({' OR '.join(map(_quoted, rule.any_of))})"] if rule.any_of else []
    return " AND ".join(wanted) + "".join(f" NOT {_quoted(phrase)}" for phrase in rule.none_of)


def _lucene(rule: SampleRule) -> str:
    if rule.near:
        return f'"{" ".join(phrase.text for phrase in rule.all_of)}"~{rule.near}'
    if rule.is_plain:
        return _quoted(rule.all_of[0])
    wanted = [f"+{'title:' if phrase.in_title else ''}{_quoted(phrase)}" for phrase in rule.all_of]
    wanted += [f"+({' '.join(map(_quoted, rule.any_of))})"] if rule.any_of else []
    return " ".join([*wanted, *(f"-{_quoted(phrase)}" for phrase in rule.none_of)])


def _quoted(phrase: Phrase) -> str:
    return f'"{phrase.text}"'


def _run_each(things: Sequence[object], find: Callable[..., list[int]]) -> Run:
    return lambda count: [find(thing) for thing in islice(cycle(things), count)]
