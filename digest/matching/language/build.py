"""From a rule's parse tree to its query."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lark import Token, Tree

from digest.matching.language.complaints import UnreadableError, check_word, unknown_tag
from digest.matching.language.fields import EVERYWHERE, FIELDS, SHOWN, TAGS
from digest.matching.language.query import MAX_DEPTH, AllOf, AnyOf, Near, Not, Query, Term
from digest.matching.language.terms import shown_term, term
from digest.models import Field

MAX_DISTANCE = 50  # words that may stand between the sides of NEAR

Node = Tree[Token]

_CHAIN = "NEAR joins two sides; write a NEAR/3 b AND b NEAR/3 c"
_NOT_A_SIDE = "a side of NEAR is words, a phrase or (a OR b); write AND and NOT outside: a NEAR/3 b AND NOT c"
_NO_TEXT = "NEAR looks in titles and abstracts; in author: a name is found in either order as it is, author:Song Han"
_APART = "these can never stand in one text: one side looks only in titles, the other only in abstracts"


@dataclass(frozen=True, slots=True)
class Scope:
    """Where the words of a node look: the innermost field around them, and how many parentheses, NOTs, fields deep."""

    fields: frozenset[Field] = SHOWN
    initials: bool = False  # names are written as PubMed does: Hinton GE
    depth: int = 0

    def deeper(self) -> "Scope":
        """One parenthesis or NOT further in. Raises UnreadableError where that is too deep."""
        if self.depth == MAX_DEPTH:
            raise UnreadableError(0, f"parentheses, fields and NOTs lie deeper than {MAX_DEPTH}")
        return Scope(self.fields, self.initials, self.depth + 1)

    def within(self, node: Node) -> "Scope":
        """What stands in the field that an `in_field` or `tagged` node names."""
        if node.data == "in_field":
            return Scope(FIELDS[_token(node, 0).rstrip().rstrip(":").lower()], depth=self.deeper().depth)
        tag = _token(node, 1)
        fields = TAGS.get(tag.strip("[] \t").lower())
        if fields is None:
            raise UnreadableError(tag.start_pos or 0, unknown_tag(tag))
        return Scope(fields, initials=fields != EVERYWHERE, depth=self.deeper().depth)


def build(node: Node, text: str, scope: Scope) -> Query:
    """The query that a parse tree of `text` stands for. Raises UnreadableError."""
    match node.data:
        case "phrase" | "quoted":
            if scope.fields == EVERYWHERE:
                scope.deeper()  # it becomes an OR, which may need parentheses when it is written down
            return term(*_words(node, text), scope.fields, exact=node.data == "quoted", initials=scope.initials)
        case "in_field" | "tagged":
            return build(_inner(node), text, scope.within(node))
        case "group":
            return build(_inner(node), text, scope.deeper())
        case "none_of":
            return Not(build(_inner(node), text, scope.deeper()))
        case "near":
            return _near(node, text, scope)
        case kind:
            parts = tuple(build(child, text, scope) for child in _children(node))
            return AnyOf(parts) if kind == "any_of" else AllOf(parts)


def _near(node: Node, text: str, scope: Scope) -> Near:
    operators = [child for child in node.children if isinstance(child, Token)]
    distance = _distance(operators[0])
    if len(operators) > 1:
        raise UnreadableError(operators[1].start_pos or 0, _CHAIN)
    at = operators[0].start_pos or 0
    left, right = (tuple(_side(child, text, scope, at)) for child in _children(node))
    if not _fields(left) & _fields(right):
        raise UnreadableError(at, _APART)
    return Near(left, right, distance)


def _distance(operator: Token) -> int:
    written = re.fullmatch(r"NEAR/([0-9]{1,4})", operator)
    if written is None:
        reason = "expected the most words between, as in a NEAR/3 b (quotes make NEAR a word)"
        raise UnreadableError(operator.start_pos or 0, reason)
    distance = int(written[1])
    if distance > MAX_DISTANCE:
        raise UnreadableError(operator.start_pos or 0, f"at most {MAX_DISTANCE} words between; beyond that, use AND")
    return distance


def _side(node: Node, text: str, scope: Scope, at: int) -> Iterator[Term]:
    """The terms of a side of the NEAR at offset `at`."""
    match node.data:
        case "phrase" | "quoted":
            if not scope.fields & SHOWN:
                raise UnreadableError(at, _NO_TEXT)
            yield shown_term(*_words(node, text), scope.fields & SHOWN, exact=node.data == "quoted")
        case "in_field" | "tagged":
            yield from _side(_inner(node), text, scope.within(node), at)
        case "group":
            yield from _side(_inner(node), text, scope.deeper(), at)
        case "any_of":
            for child in _children(node):
                yield from _side(child, text, scope, at)
        case kind:
            raise UnreadableError(at, _CHAIN if kind == "near" else _NOT_A_SIDE)


def _words(node: Node, text: str) -> tuple[str, int]:
    """(what was written, where it begins)."""
    first, last = _token(node, 0), _token(node, -1)
    start = first.start_pos or 0
    if node.data == "quoted":
        return first[1:-1], start + 1
    for word in node.children:
        check_word(_as_token(word))
    return text[start : last.end_pos], start


def _fields(side: tuple[Term, ...]) -> frozenset[Field]:
    return frozenset[Field]().union(*(term.fields for term in side))


def _children(node: Node) -> list[Node]:
    return [child for child in node.children if not isinstance(child, Token)]


def _inner(node: Node) -> Node:
    (child,) = _children(node)
    return child


def _token(node: Node, index: int) -> Token:
    return _as_token(node.children[index])


def _as_token(child: Token | Node) -> Token:
    if not isinstance(child, Token):
        raise TypeError(child)
    return child
