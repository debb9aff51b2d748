"""Which entries are the same work."""

from dataclasses import replace

import pytest

from digest.models import AnnounceType, Paper
from digest.sources.arxiv import arxiv_id_in, speaks_for_arxiv
from digest.sources.identity import keys, paper_of, reconcile, update
from digest.sources.parsing import doi_in
from tests.builders import an_entry, at

LONG = "A long title that tells works apart"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("oai:arXiv.org:2504.17830v1", ("2504.17830", 1)),
        ("http://arxiv.org/abs/astro-ph/0601001v2", ("astro-ph/0601001", 2)),
        ("https://arxiv.org/pdf/2504.17830", ("2504.17830", 0)),
        ("10.48550/arXiv.2504.17830", ("2504.17830", 0)),
        ("https://huggingface.co/papers/2504.17830", ("2504.17830", 0)),
        ("math.PR/0211159", ("math.PR/0211159", 0)),
        ("https://example.org/2504.17830", ("", 0)),
        ("2504.178301", ("", 0)),
    ],
)
def test_arxiv_ids_are_found_without_their_version(text: str, found: tuple[str, int]) -> None:
    assert arxiv_id_in(text) == found


@pytest.mark.parametrize(
    ("text", "doi"),
    [
        ("https://doi.org/10.1101/2026.06.01.X", "10.1101/2026.06.01.x"),
        ("doi:10.1000/a(b).", "10.1000/a(b"),
        ("10.1/x", ""),
    ],
)
def test_dois_are_found(text: str, doi: str) -> None:
    assert doi_in(text) == doi


def test_keys_are_given_strongest_first() -> None:
    entry = an_entry(LONG, arxiv_id="2504.17830", doi="10.1101/x")
    assert [k.partition(":")[0] for k in keys(entry)] == ["arxiv", "doi", "title"]


def test_arxivs_own_doi_is_the_arxiv_id() -> None:
    assert keys(an_entry("x", doi="10.48550/arxiv.2504.17830")) == ("arxiv:2504.17830",)


def test_a_short_title_is_a_key_only_if_there_is_no_other() -> None:
    assert keys(an_entry("Editorial", doi="10.1101/x")) == ("doi:10.1101/x",)
    assert keys(an_entry("Editorial", abstract="a")) != keys(an_entry("Editorial", abstract="b"))


def test_two_spellings_of_a_title_are_the_same_paper() -> None:
    found = reconcile([an_entry("Schrödinger’s long way home"), an_entry("SCHRODINGER's Long-Way Home")], {})
    assert len(found.new) == 1
    assert len(found.sightings) == 2


def test_two_arxiv_ids_are_two_papers_whatever_their_titles() -> None:
    entries = [an_entry(LONG, arxiv_id="2504.00001"), an_entry(LONG, arxiv_id="2504.00002")]
    assert reconcile(entries, {}).new == ["arxiv:2504.00001", "arxiv:2504.00002"]


def test_an_entry_without_an_id_joins_the_paper_of_its_title() -> None:
    found = reconcile([an_entry(LONG, arxiv_id="2504.00001"), an_entry(LONG, upvotes=5)], {})
    assert found.new == ["arxiv:2504.00001"]
    assert found.papers["arxiv:2504.00001"].upvotes == 5


def stored(paper_id: str, seen: str = "2026-06-01", **rest: object) -> Paper:
    return replace(paper_of(an_entry(LONG), paper_id), first_seen_at=at(seen), **rest)  # type: ignore[arg-type]


def test_a_known_paper_is_not_new_and_nothing_new_is_no_revision() -> None:
    entry = an_entry(LONG, arxiv_id="2504.00001")
    known = {"arxiv:2504.00001": replace(paper_of(entry, "arxiv:2504.00001"), first_seen_at=at("2026-06-01"))}
    found = reconcile([entry], known)
    assert (found.new, found.revised, found.popularity_changed, found.merged) == ([], [], [], {})


def test_an_entry_that_joins_two_known_papers_merges_them_into_the_older() -> None:
    known = {"arxiv:2504.00001": stored("arxiv:2504.00001", "2026-06-02"), "doi:10.1101/x": stored("doi:10.1101/x")}
    found = reconcile([an_entry("x", arxiv_id="2504.00001", doi="10.1101/x")], known)
    assert found.merged == {"arxiv:2504.00001": "doi:10.1101/x"}
    assert set(found.keys.values()) == {"doi:10.1101/x"}
    assert [paper for _, paper in found.sightings] == ["doi:10.1101/x"]


def test_new_papers_that_turn_out_to_be_one_are_added_once() -> None:
    entries = [
        an_entry("One", arxiv_id="2504.00001", abstract="a"),
        an_entry("Two", doi="10.1101/x", abstract="b"),
        an_entry("One", arxiv_id="2504.00001", doi="10.1101/x"),
    ]
    found = reconcile(entries, {})
    assert found.new == ["arxiv:2504.00001"]
    assert found.merged == {}


def test_changed_votes_alone_are_not_a_revision() -> None:
    entry = an_entry(LONG, arxiv_id="2504.00001", upvotes=9)
    found = reconcile([entry], {"arxiv:2504.00001": stored("arxiv:2504.00001", upvotes=2)})
    assert (found.revised, found.popularity_changed) == ([], ["arxiv:2504.00001"])


