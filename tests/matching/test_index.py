"""Matching many profiles against many papers: scores, reasons and evidence."""

import gc
import io
import math
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.errors import RuleError
from digest.matching import ProfileIndex, Search, compile_rules, parse_query
from digest.matching.engine.corpus import Corpus
from digest.matching.engine.index import Snapshot, load_snapshot, save_snapshot
from digest.matching.language.query import iter_terms, matches_empty_paper
from digest.models import AnnounceType, Evidence, Field, Match, Paper, Profile
from digest.text import fold
from tests.builders import a_paper, a_profile, at
from tests.matching.finding import match_all
from tests.matching.reference import points
from tests.matching.strategies import PAPERS, RULES
from tests.matching.tokens import words

SOME_RULES = st.lists(RULES, min_size=1, max_size=6)
SOME_PAPERS = st.lists(PAPERS, min_size=1, max_size=5)


def matched(profile: str | Profile, *papers: Paper) -> list[Match]:
    """The matches of one profile, best first."""
    profile = profile if isinstance(profile, Profile) else a_profile(profile)
    return match_all(ProfileIndex.build([profile]), papers).for_profile(0, profile)


def scores(index: ProfileIndex, papers: list[Paper]) -> dict[tuple[int, int], float]:
    matches = match_all(index, papers)
    rows = zip(matches.profile.tolist(), matches.paper.tolist(), strict=True)
    return dict(zip(rows, matches.score.tolist(), strict=True))


@given(SOME_RULES, SOME_PAPERS)
def test_the_index_agrees_with_the_reference_evaluator(rules: list[str], papers: list[Paper]) -> None:
    expected = {
        (row, column): points(parse_query(rule), paper)
        for row, rule in enumerate(rules)
        for column, paper in enumerate(papers)
    }
    assert scores(ProfileIndex.build(map(a_profile, rules)), papers) == {
        at: score for at, score in expected.items() if score
    }


@given(SOME_RULES, SOME_PAPERS)
def test_a_profile_sums_its_rules_and_omits_excluded_papers(rules: list[str], papers: list[Paper]) -> None:
    wanted = {parse_query(rule): float(weight) for weight, rule in enumerate(rules[1:], 1)}
    excluded = parse_query(rules[0])
    profile = a_profile("\n".join([f"-{rules[0]}", *(f"{rule} ^{weight}" for weight, rule in enumerate(rules[1:], 1))]))
    expected = {
        (0, column): sum(weight * points(query, paper) for query, weight in wanted.items())
        for column, paper in enumerate(papers)
        if not points(excluded, paper)
    }
    assert scores(ProfileIndex.build([profile]), papers) == {at: score for at, score in expected.items() if score}


@given(SOME_RULES, SOME_PAPERS)
def test_compiled_rules_match_like_parsed_rules(rules: list[str], papers: list[Paper]) -> None:
    direct = ProfileIndex.build(map(a_profile, rules))
    assert scores(packed(rules), papers) == scores(direct, papers)
    assert scores(direct.subset(np.array([len(rules) - 1])), papers) == scores(
        ProfileIndex.build([a_profile(rules[-1])]), papers
    )


def packed(rules: list[str]) -> ProfileIndex:
    asks = [compile_rules(rule).rules for rule in rules]
    flat = [ask for some in asks for ask in some]
    queries = {query: number for number, query in enumerate(dict.fromkeys(ask.query for ask in flat))}
    return ProfileIndex.from_compiled(
        list(queries),
        offsets=np.cumsum([0, *map(len, asks)]),
        query=np.array([queries[ask.query] for ask in flat], np.int32),
        weight=np.array([ask.weight for ask in flat], np.float32),
        line=np.array([ask.line for ask in flat], np.int32),
    )


@given(RULES, PAPERS)
def test_evidence_offsets_cut_out_words_of_the_rule(rule: str, paper: Paper) -> None:
    query = parse_query(rule)
    asked = [word[1:] for term in iter_terms(query) for reading in term.readings for word in reading]
    for match in matched(rule, paper):
        assert match.evidence or matches_empty_paper(query)
        for e in match.evidence:
            text = paper.text_of(e.field)[e.start : e.end]
            assert text == text.strip()
            assert any(fold(text).startswith(word[:3]) or word.startswith(fold(text)[:3]) for word in asked)


