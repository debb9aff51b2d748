"""Parses the text of a profile into rules, or raises an error that says where it is wrong and what was expected.

A rule's text becomes a parse tree by the grammar in rules.lark, and `_build` makes its query of the tree.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote_plus

from lark import Lark, Token, Tree, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from digest.errors import RuleError
from digest.matching.language.query import (
    ARCHIVE,
    AUTHOR,
    CATEGORY,
    ELSEWHERE,
    EVERYWHERE,
    FIELDS,
    MAX_CHARACTERS,
    MAX_DEPTH,
    MAX_PHRASE,
    OTHER_TAGS,
    SHOWN,
    STAR,
    TAGS,
    AllOf,
    AnyOf,
    Author,
    Near,
    Not,
    Query,
    Rule,
    Term,
    canonical,
    canonical_text,
    distinct_rules,
    format_query,
    iter_terms,
    matches_empty_paper,
    patterns,
    unknown_field,
    unknown_tag,
)
from digest.models import EXCLUDES, CompiledRule, CompiledRules, Field
from digest.text import COMPOUND, MARKS, WORD, cache_short, shortened, stem

MAX_WRITTEN = 20_000  # characters of rules that are saved or tried
MAX_MISTAKES = 20  # that are reported; parsing stops there
MAX_TERMS = 20_000  # of a profile
MAX_DISTANCE = 50  # words between the sides of NEAR

_LINE_END = re.compile(r"\r\n|\r|\n")
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
# To the closing mark, which is a group, or to the end: to look for each mark that is missing takes quadratic time.
_QUOTED = re.compile(r'"[^"]*+("?)|“[^”]*+(”?)|„[^“”]*+([“”]?)|«[^»]*+(»?)')
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"  # what word processors replace - with
_NUMBER = re.compile(r"[0-9]{1,3}(\.[0-9]{0,9})?")

# Letters in brackets after a term and before a space (foo[mesh], not beta[2], [18F]FDG or benzo[ghi]perylene).
_GLUED_TAG = r"""(?<=[\w"“”»*)])\[[A-Za-z][A-Za-z0-9 :/-]+\](?=[\s()]|$)"""

# A query for arXiv's API, copied from a URL: it contains no space but an encoded operator or parenthesis.
_SPACE = re.compile(r"\s")
_ENCODED = re.compile(r"^search_query=.|\+(?:AND|OR|ANDNOT)\+|%2[28]")

# Most rules are plain words. They skip the grammar, which takes much longer than these expressions.
_OPERATORS = frozenset({"AND", "OR", "NOT", "ANDNOT", "NEAR"})
_PLAIN = re.compile(r"[0-9A-Za-z]+(?: [0-9A-Za-z]+)*")
_NEEDS_GRAMMAR = re.compile(
    r'[()"“”„«»\[:^/|&]|^\s*$|(?:^|(?<=\s))(?:[-+\u2010-\u2015\u2212]|(?:AND|OR|NOT|ANDNOT|NEAR)(?!\S))'
)

_Node = Tree[Token]

_CHAIN = "NEAR joins two sides; write a NEAR/3 b AND b NEAR/3 c"
_NOT_A_SIDE = "a side of NEAR is words, a phrase or (a OR b); write AND and NOT outside: a NEAR/3 b AND NOT c"
_NO_TEXT = "NEAR looks in titles and abstracts; in author: a name is found in either order as it is, author:Song Han"
_APART = "these can never be near each other: one side looks only in titles, the other only in abstracts"
_TOO_SHORT = "expected at least two letters before *, as in quantiz*"

# What a word looks like that may be meant as something else. Most words pass this one check.
_SUSPECT = re.compile(r"^[-+\u2010-\u2015\u2212]|[:^]|^(?:\|{1,2}|&&)$|^near/", re.IGNORECASE)
_SIGNED = re.compile(r"[-+\u2010-\u2015\u2212]+\w")
_WEIGHT = re.compile(r"\^[\d.]*$")
_UNKNOWN_FIELD = re.compile(r"([^\W\d_][^\W\d]+):(?=[\w*\[])")
_LONGEST_FIELD = 40  # characters before a : that are read as its name
_FOREIGN_OPERATORS = {"|": "OR", "||": "OR", "&&": "AND"}

_STAR = re.compile(f"(?<=[^\\W_{MARKS}])\\*|(?<=[{MARKS}])\\*")
_ARCHIVE = re.compile(r"\s*+(.*\w)\.\*\s*")
_NAME_PART = re.compile(r"[^\s,._;]+")  # LeCun, Y. and hinton_g have two
_INITIALS = re.compile(r"[^\W\d_a-z]{1,3}")  # as PubMed writes them after the family name: Hinton GE


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
    except _QuerySyntaxError as error:
        offset, reason = error.args
        raise RuleError(line, column + offset, reason) from None
    if matches_empty_paper(query):
        reason = "this matches papers that contain none of its words; add what to look for, or begin a line with -"
        raise RuleError(line, column, reason)
    return query


@cache_short(2048)  # while a profile is typed, all its other lines are parsed again with every key
def _parse(text: str) -> Query:
    if _NEEDS_GRAMMAR.search(text):
        return canonical(_build(_parser().parse(text), text, _Scope()))
    return canonical(Term(_checked_text(text.strip(), _indent(text), exact=False), SHOWN))


def rule_texts(text: str, lines: Collection[int]) -> dict[int, str]:
    """Returns, by line, the rules of a valid profile as written, without their -, weight and comment."""
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
    """Replaces quoted text by letters, so that what it contains is not taken for an operator."""
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
    """Turns an error of the grammar into one for users. `line` and `column` are where `text` begins."""
    if isinstance(error, UnexpectedCharacters):
        return RuleError(line, column + (error.pos_in_stream or 0), "this quotation mark is not closed")
    token = error.token if isinstance(error, UnexpectedToken) else Token("$END", "")
    accepted = (error.accepts if isinstance(error, UnexpectedToken) else None) or set()
    at_end = token.type == "$END"
    at = len(text) if at_end else token.start_pos or 0
    shown = "the end" if at_end else _shortened(token.strip())
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


class _QuerySyntaxError(Exception):
    """An error in a rule: its offset, which counts from 0, and the reason. Becomes a RuleError with line and column."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """What surrounds a node: the innermost field, and how many parentheses, NOTs and fields deep it is."""

    fields: frozenset[Field] = SHOWN
    initials: bool = False  # names are written as PubMed writes them: Hinton GE
    depth: int = 0

    def deeper(self) -> "_Scope":
        """Return the scope one parenthesis or NOT further in. Raises _QuerySyntaxError if that is too deep."""
        if self.depth == MAX_DEPTH:
            raise _QuerySyntaxError(0, f"parentheses, fields and NOTs are nested deeper than {MAX_DEPTH}")
        return _Scope(self.fields, self.initials, self.depth + 1)

    def within(self, node: _Node) -> "_Scope":
        """Return the scope inside an `in_field` or `tagged` node. Raises _QuerySyntaxError."""
        if node.data == "in_field":
            return _Scope(FIELDS[_token(node, 0).rstrip().rstrip(":").lower()], depth=self.deeper().depth)
        tag = _token(node, 1)
        fields = TAGS.get(tag.strip("[] \t").lower())
        if fields is None:
            raise _QuerySyntaxError(tag.start_pos or 0, unknown_tag(tag))
        return _Scope(fields, initials=fields != EVERYWHERE, depth=self.deeper().depth)


def _build(node: _Node, text: str, scope: _Scope) -> Query:
    """Return the query for a parse tree of `text`. Raises _QuerySyntaxError."""
    match node.data:
        case "phrase" | "quoted":
            if scope.fields == EVERYWHERE:
                scope.deeper()  # it becomes an OR, which may need parentheses when it is written as a rule again
            return _term(*_words(node, text), scope, exact=node.data == "quoted")
        case "in_field" | "tagged":
            return _build(_child(node), text, scope.within(node))
        case "group":
            return _build(_child(node), text, scope.deeper())
        case "none_of":
            return Not(_build(_child(node), text, scope.deeper()))
        case "near":
            return _near(node, text, scope)
        case kind:
            parts = tuple(_build(child, text, scope) for child in _children(node))
            return AnyOf(parts) if kind == "any_of" else AllOf(parts)


def _near(node: _Node, text: str, scope: _Scope) -> Near:
    operators = [child for child in node.children if isinstance(child, Token)]
    at = operators[0].start_pos or 0
    written = re.fullmatch(r"NEAR/([0-9]{1,4})", operators[0])
    if written is None:
        raise _QuerySyntaxError(at, "expected a number of words after NEAR, as in a NEAR/3 b (quotes make NEAR a word)")
    distance = int(written[1])
    if distance > MAX_DISTANCE:
        raise _QuerySyntaxError(at, f"at most {MAX_DISTANCE} words between; beyond that, use AND")
    if len(operators) > 1:
        raise _QuerySyntaxError(operators[1].start_pos or 0, _CHAIN)
    left, right = (tuple(_side(child, text, scope, at)) for child in _children(node))
    looked_in = [frozenset[Field]().union(*(term.fields for term in side)) for side in (left, right)]
    if looked_in[0].isdisjoint(looked_in[1]):
        raise _QuerySyntaxError(at, _APART)
    return Near(left, right, distance)


def _side(node: _Node, text: str, scope: _Scope, at: int) -> Iterator[Term]:
    """Yields the terms of one side of the NEAR at offset `at`."""
    match node.data:
        case "phrase" | "quoted":
            if not scope.fields & SHOWN:
                raise _QuerySyntaxError(at, _NO_TEXT)
            exact = node.data == "quoted"
            yield Term(_checked_text(*_words(node, text), exact=exact), scope.fields & SHOWN, exact)
        case "in_field" | "tagged":
            yield from _side(_child(node), text, scope.within(node), at)
        case "group":
            yield from _side(_child(node), text, scope.deeper(), at)
        case "any_of":
            for child in _children(node):
                yield from _side(child, text, scope, at)
        case kind:
            raise _QuerySyntaxError(at, _CHAIN if kind == "near" else _NOT_A_SIDE)


def _words(node: _Node, text: str) -> tuple[str, int]:
    """Return (the words as written, their offset)."""
    first, last = _token(node, 0), _token(node, -1)
    start = first.start_pos or 0
    if node.data == "quoted":
        return first[1:-1], start + 1
    for at in range(len(node.children)):
        _check_word(_token(node, at))
    return text[start : last.end_pos], start


def _check_word(word: Token) -> None:
    """Raises _QuerySyntaxError for a word that looks like an operator or a field: it is never silently a word."""
    if not _SUSPECT.search(word):
        return
    start = word.start_pos or 0
    if _SIGNED.match(word):
        hint = "" if word[0] == "+" else "; to exclude it, write NOT or begin a line with a plain -"
        raise _QuerySyntaxError(start, f"expected AND, OR or NOT before {_shortened(word[1:])}, not {word[0]}{hint}")
    if word in _FOREIGN_OPERATORS:
        raise _QuerySyntaxError(start, f"write {_FOREIGN_OPERATORS[word]} for {word}")
    if word.lower().startswith("near/"):
        raise _QuerySyntaxError(start, "NEAR is written in capitals, as in a NEAR/3 b (quotes make it a word)")
    if _WEIGHT.search(word):
        raise _QuerySyntaxError(start + word.index("^"), "expected a weight at the end of the line only")
    if word.endswith(":"):
        # Before a space, most names belong to a title (BERT: pre-training). Only misspelt fields are errors.
        name = word[:-1].lower()
        if name in ELSEWHERE or difflib.get_close_matches(name, FIELDS, n=1, cutoff=0.8):
            raise _QuerySyntaxError(start, unknown_field(word[:-1]))
    if field := _UNKNOWN_FIELD.match(word):
        raise _QuerySyntaxError(start, unknown_field(field.group(1)))


def _term(text: str, offset: int, scope: _Scope, *, exact: bool) -> Query:
    """Return what `text`, which begins at `offset`, asks for in the scope's fields. Raises _QuerySyntaxError.

    Names (authors, categories) are compared as they are, also outside quotes.
    """
    terms: list[Query] = []
    if scope.fields & SHOWN:
        terms.append(Term(_checked_text(text, offset, exact=exact), scope.fields & SHOWN, exact))
    if Field.AUTHOR in scope.fields:
        terms.append(_author(text, offset, initials=scope.initials))
    if Field.CATEGORY in scope.fields:
        archive = _ARCHIVE.fullmatch(text)
        if archive is None:
            name = _checked_text(text, offset, exact=True, separator=".")
        elif len(COMPOUND.findall(archive[1])) == 1:
            name = _checked_text(archive[1], offset, exact=True) + ARCHIVE  # cs.* is all categories of the archive cs
        else:
            raise _QuerySyntaxError(offset, "expected one archive before .*, as in cs.* or cond-mat.*")
        terms.append(Term(name, CATEGORY, exact=True))
    return terms[0] if len(terms) == 1 else AnyOf(tuple(terms))


def _author(text: str, offset: int, *, initials: bool) -> Query:
    """Return a Term for a name of one part, else an Author. Raises _QuerySyntaxError.

    With `initials`, one to three capitals after a family name are initials; only the first is compared.
    """
    written = [(m.group(), offset + m.start()) for m in _NAME_PART.finditer(text)]
    written = [(name, at) for name, at in written if WORD.search(name) or "*" in name]
    if initials and len(written) > 1 and _INITIALS.fullmatch(written[-1][0]):
        written[-1] = (written[-1][0][0], written[-1][1])
    if len(written) > MAX_PHRASE:
        raise _QuerySyntaxError(offset, f"a name of more than {MAX_PHRASE} parts")
    if len(written) > 1:
        parts: list[Term] = []
        for name, at in written:
            letter = canonical_text(name.removesuffix("*"), exact=True)
            is_initial = len(letter) == 1 and letter.upper() != letter  # only scripts with capitals have initials
            parts.append(Term(f"{letter}*" if is_initial else _checked_text(name, at, exact=True), AUTHOR, exact=True))
        parts = list(dict.fromkeys(parts))
        if len(parts) > 1:
            return Author(tuple(parts))
    name, at = written[0] if written else (text, offset)
    return Term(_checked_text(name, at, exact=True), AUTHOR, exact=True)


def _checked_text(text: str, offset: int, *, exact: bool, separator: str = " ") -> str:
    """Return the canonical text. Raises _QuerySyntaxError if it cannot be looked for."""
    starred = _STAR.sub(STAR, text.replace(STAR, " "))
    if "*" in starred:
        raise _QuerySyntaxError(offset + starred.index("*"), _TOO_SHORT)
    words = sum(1 for _ in WORD.finditer(starred))
    if not words:
        raise _QuerySyntaxError(offset, f"there is no letter or digit in {_shortened(text)}")
    if words > MAX_PHRASE:
        raise _QuerySyntaxError(offset, f"a phrase of more than {MAX_PHRASE} words")
    canonical = canonical_text(starred, exact=exact, separator=separator)
    if STAR in starred:
        ways = patterns(canonical, exact=exact)
        at = offset + starred.index(STAR)
        if not ways:
            raise _QuerySyntaxError(at, "expected * at the end of a word only")
        if any(word[0] == "^" and len(word) < 3 for way in ways for word in way):
            raise _QuerySyntaxError(at, _TOO_SHORT)
    return canonical


def _shortened(text: str) -> str:
    """Return the text in quotes, cut to a length that fits an error message."""
    return repr(shortened(text, 40))


def _children(node: _Node) -> list[_Node]:
    return [child for child in node.children if not isinstance(child, Token)]


def _child(node: _Node) -> _Node:
    (child,) = _children(node)
    return child


def _token(node: _Node, index: int) -> Token:
    token = node.children[index]
    if not isinstance(token, Token):
        raise TypeError(token)
    return token
