"""From the text of a profile to its rules, or to an error that says where and what was expected."""

import difflib
import re
from functools import cache
from pathlib import Path

from lark import Lark, Token, Tree, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from digest.errors import RuleError
from digest.matching.query import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    MAX_PHRASE,
    AllOf,
    AnyOf,
    Not,
    Pattern,
    Query,
    Rule,
    Rules,
    Term,
    needs_nothing,
)
from digest.models import Field
from digest.text import readings, stem

_SHOWN = frozenset({Field.TITLE, Field.ABSTRACT})
_NAMES = frozenset({Field.AUTHOR, Field.CATEGORY})
_FIELDS: dict[str, frozenset[Field]] = {
    "title": frozenset({Field.TITLE}),
    "ti": frozenset({Field.TITLE}),
    "abstract": frozenset({Field.ABSTRACT}),
    "abs": frozenset({Field.ABSTRACT}),
    "author": frozenset({Field.AUTHOR}),
    "au": frozenset({Field.AUTHOR}),
    "category": frozenset({Field.CATEGORY}),
    "cat": frozenset({Field.CATEGORY}),
    "all": _SHOWN | _NAMES,
}

_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
_QUOTED = re.compile(r'"[^"]*"|“[^”]*”')
_WEIGHT = re.compile(r"\s*\^\s*(\S*)\s*$")
_UNKNOWN_FIELD = re.compile(r"([^\W\d_]{2,}):(?=[\w*])")
_STAR = re.compile(r"(?<=[^\W_])\*")
_STAR_MARK = "\ua66e"  # stands for a star while a text is cut into words: a letter that no paper writes


def parse_rules(text: str) -> Rules:
    """The rules in a profile's text, one a line. Raises RuleError with line and column, both counting from 1."""
    if len(text) > MAX_CHARACTERS:
        raise RuleError(1, 1, f"the profile has {len(text):,} characters; {MAX_CHARACTERS:,} is the most")
    found = (_parse_line(line, number) for number, line in enumerate(text.splitlines(), 1))
    return Rules(tuple(rule for rule in found if rule is not None))


def parse_query(text: str, *, line: int = 1, column: int = 1) -> Query:
    """One rule without its leading "-", weight and comment. Errors are placed from `line` and `column` on."""
    try:
        query = _build(_parser().parse(text), text, _SHOWN)
    except UnexpectedInput as error:
        raise _explained(error, text, line, column) from None
    except _UnreadableError as error:
        raise RuleError(line, column + error.offset, error.reason) from None
    if needs_nothing(query):
        reason = "this is true of papers that hold none of its words; say what to look for, or begin a line with -"
        raise RuleError(line, column, reason)
    return query


def _parse_line(line: str, number: int) -> Rule | None:
    rule = _without_comment(line)
    if not rule.strip():
        return None
    begin = len(rule) - len(rule.lstrip())
    excludes = rule[begin] == "-"
    if excludes:
        begin += 1
        begin += len(rule[begin:]) - len(rule[begin:].lstrip())
    end, weight = _weight(rule, number)
    if excludes and end < len(rule):
        raise RuleError(number, end + 1, "a line that excludes has no weight")
    text = rule[begin:end].rstrip()
    query = parse_query(text, line=number, column=begin + 1)
    return Rule(text=text, line=number, query=query, weight=weight, excludes=excludes)


def _without_comment(line: str) -> str:
    """The line up to a `#` at its start or after a space, unless that stands in quotes."""
    hidden = _QUOTED.sub(lambda quoted: "x" * len(quoted.group()), line)
    comment = _COMMENT.search(hidden)
    return (line[: comment.start()] if comment else line).rstrip()


def _weight(rule: str, number: int) -> tuple[int, float]:
    """(where the rule's own text ends, its weight)."""
    hidden = _QUOTED.sub(lambda quoted: "x" * len(quoted.group()), rule)
    found = _WEIGHT.search(hidden)
    if found is None:
        return len(rule), 1.0
    try:
        weight = float(found.group(1))
    except ValueError:
        weight = 0.0
    if not 0 < weight <= 100:
        raise RuleError(number, hidden.rindex("^") + 1, "expected a weight above 0 and at most 100 after ^, such as ^2")
    return found.start(), weight