@given(RULES, PAPERS)
def test_the_reasons_add_up_to_the_score(rule: str, paper: Paper) -> None:
    for match in matched(f"{rule}\ncat ^3\n", paper):
        assert math.isclose(sum(reason.score for reason in match.reasons), match.score, rel_tol=1e-6)


def test_evidence_names_the_rule_the_field_and_the_place() -> None:
    paper = a_paper("Low-precision nets", "We quantize nets. Quantized nets are small.")
    (match,) = matched('# small\nquantiz* OR "low precision" ^2', paper)
    rule = 'quantiz* OR "low precision"'
    assert match.evidence == (
        Evidence(field=Field.TITLE, start=0, end=13, rule=rule),
        Evidence(field=Field.ABSTRACT, start=3, end=11, rule=rule),
        Evidence(field=Field.ABSTRACT, start=18, end=27, rule=rule),
    )


def test_evidence_of_names_and_categories_is_located_in_the_shown_lists() -> None:
    paper = a_paper("x", authors=("Yann LeCun", "Song Han"), categories=("cs.LG", "quant-ph"))
    (match,) = matched("author:Han, S\ncat:quant-ph", paper)
    assert [(e.field, paper.text_of(e.field)[e.start : e.end]) for e in match.evidence] == [
        (Field.AUTHOR, "Song"),
        (Field.AUTHOR, "Han"),
        (Field.CATEGORY, "quant-ph"),
    ]


def test_only_terms_within_the_distance_are_evidence_of_near() -> None:
    paper = a_paper("cat x x x dog", "dog x cat x x x x dog")
    (match,) = matched("cat NEAR/1 dog", paper)
    assert [(e.field, e.start) for e in match.evidence] == [(Field.ABSTRACT, 0), (Field.ABSTRACT, 6)]


def test_negated_terms_are_no_evidence() -> None:
    (match,) = matched("cat AND NOT (dog AND net)", a_paper("cat dog"))
    assert [e.end for e in match.evidence] == [3]


def test_a_rule_in_the_title_counts_twice_and_rules_add_up() -> None:
    papers = [a_paper("cat"), a_paper("x", "cat dog"), a_paper("cat dog net")]
    assert scores(ProfileIndex.build([a_profile("cat\ndog\nnet^3")]), papers) == {
        (0, 0): 2.0,
        (0, 1): 2.0,
        (0, 2): 10.0,
    }


def test_a_rule_written_twice_counts_once() -> None:
    assert [m.score for m in matched("cat\ncats ^2\ncat", a_paper("x", "cat"))] == [2.0]


def test_reasons_list_each_rule_with_its_score_highest_first() -> None:
    (match,) = matched("cat\n-bird\ndog ^3 # barks", a_paper("A cat", "and a dog"))
    assert [(r.rule, r.score, r.in_title) for r in match.reasons] == [("dog", 3.0, False), ("cat", 2.0, True)]


def test_a_rule_that_floods_counts_less_than_a_rare_one() -> None:
    papers = [a_paper("x", "cat"), a_paper("y", "dog")]
    older = [a_paper(str(n), "cat") for n in range(14)]
    matches = Search(papers, older).matches(ProfileIndex.build([a_profile("cat\ndog")]))
    assert matches.paper.tolist() == [1, 0]
    assert matches.score.tolist() == pytest.approx([1 + math.log2(17 / 2), 1 + math.log2(17 / 16)])


def test_document_frequencies_ignore_papers_before_the_recent_ones() -> None:
    papers = [a_paper("old", "cat"), a_paper("x", "cat"), a_paper("y", "dog")]
    scored = Search(papers, recent=1).matches(ProfileIndex.build([a_profile("cat")])).score.tolist()
    assert scored == pytest.approx([1 + math.log2(3 / 2)] * 2)


