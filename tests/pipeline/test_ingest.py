"""The first stage: sources become papers."""

import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from digest.errors import SourceError, StoreError
from digest.pipeline.ingest import IngestReport, ingest, read_feed
from digest.sources.fetch import Fetched, Fetcher
from digest.store import Store, papers, schema, sources
from tests.builders import NOW, all_papers, at

LONG = "An abstract of more than three hundred characters says enough to be one. " * 5


@dataclass
class Source:
    name: str
    url: str
    kind: str = "text"


@pytest.fixture
def fetcher(tmp_path: Path) -> Iterator[Fetcher]:
    with Fetcher(base=tmp_path) as opened:
        yield opened


def write(folder: Path, name: str, *titles: str) -> Source:
    (folder / name).write_text("\n".join(f"{title}\n{LONG}{title}" for title in titles), encoding="utf-8")
    return Source(name, name)


def run(store: Store, fetcher: Fetcher, *configured: Source, now: str = "2026-06-03 07:00") -> IngestReport:
    return ingest(store, configured, fetcher, now=at(now), timezone="Asia/Tokyo")


def titles(store: Store) -> list[str]:
    with store.read() as tx:
        return [p.title for p in all_papers(tx)]


def test_entries_become_papers_first_seen_now(store: Store, fetcher: Fetcher, tmp_path: Path) -> None:
    report = run(store, fetcher, write(tmp_path, "list", "One paper on cats", "Another paper on dogs"))
    assert report == IngestReport(sources=1, entries=2, papers_new=2)
    with store.read() as tx:
        found = papers.list_first_seen(tx, after=at("2026-06-03 06:59"), until=NOW)
    assert [p.title for p in found] == ["One paper on cats", "Another paper on dogs"]


def test_a_source_that_has_not_changed_tells_nothing_new(store: Store, fetcher: Fetcher, tmp_path: Path) -> None:
    source = write(tmp_path, "list", "One paper on cats")
    run(store, fetcher, source)
    assert run(store, fetcher, source) == IngestReport(sources=1)


def test_a_changed_address_forgets_the_validators(store: Store, fetcher: Fetcher, tmp_path: Path) -> None:
    source = write(tmp_path, "list", "One paper on cats")
    run(store, fetcher, source)
    moved = Source("list", f"{tmp_path}/list")
    assert run(store, fetcher, moved).entries == 1


def test_the_same_paper_from_two_sources_is_one(store: Store, fetcher: Fetcher, tmp_path: Path) -> None:
    one = write(tmp_path, "one", "The same paper on cats")
    two = write(tmp_path, "two", "The Same Paper on Cats!", "And a paper on dogs")
    assert run(store, fetcher, one, two).papers_new == 2
    assert titles(store) == ["The same paper on cats", "And a paper on dogs"]


def test_one_bad_source_does_not_stop_the_others(store: Store, fetcher: Fetcher, tmp_path: Path) -> None:
    (tmp_path / "page").write_text("<!doctype html><html></html>")
    bad, gone = Source("bad", "page", "feed"), Source("gone", "nowhere")
    report = run(store, fetcher, bad, gone, write(tmp_path, "good", "One paper on cats"))
    assert report.papers_new == 1
    assert [name for name, _ in report.failures] == ["bad", "gone"]
    with store.read() as tx:
        states = sources.list_states(tx)
    assert "web page" in states["bad"].failure
    assert "No such file" in states["gone"].failure
    assert (states["good"].failure, states["good"].succeeded_at) == ("", NOW)


def test_a_source_that_recovers_is_read_from_where_it_stopped(store: Store, fetcher: Fetcher, tmp_path: Path) -> None:
    source = write(tmp_path, "list", "One paper on cats")
    run(store, fetcher, source)
    (tmp_path / "list").write_bytes(b"\xff")
    assert run(store, fetcher, source).failures
    write(tmp_path, "list", "One paper on cats", "Another paper on dogs")
    assert run(store, fetcher, source).papers_new == 1
    with store.read() as tx:
        assert sources.list_states(tx)["list"].failure == ""


def rss(folder: Path, name: str, *items: str) -> Source:
    written = "".join(f"<item>{item}</item>" for item in items)
    feed = f'<rss version="2.0"><channel><title>T</title>{written}</channel></rss>'
    (folder / name).write_text(feed, encoding="utf-8")
    return Source(name, name, "feed")


class FaultyFetcher(Fetcher):
    """Fetches as others do, but fails for sources that are called by the name of an exception."""

    def fetch(self, source: str, url: str, *, etag: str = "", last_modified: str = "") -> Fetched:
        fault = getattr(builtins, source, None)
        if isinstance(fault, type) and issubclass(fault, Exception):
            raise fault("odd\ntext \ud800")
        return super().fetch(source, url, etag=etag, last_modified=last_modified)


