"""Finds lines that may be meant as lists or as operators, but are phrases: `cats, dogs, birds` and `cats or dogs`.

They are valid rules, so they are explained, and split only on request. Quotes around the phrase say that it is meant.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lark import Token

from digest.errors import RuleError
from digest.matching.language.parser import MAX_MISTAKES, MAX_WRITTEN, lex_rule, parse_line, split_lines
from digest.text import WORD

# Commas between digits belong to a number or to the name of a substance: 10,000 and 2,4-D.
_SEPARATOR = re.compile(r"[;；、，]|,(?!\d)|(?<!\d),")
_CONJUNCTION = re.compile(r" ([Aa]nd|[Oo]r) ")
_LEADING_CONJUNCTION = re.compile(r"^(?:and|or|&) ", re.IGNORECASE)
_NAMES = re.compile(r"(?:au|author|all):", re.IGNORECASE)  # Hinton, Geoffrey is one name
_LEAST_LETTERS = 2  # of each part of a list: N,N-dimethyl is none


class Meant(StrEnum):
    """What a phrase may be meant as."""

    LIST = "list"
    AND = "and"
    OR = "or"
    BOTH = "both"  # AND and OR


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """A line with a phrase that may be meant as something else."""

    line: int  # counts from 1
    phrase: str  # as written
    meant: Meant
    instead: tuple[str, ...]  # the lines to write in its place

    def __str__(self) -> str:
        if self.meant is Meant.AND:
            what = "to find papers with all of these"
        else:
            what = "to find papers with any of these" if self.meant is not Meant.BOTH else "to combine these"
        how = "one per line: " if len(self.instead) > 1 else ""
        found = f"{self.phrase!r} finds only these words side by side"
        return f"line {self.line}: {found}; {what}, write {how}{' · '.join(self.instead)}"


def list_hints(text: str) -> list[Hint]:
    """Return hints for the lines of a profile that are valid, at most MAX_MISTAKES."""
    hints: list[Hint] = []
    for number, line in enumerate(split_lines(text), 1) if len(text) <= MAX_WRITTEN else ():
        if len(hints) == MAX_MISTAKES:
            break
        hints += _hints_for(line, number)
    return hints


def split_line(text: str, line: int) -> str:
    """Return the text with a line split as its hint says; unchanged if it has none."""
    lines = split_lines(text)
    for hint in _hints_for(lines[line - 1], line) if 0 < line <= len(lines) else ():
        lines[line - 1 : line] = hint.instead
    return "\n".join(lines)


def _hints_for(line: str, number: int) -> Iterator[Hint]:
    """Yield the hint for a line, if there is one."""
    if not _SEPARATOR.search(line) and not _CONJUNCTION.search(" ".join(line.split())):
        return
    try:
        rule = parse_line(line, number)
        if rule is None:
            return
        begin = line.index(rule.text)
        before, after = line[:begin], line[begin + len(rule.text) :]
        tokens = list(lex_rule(rule.text))
        found = next(((phrase, parts) for phrase in _phrases(tokens) if (parts := _parts(rule.text[phrase]))), None)
        if found is None:
            return
        phrase, (meant, terms) = found
        instead = _instead(rule.text, phrase, meant, terms)
        lines = tuple(f"{before}{each}{after}" for each in instead)
        for each in lines:
            parse_line(each, number)
    except RuleError:  # the line, or what would be written in its place
        return
    yield Hint(line=number, phrase=rule.text[phrase], meant=meant, instead=lines)


def _instead(written: str, phrase: slice, meant: Meant, parts: Sequence[str]) -> list[str]:
    """Return the rules to write in place of one in which `phrase` means `parts`."""
    before, after = written[: phrase.start], written[phrase.stop :]
    is_whole = not after and all(token.type == "FIELD" for token in lex_rule(before))
    if is_whole and meant in {Meant.LIST, Meant.OR}:
        return [before + part for part in parts]
    joined = (" AND " if meant is Meant.AND else " OR ").join(parts)
    in_parentheses = before.rstrip().endswith("(") and after.lstrip().startswith(")")
    return [f"{before}{joined if in_parentheses or not (before or after) else f'({joined})'}{after}"]


def _phrases(tokens: Sequence[Token]) -> Iterator[slice]:
    """Yield where the phrases of a rule are, except names and what is followed by a tag."""
    begin = 0
    while begin < len(tokens):
        end = begin
        while end < len(tokens) and tokens[end].type == "WORD":
            end += 1
        before = tokens[begin - 1] if begin else None
        is_name = before is not None and before.type == "FIELD" and _NAMES.match(before)
        is_tagged = end < len(tokens) and tokens[end].type in {"TAG", "OTHER_TAG"}
        if end > begin and not is_name and not is_tagged:
            yield slice(tokens[begin].start_pos, tokens[end - 1].end_pos)
        begin = max(end, begin + 1)


def _parts(phrase: str) -> tuple[Meant, list[str]] | None:
    """Return what a phrase may be meant as, and its parts; None if it is just a phrase."""
    phrase = " ".join(phrase.split())
    parts = [part.strip() for part in _SEPARATOR.split(phrase)]
    parts = [_LEADING_CONJUNCTION.sub("", part) for part in parts if part]
    if len(parts) > 1:
        parts[-1:] = _CONJUNCTION.split(parts[-1])[::2]
        return (Meant.LIST, parts) if all(map(_is_term, parts)) else None
    words = _CONJUNCTION.split(phrase)
    if len(words) == 1 or not all(map(_is_term, words[::2])):
        return None
    operators = [operator.upper() for operator in words[1::2]]
    if len(set(operators)) > 1:
        words[1::2] = operators
        return Meant.BOTH, [" ".join(words)]
    return Meant(operators[0].lower()), words[::2]


def _is_term(part: str) -> bool:
    """Return whether a part can be looked for by itself: a word with letters."""
    return (
        any(len(word) >= _LEAST_LETTERS and not word.isdecimal() for word in WORD.findall(part)) or not part.isascii()
    )