def test_matches_are_sorted_by_profile_then_score_then_votes_then_age() -> None:
    papers = [
        a_paper("cat", id="old", published_at=at("2026-01-01")),
        a_paper("cat", id="new", published_at=at("2026-02-01")),
        a_paper("cat", id="liked", upvotes=3),
        a_paper("cat dog", id="both"),
        a_paper("cat", id="undated"),
    ]
    matches = match_all(ProfileIndex.build([a_profile("dog"), a_profile("cat\ndog")]), papers)
    assert matches.profile.tolist() == [0, 1, 1, 1, 1, 1]
    assert [papers[i].id for i in matches.paper[1:]] == ["both", "liked", "new", "old", "undated"]


@pytest.mark.parametrize("workers", [1, 3])
def test_a_limit_keeps_the_best_of_every_profile(workers: int) -> None:
    papers = [a_paper("x", "cat", id="1"), a_paper("cat", id="2"), a_paper("dog", id="3")]
    matches = match_all(ProfileIndex.build([a_profile("cat"), a_profile("dog")]), papers, limit=1, workers=workers)
    assert (matches.profile.tolist(), matches.paper.tolist()) == ([0, 1], [1, 2])
    assert len(matches.score) == 2


def test_several_workers_return_the_same_matches_as_one() -> None:
    papers = [a_paper(" ".join(w for i, w in enumerate("cat dog net bird".split()) if n >> i & 1)) for n in range(16)]
    index = ProfileIndex.build(a_profile(f"cat ^{n % 7 + 1}\ndog\n-net" if n % 3 else "bird") for n in range(20_000))
    one, several = match_all(index, papers, limit=3), match_all(index, papers, limit=3, workers=4)
    for name in ("profile", "paper", "score"):
        assert np.array_equal(getattr(one, name), getattr(several, name))


def test_a_profile_of_mutes_matches_nothing_and_excludes() -> None:
    papers = [a_paper("dog"), a_paper("cat", announce_type=AnnounceType.CROSS)]
    matches = match_all(ProfileIndex.build([a_profile("-cat")]), papers)
    assert len(matches.score) == 0
    assert matches.excluded_papers(0) == {1}


def test_no_profiles_or_no_papers_or_no_rules_match_nothing() -> None:
    assert len(match_all(ProfileIndex.build([]), [a_paper("cat")]).score) == 0
    assert len(match_all(ProfileIndex.build([a_profile("cat")]), []).score) == 0
    assert len(match_all(ProfileIndex.build([a_profile("# none")]), [a_paper("cat")]).score) == 0


def test_a_profile_with_a_bad_rule_is_named() -> None:
    with pytest.raises(RuleError, match="line 2, column 1: .* \\(profile 'Pets'\\)"):
        ProfileIndex.build([a_profile("cats\n*", "Pets")])


@pytest.mark.parametrize(
    "paper",
    [
        a_paper("0"),
        a_paper("cat", authors=tuple(f"Author Number{n}" for n in range(574))),
        a_paper("cat", "dog " * 75_000),
        a_paper("cat", "a-" * 50_000),
        a_paper("cat\0dog", "\0" * 1000),
        a_paper("cat", "我们提出一种扩散模型" * 1000),
        a_paper("", ""),
        a_paper("\u202ecat\u202c", "\ud800"),
    ],
    ids=["title 0", "574 authors", "300 KB", "a compound of 50,000", "NUL", "Chinese", "empty", "odd characters"],
)
def test_unusual_papers_are_matched(paper: Paper) -> None:
    rules = "cat NEAR/50 dog\ncat\n0\nauthor:Number573\n扩散模型\ndog NEAR/50 dog\na-a-a"
    found = {reason.rule for match in matched(rules, paper) for reason in match.reasons}
    assert {"cat"} & found == ({"cat"} if "cat" in paper.title else set())
    assert ("扩散模型" in found) == ("扩散模型" in paper.abstract)
    assert ("0" in found) == (paper.title == "0")


def test_prefixes_on_a_long_compound_take_no_longer_than_other_rules() -> None:
    (match,) = matched(" ".join(["aa*"] * 20), a_paper("x", "-".join(["aa"] * 100)))
    assert match.evidence[0].start == 0


