"""Many profiles against many papers: the same answer as asking one by one, with the evidence."""

from hypothesis import given
from hypothesis import strategies as st

from digest.matching import Index, parse_query
from digest.matching.query import Query, canonical, needs_nothing, terms
from digest.models import AnnounceType, Evidence, Field, Paper
from digest.text import fold
from tests.builders import a_paper, a_profile, at
from tests.matching.oracle import is_true

WORDS = st.sampled_from(["cat", "cats", "dog", "audio", "visual", "audiovisual", "Schrödinger", "net", "nets", "multi"])
COMPOUNDS = st.lists(WORDS, min_size=1, max_size=3).map("-".join)
TEXTS = st.lists(COMPOUNDS, max_size=8).map(" ".join)
PAPERS = st.builds(
    lambda title, abstract, authors, categories: a_paper(
        title, abstract, id=f"{title}/{abstract}", authors=tuple(authors), categories=tuple(categories)
    ),
    TEXTS,
    TEXTS,
    st.lists(TEXTS, max_size=3),
    st.lists(st.sampled_from(["cs.LG", "cs.CL", "quant-ph", "cat.dog"]), max_size=2),
)
PREFIXES = st.sampled_from(["ca*", "aud*", "schr*", "multi-ne*"])
PHRASES = st.lists(COMPOUNDS | PREFIXES, min_size=1, max_size=3).map(" ".join)
FIELDS = st.sampled_from(["", "", "title:", "abs:", "au:", "cat:", "all:"])
ATOMS = st.tuples(FIELDS, PHRASES | PHRASES.map('"{}"'.format)).map("".join)
RULES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" AND ", " OR ", " ANDNOT ", " AND NOT "]), inner).map(
            lambda t: f"({''.join(t)})"
        ),
        st.tuples(FIELDS, inner).map(lambda t: f"{t[0]}({t[1]})"),
    ),
    max_leaves=6,
)


@given(st.lists(RULES, min_size=1, max_size=6), st.lists(PAPERS, min_size=1, max_size=5))
def test_the_index_says_what_each_query_says_of_each_paper(rules: list[str], papers: list[Paper]) -> None:
    matches = Index([a_profile(rule) for rule in rules]).match(papers)
    pairs = set(zip(matches.profile.tolist(), matches.paper.tolist(), strict=True))
    expected = {
        (row, column)
        for row, rule in enumerate(rules)
        for column, paper in enumerate(papers)
        if is_true(parse_query(rule), paper)
    }
    assert pairs == expected


@given(RULES, PAPERS)
def test_evidence_cuts_out_words_that_the_rule_asks_for(rule: str, paper: Paper) -> None:
    asked = [word for term in terms(parse_query(rule)) for reading in term.readings for word in reading]
    for match in Index([a_profile(rule)]).match([paper]).for_profile(0):
        assert match.evidence
        for e in match.evidence:
            text = paper.text_of(e.field)[e.start : e.end]
            assert text == text.strip()
            begin = fold(text.split()[0].split("-")[0])
            assert any(begin.startswith(w[1:]) or w[1:].startswith(begin[:3]) for w in asked)


@given(RULES)
def test_a_canonical_query_means_the_same(rule: str) -> None:
    def in_some_paper(query: Query) -> list[bool]:
        texts = ["cat dog", "audio-visual net", "multi nets Schrödinger", ""]
        return [is_true(query, a_paper(t, a)) for t in texts for a in texts]

    query = parse_query(rule)
    assert in_some_paper(canonical(query)) == in_some_paper(query)
    assert canonical(canonical(query)) == canonical(query)
    assert not needs_nothing(query)


def test_equal_queries_however_written_are_one() -> None:
    forms = ["(cats OR dog) AND net", "net AND (dogs OR cat OR cats)", "net AND ((dog OR cat))"]
    assert len({canonical(parse_query(form)) for form in forms}) == 1


def test_evidence_names_the_rule_the_field_and_the_place() -> None:
    paper = a_paper("Low-precision nets", "We quantize nets. Quantized nets are small.")
    (match,) = Index([a_profile('# small\nquantiz* OR "low precision" ^2')]).match([paper]).for_profile(0)
    rule = 'quantiz* OR "low precision"'
    assert match.evidence == (
        Evidence(field=Field.TITLE, start=0, end=13, rule=rule),
        Evidence(field=Field.ABSTRACT, start=3, end=11, rule=rule),
        Evidence(field=Field.ABSTRACT, start=18, end=27, rule=rule),
    )


def test_what_stands_under_not_is_no_evidence() -> None:
    (match,) = Index([a_profile("cat AND NOT (dog AND net)")]).match([a_paper("cat dog")]).for_profile(0)
    assert [e.end for e in match.evidence] == [3]


def test_a_rule_in_the_title_counts_twice_and_rules_add_up() -> None:
    papers = [a_paper("cat"), a_paper("x", "cat dog"), a_paper("cat dog net")]
    matches = Index([a_profile("cat\ndog\nnet^3")]).match(papers)
    assert dict(zip(matches.paper.tolist(), matches.score.tolist(), strict=True)) == {0: 2.0, 1: 2.0, 2: 10.0}


def test_a_rule_written_twice_counts_once() -> None:
    assert Index([a_profile("cat\ncats ^2\ncat")]).match([a_paper("x", "cat")]).score.tolist() == [2.0]


def test_matches_are_sorted_by_profile_then_score_then_votes_then_age() -> None:
    papers = [
        a_paper("cat", id="old", published_at=at("2026-01-01")),
        a_paper("cat", id="new", published_at=at("2026-02-01")),
        a_paper("cat", id="liked", upvotes=3),
        a_paper("cat dog", id="both"),
        a_paper("cat", id="undated"),
    ]
    matches = Index([a_profile("dog"), a_profile("cat\ndog")]).match(papers)
    assert matches.profile.tolist() == [0, 1, 1, 1, 1, 1]
    assert [papers[i].id for i in matches.paper[1:]] == ["both", "liked", "new", "old", "undated"]


def test_a_limit_keeps_the_best_of_every_profile() -> None:
    papers = [a_paper("x", "cat", id="1"), a_paper("cat", id="2"), a_paper("dog", id="3")]
    matches = Index([a_profile("cat"), a_profile("dog")]).match(papers, limit=1)
    assert matches.paper.tolist() == [1, 2]
    assert len(matches) == 2


def test_a_profile_of_mutes_matches_nothing_and_excludes() -> None:
    matches = Index([a_profile("-cat")]).match([a_paper("dog"), a_paper("cat", announce_type=AnnounceType.CROSS)])
    assert matches.for_profile(0) == []
    assert matches.excluded(0) == {1}


def test_no_profiles_or_no_papers_match_nothing() -> None:
    assert len(Index([]).match([a_paper("cat")])) == 0
    assert len(Index([a_profile("cat")]).match([])) == 0
