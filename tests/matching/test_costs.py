"""What rules cost is known before they are matched, and bounds the work and the memory of a search."""

import tracemalloc
from itertools import product

import numpy as np
import pytest

from digest.errors import CostlyRuleError
from digest.matching import ProfileIndex, Search
from digest.matching.engine import evaluation
from digest.matching.engine.corpus import Corpus
from digest.matching.engine.costs import estimate_costs
from digest.models import Paper
from tests.builders import a_paper, a_profile

WORDS = ("the", "this", "that", "in", "into", "of", "model", "thermal", "inner", "data")


def some_papers(count: int) -> list[Paper]:
    """Papers of two hundred words, of which half begin with th or in."""
    text = " ".join(WORDS[n % len(WORDS)] for n in range(200))
    return [a_paper(f"Paper {n}", f"{text} word{n % 50}", id=f"arxiv:2606.{n:05}") for n in range(count)]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus(some_papers(1000))


COSTLY = "\n".join(f"th* NEAR/{n} in*" for n in range(1, 21))
RULES = [
    "model",
    "thermal model\ndata",
    "th* NEAR/5 in*",
    "model AND NOT (word1 OR word2)",
    '"of model"\n-word7',
    "in* OR th*",
    "(model OR data) AND th*\ntitle:paper NEAR/1 word3",
]


@pytest.mark.parametrize("rules", RULES)
def test_the_estimate_is_near_what_is_looked_at(rules: str, corpus: Corpus) -> None:
    plan = (index := ProfileIndex.build([a_profile(rules)])).plan
    found = evaluation.evaluate(plan, corpus)
    looked_at = sum(len(piece.occurrences.phrase) for piece in found.pieces) + len(found.paper)
    estimated = estimate_costs(plan, index.rules.condition, [corpus]).total
    assert looked_at / 3 <= estimated <= 30 * looked_at


def test_costly_rules_are_refused_with_the_line_and_the_term(corpus: Corpus) -> None:
    with pytest.raises(CostlyRuleError) as caught:
        Search(corpus).matches(ProfileIndex.build([a_profile(f"model\n{COSTLY}")]))
    error = caught.value
    assert error.line > 1
    assert (error.term, error.papers, error.times) == ("th*", 1000, 80_000)
    assert str(error).endswith(
        "these rules would take too long to match, most of all for 'th*', which occurs about 80,000 times in"
        " 1,000 papers; write more letters before each *, rarer words, or fewer lines"
    )


def test_a_refusal_costs_hardly_anything(corpus: Corpus) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    rules = "\n".join(f"{a}{b}* NEAR/20 {b}{a}*" for a, b in product(letters, letters))[:20_000]
    index = ProfileIndex.build([a_profile(rules + "\n" + COSTLY)])
    _ = corpus.sorted_words, corpus.occurrences_before
    tracemalloc.start()
    with pytest.raises(CostlyRuleError):
        Search(corpus).matches(index)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_a_costly_profile_is_left_out_and_the_others_find_what_they_find_alone(corpus: Corpus) -> None:
    texts = ["model AND word1", COSTLY, "th* NEAR/3 word2", "-word1\ndata", COSTLY + "\nword4"]
    index = ProfileIndex.build([a_profile(text) for text in texts])
    search = Search(corpus)
    assert sorted(search.leave_out_costly(index)) == [1, 4]
    together = search.matches(index)
    for row in (0, 2, 3):
        alone = Search(corpus).matches(ProfileIndex.build([a_profile(texts[row])]))
        of_row = together.profile == row
        assert together.paper[of_row].tolist() == alone.paper.tolist()
        assert together.score[of_row].tolist() == alone.score.tolist()
        assert [m.evidence for m in together.for_profile(row, a_profile(texts[row]))] == [
            m.evidence for m in alone.for_profile(0, a_profile(texts[row]))
        ]


@pytest.mark.parametrize("size", [1, 1000, 20_000])
def test_in_pieces_the_same_is_found(corpus: Corpus, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = [a_profile(text) for text in RULES]
    whole = Search(corpus).matches(ProfileIndex.build(profiles))
    monkeypatch.setattr(evaluation, "_PIECE", size)
    monkeypatch.setattr(evaluation, "_PIECE_PER_CONDITION", 0)
    parts = Search(corpus).matches(ProfileIndex.build(profiles))
    assert len(parts._evaluation.pieces) > 1
    for one in ("profile", "paper", "score"):
        assert np.array_equal(getattr(whole, one), getattr(parts, one))
    for row, profile in enumerate(profiles):
        some = whole.without_evidence(row, profile)[:5]
        assert whole.with_evidence(row, some) == parts.with_evidence(row, some)


def test_memory_does_not_grow_with_the_cost(corpus: Corpus) -> None:
    def peak(lines: int) -> int:
        index = ProfileIndex.build([a_profile("\n".join(f"th* NEAR/{n} in*" for n in range(1, lines + 1)))])
        tracemalloc.start()
        Search(corpus, max_steps=np.inf).matches(index)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(20) < 1.5 * peak(4)
