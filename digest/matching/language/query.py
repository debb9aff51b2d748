"""Queries as trees: what they mean, their canonical form, and how they are written.

A profile is rules, one a line; lines are alternatives. The documentation of rules describes the language for users.

A query is a tree of Term, Near, Author, AllOf, AnyOf and Not. Queries that ask the same, however they are written, have
the same canonical form, and `parse_query(format_query(query)) == query` for every query that `parse_query` returns.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from digest.models import Field
from digest.spelling import nearest
from digest.text import COMPOUND, WORD, cache_short, fold, readings, shortened, stem

SHOWN = frozenset({Field.TITLE, Field.ABSTRACT})  # where terms without a field are looked for
EVERYWHERE = frozenset(Field)
TITLE, ABSTRACT, AUTHOR, CATEGORY = (frozenset({field}) for field in Field)

FIELDS: dict[str, frozenset[Field]] = {
    "title": TITLE, "ti": TITLE, "abstract": ABSTRACT, "abs": ABSTRACT, "author": AUTHOR, "au": AUTHOR,
    "category": CATEGORY, "cat": CATEGORY, "all": EVERYWHERE,
}  # fmt: skip

# https://info.arxiv.org/help/api/user-manual.html, 5.1: fields that arXiv can search but feeds do not contain.
ELSEWHERE = {
    "co": "comments",
    "jr": "journal references",
    "rn": "report numbers",
    "id": "identifiers",
    "submitteddate": "dates",
    "lastupdateddate": "dates",
}

# https://pubmed.ncbi.nlm.nih.gov/help/#search-tags: in brackets after a term.
TAGS: dict[str, frozenset[Field]] = {
    "title/abstract": SHOWN, "tiab": SHOWN, "text word": SHOWN, "tw": SHOWN, "title": TITLE, "ti": TITLE,
    "abstract": ABSTRACT, "ab": ABSTRACT, "author": AUTHOR, "au": AUTHOR, "1au": AUTHOR, "all fields": EVERYWHERE,
    "all": EVERYWHERE,
}  # fmt: skip

# PubMed's other tags, except those that may be words ([Pt] and [La] are elements). Directly after a word, any tag that
# is not in TAGS is an error.
OTHER_TAGS = (
    "affiliation", "author - first", "author - last", "book", "conflict of interest statements", "date - publication",
    "dp", "filter", "grants and funding", "investigator", "journal", "language", "majr", "mesh", "mesh major topic",
    "mesh subheading", "mesh terms", "mh", "other term", "pdat", "pharmacological action", "publication type",
    "publisher", "supplementary concept", "transliterated title", "volume",
)  # fmt: skip

_LONGEST_NAME = 40  # of an unknown field or tag that a message repeats
_NAMED_FIELDS = "title: abstract: author: category: all:"
_NAMED_TAGS = "[Title] [Abstract] [Title/Abstract] [Author] [All Fields]"


def unknown_field(name: str) -> str:
    """Return the error message for a field that does not exist."""
    if name.lower() in ELSEWHERE:
        return f"{name}: ({ELSEWHERE[name.lower()]}) is not in the feeds; fields are {_NAMED_FIELDS}"
    name = _shortened(name)
    similar = nearest(name, FIELDS)
    hint = f"did you mean {similar}:?" if similar else f"fields are {_NAMED_FIELDS}"
    return f"no field {name}:; {hint} (quotes make it plain words)"


def unknown_tag(written: str) -> str:
    """Return the error message for a tag that does not exist."""
    name = _shortened(written.strip("[] \t"))
    similar = nearest(name, TAGS)
    hint = f"did you mean [{similar}]?" if similar else f"tags are {_NAMED_TAGS}"
    return f"no tag [{name}]; {hint} (quotes around it all make it plain words)"


def _shortened(name: str) -> str:
    return shortened(name, _LONGEST_NAME)


MAX_CHARACTERS = 500_000  # of a stored profile's text
MAX_DEPTH = 50  # of parentheses and NOTs
MAX_PHRASE = 50  # words

ARCHIVE = ".*"  # ends the word for a whole archive of categories: cs.* for cs.LG

# A way to read a term as word patterns: `~word` is compared without plural ending, `=word` as it is (case and accents
# folded), `^word` as a prefix.
Pattern = tuple[str, ...]

# Replaces * while a text is split into words: a letter that occurs in no paper.
STAR = "\ua66e"


@dataclass(frozen=True, slots=True)
class Term:
    """A word, phrase or prefix, looked for in each of `fields` separately.

    `text` is canonical: folded words with one space between them, compounds with their dashes, prefixes with a *.
    """

    text: str
    fields: frozenset[Field]
    exact: bool = False  # words are compared as they are; otherwise without plural endings

    @property
    def readings(self) -> tuple[Pattern, ...]:
        """Every way to read the text as words, any of which may match. Several if it contains compounds."""
        return patterns(self.text, exact=self.exact)


@dataclass(frozen=True, slots=True)
class Near:
    """True if a term of each side is in one text, in either order, with at most `distance` words between them."""

    left: tuple[Term, ...]
    right: tuple[Term, ...]
    distance: int


@dataclass(frozen=True, slots=True)
class Author:
    """True if the name of one author contains every part, in any order. An initial is a prefix: `y*`."""

    parts: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """True if all parts are true."""

    parts: tuple["Query", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True if any part is true."""

    parts: tuple["Query", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True if its part is not true."""

    part: "Query"


Query = Term | Near | Author | AllOf | AnyOf | Not


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of a profile."""

    text: str  # as written, without "-", weight and comment
    line: int  # counts from 1
    query: Query
    weight: float = 1.0
    excludes: bool = False  # papers that it matches are excluded from the whole profile


def distinct_rules(rules: Iterable[Rule]) -> list[Rule]:
    """Return one rule for each query: one that excludes, if there is one, else the one with the highest weight."""
    return list({rule.query: rule for rule in sorted(rules, key=lambda r: (r.excludes, r.weight))}.values())


@cache_short(65536)
def patterns(text: str, *, exact: bool) -> tuple[Pattern, ...]:
    """Return every way to read `text` as word patterns. Empty if a * is not at the end of a word."""
    if text.endswith(ARCHIVE):
        return ((f"={text}",),)

    def pattern(word: str) -> str:
        if word.endswith(STAR):
            return f"^{word[:-1]}"
        return f"={word}" if exact else f"~{stem(word)}"

    ways = readings(text.replace("*", STAR))
    return tuple(dict.fromkeys(tuple(map(pattern, way)) for way in ways if not any(STAR in word[:-1] for word in way)))


def matches_empty_paper(query: Query) -> bool:
    """Return whether the query matches a paper that contains none of its terms."""
    match query:
        case Term() | Near() | Author():
            return False
        case Not(part):
            return not matches_empty_paper(part)
        case AllOf(parts):
            return all(map(matches_empty_paper, parts))
        case AnyOf(parts):
            return any(map(matches_empty_paper, parts))


def iter_terms(query: Query) -> Iterator[Term]:
    """Yield every term of the query, including negated ones."""
    match query:
        case Term():
            yield query
        case Near(left, right, _):
            yield from left
            yield from right
        case Not(part):
            yield from iter_terms(part)
        case Author(parts) | AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from iter_terms(part)


def canonical(query: Query) -> Query:
    """Return the canonical form: equal for queries that differ only in spelling, order, repetition and nesting."""
    match query:
        case Term():
            return _canonical_term(query)
        case Near(left, right, distance):
            # A side is looked for only in the fields where the other side is looked for, too.
            left = _within_fields_of(right, map(_canonical_term, left))
            right = _within_fields_of(left, map(_canonical_term, right))
            first, second = sorted((left, right), key=_format_side)
            return Near(first, second, distance)
        case Author(parts):
            names = _distinct(map(_canonical_term, parts))
            return names[0] if len(names) == 1 else Author(names)
        case Not(part):
            inner = canonical(part)
            return inner.part if isinstance(inner, Not) else Not(inner)
        case AllOf(parts) | AnyOf(parts):
            kind = type(query)
            flat: list[Query] = []
            for part in map(canonical, parts):
                flat += part.parts if isinstance(part, kind) else (part,)
            distinct = sorted(set(flat), key=format_query)
            return distinct[0] if len(distinct) == 1 else kind(tuple(distinct))


def _canonical_term(term: Term) -> Term:
    if term.fields == CATEGORY and term.text.endswith(ARCHIVE):
        return term
    if term.fields == CATEGORY:
        return Term(canonical_text(term.text, exact=True, separator="."), term.fields, exact=True)
    text = canonical_text(term.text, exact=term.exact)
    only_prefixes = all(word.endswith("*") for word in text.replace("-", " ").split())
    return Term(text, term.fields, term.exact and not (only_prefixes and term.fields <= SHOWN))


def _within_fields_of(other: Sequence[Term], side: Iterable[Term]) -> tuple[Term, ...]:
    fields = frozenset[Field]().union(*(term.fields for term in other))
    return _distinct(Term(term.text, term.fields & fields, term.exact) for term in side if term.fields & fields)


def _distinct(terms: Iterable[Term]) -> tuple[Term, ...]:
    return tuple(sorted(set(terms), key=_format_term))


@cache_short(16384)
def canonical_text(written: str, *, exact: bool, separator: str = " ") -> str:
    """Return the text of a Term: folded words, stemmed unless `exact`, with compounds as they are written."""
    compounds = [[fold(part) for part in WORD.findall(found)] for found in COMPOUND.findall(written.replace("*", STAR))]
    # A Han ideograph is a word by itself, so a star after it means nothing.
    compounds = [parts for parts in compounds if parts != [STAR]]
    if not exact:
        compounds = [[_stem(parts[0])] if len(parts) == 1 else parts for parts in compounds]
        if any(len(parts) > 1 for parts in compounds):
            compounds = _with_stemmed_parts(compounds)
    return separator.join("-".join(parts) for parts in compounds).replace(STAR, "*")


def _with_stemmed_parts(compounds: list[list[str]]) -> list[list[str]]:
    """Stem the parts of compounds as far as this changes no reading: the end of `multi-tasks`, not its `multi`.

    The joined reading of `systems-on-chip` is another word than the joined reading of `system-on-chip`.
    """

    def read(some: list[list[str]]) -> tuple[Pattern, ...]:
        return patterns(" ".join("-".join(parts) for parts in some), exact=False)

    wanted, before = read(compounds), None
    while compounds != before:
        before = compounds
        for i, j in [(i, j) for i, parts in enumerate(compounds) for j in range(len(parts))]:
            parts = [*compounds[i][:j], _stem(compounds[i][j]), *compounds[i][j + 1 :]]
            tried = [*compounds[:i], parts, *compounds[i + 1 :]]
            if parts != compounds[i] and read(tried) == wanted:
                compounds = tried
    return compounds


def _stem(part: str) -> str:
    return part if part.endswith(STAR) else stem(part)


def format_query(query: Query) -> str:
    """Return the query as a rule, which `parse_query` reads as the same query."""
    match query:
        case Term():
            return _format_term(query)
        case Near(left, right, distance):
            return f"{_format_side(left)} NEAR/{distance} {_format_side(right)}"
        case Author(parts):
            # A single letter is read as an initial, so y* is written y.
            names = (part.text[0] if part.text[1:] == "*" else _format_name(part) for part in parts)
            return "author:" + " ".join(names)
        case Not(part):
            return f"NOT {_grouped(part, AllOf, AnyOf)}"
        case AllOf(parts):
            rest_last = sorted(parts, key=lambda part: isinstance(part, Not))  # cats AND NOT dogs
            return " AND ".join(_grouped(part, AnyOf) for part in rest_last)
        case AnyOf(parts):
            return " OR ".join(map(format_query, parts))


def _format_term(term: Term) -> str:
    if term.fields == CATEGORY:
        return f"category:{term.text}"
    if term.fields == AUTHOR:
        return "author:" + _format_name(term)
    field = "" if term.fields == SHOWN else f"{min(term.fields)}:"
    return f'{field}"{term.text}"' if term.exact else f"{field}{term.text}"


def _format_name(part: Term) -> str:
    return part.text.replace(" ", "'")  # O'Neill: with a space it would be two parts


def _format_side(side: Sequence[Term]) -> str:
    texts = [_format_term(term) for term in side]
    return texts[0] if len(texts) == 1 else f"({' OR '.join(texts)})"


def _grouped(part: Query, *loose: type) -> str:
    return f"({format_query(part)})" if isinstance(part, loose) else format_query(part)
