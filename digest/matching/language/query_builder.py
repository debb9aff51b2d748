"""Makes the query of a rule's parse tree, or raises an error that says what is wrong and where."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from lark import Token, Tree

from digest.matching.language.query import (
    ARCHIVE,
    AUTHOR,
    CATEGORY,
    ELSEWHERE,
    EVERYWHERE,
    FIELDS,
    MAX_DEPTH,
    MAX_PHRASE,
    SHOWN,
    STAR,
    TAGS,
    AllOf,
    AnyOf,
    Author,
    Near,
    Not,
    Query,
    Term,
    canonical_text,
    patterns,
    unknown_field,
    unknown_tag,
)
from digest.models import Field
from digest.text import COMPOUND, MARKS, WORD, shortened

MAX_DISTANCE = 50  # words between the sides of NEAR

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
_FOREIGN_OPERATORS = {"|": "OR", "||": "OR", "&&": "AND"}

_STAR = re.compile(f"(?<=[^\\W_{MARKS}])\\*|(?<=[{MARKS}])\\*")
_ARCHIVE = re.compile(r"\s*+(.*\w)\.\*\s*")
_NAME_PART = re.compile(r"[^\s,._;]+")  # LeCun, Y. and hinton_g have two
_INITIALS = re.compile(r"[^\W\d_a-z]{1,3}")  # as PubMed writes them after the family name: Hinton GE


class QuerySyntaxError(Exception):
    """An error in a rule: its offset, which counts from 0, and the reason. Becomes a RuleError with line and column."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """What surrounds a node: the innermost field, and how many parentheses, NOTs and fields deep it is."""

    fields: frozenset[Field] = SHOWN
    initials: bool = False  # names are written as PubMed writes them: Hinton GE
    depth: int = 0

    def deeper(self) -> "_Scope":
        """Return the scope one parenthesis or NOT further in. Raises QuerySyntaxError if that is too deep."""
        if self.depth == MAX_DEPTH:
            raise QuerySyntaxError(0, f"parentheses, fields and NOTs are nested deeper than {MAX_DEPTH}")
        return _Scope(self.fields, self.initials, self.depth + 1)

    def within(self, node: _Node) -> "_Scope":
        """Return the scope inside an `in_field` or `tagged` node. Raises QuerySyntaxError."""
        if node.data == "in_field":
            return _Scope(FIELDS[_token(node, 0).rstrip().rstrip(":").lower()], depth=self.deeper().depth)
        tag = _token(node, 1)
        fields = TAGS.get(tag.strip("[] \t").lower())
        if fields is None:
            raise QuerySyntaxError(tag.start_pos or 0, unknown_tag(tag))
        return _Scope(fields, initials=fields != EVERYWHERE, depth=self.deeper().depth)


def build_query(tree: _Node, text: str) -> Query:
    """Return the query for the parse tree of a text. Raises QuerySyntaxError."""
    return _build(tree, text, _Scope())


def _build(node: _Node, text: str, scope: _Scope) -> Query:
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
        raise QuerySyntaxError(at, "expected a number of words after NEAR, as in a NEAR/3 b (quotes make NEAR a word)")
    distance = int(written[1])
    if distance > MAX_DISTANCE:
        raise QuerySyntaxError(at, f"at most {MAX_DISTANCE} words between; beyond that, use AND")
    if len(operators) > 1:
        raise QuerySyntaxError(operators[1].start_pos or 0, _CHAIN)
    left, right = (tuple(_side(child, text, scope, at)) for child in _children(node))
    looked_in = [frozenset[Field]().union(*(term.fields for term in side)) for side in (left, right)]
    if looked_in[0].isdisjoint(looked_in[1]):
        raise QuerySyntaxError(at, _APART)
    return Near(left, right, distance)


def _side(node: _Node, text: str, scope: _Scope, at: int) -> Iterator[Term]:
    """Yield the terms of one side of the NEAR at offset `at`."""
    match node.data:
        case "phrase" | "quoted":
            if not scope.fields & SHOWN:
                raise QuerySyntaxError(at, _NO_TEXT)
            exact = node.data == "quoted"
            yield Term(checked_text(*_words(node, text), exact=exact), scope.fields & SHOWN, exact)
        case "in_field" | "tagged":
            yield from _side(_child(node), text, scope.within(node), at)
        case "group":
            yield from _side(_child(node), text, scope.deeper(), at)
        case "any_of":
            for child in _children(node):
                yield from _side(child, text, scope, at)
        case kind:
            raise QuerySyntaxError(at, _CHAIN if kind == "near" else _NOT_A_SIDE)


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
    """Raise QuerySyntaxError for a word that looks like an operator or a field: it is never silently a word."""
    if not _SUSPECT.search(word):
        return
    start = word.start_pos or 0
    if _SIGNED.match(word):
        hint = "" if word[0] == "+" else "; to exclude it, write NOT or begin a line with a plain -"
        raise QuerySyntaxError(start, f"expected AND, OR or NOT before {quote(word[1:])}, not {word[0]}{hint}")
    if word in _FOREIGN_OPERATORS:
        raise QuerySyntaxError(start, f"write {_FOREIGN_OPERATORS[word]} for {word}")
    if word.lower().startswith("near/"):
        raise QuerySyntaxError(start, "NEAR is written in capitals, as in a NEAR/3 b (quotes make it a word)")
    if _WEIGHT.search(word):
        raise QuerySyntaxError(start + word.index("^"), "expected a weight at the end of the line only")
    if word.endswith(":"):
        # Before a space, most names belong to a title (BERT: pre-training). Only misspelt fields are errors.
        name = word[:-1].lower()
        if name in ELSEWHERE or difflib.get_close_matches(name, FIELDS, n=1, cutoff=0.8):
            raise QuerySyntaxError(start, unknown_field(word[:-1]))
    if field := _UNKNOWN_FIELD.match(word):
        raise QuerySyntaxError(start, unknown_field(field.group(1)))


def _term(text: str, offset: int, scope: _Scope, *, exact: bool) -> Query:
    """Return what `text`, which begins at `offset`, asks for in the scope's fields. Raises QuerySyntaxError.

    Names (authors, categories) are compared as they are, also outside quotes.
    """
    terms: list[Query] = []
    if scope.fields & SHOWN:
        terms.append(Term(checked_text(text, offset, exact=exact), scope.fields & SHOWN, exact))
    if Field.AUTHOR in scope.fields:
        terms.append(_author(text, offset, initials=scope.initials))
    if Field.CATEGORY in scope.fields:
        archive = _ARCHIVE.fullmatch(text)
        if archive is None:
            name = checked_text(text, offset, exact=True, separator=".")
        elif len(COMPOUND.findall(archive[1])) == 1:
            name = checked_text(archive[1], offset, exact=True) + ARCHIVE  # cs.* is all categories of the archive cs
        else:
            raise QuerySyntaxError(offset, "expected one archive before .*, as in cs.* or cond-mat.*")
        terms.append(Term(name, CATEGORY, exact=True))
    return terms[0] if len(terms) == 1 else AnyOf(tuple(terms))


def _author(text: str, offset: int, *, initials: bool) -> Query:
    """Return a Term for a name of one part, else an Author. Raises QuerySyntaxError.

    With `initials`, one to three capitals after a family name are initials; only the first is compared.
    """
    written = [(m.group(), offset + m.start()) for m in _NAME_PART.finditer(text)]
    written = [(name, at) for name, at in written if WORD.search(name) or "*" in name]
    if initials and len(written) > 1 and _INITIALS.fullmatch(written[-1][0]):
        written[-1] = (written[-1][0][0], written[-1][1])
    if len(written) > MAX_PHRASE:
        raise QuerySyntaxError(offset, f"a name of more than {MAX_PHRASE} parts")
    if len(written) > 1:
        parts: list[Term] = []
        for name, at in written:
            letter = canonical_text(name.removesuffix("*"), exact=True)
            is_initial = len(letter) == 1 and letter.upper() != letter  # only scripts with capitals have initials
            parts.append(Term(f"{letter}*" if is_initial else checked_text(name, at, exact=True), AUTHOR, exact=True))
        parts = list(dict.fromkeys(parts))
        if len(parts) > 1:
            return Author(tuple(parts))
    name, at = written[0] if written else (text, offset)
    return Term(checked_text(name, at, exact=True), AUTHOR, exact=True)


def checked_text(text: str, offset: int, *, exact: bool, separator: str = " ") -> str:
    """Return the canonical text. Raises QuerySyntaxError if it cannot be looked for."""
    starred = _STAR.sub(STAR, text.replace(STAR, " "))
    if "*" in starred:
        raise QuerySyntaxError(offset + starred.index("*"), _TOO_SHORT)
    words = sum(1 for _ in WORD.finditer(starred))
    if not words:
        raise QuerySyntaxError(offset, f"there is no letter or digit in {quote(text)}")
    if words > MAX_PHRASE:
        raise QuerySyntaxError(offset, f"a phrase of more than {MAX_PHRASE} words")
    canonical = canonical_text(starred, exact=exact, separator=separator)
    if STAR in starred:
        ways = patterns(canonical, exact=exact)
        at = offset + starred.index(STAR)
        if not ways:
            raise QuerySyntaxError(at, "expected * at the end of a word only")
        if any(word[0] == "^" and len(word) < 3 for way in ways for word in way):
            raise QuerySyntaxError(at, _TOO_SHORT)
    return canonical


def quote(text: str) -> str:
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