class _UnreadableError(Exception):
    """A fault that the grammar cannot see: `offset` counts from 0 in the rule."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.offset = offset
        self.reason = reason


def _build(node: Tree[Token], text: str, fields: frozenset[Field], depth: int = 0) -> Query:
    """The query that a parse tree stands for, its words bound to the innermost field around them."""
    if depth > MAX_DEPTH:
        raise _UnreadableError(0, f"parentheses and NOTs lie deeper than {MAX_DEPTH}")
    match node.data:
        case "phrase":
            first, last = _token(node, 0), _token(node, -1)
            for token in node.children:
                _check_word(_as_token(token))
            return _term(text[first.start_pos : last.end_pos], _start(first), fields, exact=False)
        case "quoted":
            token = _token(node, 0)
            return _term(token[1:-1], _start(token) + 1, fields, exact=True)
        case "in_field":
            name = _token(node, 0).rstrip().rstrip(":").lower()
            return _build(_tree(node, 1), text, _FIELDS[name], depth)
        case "none_of":
            return Not(_build(_tree(node, 0), text, fields, depth + 1))
        case kind:
            inner = depth + (len(node.children) > 1)
            parts = tuple(_build(_tree(node, i), text, fields, inner) for i in range(len(node.children)))
            if len(parts) == 1:
                return parts[0]
            return AnyOf(parts) if kind == "any_of" else AllOf(parts)


def _term(text: str, offset: int, fields: frozenset[Field], *, exact: bool) -> Query:
    """The term that `text` asks for; names (authors, categories) are compared as they are, also outside quotes."""
    shown, names = fields & _SHOWN, fields & _NAMES
    asked: list[Query] = []
    if shown:
        asked.append(Term(_patterns(text, offset, "=" if exact else "~"), shown))
    if names:
        written = re.sub(r"\.\*$", "", text) if Field.CATEGORY in names else text
        asked.append(Term(_patterns(written, offset, "="), names))
    return asked[0] if len(asked) == 1 else AnyOf(tuple(asked))


def _patterns(text: str, offset: int, mark: str) -> tuple[Pattern, ...]:
    """Every way to read `text`, each word with the mark that says how it is compared."""
    starred = _STAR.sub(_STAR_MARK, text.replace(_STAR_MARK, " "))
    if "*" in starred:
        raise _UnreadableError(offset + starred.index("*"), "expected at least two letters before *, as in quantiz*")
    ways = readings(starred)
    if not ways:
        raise _UnreadableError(offset, f"there is no letter or digit in {text!r}")
    found = dict.fromkeys(
        tuple(_pattern(word, offset, mark) for word in reading)
        for reading in ways
        if not any(_STAR_MARK in word[:-1] for word in reading)
    )
    if not found:
        raise _UnreadableError(offset + starred.index(_STAR_MARK), "expected * at the end of a word only")
    if max(map(len, found)) > MAX_PHRASE:
        raise _UnreadableError(offset, f"a phrase of more than {MAX_PHRASE} words")
    return tuple(found)


def _pattern(word: str, offset: int, mark: str) -> str:
    if not word.endswith(_STAR_MARK):
        return mark + (stem(word) if mark == "~" else word)
    if len(word) < 3:
        raise _UnreadableError(offset, "expected at least two letters before *, as in quantiz*")
    return f"^{word[:-1]}"


def _check_word(word: Token) -> None:
    """What looks like an operator or a field, but is none, is never quietly taken for words."""
    if re.fullmatch(r"NEAR(/\d+)?", word):
        raise _UnreadableError(_start(word), "NEAR is not understood yet; use AND")
    if re.match(r"[-+]\w", word):
        raise _UnreadableError(_start(word), f"expected AND, OR or NOT before {word[1:]!r}, not {word[0]}")
    if re.search(r"\w\^[\d.]+$", word):
        raise _UnreadableError(_start(word) + word.index("^"), "expected a weight at the end of the line only")
    field = _UNKNOWN_FIELD.match(word)
    if field:
        raise _UnreadableError(_start(word), _unknown_field(field.group(1)))


def _unknown_field(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), _FIELDS, n=1)
    hint = f"did you mean {near[0]}:?" if near else "fields are title: abstract: author: category: all:"
    return f"no field {name}:; {hint} (quotes make it plain words)"


def _explained(error: UnexpectedInput, text: str, line: int, column: int) -> RuleError:
    """The parser's complaint in the reader's words."""
    at = error.pos_in_stream if error.pos_in_stream is not None and error.pos_in_stream >= 0 else len(text)
    if isinstance(error, UnexpectedCharacters):
        return RuleError(line, column + at, "this quotation mark has no partner")
    token = error.token if isinstance(error, UnexpectedToken) else Token("$END", "")
    at = len(text) if token.type == "$END" else _start(token)
    accepted = (error.accepts if isinstance(error, UnexpectedToken) else None) or set()
    wants_operator = "_AND" in accepted
    match token.type:
        case "$END" if "RPAR" in accepted:
            reason = "expected ) before the end"
        case "RPAR" if "$END" in accepted:
            reason = "this ) closes nothing"
        case _ if wants_operator and text[:at].endswith(":"):
            reason = _unknown_field(text[:at].rstrip(":").split()[-1])
        case _ if wants_operator:
            reason = f"expected AND, OR or NOT before {str(token).strip()!r}"
        case "$END":
            reason = "expected a word, a phrase or ( before the end"
        case _:
            reason = f"expected a word, a phrase or ( before {str(token).strip()!r}"
    return RuleError(line, column + at, reason)


def _start(token: Token) -> int:
    return token.start_pos or 0


def _as_token(child: Token | Tree[Token]) -> Token:
    if not isinstance(child, Token):
        raise TypeError(child)
    return child


def _token(node: Tree[Token], index: int) -> Token:
    return _as_token(node.children[index])


def _tree(node: Tree[Token], index: int) -> Tree[Token]:
    child = node.children[index]
    if isinstance(child, Token):
        raise TypeError(child)
    return child


@cache
def _parser() -> Lark:
    grammar = Path(__file__).with_name("rules.lark").read_text(encoding="utf-8")
    # The basic lexer: with the contextual one a field in the wrong place would be read as a word.
    return Lark(grammar, parser="lalr", lexer="basic")
