"""From the text of a profile to its rules, or to an error that says where and what was expected."""

import re
from collections.abc import Collection, Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote_plus

from lark import Lark, UnexpectedInput

from digest.errors import RuleError
from digest.matching.language.build import Scope, build
from digest.matching.language.canonical import canonical
from digest.matching.language.complaints import UnreadableError, explained
from digest.matching.language.fields import FIELDS, OTHER_TAGS, SHOWN, TAGS
from digest.matching.language.query import (
    MAX_CHARACTERS,
    MAX_PHRASE,
    Query,
    Rule,
    Rules,
    Term,
    iter_terms,
    matches_empty_paper,
)
from digest.matching.language.terms import shown_term
from digest.text import stem

MAX_TERMS = 20_000  # of a profile

_LINE_END = re.compile(r"\r\n|\r|\n")
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
_QUOTED = re.compile(r'"[^"]*"|“[^”]*”|„[^“”]*[“”]|«[^»]*»')
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"  # what word processors make of a -
_NUMBER = re.compile(r"[0-9]{1,3}(\.[0-9]{0,9})?")

# Letters in brackets behind a term and before a space (foo[mesh], not beta[2], [18F]FDG or benzo[ghi]perylene).
_GLUED_TAG = r"""(?<=[\w"“”»*)])\[[A-Za-z][A-Za-z0-9 :/-]+\](?=[\s()]|$)"""

# arXiv's API takes queries in an address; there is no space in it, but a sign that it was written for one.
_FROM_A_URL = re.compile(r"search_query=\S+|\S*(?:\+(?:AND|OR|ANDNOT)\+|%2[28])\S*")

# Most rules are plain words, and need no grammar.
_OPERATORS = frozenset({"AND", "OR", "NOT", "ANDNOT", "NEAR"})
_PLAIN = re.compile(r"[0-9A-Za-z]+(?: [0-9A-Za-z]+)*")
_NEEDS_GRAMMAR = re.compile(
    r'[()"“”„«»\[:^/|&]|^\s*$|(?:^|(?<=\s))(?:[-+\u2010-\u2015\u2212]|(?:AND|OR|NOT|ANDNOT|NEAR)(?!\S))'
)


def parse_rules(text: str) -> Rules:
    """The rules in a profile's text, one a line. Raises RuleError with line and column, both counting from 1."""
    if len(text) > MAX_CHARACTERS:
        raise RuleError(1, 1, f"the profile has {len(text):,} characters; {MAX_CHARACTERS:,} is the most")
    return Rules(tuple(_rules(text)))


def parse_query(text: str, *, line: int = 1, column: int = 1) -> Query:
    """One rule without its leading "-", weight and comment, in canonical form.

    Raises RuleError; errors are placed from `line` and `column` on.
    """
    if _PLAIN.fullmatch(text):
        words = text.split(" ")
        if len(words) <= MAX_PHRASE and _OPERATORS.isdisjoint(words):
            return Term(" ".join(map(stem, text.lower().split(" "))), SHOWN)
    if _FROM_A_URL.fullmatch(text):
        return _decoded(text, line, column)
    try:
        query = _read(text)
    except UnexpectedInput as error:
        raise explained(error, text, line, column) from None
    except UnreadableError as error:
        raise RuleError(line, column + error.offset, error.reason) from None
    if matches_empty_paper(query):
        reason = "this is true of papers that hold none of its words; say what to look for, or begin a line with -"
        raise RuleError(line, column, reason)
    return query


def _decoded(text: str, line: int, column: int) -> Query:
    """A query as it stands in an address: ti:%22diffusion+model%22+AND+cat:cs.CV."""
    try:
        return parse_query(unquote_plus(text.removeprefix("search_query=")))
    except RuleError as error:
        raise RuleError(line, column, error.reason) from None