def test_no_exception_of_one_source_stops_the_others(store: Store, tmp_path: Path) -> None:
    bad = [Source(fault, "x") for fault in ("TypeError", "OverflowError", "RecursionError", "MemoryError")]
    with FaultyFetcher(base=tmp_path) as fetcher, capture_logs() as logs:
        report = run(store, fetcher, *bad, write(tmp_path, "good", "One paper on cats"))
    said = [f"internal error: {source.name}: odd text ; the log has the details" for source in bad]
    assert report.failures == tuple((source.name, reason) for source, reason in zip(bad, said, strict=True))
    assert titles(store) == ["One paper on cats"]
    assert [(entry["source"], "in fetch\n" in entry["stack"]) for entry in logs] == [(s.name, True) for s in bad]
    with store.read() as tx:
        states = sources.list_states(tx)
    assert [states[source.name].failure for source in bad] == said
    assert states["good"].failure == ""


class PageFetcher(Fetcher):
    """Gets the web page of a journal wherever it asks."""

    def fetch(self, *_args: object, **_options: object) -> Fetched:
        page = b'<!doctype html><link rel="alternate" type="application/rss+xml" href="feed.xml">'
        return Fetched(body=page, url="https://journal.example.org/new/")


def test_a_web_page_is_refused_with_its_feed_at_every_door(store: Store, tmp_path: Path) -> None:
    said = "the answer is a web page, not a feed; the feed that it links is https://journal.example.org/new/feed.xml"
    with PageFetcher(base=tmp_path) as fetcher:
        assert run(store, fetcher, Source("a", "https://example.org/", "feed")).failures == (("a", said),)
        with pytest.raises(SourceError, match=said):
            read_feed(fetcher, "https://example.org/")


def test_a_feed_that_is_only_tried_fails_in_one_line(tmp_path: Path) -> None:
    with (
        FaultyFetcher(base=tmp_path) as fetcher,
        capture_logs() as logs,
        pytest.raises(SourceError, match="^TypeError: internal error: TypeError: odd"),
    ):
        read_feed(fetcher, "TypeError")
    assert "in fetch\n" in logs[0]["stack"]


