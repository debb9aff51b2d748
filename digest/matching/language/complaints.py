"""What is wrong with a rule, in its writer's words: where, what was expected, and how to mend it."""

import difflib
import re
from collections.abc import Set

from lark import Token, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from digest.errors import RuleError
from digest.matching.language.fields import ELSEWHERE, FIELDS, TAGS

# What a word looks like that may be meant as something else; most words are done after this one look.
_SUSPECT = re.compile(r"^[-+\u2010-\u2015\u2212]|[:^]|^(?:\|{1,2}|&&)$|^near/", re.IGNORECASE)
_SIGNED = re.compile(r"[-+\u2010-\u2015\u2212]+\w")
_WEIGHT = re.compile(r"\^[\d.]*$")
_UNKNOWN_FIELD = re.compile(r"([^\W\d_][^\W\d]+):(?=[\w*\[])")
_OTHERS_OPERATORS = {"|": "OR", "||": "OR", "&&": "AND"}
_FIELDS = "title: abstract: author: category: all:"
_TAGS = "[Title] [Abstract] [Title/Abstract] [Author] [All Fields]"


class UnreadableError(Exception):
    """A fault that the grammar cannot see: `offset` counts from 0 in the rule."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.offset = offset
        self.reason = reason


def check_word(word: Token) -> None:
    """What looks like an operator or a field, but is none, is never quietly taken for words. Raises UnreadableError."""
    if not _SUSPECT.search(word):
        return
    start = word.start_pos or 0
    if _SIGNED.match(word):
        mend = "" if word[0] == "+" else "; to exclude it, write NOT or begin a line with a plain -"
        raise UnreadableError(start, f"expected AND, OR or NOT before {word[1:]!r}, not {word[0]}{mend}")
    if word in _OTHERS_OPERATORS:
        raise UnreadableError(start, f"write {_OTHERS_OPERATORS[word]} for {word}")
    if word.lower().startswith("near/"):
        raise UnreadableError(start, "NEAR is written in capitals, as in a NEAR/3 b (quotes make it a word)")
    if _WEIGHT.search(word):
        raise UnreadableError(start + word.index("^"), "expected a weight at the end of the line only")
    if word.endswith(":") and _is_nearly_a_field(word[:-1].lower()):
        raise UnreadableError(start, unknown_field(word[:-1]))
    field = _UNKNOWN_FIELD.match(word)
    if field:
        raise UnreadableError(start, unknown_field(field.group(1)))


def _is_nearly_a_field(name: str) -> bool:
    """Before a space most names are a title's own words (BERT: pre-training); these are slips."""
    return name in ELSEWHERE or bool(difflib.get_close_matches(name, FIELDS, n=1, cutoff=0.8))


def unknown_field(name: str) -> str:
    """The complaint about a field that there is not."""
    if name.lower() in ELSEWHERE:
        return f"{name}: ({ELSEWHERE[name.lower()]}) is not in the feeds; fields are {_FIELDS}"
    near = difflib.get_close_matches(name.lower(), FIELDS, n=1)
    hint = f"did you mean {near[0]}:?" if near else f"fields are {_FIELDS}"
    return f"no field {name}:; {hint} (quotes make it plain words)"


def unknown_tag(written: str) -> str:
    """The complaint about a tag that there is not."""
    name = written.strip("[] \t")
    near = difflib.get_close_matches(name.lower(), TAGS, n=1)
    hint = f"did you mean [{near[0]}]?" if near else f"tags are {_TAGS}"
    return f"no tag [{name}]; {hint} (quotes around it all make it plain words)"


def explained(error: UnexpectedInput, text: str, line: int, column: int) -> RuleError:
    """The parser's complaint about `text`, which begins at `line` and `column`."""
    if isinstance(error, UnexpectedCharacters):
        return RuleError(line, column + (error.pos_in_stream or 0), "this quotation mark has no partner")
    token = error.token if isinstance(error, UnexpectedToken) else Token("$END", "")
    at = len(text) if token.type == "$END" else token.start_pos or 0
    accepted = (error.accepts if isinstance(error, UnexpectedToken) else None) or set()
    return RuleError(line, column + at, _expected(token, accepted, text[:at]))


def _expected(token: Token, accepted: Set[str], before: str) -> str:
    shown = "the end" if token.type == "$END" else _short(token)
    if token.type == "$END" and "RPAR" in accepted:
        return "expected ) before the end"
    if token.type == "RPAR" and "$END" in accepted:
        return "this ) closes nothing"
    if token.type == "OTHER_TAG":
        return unknown_tag(token)
    if "_AND" not in accepted:
        return f"expected a word, a phrase or ( before {shown}"
    if field := re.search(r"(\w+):$", before):
        return unknown_field(field[1])
    near = "; for words near one another, write a NEAR/3 b" if "~" in shown else ""
    return f"expected AND, OR or NOT before {shown}{near}"


def _short(token: Token) -> str:
    shown = str(token).strip()
    return repr(shown if len(shown) <= 40 else f"{shown[:39]}…")
