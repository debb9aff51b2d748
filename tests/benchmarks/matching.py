"""How fast profiles are matched: `python -m tests.benchmarks.matching [--quick] [--json]`.

A thousand real papers, and profiles of five to twenty weighted rules each (profiles.py says where they come from).

plain     every rule a phrase
boolean   every third with AND, NOT, OR in parentheses, NEAR or a field
          ours begins with a warm snapshot and ends with the best twenty papers of every profile and their scores; the
          others are ready with their compiled expressions, their index of the papers and parsed queries (matchers.py)
preview   one profile that is being edited, over fifteen thousand papers that were read before: its matches with scores,
          and how often each rule was true; a paper a unit
save      one profile saved, one of many: compiled, written and committed
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count, cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from digest.demo import PAPERS
from digest.matching import Matches, ProfileIndex, Search, compile_rules
from digest.matching.engine.index import Snapshot, load_snapshot, save_snapshot
from digest.models import Paper
from digest.sources import parse
from digest.sources.identity import paper_of
from digest.store import Store, profiles
from tests.benchmarks import harness
from tests.benchmarks.harness import Case, Method
from tests.benchmarks.matchers import LIMIT, Profile, Run, by_fts5, by_in, by_regex, by_tantivy
from tests.benchmarks.profiles import Population, pool, population
from tests.builders import NOW, RECORDINGS, a_profile
from tests.recordings import DAYS, papers_of

PAPERS_A_DAY = 1000
PAPERS_A_MONTH = 15_000

# Distinct rules grow more slowly than profiles do: many want the same.
RULES = {1_000: 8_000, 10_000: 30_000, 100_000: 120_000, 1_000_000: 400_000}


def cases(sizes: Sequence[int], papers: Sequence[Paper]) -> Iterator[Case]:
    """What is measured, with so many profiles."""
    day = papers[:PAPERS_A_DAY]
    with TemporaryDirectory() as folder:
        for n in sizes:
            for boolean in (False, True):
                people = population(pool(papers, RULES[n], boolean=boolean), n)
                yield Case("boolean" if boolean else "plain", n, methods(people, day, n, Path(folder) / "profiles"))
        yield Case("preview", PAPERS_A_MONTH, [preview(papers)])
        with Store.open(Path(folder) / "digest.db") as store:
            yield Case("save", 1000, [saving(papers, store)])


def methods(people: Population, papers: Sequence[Paper], n: int, file: Path) -> list[Method]:
    """Every way to match these profiles. The slower ways get fewer profiles."""
    some = [people.profile(row) for row in range(min(n, 1000))]
    save_snapshot(file, Snapshot(indexed(people), np.arange(n), np.zeros(n, np.uint64)))
    index = loaded(file)

    def ours(name: str, workers: int) -> Method:
        return Method(
            name,
            lambda _: match(index, papers, workers=workers),
            from_nothing=lambda _: match(loaded(file), papers, workers=workers),
        )

    def theirs(name: str, by: Callable[[Sequence[Paper], Sequence[Profile]], Run], most: int) -> Method:
        asked = some[:most]

        def from_nothing(count: int) -> object:
            return by(papers, asked)(count)

        return Method(name, by(papers, asked), len(asked), from_nothing)

    return [
        ours("digest", 1),
        ours("digest, 2 workers", 2),
        theirs("tantivy", by_tantivy, 1000),
        theirs("FTS5", by_fts5, 200),
        theirs("in", by_in, 10),
        theirs("regex", by_regex, 5),
    ]


def loaded(file: Path) -> ProfileIndex:
    """The index of a snapshot that was just written."""
    snapshot = load_snapshot(file)
    if snapshot is None:
        raise RuntimeError(f"{file} cannot be read")
    return snapshot.index


def indexed(people: Population) -> ProfileIndex:
    """Returns the index that the stored rules of these profiles make: every query once, in canonical form."""
    written = [compile_rules(rule.text).rules[0].query for rule in people.pool]
    queries = {query: number for number, query in enumerate(dict.fromkeys(written))}
    number_of = np.array([queries[query] for query in written], np.int32)
    line = np.ones(len(people.rule), np.int32)
    return ProfileIndex.from_compiled(
        list(queries), offsets=people.offsets, query=number_of[people.rule], weight=people.weight, line=line
    )


def match(index: ProfileIndex, papers: Sequence[Paper], *, workers: int = 1) -> Matches:
    """From texts to the best papers of all, with their scores."""
    return Search(papers).matches(index, limit=LIMIT, workers=workers)


def preview(papers: Sequence[Paper]) -> Method:
    """One profile being edited, over a month."""
    month = [
        replace(paper, id=f"{paper.id}/{n}") for n, paper in zip(range(PAPERS_A_MONTH), cycle(papers), strict=False)
    ]
    search = Search(month)
    people = population(pool(papers, 8_000, boolean=True), 100)
    drafts = cycle("\n".join(f"{rule.text} ^{w:g}" for rule, w in people.profile(row)) for row in range(100))

    def preview_once(_: int) -> object:
        matches = search.matches(ProfileIndex.build([a_profile(next(drafts))]))
        return matches._evaluation.document_frequencies(), matches

    return Method("digest", preview_once)


def saving(papers: Sequence[Paper], store: Store) -> Method:
    """A profile edited, as `digest profile edit` does it, in a database that holds a thousand."""
    people = population(pool(papers, 8_000, boolean=True), 2000)
    texts = ["\n".join(f"{rule.text} ^{w:g}" for rule, w in people.profile(row)) for row in range(2000)]
    with store.write() as tx:
        for number in range(1000):
            profiles.add(tx, str(number), compile_rules(texts[number]), by="tests", now=NOW)
    edits = count()

    def edit(times: int) -> object:
        for number in islice(edits, times):
            rules = compile_rules(texts[number % 2000])
            with store.write() as tx:
                profiles.edit(tx, str(number % 1000), rules=rules, by="tests", now=NOW)
        return times

    return Method("digest", edit, most=100)


def real_papers() -> list[Paper]:
    """Every recorded paper once; without the recordings, the project's own samples over and over."""
    if RECORDINGS.is_dir():
        return list({paper.id: paper for day in DAYS for paper in papers_of(day)}.values())
    samples = [paper_of(entry, entry.guid) for entry in parse("arxiv", PAPERS.read_bytes(), source="samples")]
    return [replace(paper, id=f"{paper.id}/{n}") for n, paper in zip(range(PAPERS_A_DAY), cycle(samples), strict=False)]


def prepare(quick: bool) -> Iterator[Case]:
    """The cases of a whole run, or of a quick one."""
    return cases(list(RULES)[:2] if quick else list(RULES), real_papers())


if __name__ == "__main__":
    harness.main("tests.benchmarks.matching", prepare)
