"""From words as somebody wrote them to the term that they ask for, checked."""

import re

from digest.matching.language.canonical import canonical_text
from digest.matching.language.complaints import UnreadableError
from digest.matching.language.fields import SHOWN
from digest.matching.language.query import ARCHIVE, MAX_PHRASE, STAR, AnyOf, Author, Query, Term, patterns
from digest.models import Field
from digest.text import COMPOUND, MARKS, WORD

_STAR = re.compile(f"(?<=[^\\W_{MARKS}])\\*|(?<=[{MARKS}])\\*")
_ARCHIVE = re.compile(r"\s*(.*\w)\.\*\s*")
_TOO_SHORT = "expected at least two letters before *, as in quantiz*"
_NAME = frozenset({Field.AUTHOR})
_CATEGORY = frozenset({Field.CATEGORY})
_PIECE = re.compile(r"[^\s,._;]+")  # of a name: LeCun, Y. or hinton_g
_INITIALS = re.compile(r"[^\W\d_a-z]{1,3}")  # as PubMed writes them behind the family name: Hinton GE


def term(text: str, offset: int, fields: frozenset[Field], *, exact: bool, initials: bool = False) -> Query:
    """What `text` asks for in `fields`. Raises UnreadableError; `offset` is where the text begins.

    Names (authors, categories) are compared as they are, also outside quotes. With `initials`, one to three capitals
    behind a family name are not a name of their own.
    """
    asked: list[Query] = []
    if fields & SHOWN:
        asked.append(shown_term(text, offset, fields & SHOWN, exact=exact))
    if Field.AUTHOR in fields:
        asked.append(_author(text, offset, initials=initials))
    if Field.CATEGORY in fields:
        asked.append(Term(_category(text, offset), _CATEGORY, exact=True))
    return asked[0] if len(asked) == 1 else AnyOf(tuple(asked))


def shown_term(text: str, offset: int, fields: frozenset[Field], *, exact: bool) -> Term:
    """A word, phrase or prefix in title or abstract. Raises UnreadableError."""
    return Term(_checked(text, offset, exact=exact), fields, exact)


def _category(text: str, offset: int) -> str:
    """A category, or by cs.* all whose first word is cs."""
    archive = _ARCHIVE.fullmatch(text)
    if archive is None:
        return _checked(text, offset, exact=True, between=".")
    if len(COMPOUND.findall(archive[1])) != 1:
        raise UnreadableError(offset, "expected one archive before .*, as in cs.* or cond-mat.*")
    return _checked(archive[1], offset, exact=True) + ARCHIVE


def _author(text: str, offset: int, *, initials: bool) -> Query:
    pieces = [(m.group(), offset + m.start()) for m in _PIECE.finditer(text)]
    pieces = [piece for piece in pieces if WORD.search(piece[0]) or "*" in piece[0]]
    if initials and len(pieces) > 1 and _INITIALS.fullmatch(pieces[-1][0]):
        pieces[-1] = (pieces[-1][0][0], pieces[-1][1])
    if len(pieces) > MAX_PHRASE:
        raise UnreadableError(offset, f"a name of more than {MAX_PHRASE} parts")
    parts = list(dict.fromkeys(_part_of_name(*piece) for piece in pieces)) if len(pieces) > 1 else []
    if len(parts) > 1:
        return Author(tuple(parts))
    written, at = pieces[0] if pieces else (text, offset)
    return Term(_checked(written, at, exact=True), _NAME, exact=True)


def _part_of_name(written: str, offset: int) -> Term:
    letter = canonical_text(written.removesuffix("*"), exact=True)
    if len(letter) == 1 and letter.upper() != letter:  # scripts with capitals have initials
        return Term(f"{letter}*", _NAME, exact=True)
    return Term(_checked(written, offset, exact=True), _NAME, exact=True)


def _checked(text: str, offset: int, *, exact: bool, between: str = " ") -> str:
    """The canonical text, if it can be looked for."""
    starred = _STAR.sub(STAR, text.replace(STAR, " "))
    if "*" in starred:
        raise UnreadableError(offset + starred.index("*"), _TOO_SHORT)
    parts = sum(1 for _ in WORD.finditer(starred))
    if not parts:
        raise UnreadableError(offset, f"there is no letter or digit in {_short(text)}")
    if parts > MAX_PHRASE:
        raise UnreadableError(offset, f"a phrase of more than {MAX_PHRASE} words")
    canonical = canonical_text(starred, exact=exact, between=between)
    if STAR in starred:
        _check_prefixes(canonical, offset, starred, exact=exact)
    return canonical


def _check_prefixes(canonical: str, offset: int, starred: str, *, exact: bool) -> None:
    ways = patterns(canonical, exact=exact)
    at = offset + starred.index(STAR)
    if not ways:
        raise UnreadableError(at, "expected * at the end of a word only")
    if any(word[0] == "^" and len(word) < 3 for way in ways for word in way):
        raise UnreadableError(at, _TOO_SHORT)


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
