"""A query of arXiv or PubMed, part by part, as a rule of ours. What no feed says is left out, and kept to be named.

PubMed reads from left to right and joins what stands side by side with AND; arXiv binds NOT, AND, OR as we do.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from digest.errors import RuleError
from digest.matching.language.fields import ELSEWHERE, FIELDS, SHOWN, TAGS
from digest.matching.language.parts import Joined, Part, joined
from digest.matching.language.pubmed import NAMES, NOWHERE, SUBJECTS, near, scoped, subject
from digest.matching.language.query import MAX_DEPTH
from digest.models import Field

# Words that PubMed does not look for, where others stand beside them.
_STOPPED = frozenset("a an and as at by for from in of on or the to with".split())

_ELSEWHERE = frozenset({*ELSEWHERE, "doi"})
_TOKENS = re.compile(
    r"""
    (?P<quoted> "[^"]*" | “[^”]*” | „[^“”]*[“”] | «[^»]*» )
    | (?P<date> (?i:submittedDate|lastUpdatedDate) : \[ [^\[\]]* \] )
    | (?P<tag> \[ [^\[\]]* \] )
    | (?P<open> \( ) | (?P<close> \) )
    | (?P<operator> (?: ANDNOT | AND | OR | NOT ) (?= [\s()"“„«] | $ ) )
    | (?P<field> (?i: FIELDS ) : (?= [^\s)] ) )
    | (?P<to> : (?= [\s"(] | $ ) )
    | (?P<word> [^\s()"“”„«»\[\]]+ )
    """.replace("FIELDS", "|".join([*FIELDS, *_ELSEWHERE])),
    re.VERBOSE,
)
_PROXIMITY = re.compile(r"~([0-9]{1,3})")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


class Reader:
    """Reads queries; what was left out of them is in `left_out`."""

    def __init__(self) -> None:
        self.left_out: list[str] = []
        self._text = ""
        self._tokens: Sequence[_Token] = ()
        self._at = 0
        self._each_word = False
        self._from_left = False

    def read(self, text: str, *, each_word: bool = False, pubmed: bool = False) -> Part | None:
        """A query in one line; None where nothing is left of it. Raises RuleError.

        `each_word`: words that stand side by side may stand apart in a paper. PubMed's tags tell of PubMed.
        """
        self._text, self._tokens, self._at = text, list(_tokens(text)), 0
        self._from_left = pubmed or any(self._is_tag(at) for at in range(len(self._tokens)))
        self._each_word = each_word or self._from_left
        found = self._expression(0)
        if self._at < len(self._tokens):
            raise RuleError(1, 1, "this ) closes nothing")
        return found

    def _kind(self, ahead: int = 0) -> str:
        return self._tokens[self._at + ahead].kind if self._at + ahead < len(self._tokens) else ""

    def _next(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _expression(self, depth: int) -> Part | None:
        """What stands up to the next ) or the end."""
        if depth > MAX_DEPTH:
            raise RuleError(1, 1, f"parentheses and fields lie deeper than {MAX_DEPTH}")
        found: list[Joined] = []
        first = True
        while self._kind() not in {"", "close"}:
            operator, negated = self._operators(first=first)
            part = self._operand(depth)
            if part is not None:
                found.append(Joined(part, operator, negated))
            first = False
        return joined(found, from_left=self._from_left)

    def _operators(self, *, first: bool) -> tuple[str, bool]:
        """(AND or OR, whether NOT stands there, too): AND where nothing does."""
        said: list[str] = []
        while self._kind() == "operator":
            said.append(self._next().text)
        *before, last = said or ["AND"]
        if len(before) > 1 or (before and last != "NOT") or (first and said and said != ["NOT"]):
            raise RuleError(1, 1, f"expected a word, a phrase or ( beside {said[0]}")
        if said and self._kind() in {"", "close"}:
            raise RuleError(1, 1, f"expected a word, a phrase or ( behind {last}")
        return "OR" if said[:1] == ["OR"] else "AND", last in {"NOT", "ANDNOT"}

    def _operand(self, depth: int) -> Part | None:
        begin, token = self._tokens[self._at].start, self._next()
        match token.kind:
            case "open":
                part = self._expression(depth + 1)
                if self._kind() != "close":
                    raise RuleError(1, 1, "expected ) before the end")
                self._next()
            case "field":
                return self._in_field(token, depth)
            case "date":
                return self._leave_out(begin)
            case "quoted":
                part = Part(token.text)
            case _:
                part = self._words(token)
        return self._tagged(part, begin)

    def _in_field(self, field: _Token, depth: int) -> Part | None:
        name, kept = field.text[:-1].lower(), len(self.left_out)
        if self._kind() in {"", "close", "operator"} or depth >= MAX_DEPTH:
            raise RuleError(1, 1, f"expected a word, a phrase or ( behind {field.text}")
        part = self._operand(depth + 1)
        if name in _ELSEWHERE:
            del self.left_out[kept:]  # it is all left out at once
            return self._leave_out(field.start)
        return part and Part(f"{name}:{part.within('AND', 'OR')}")

    def _words(self, first: _Token) -> Part:
        last = first
        while self._kind() in {"word", "tag", "to"} and not self._is_tag(self._at):
            last = self._next()
        words = self._text[first.start : last.end].split()
        if any(re.fullmatch(r"#[0-9]+", word) for word in words):
            raise RuleError(1, 1, f"{first.text} is a line of a search history; paste what stands there")
        if not self._each_word or self._is_tag(self._at):
            return Part(" ".join(word.lstrip("#") for word in words))
        apart = [word.lstrip("#") for word in words if re.search(r"\w", word)]
        apart = [word for word in apart if word not in _STOPPED] or apart or words
        return Part(" AND ".join(apart), "AND" if len(apart) > 1 else "")

    def _is_tag(self, at: int) -> bool:
        """Whether a token is a tag of PubMed; two letters may be an element, unless they are glued to a word."""
        if at >= len(self._tokens) or self._tokens[at].kind != "tag":
            return False
        name, _ = _named(self._tokens[at])
        known = name in TAGS or name in SUBJECTS or name in NAMES or name in NOWHERE
        return known and (len(name) > 2 or (at > 0 and self._tokens[at - 1].end == self._tokens[at].start))

    def _tagged(self, part: Part | None, begin: int) -> Part | None:
        """A part with the tags that stand behind it."""
        while self._is_tag(self._at):
            tag = self._next()
            name, option = _named(tag)
            if name in NOWHERE or part is None:
                self._skip_range()
                return self._leave_out(begin)
            if name in SUBJECTS:
                self.left_out.append(tag.text)
                part = subject(part)
            elif proximity := _PROXIMITY.fullmatch(option):
                part = near(part, TAGS.get(name, SHOWN), int(proximity[1]))
            else:
                part = scoped(part, TAGS.get(name, frozenset({Field.AUTHOR})))
        return part

    def _skip_range(self) -> None:
        """`"2020"[dp] : "3000"[dp]`: what stands behind the colon."""
        while self._kind() == "to":
            self._next()
            while self._kind() in {"quoted", "word"}:
                self._next()
            if self._is_tag(self._at):
                self._next()

    def _leave_out(self, begin: int) -> Part | None:
        """Note what stands between `begin` and here; nothing is left of it."""
        self.left_out.append(self._text[begin : self._tokens[self._at - 1].end])
        return None


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        found = _TOKENS.match(text, at)
        if found is not None:
            yield _Token(found.lastgroup or "", found.group(), at, found.end())
        elif not text[at].isspace():
            what = "bracket" if text[at] in "[]" else "quotation mark"
            raise RuleError(1, 1, f"a {what} has no partner")
        at = found.end() if found is not None else at + 1


def _named(tag: _Token) -> tuple[str, str]:
    """(the name of a tag, what stands behind its colon: [mh:noexp], [tiab:~3])."""
    name, _, option = " ".join(tag.text.strip("[]").lower().split()).partition(":")
    return name.strip(), option.strip()