def test_entries_that_cannot_be_stored_are_their_sources_failure(
    store: Store, fetcher: Fetcher, tmp_path: Path
) -> None:
    with store.write() as tx:
        tx.exec_driver_sql(
            "CREATE TRIGGER odd BEFORE INSERT ON paper_revisions WHEN new.title = 'Odd' "
            "BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
    bad = rss(tmp_path, "bad", "<title>Fine</title>", "<title>Odd</title>")
    report = run(store, fetcher, bad, write(tmp_path, "good", "One paper on cats"))
    ((name, reason),) = report.failures
    assert name == "bad"
    assert reason.startswith("internal error: IntegrityError: ")
    assert titles(store) == ["One paper on cats"]


def test_a_fault_of_the_database_is_no_sources_failure(store: Store, fetcher: Fetcher, tmp_path: Path) -> None:
    source = write(tmp_path, "list", "One paper on cats")
    with store.write() as tx:
        tx.exec_driver_sql("DROP TABLE paper_revisions")
    with pytest.raises(StoreError, match="no such table"):
        run(store, fetcher, source)
    with store.read() as tx:
        assert sources.list_states(tx) == {}


ODD_FEEDS = {
    "authors": "<title>Codes</title><authors>Ann;Bob</authors>",
    "reference": f"<title>Codes &#{'1' * 5_000};</title>",
    "name": f"<title>Codes</title><author>{'a' * 100_000}@</author>",
    "date": "<title>Codes</title><published_parsed>x</published_parsed>",
    "text": f"<title>{'long ' * 100_000}</title><guid>{'g' * 100_000}</guid>",
}


def test_odd_entries_are_stored_and_the_next_source_is_read(store: Store, fetcher: Fetcher, tmp_path: Path) -> None:
    odd = [rss(tmp_path, name, f"{item}<description>{name}</description>") for name, item in ODD_FEEDS.items()]
    (tmp_path / "hf").write_text(f'[{{"paper": {{"id": "2606.00001", "title": "T", "upvotes": {2**64}}}}}]')
    arxiv = Source("arxiv", "arxiv.xml", "arxiv")
    (tmp_path / "arxiv.xml").write_text(ATOM.format(version="9" * 5_000, title="Versions"))
    report = run(
        store, fetcher, *odd, Source("hf", "hf", "huggingface"), arxiv, write(tmp_path, "good", "One paper on cats")
    )
    assert report.failures == ()
    assert titles(store)[-1] == "One paper on cats"


ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom"><title>T</title>
<entry><id>oai:arXiv.org:2606.00001v{version}</id><title>{title}</title><summary>arXiv:2606.00001v1 Announce Type: new
Abstract: Text.</summary></entry></feed>"""


def test_a_new_version_is_a_revision_of_the_same_paper(store: Store, fetcher: Fetcher, tmp_path: Path) -> None:
    source = Source("arxiv", "feed.xml", "arxiv")
    for version, title in ((1, "First title"), (2, "Better title")):
        (tmp_path / "feed.xml").write_text(ATOM.format(version=version, title=title))
        run(store, fetcher, source, now=f"2026-06-0{version} 07:00")
    with store.read() as tx:
        (paper,) = papers.list_first_seen(tx, after=at("2026-01-01"), until=NOW)
    assert (paper.title, paper.revision, paper.first_seen_at) == ("Better title", 2, at("2026-06-01 07:00"))


def test_only_a_source_of_arxivs_changes_a_paper_of_arxivs(store: Store, fetcher: Fetcher, tmp_path: Path) -> None:
    kinds = {"arxiv": "arxiv", "aggregator": "feed"}
    for name, title in (("arxiv", "The right title"), ("aggregator", "Buy this")):
        (tmp_path / name).write_text(ATOM.format(version=9, title=title))
        run(store, fetcher, Source(name, name, kinds[name]))
    with store.read() as tx:
        (paper,) = papers.list_first_seen(tx, after=at("2026-01-01"), until=NOW)
    assert (paper.title, paper.revision, paper.from_arxiv) == ("The right title", 1, True)


class RedirectedFetcher(Fetcher):
    """Gets an answer of arXiv's shape, after redirects, from the address that is the source's name."""

    def fetch(self, source: str, *_args: object, **_options: object) -> Fetched:
        return Fetched(body=ATOM.format(version=9, title=source).encode(), url=source)


@pytest.mark.parametrize(
    ("url", "from_arxiv"), [("https://rss.arxiv.org/atom", True), ("https://arxiv.example.org/atom", False)]
)
def test_the_address_that_answered_decides_who_speaks(store: Store, tmp_path: Path, url: str, from_arxiv: bool) -> None:
    with RedirectedFetcher(base=tmp_path) as fetcher:
        run(store, fetcher, Source(url, "https://arxiv.org/feed", "feed"), now="2026-06-02 07:00")
    with store.read() as tx:
        (paper,) = all_papers(tx)
    assert paper.from_arxiv is from_arxiv


def test_votes_that_rise_make_no_revision(store: Store, fetcher: Fetcher, tmp_path: Path) -> None:
    source = Source("hf", "hf.json", "huggingface")
    for votes in (3, 40):
        (tmp_path / "hf.json").write_text(f'[{{"paper": {{"id": "2606.00001", "title": "T", "upvotes": {votes}}}}}]')
        run(store, fetcher, source)
    with store.read() as tx:
        (paper,) = papers.list_first_seen(tx, after=at("2026-01-01"), until=NOW)
    assert (paper.upvotes, paper.revision) == (40, 1)


def test_two_papers_that_turn_out_to_be_one_are_merged(store: Store, fetcher: Fetcher, tmp_path: Path) -> None:
    entry = "<item><guid>{0}</guid><title>{1}</title><link>{2}</link><description>{3}</description></item>"
    doi, arxiv = "https://doi.org/10.1101/x", "https://arxiv.org/abs/2606.00001"
    feed = '<rss version="2.0"><channel><title>T</title>{}</channel></rss>'
    (tmp_path / "a").write_text(feed.format(entry.format("1", "A short one", doi, "")))
    (tmp_path / "b").write_text(feed.format(entry.format("2", "Its long title at another place", arxiv, "")))
    run(store, fetcher, Source("a", "a", "feed"), now="2026-06-01 07:00")
    run(store, fetcher, Source("b", "b", "feed"), now="2026-06-02 07:00")
    both = f"<guid>{doi}</guid><title>Its long title at another place</title><link>{arxiv}</link>"
    (tmp_path / "c").write_text(feed.format(f"<item>{both}</item>"))
    assert run(store, fetcher, Source("c", "c", "feed")).papers_new == 0
    assert titles(store) == ["A short one"]


def test_an_edition_is_dated_in_the_newsletters_time_zone(store: Store, fetcher: Fetcher, tmp_path: Path) -> None:
    run(store, fetcher, write(tmp_path, "list", "One paper on cats"), now="2026-06-03 16:00")
    with store.read() as tx:
        assert tx.execute(sa.select(schema.papers.c.edition_on)).scalar_one() == date(2026, 6, 4)


def test_a_feed_is_read_without_keeping_it(fetcher: Fetcher, tmp_path: Path) -> None:
    write(tmp_path, "list", "One paper on cats")
    assert [p.title for p in read_feed(fetcher, "list")] == ["One paper on cats"]