def test_a_negated_term_that_occurs_nowhere_excludes_nothing() -> None:
    rule = "cat " + " ".join(f"NOT zz{n}q" for n in range(3000))
    assert [m.paper.title for m in matched(rule, a_paper("cat"), a_paper("dog"))] == ["cat"]


def test_a_search_keeps_only_the_last_evaluations() -> None:
    search = Search([a_paper("cat")])
    indexes = [ProfileIndex.build([a_profile("cat")]) for _ in range(5)]
    programs = [weakref.ref(index.plan) for index in indexes]
    for index in indexes:
        assert len(search.matches(index).score) == 1
    del index, indexes
    gc.collect()
    assert [program() is not None for program in programs] == [False, False, False, True, True]


def test_evidence_is_added_only_on_request() -> None:
    profile = a_profile("cat\ndog")
    matches = match_all(ProfileIndex.build([profile]), [a_paper("cat"), a_paper("dog")])
    scored = matches.without_evidence(0, profile)
    assert [(m.paper.title, m.reasons, m.evidence) for m in scored] == [("cat", (), ()), ("dog", (), ())]
    assert matches.with_evidence(0, scored[1:]) == matches.for_profile(0, profile)[1:]


def test_a_compound_takes_the_positions_of_its_parts() -> None:
    corpus = Corpus([a_paper("audio-visual nets", "x")])
    assert corpus.first.tolist() == [0, 0, 1, 2, 4]
    assert corpus.next.tolist() == [1, 2, 2, 3, 5]


@given(st.text(), st.lists(st.text(), max_size=3))
def test_a_corpus_locates_every_token_in_the_shown_text(abstract: str, authors: list[str]) -> None:
    paper = a_paper("Title", abstract, authors=tuple(authors))
    corpus = Corpus([paper])
    shown = [corpus.locate(reading, reading) for reading in range(len(corpus.word))]
    expected = [(Field.TITLE, 0, 5), *((Field.ABSTRACT, word.start, word.end) for word in words(abstract))]
    offset = 0
    for name in authors:
        expected += [(Field.AUTHOR, word.start + offset, word.end + offset) for word in words(name)]
        offset += len(name) + len(", ")
    assert shown == expected


@given(st.text())
def test_a_corpus_has_the_same_tokens_as_the_reference(abstract: str) -> None:
    corpus = Corpus([a_paper("", abstract)])
    spelt = list(corpus.words)
    read = zip(corpus.first.tolist(), corpus.next.tolist(), corpus.word.tolist(), strict=True)
    # The abstract is the second text: an empty position precedes it.
    assert [(first - 1, following - 1, spelt[word]) for first, following, word in read] == [
        (word.first, word.next, word.folded) for word in words(abstract)
    ]


def _an_array() -> bytes:
    content = io.BytesIO()
    np.save(content, np.arange(3))
    return content.getvalue()


def test_a_loaded_snapshot_equals_the_saved_one(tmp_path: Path) -> None:
    profiles = [a_profile("cat AND (dog OR NOT bird)\n-net"), a_profile("author:Han, S ^2"), a_profile("# none")]
    written = Snapshot(
        ProfileIndex.build(profiles), np.arange(3), np.array([p.fingerprint for p in profiles], np.uint64)
    )
    save_snapshot(tmp_path / "s", written)
    read = load_snapshot(tmp_path / "s")
    papers = [a_paper("cat"), a_paper("cat bird", authors=("Song Han",)), a_paper("cat net")]
    assert read is not None
    assert scores(read.index, papers) == scores(written.index, papers) == {(0, 0): 2.0, (1, 1): 2.0}
    assert read.fingerprints.tolist() == written.fingerprints.tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize("content", [b"", b"not a snapshot", b"PK\x03\x04 cut off", b"\x93NUMPY\x01\x00", _an_array()])
def test_an_unreadable_snapshot_loads_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s").write_bytes(content)
    assert load_snapshot(tmp_path / "s") is None
    assert load_snapshot(tmp_path / "nowhere") is None
