"""Rules: long repetitions, mutations, and lines that would look at every word of the papers many times.

Rules are read or refused with a reason, and what was read is matched or refused before it costs much.
"""

import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

from digest.errors import RuleError
from digest.matching import MAX_WRITTEN, ProfileIndex, Search, compile_rules, list_mistakes
from digest.matching.engine.corpus import Corpus
from digest.matching.language.hints import list_hints
from digest.matching.language.translation import translate_query
from digest.matching.rule_stats import rule_stats
from digest.models import Paper
from tests.builders import a_paper, a_profile
from tests.faults.gallery import Attack

_PIECES = (
    *("(", ")", "((", "a1", "cats", "OR", "AND", "NOT", "ANDNOT", "NEAR/3", "NEAR/", "near/3", "|", "&&", "and", "or"),
    *('"', "“", "”", "„", "«", "»", "[", "]", "[mesh]", "[au]", "^", "^2", "^1e9", "-", "–", "#", ",", ";", "*"),
    *(
        "title:",
        "ti:",
        "author:",
        "cat:",
        "all:",
        "titel:",
        "a:",
        "cs.*",
        "th*",
        "x*",
        "a-b",
        "as-as-as-as-as",
        "O'Neill",
    ),
    *("%22", "+OR+", "search_query=", "é", "中", "ｶﾞ", "ﷺ", "😀", "\u3000", "\t", "\r", "\n"),
    *("\u0301", "\u0323", "\u202e", "\0", "\ud800"),
)
_COMMON = ("th*", "in*", "co*", "mo*", "an*", "of*", "da*", "the", "in", "of", "model", "data")
_MEMORY = 300_000_000  # bytes that matching may take at most


def attacks(random: Random, count: int, _folder: Path) -> Iterator[Attack]:
    """Each piece repeated, alone and with others, up to the limit and beyond; then costly lines."""
    for piece in _PIECES:
        for between in ("", " ", "\n", " OR "):
            yield _reading((piece + between) * (MAX_WRITTEN // len(piece + between)))
    for unit in ("(\n", "x", "cats\n"):
        yield _reading(unit * 125_000)
    for _ in range(count):
        unit = random.choice(("", " ")).join(random.choices(_PIECES, k=random.randint(1, 12)))
        yield _reading((unit * MAX_WRITTEN)[: random.choice((100, 2000, MAX_WRITTEN))])
    corpus = Corpus(_papers(random))
    for number in range(max(count // 10, 10)):
        yield _matching(
            corpus, "\n".join(_costly_line(random) for _ in range(random.choice((1, 30, 900))))[:MAX_WRITTEN], number
        )


def _reading(text: str) -> Attack:
    def read() -> None:
        try:
            compile_rules(text)
        except RuleError as error:
            mistakes = list_mistakes(text, error)
            if not all(len(str(mistake)) < 500 and "\n" not in str(mistake) for mistake in mistakes):
                raise AssertionError("a mistake is not one short line") from None
        list_hints(text)
        with suppress(RuleError):
            translate_query(text)

    return Attack(f"{text[:30]!r} of {len(text)}", read, seconds=4)


def _papers(random: Random) -> list[Paper]:
    words = [word.rstrip("*") + random.choice(("", "ing", "er")) for word in _COMMON]
    return [a_paper(f"Cats {n}", " ".join(random.choices(words, k=200)), id=f"arxiv:{n}") for n in range(1000)]


def _costly_line(random: Random) -> str:
    one, other, third = random.choices(_COMMON, k=3)
    return random.choice(
        (
            f"{one} NEAR/{random.randint(1, 50)} {other}",
            f"({one} OR {other}) NEAR/{random.randint(1, 50)} ({third} OR w{random.randint(1, 999)})",
            f"{one} AND {other} AND NOT (w{random.randint(1, 999)} OR {third})",
            f"{one} {other} {third}",
            f"-{one} OR {other} OR title:{third}",
            f"all:{one} OR author:{other}",
        )
    )


def _matching(corpus: Corpus, rules: str, number: int) -> Attack:
    def match() -> None:
        profile = a_profile(rules)
        tracemalloc.start()
        try:
            with suppress(RuleError):
                compile_rules(rules)
                search = Search(corpus)
                found = search.matches(ProfileIndex.build([profile]))
                found.with_evidence(0, found.without_evidence(0, profile)[:10])
                rule_stats(profile, search)
            used = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        if used > _MEMORY:
            raise AssertionError(f"took {used:,} bytes")

    return Attack(f"costly rules {number}: {rules[:40]!r}", match, seconds=8)