@lru_cache(maxsize=1024)  # who edits a profile has all its other lines read again with every key
def _read(text: str) -> Query:
    if _NEEDS_GRAMMAR.search(text):
        return canonical(build(_parser().parse(text), text, Scope()))
    return canonical(shown_term(text.strip(), _indent(text), SHOWN, exact=False))


def _rules(text: str) -> Iterator[Rule]:
    count = 0
    for number, line in enumerate(_LINE_END.split(text), 1):
        rule = _parse_line(line, number)
        if rule is not None:
            count += 1 if isinstance(rule.query, Term) else len(set(iter_terms(rule.query)))
            if count > MAX_TERMS:
                begin = line.index(rule.text) + 1
                raise RuleError(number, begin, f"the profile has more than {MAX_TERMS:,} terms; make two of it")
            yield rule


def rule_texts(text: str, lines: Collection[int]) -> dict[int, str]:
    """How the rules on these lines of a profile that was parsed are written, without their -, weight and comment."""
    found = _LINE_END.split(text)
    return {number: _written(found[number - 1], number).text for number in lines}


def _parse_line(line: str, number: int) -> Rule | None:
    if _PLAIN.fullmatch(line):
        return Rule(text=line, line=number, query=parse_query(line, line=number))
    if not _without_comment(line).strip():
        return None
    rule = _written(line, number)
    query = parse_query(rule.text, line=number, column=rule.column)
    return Rule(text=rule.text, line=number, query=query, weight=rule.weight, excludes=rule.excludes)


class _Written(NamedTuple):
    text: str
    column: int
    weight: float
    excludes: bool


def _written(line: str, number: int) -> _Written:
    rule = _without_comment(line)
    begin = _indent(rule)
    excludes = rule[begin] == "-"
    if rule[begin] in _DASHES:
        raise RuleError(number, begin + 1, f"to exclude, begin the line with a plain -, not {rule[begin]}")
    if excludes:
        begin += 1 + _indent(rule[begin + 1 :])
    end, weight = _weight(rule, number)
    if excludes and end < len(rule):
        raise RuleError(number, end + 1, "a line that excludes has no weight")
    return _Written(rule[begin:end].rstrip(), begin + 1, weight, excludes)


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _without_comment(line: str) -> str:
    """The line up to a `#` at its start or after a space, unless that stands in quotes."""
    hidden = _QUOTED.sub(lambda quoted: "x" * len(quoted.group()), line)
    comment = _COMMENT.search(hidden)
    return (line[: comment.start()] if comment else line).rstrip()


def _weight(rule: str, number: int) -> tuple[int, float]:
    """(where the rule's own text ends, its weight)."""
    hidden = _QUOTED.sub(lambda quoted: "x" * len(quoted.group()), rule)
    at = hidden.rfind("^")
    written = hidden[at + 1 :].strip()
    if at < 0 or len(written.split()) > 1:  # what is no weight is complained of as a word
        return len(rule), 1.0
    before = hidden[:at].rstrip()
    weight = float(written) if _NUMBER.fullmatch(written) and not before.endswith("^") else 0.0
    if not 0 < weight <= 100:
        raise RuleError(number, at + 1, "expected a weight above 0 and at most 100 after ^, such as ^2")
    return len(before), weight


@cache
def _parser() -> Lark:
    grammar = Path(__file__).with_name("rules.lark").read_text(encoding="utf-8")
    terminals = {
        "FIELDS": "|".join(FIELDS),
        "TAG": _in_brackets(TAGS),
        "OTHER_TAG": f"{_in_brackets(OTHER_TAGS)}|{_GLUED_TAG}",
    }
    for name, pattern in terminals.items():
        grammar = grammar.replace(f"<{name}>", pattern.replace("/", "\\/"))
    # The basic lexer: with the contextual one a field in the wrong place would be read as a word.
    return Lark(grammar, parser="lalr", lexer="basic")


def _in_brackets(tags: Iterable[str]) -> str:
    return rf"(?i:\[\s*(?:{'|'.join(tags)})\s*\])"
