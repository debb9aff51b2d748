"""Parses the text of a profile into rules, or raises an error that says where it is wrong and what was expected.

A rule's text becomes a parse tree by the grammar in rules.lark, and query_builder.py makes its query of the tree.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote_plus

from lark import Lark, Token, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from digest.errors import RuleError
from digest.matching.language.query import (
    FIELDS,
    MAX_CHARACTERS,
    MAX_PHRASE,
    OTHER_TAGS,
    SHOWN,
    TAGS,
    Query,
    Rule,
    Term,
    canonical,
    distinct_rules,
    format_query,
    iter_terms,
    matches_empty_paper,
    unknown_field,
    unknown_tag,
)
from digest.matching.language.query_builder import QuerySyntaxError, build_query, checked_text, quote
from digest.models import EXCLUDES, CompiledRule, CompiledRules
from digest.text import cache_short, stem

MAX_WRITTEN = 20_000  # characters of rules that are saved or tried
MAX_MISTAKES = 20  # that are reported; parsing stops there
MAX_TERMS = 20_000  # of a profile

_LINE_END = re.compile(r"\r\n|\r|\n")
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
# To the closing mark, which is a group, or to the end: to look for each mark that is missing takes quadratic time.
_QUOTED = re.compile(r'"[^"]*+("?)|“[^”]*+(”?)|„[^“”]*+([“”]?)|«[^»]*+(»?)')
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"  # what word processors replace - with
_NUMBER = re.compile(r"[0-9]{1,3}(\.[0-9]{0,9})?")

# Letters in brackets after a term and before a space (foo[mesh], not beta[2], [18F]FDG or benzo[ghi]perylene).
_GLUED_TAG = r"""(?<=[\w"“”»*)])\[[A-Za-z][A-Za-z0-9 :/-]+\](?=[\s()]|$)"""

_LONGEST_FIELD = 40  # characters before a : that are read as its name

# A query for arXiv's API, copied from a URL: it contains no space but an encoded operator or parenthesis.
_SPACE = re.compile(r"\s")
_ENCODED = re.compile(r"^search_query=.|\+(?:AND|OR|ANDNOT)\+|%2[28]")

# Most rules are plain words. They skip the grammar, which takes much longer than these expressions.
_OPERATORS = frozenset({"AND", "OR", "NOT", "ANDNOT", "NEAR"})
_PLAIN = re.compile(r"[0-9A-Za-z]+(?: [0-9A-Za-z]+)*")
_NEEDS_GRAMMAR = re.compile(
    r'[()"“”„«»\[:^/|&]|^\s*$|(?:^|(?<=\s))(?:[-+\u2010-\u2015\u2212]|(?:AND|OR|NOT|ANDNOT|NEAR)(?!\S))'
)


def compile_rules(text: str, *, max_characters: int = MAX_WRITTEN) -> CompiledRules:
    """Return what the store keeps of a profile's text: its distinct rules in canonical form.

    Raises RuleError with line and column. Rules reach this program only through here, so that one limit holds for all.
    """
    if len(text) > max_characters:  # before any work: parsing takes 0.1 ms for each short line
        raise RuleError(1, 1, f"the rules have more than {max_characters:,} characters; shorten them")
    rules = distinct_rules(parse_rules(text))
    compiled = (CompiledRule(format_query(r.query), EXCLUDES if r.excludes else r.weight, r.line) for r in rules)
    return CompiledRules(text, tuple(compiled))


def parse_rules(text: str) -> list[Rule]:
    """Return the rules in a profile's text, one a line. Raises RuleError with line and column, counting from 1."""
    if len(text) > MAX_CHARACTERS:
        raise RuleError(1, 1, f"the profile has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}")
    rules: list[Rule] = []
    terms = 0
    for number, line in enumerate(split_lines(text), 1):
        rule = parse_line(line, number)
        if rule is None:
            continue
        terms += 1 if isinstance(rule.query, Term) else len(set(iter_terms(rule.query)))
        if terms > MAX_TERMS:
            raise RuleError(number, 1, f"the profile has more than {MAX_TERMS:,} terms; split it into two")
        rules.append(rule)
    return rules


def list_mistakes(text: str, first: RuleError) -> list[RuleError]:
    """Return `first`, which `compile_rules` raised for the text, and the mistakes of later lines.

    At most MAX_MISTAKES in all: rules after these are not read.
    """
    mistakes = [first]
    later = split_lines(text)[first.line :] if len(text) <= MAX_WRITTEN else ()
    for number, line in enumerate(later, first.line + 1):
        if len(mistakes) == MAX_MISTAKES:
            break
        try:
            parse_line(line, number)
        except RuleError as error:
            mistakes.append(error)
    return mistakes


def split_lines(text: str) -> list[str]:
    """Return the lines of a profile's text, without their ends."""
    return _LINE_END.split(text)


def lex_rule(text: str) -> Iterator[Token]:
    """Return the tokens of a rule's text. Raises UnexpectedCharacters for text that `parse_query` refuses."""
    return _parser().lex(text)


def parse_line(line: str, number: int) -> Rule | None:
    """Return the rule in a line, or None if it has only a comment. Raises RuleError."""
    if _PLAIN.fullmatch(line):
        written, column, weight, excludes = line, 1, 1.0, False
    elif _without_comment(line).strip():
        written, column, weight, excludes = _split_line(line, number)
    else:
        return None
    query = parse_query(written, line=number, column=column)
    return Rule(text=written, line=number, query=query, weight=weight, excludes=excludes)


def parse_query(text: str, *, line: int = 1, column: int = 1) -> Query:
    """Return the canonical query of one rule without its leading "-", weight and comment.

    Raises RuleError; `line` and `column` are where the text begins.
    """
    if _PLAIN.fullmatch(text):
        words = text.split(" ")
        if len(words) <= MAX_PHRASE and _OPERATORS.isdisjoint(words):
            return Term(" ".join(map(stem, text.lower().split(" "))), SHOWN)
    if _ENCODED.search(text) and not _SPACE.search(text):  # search_query=ti:%22diffusion+model%22+AND+cat:cs.CV
        try:
            return _parse_decoded(unquote_plus(text.removeprefix("search_query=")), 1, 1)
        except RuleError as error:
            raise RuleError(line, column, error.reason) from None
    return _parse_decoded(text, line, column)


def _parse_decoded(text: str, line: int, column: int) -> Query:
    """Return the canonical query of one rule that is not encoded. Raises RuleError."""
    try:
        query = _parse(text)
    except UnexpectedInput as error:
        raise _grammar_error(error, text, line, column) from None
    except QuerySyntaxError as error:
        offset, reason = error.args
        raise RuleError(line, column + offset, reason) from None
    if matches_empty_paper(query):
        reason = "this matches papers that contain none of its words; add what to look for, or begin a line with -"
        raise RuleError(line, column, reason)
    return query


@cache_short(2048)  # while a profile is typed, all its other lines are parsed again with every key
def _parse(text: str) -> Query:
    if _NEEDS_GRAMMAR.search(text):
        return canonical(build_query(_parser().parse(text), text))
    return canonical(Term(checked_text(text.strip(), _indent(text), exact=False), SHOWN))


def rule_texts(text: str, lines: Collection[int]) -> dict[int, str]:
    """Return, by line, the rules of a valid profile as written, without their -, weight and comment."""
    found = split_lines(text)
    return {number: _split_line(found[number - 1], number)[0] for number in lines}


def _split_line(line: str, number: int) -> tuple[str, int, float, bool]:
    """Return (the rule's text, its column, its weight, whether it excludes). Raises RuleError."""
    rule = _without_comment(line)
    begin = _indent(rule)
    excludes = rule[begin] == "-"
    if rule[begin] in _DASHES:
        raise RuleError(number, begin + 1, f"to exclude, begin the line with a plain -, not {rule[begin]}")
    if excludes:
        begin += 1 + _indent(rule[begin + 1 :])
    hidden = _hide_quoted(rule)
    at = hidden.rfind("^")
    written = hidden[at + 1 :].strip()
    if at < 0 or len(written.split()) > 1:  # not a weight: if it is an error, then one of the words
        return rule[begin:].rstrip(), begin + 1, 1.0, excludes
    before = hidden[:at].rstrip()
    weight = float(written) if _NUMBER.fullmatch(written) and not before.endswith("^") else 0.0
    if not 0 < weight <= 100:
        raise RuleError(number, at + 1, "expected a weight above 0 and at most 100 after ^, such as ^2")
    if excludes:
        raise RuleError(number, len(before) + 1, "a line that excludes has no weight")
    return rule[begin : len(before)].rstrip(), begin + 1, weight, excludes


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _hide_quoted(text: str) -> str:
    """Replace quoted text by letters, so that what it contains is not taken for an operator."""
    return _QUOTED.sub(lambda found: "x" * len(found.group()) if found[found.lastindex or 0] else found.group(), text)


def _without_comment(line: str) -> str:
    """Return the line up to a `#` at its start or after a space, unless the `#` is in quotes."""
    comment = _COMMENT.search(_hide_quoted(line))
    return (line[: comment.start()] if comment else line).rstrip()


@cache
def _parser() -> Lark:
    def in_brackets(tags: Iterable[str]) -> str:
        return rf"(?i:\[\s*(?:{'|'.join(tags)})\s*\])"

    grammar = Path(__file__).with_name("rules.lark").read_text(encoding="utf-8")
    terminals = {
        "FIELDS": "|".join(FIELDS),
        "TAG": in_brackets(TAGS),
        "OTHER_TAG": f"{in_brackets(OTHER_TAGS)}|{_GLUED_TAG}",
    }
    for name, pattern in terminals.items():
        grammar = grammar.replace(f"<{name}>", pattern.replace("/", "\\/"))
    # The basic lexer: the contextual one would read a field in the wrong place as a word.
    return Lark(grammar, parser="lalr", lexer="basic")


def _grammar_error(error: UnexpectedInput, text: str, line: int, column: int) -> RuleError:
    """Turn an error of the grammar into one for users. `line` and `column` are where `text` begins."""
    if isinstance(error, UnexpectedCharacters):
        return RuleError(line, column + (error.pos_in_stream or 0), "this quotation mark is not closed")
    token = error.token if isinstance(error, UnexpectedToken) else Token("$END", "")
    accepted = (error.accepts if isinstance(error, UnexpectedToken) else None) or set()
    at_end = token.type == "$END"
    at = len(text) if at_end else token.start_pos or 0
    shown = "the end" if at_end else quote(token.strip())
    if at_end and "RPAR" in accepted:
        reason = "expected ) before the end"
    elif token.type == "RPAR" and "$END" in accepted:
        reason = "this ) has no matching ("
    elif token.type == "OTHER_TAG":
        reason = unknown_tag(token)
    elif "_AND" not in accepted:
        reason = f"expected a word, a phrase or ( before {shown}"
    elif field := re.search(r"(\w+):$", text[max(at - _LONGEST_FIELD, 0) : at]):
        reason = unknown_field(field[1])
    else:
        hint = "; for words close to each other, write a NEAR/3 b" if "~" in shown else ""
        reason = f"expected AND, OR or NOT before {shown}{hint}"
    return RuleError(line, column + at, reason)
