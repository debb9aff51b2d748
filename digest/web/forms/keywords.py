"""Keywords typed on a page: compiled, or with the mistakes of each line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from digest.errors import RuleError
from digest.matching import compile_rules, parse_rules
from digest.models import CompiledRules
from digest.web.template_samples import Fault, Samples


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake in a rule; line and column count from 1."""

    line: int
    column: int
    reason: str


@dataclass(frozen=True, slots=True)
class Keywords:
    """What a form for keywords shows: the typed text and its mistakes."""

    text: Annotated[str, Samples("", "cat", "cat\ndog")] = ""
    mistakes: Annotated[tuple[Mistake, ...], Fault()] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text. All pieces joined are the whole text."""

    text: str
    wrong: bool = False  # the mistake is here


def read_keywords(typed: str) -> tuple[CompiledRules | None, Keywords]:
    """Return (the compiled rules, or None if a line is wrong; what the form shows). Browsers send CRLF line ends."""
    return read_lines(typed.replace("\r\n", "\n").strip("\n"))


def read_lines(text: str) -> tuple[CompiledRules | None, Keywords]:
    """Return the result of `read_keywords` for text with LF line ends, keeping empty lines at both ends."""
    try:
        return compile_rules(text), Keywords(text)
    except RuleError as error:
        return None, Keywords(text, mistakes_in(text, error))


def is_readable(rules: str) -> bool:
    """Return whether saved rules can be parsed: an older version may have accepted others."""
    try:
        parse_rules(rules)
    except RuleError:
        return False
    return True


def readable(keywords: Keywords) -> str:
    """Return the text with the lines that have a mistake left empty, so that the others keep their numbers."""
    wrong = {mistake.line for mistake in keywords.mistakes}
    lines = keywords.text.split("\n")
    return "\n".join("" if number in wrong else line for number, line in enumerate(lines, 1))


def marked(keywords: Keywords) -> tuple[Piece, ...]:
    """Return the text with one word marked for each mistake: the word at its column, or else the last of the line."""
    column_of = {mistake.line: mistake.column for mistake in keywords.mistakes}
    found: list[Piece] = []
    for number, line in enumerate(keywords.text.split("\n"), 1):
        found += [Piece("\n")] if number > 1 else []
        found += _pieces(line, column_of[number]) if number in column_of else [Piece(line)]
    return tuple(piece for piece in found if piece.text)


def _pieces(line: str, column: int) -> Iterator[Piece]:
    words = list(re.finditer(r"\S+", line))
    word = next((word for word in words if word.end() >= column), words[-1] if words else None)
    if word is None:
        yield Piece(line)
        return
    begin = max(word.start(), column - 1) if column <= word.end() else word.start()
    yield Piece(line[:begin])
    yield Piece(line[begin : word.end()], wrong=True)
    yield Piece(line[word.end() :])


def mistakes_in(text: str, error: RuleError) -> tuple[Mistake, ...]:
    """Return the mistake of each line that has one, or else the mistake of the text as a whole."""
    found: list[Mistake] = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            compile_rules(line)
        except RuleError as wrong:
            found.append(Mistake(number, wrong.column, wrong.reason))
    return tuple(found) or (Mistake(error.line, error.column, error.reason),)