def test_arxivs_text_replaces_the_text_and_others_only_fill_gaps() -> None:
    paper = paper_of(an_entry("Old", abstract="old", url="https://x.org"), "arxiv:1")
    arxiv = an_entry("New", abstract="new", arxiv_version=2, announce_type=AnnounceType.REPLACE)
    other = an_entry("Other", abstract="other", url="https://y.org", code_url="https://code.org")
    assert (update(paper, arxiv).title, update(paper, arxiv).abstract) == ("New", "new")
    filled = update(paper, other)
    assert (filled.title, filled.url, filled.code_url) == ("Old", "https://x.org", "https://code.org")


def test_new_in_one_feed_is_new_even_if_another_lists_it_again() -> None:
    cross = paper_of(an_entry(announce_type=AnnounceType.CROSS), "x")
    assert update(cross, an_entry(announce_type=AnnounceType.NEW)).announce_type is AnnounceType.NEW
    assert update(cross, an_entry(announce_type=AnnounceType.REPLACE)).announce_type is AnnounceType.CROSS


ARXIV_URL = "https://arxiv.org/abs/2504.00001"


def announced(abstract: str = "") -> Paper:
    """A paper that arXiv announced."""
    return stored("arxiv:2504.00001", from_arxiv=True, url=ARXIV_URL, abstract=abstract)


def test_an_entry_with_a_version_is_arxivs_and_its_paper_remembers_that() -> None:
    found = reconcile([an_entry(LONG, arxiv_id="2504.00001", arxiv_version=1), an_entry(LONG, upvotes=5)], {})
    assert found.papers["arxiv:2504.00001"].from_arxiv
    assert not reconcile([an_entry(LONG, arxiv_id="2504.00001")], {}).papers["arxiv:2504.00001"].from_arxiv


def test_arxiv_takes_over_a_paper_that_another_source_told_of_first() -> None:
    other = an_entry("Buy this", abstract="now", arxiv_id="2504.00001", url="https://shop.example.org/abs/2504.00001")
    arxiv = an_entry(
        LONG, abstract="a", arxiv_id="2504.00001", arxiv_version=1, url=ARXIV_URL, pdf_url="https://a.org/p"
    )
    paper = reconcile([other, arxiv], {}).papers["arxiv:2504.00001"]
    assert (paper.title, paper.abstract, paper.url, paper.pdf_url) == (LONG, "a", ARXIV_URL, "https://a.org/p")
    assert paper.from_arxiv


def test_another_source_changes_nothing_that_arxiv_said() -> None:
    other = an_entry("Buy this", abstract="now", arxiv_id="2504.00001", url="https://shop.example.org/", upvotes=3)
    found = reconcile([other], {"arxiv:2504.00001": announced(abstract="a")})
    paper = found.papers["arxiv:2504.00001"]
    assert (paper.title, paper.abstract, paper.url, paper.upvotes) == (LONG, "a", ARXIV_URL, 3)
    assert found.revised == []


@pytest.mark.parametrize("doi", ["10.1101/x", "10.1101/unknown"])
def test_an_entry_with_an_arxiv_id_gives_arxivs_paper_no_other_key_and_no_other_paper(doi: str) -> None:
    known = {"arxiv:2504.00001": announced(), "doi:10.1101/x": stored("doi:10.1101/x", "2026-05-01")}
    other = an_entry("Another title of more words", arxiv_id="2504.00001", doi=doi)
    found = reconcile([other], known)
    assert (found.merged, found.new) == ({}, [])
    assert found.keys == {key: paper.id for key, paper in known.items()}
    assert [paper for _, paper in found.sightings] == ["arxiv:2504.00001"]


def test_an_arxiv_id_of_another_source_is_not_added_to_arxivs_paper_through_its_doi() -> None:
    known = {"arxiv:2504.00001": announced(), "doi:10.1101/x": announced()}
    found = reconcile([an_entry("Another title of more words", arxiv_id="2504.00002", doi="10.1101/x")], known)
    assert found.new == ["arxiv:2504.00002"]
    assert found.keys["arxiv:2504.00002"] == "arxiv:2504.00002"
    assert found.keys["doi:10.1101/x"] == "arxiv:2504.00001"


def test_arxiv_itself_shows_that_two_papers_are_one() -> None:
    known = {"arxiv:2504.00001": announced(), "doi:10.1101/x": stored("doi:10.1101/x", "2026-05-01")}
    entry = an_entry(LONG, arxiv_id="2504.00001", arxiv_version=2, doi="10.1101/x")
    assert reconcile([entry], known).merged == {"arxiv:2504.00001": "doi:10.1101/x"}


@pytest.mark.parametrize(
    ("kind", "url", "speaks"),
    [
        ("arxiv", "file.xml", True),
        ("feed", "https://rss.arxiv.org/atom/cs.LG", True),
        ("feed", "https://ARXIV.org:443/list", True),
        ("feed", "https://notarxiv.org/", False),
        ("feed", "https://arxiv.org.example.org/", False),
        ("feed", "https://example.org/arxiv.org/", False),
        ("feed", "https://arxiv.org@example.org/", False),
        ("huggingface", "https://huggingface.co/api/daily_papers", False),
        ("feed", "https://[x/", False),
    ],
)
def test_only_arxiv_speaks_for_arxiv(kind: str, url: str, speaks: bool) -> None:
    assert speaks_for_arxiv(kind, url) is speaks
