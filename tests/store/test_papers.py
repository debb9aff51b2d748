"""Papers: each work once, with its revisions and keys."""

from dataclasses import replace
from datetime import timedelta

from digest.models import AnnounceType, Paper
from digest.store import Store, papers
from tests.builders import NOW, a_paper, an_entry, at

FULL = Paper(
    id="arxiv:2504.17830",
    title="Spin – Schrödinger",
    abstract="$x<y$",
    authors=("A", "B"),
    categories=("quant-ph",),
    url="https://arxiv.org/abs/2504.17830",
    pdf_url="https://arxiv.org/pdf/2504.17830",
    code_url="https://example.org/code",
    discussion_url="https://example.org/talk",
    announce_type=AnnounceType.CROSS,
    published_at=at("2026-06-01 04:00"),
    upvotes=3,
    stars=4,
)


def add(store: Store, *new: Paper, first_seen: str = "2026-06-03 07:00") -> None:
    with store.write() as tx:
        papers.add(tx, new, first_seen_at=at(first_seen), edition_on=at(first_seen).date())


def test_a_paper_is_loaded_as_it_was_added(store: Store) -> None:
    add(store, FULL)
    with store.read() as tx:
        assert papers.find_by_keys(tx, [FULL.id]) == {FULL.id: replace(FULL, first_seen_at=NOW)}
        assert papers.find_by_keys(tx, [FULL.id, "doi:10.1/x"]).keys() == {FULL.id}


def test_papers_are_listed_by_first_seen_time(store: Store) -> None:
    for day in (1, 2, 3):
        add(store, a_paper(str(day)), first_seen=f"2026-06-0{day}")
    with store.read() as tx:
        seen = papers.list_first_seen(tx, after=at("2026-06-01"), until=at("2026-06-03"))
    assert [p.title for p in seen] == ["2", "3"]


def test_a_new_revision_leaves_earlier_ones_unchanged(store: Store) -> None:
    add(store, FULL)
    with store.write() as tx:
        papers.add_revision(tx, replace(FULL, title="Better"))
    with store.read() as tx:
        now = papers.find_by_keys(tx, [FULL.id])[FULL.id]
        shown = papers.find_revisions(tx, [(FULL.id, 1), (FULL.id, 2), (FULL.id, 3)])
    assert (now.title, now.revision) == ("Better", 2)
    assert {k: p.title for k, p in shown.items()} == {(FULL.id, 1): FULL.title, (FULL.id, 2): "Better"}


def test_popularity_changes_make_no_revision(store: Store) -> None:
    add(store, FULL)
    with store.write() as tx:
        papers.set_popularity(tx, [replace(FULL, upvotes=9)])
    with store.read() as tx:
        now = papers.find_by_keys(tx, [FULL.id])[FULL.id]
    assert (now.upvotes, now.revision) == (9, 1)


def test_a_merged_paper_is_found_by_the_older_id(store: Store) -> None:
    older, younger = a_paper("older"), a_paper("younger")
    add(store, older, first_seen="2026-06-01")
    add(store, younger, first_seen="2026-06-02")
    with store.write() as tx:
        papers.add_keys(tx, {"doi:10.1/x": younger.id})
        papers.record_sightings(tx, "feed", [(an_entry(), younger.id)], now=NOW)
        papers.merge(tx, younger=younger.id, older=older.id)
    with store.read() as tx:
        assert papers.find_by_keys(tx, ["doi:10.1/x"])["doi:10.1/x"].id == older.id
        assert papers.merged_ids(tx, [older.id, younger.id]) == {younger.id: older.id}
        assert [p.id for p in papers.list_first_seen(tx, after=at("2026-01-01"), until=NOW)] == [older.id]


def test_a_chain_of_merges_ends_at_the_oldest_paper(store: Store) -> None:
    a, b, c = a_paper("a"), a_paper("b"), a_paper("c")
    add(store, a, b, c)
    with store.write() as tx:
        papers.merge(tx, younger=c.id, older=b.id)
        papers.merge(tx, younger=b.id, older=a.id)
    with store.read() as tx:
        assert papers.merged_ids(tx, [b.id, c.id]) == {b.id: a.id, c.id: a.id}
        assert papers.list_public_ids(tx, a.id) == [a.id, b.id, c.id]


def test_a_key_of_another_paper_stays_there(store: Store) -> None:
    a, b = a_paper("a"), a_paper("b")
    add(store, a, b)
    with store.write() as tx:
        papers.add_keys(tx, {"title:x": a.id})
        papers.add_keys(tx, {"title:x": b.id})
    with store.read() as tx:
        assert papers.find_by_keys(tx, ["title:x"])["title:x"].id == a.id


def test_thousands_of_keys_are_found_in_one_call(store: Store) -> None:
    new = [a_paper(str(i)) for i in range(1200)]
    add(store, *new)
    with store.read() as tx:
        assert len(papers.find_by_keys(tx, [p.id for p in new])) == 1200
        assert len(papers.list_first_seen(tx, after=NOW - timedelta(days=1), until=NOW)) == 1200


def test_sightings_and_keys_of_a_paper_are_listed(store: Store) -> None:
    add(store, FULL)
    with store.write() as tx:
        papers.record_sightings(tx, "late", [(an_entry(guid="a"), FULL.id)], now=NOW)
        papers.record_sightings(
            tx, "early", [(an_entry(announce_type=AnnounceType.CROSS), FULL.id)], now=at("2026-06-01")
        )
        papers.add_keys(tx, {"doi:10.1/x": FULL.id})
    with store.read() as tx:
        seen = [(s.source, s.announce_type, s.at) for s in papers.list_sightings(tx, FULL.id)]
        assert papers.list_keys(tx, FULL.id) == [FULL.id, "doi:10.1/x"]
    assert seen == [("early", AnnounceType.CROSS, at("2026-06-01")), ("late", AnnounceType.NEW, NOW)]


def test_a_repeated_sighting_changes_nothing(store: Store) -> None:
    def version() -> int:
        with store.read() as tx:
            return papers.version(tx)

    def see() -> None:
        with store.write() as tx:
            papers.record_sightings(tx, "feed", [(an_entry(), FULL.id)], now=NOW)
            papers.add_keys(tx, {"doi:10.1/x": FULL.id})

    add(store, FULL)
    before = version()
    see()
    after = version()
    see()
    assert before < after == version()
