"""Translates what people copy from arXiv and PubMed into our rules: queries, and the addresses of search pages.

Parts that no feed contains, such as dates, are left out and reported. PubMed evaluates operators from left to right and
joins words side by side with AND; arXiv binds NOT, AND and OR as we do.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote_plus, urlsplit

from digest.errors import RuleError
from digest.matching.language.parser import compile_rules
from digest.matching.language.query import AUTHOR, ELSEWHERE, EVERYWHERE, FIELDS, MAX_DEPTH, SHOWN, TAGS
from digest.matching.language.query_builder import MAX_DISTANCE
from digest.models import EXCLUDES, Field

MAX_PASTED = 20_000  # characters

_ADDRESS = re.compile(r"(?:https?://|(?:www\.|export\.)?arxiv\.org/|pubmed\.ncbi\.|www\.ncbi\.)\S", re.IGNORECASE)
_OPERATOR = r"(?:AND|OR|NOT|ANDNOT)"
_ENDS_OPEN = re.compile(rf"(?:^|[\s)\]\"”]){_OPERATOR}$|[(:]$")
_CONTINUES = re.compile(rf"{_OPERATOR}(?:[\s(\"“]|$)|[)\[:]")
_ENCODED = re.compile(rf"search_query=|\+{_OPERATOR}\+|%2[028]|%3A", re.IGNORECASE)

# https://arxiv.org/search/advanced: the fields that we have, too.
_ARXIV_FIELDS = {"all": "all", "title": "title", "abstract": "abstract", "author": "author", "": "all"}
_ARXIV_ARCHIVES = {
    "computer_science": "cs", "economics": "econ", "eess": "eess", "mathematics": "math", "q_biology": "q-bio",
    "q_finance": "q-fin", "statistics": "stat",
}  # fmt: skip
_PHYSICS = "astro-ph cond-mat gr-qc hep-ex hep-lat hep-ph hep-th math-ph nlin nucl-ex nucl-th physics quant-ph".split()
_MOST_TERMS = 50

# https://pubmed.ncbi.nlm.nih.gov/help/#search-tags. Subject headings: their words may be in a text as well.
_SUBJECT_TAGS = frozenset(
    "mesh|mh|mesh terms|majr|mesh major topic|nm|supplementary concept|ot|other term|pa|pharmacological action".split(
        "|"
    )
)
_NAME_TAGS = frozenset("author - first|first author|lastau|author - last|last author|fau|full author name".split("|"))
_TAGS_ELSEWHERE = frozenset(  # for what no feed contains
    (
        "ad|affiliation|aid|article identifier|auid|author identifier|bk|book|cn|corporate author"
        "|author - corporate|cois|conflict of interest statements|crdt|date - create|date - completion|dcom"
        "|date - entry|edat|date - entrez|date - mesh|mhda|date - modification|lr|date - publication|dp|pdat"
        "|publication date|ec/rn number|rn|ed|editor|ein|isbn|filter|sb|subset|gr|grants and funding|grant number"
        "|ir|investigator|ip|issue|ta|jour|journal|is|issn|la|lang|language|lid|location id|jid|nlmuniqueid"
        "|nlm unique id|pg|pagination|pl|place of publication|pmid|uid|pmcid|ps|subject - personal name|pt|ptyp"
        "|publication type|pubn|publisher|si|secondary source id|sh|mesh subheading|tt|transliterated title|vi"
        "|volume"
    ).split("|")
)
_KNOWN_TAGS = _SUBJECT_TAGS | _NAME_TAGS | _TAGS_ELSEWHERE | set(TAGS)
_FIELDS_ELSEWHERE = frozenset({*ELSEWHERE, "doi"})
_PREFIX_OF = {FIELDS["title"]: "title:", FIELDS["abstract"]: "abstract:", EVERYWHERE: "all:", SHOWN: ""}
_QUOTES = '"“”„«»'

# Words that PubMed does not look for if there are others beside them.
_STOP_WORDS = frozenset("a an and as at by for from in of on or the to with".split())

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
    """.replace("FIELDS", "|".join([*FIELDS, *_FIELDS_ELSEWHERE])),
    re.VERBOSE,
)
_PROXIMITY = re.compile(r"~([0-9]{1,3})")

_Parameters = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Translation:
    """Rules that ask the same as a query, and the parts of the query that were left out since no feed contains them."""

    rules: str
    left_out: tuple[str, ...] = ()


def translate_query(text: str) -> Translation:
    """Translates queries and addresses of searches into rules, one line each.

    A query may take several lines: it continues after a line that ends with an operator or an open parenthesis, and on
    a line that begins with an operator. Raises RuleError, whose line and column mean nothing.
    """
    if len(text) > MAX_PASTED:
        raise RuleError(1, 1, f"that is longer than {MAX_PASTED:,} characters")
    reader = _Reader()
    parts: list[_Part | None] = []
    for query in dict.fromkeys(_split_queries(text)):
        if _ADDRESS.match(query):
            parts.append(_read_address(query, reader))
        elif _ENCODED.search(query) and " " not in query:
            encoded = query.partition("search_query=")[2].partition("&")[0] or query
            parts.append(reader.read(_one_line(unquote_plus(encoded))))
        else:
            parts.append(reader.read(query))
    found = [part.text for part in parts if part is not None and part.text]
    if not found:
        missing = ", ".join(reader.left_out)[:200]
        raise RuleError(1, 1, f"feeds contain none of this: {missing}" if missing else "there are no words to look for")
    rules = "\n".join(dict.fromkeys(found))
    try:
        compiled = compile_rules(rules).rules
    except RuleError as error:
        raise RuleError(1, 1, error.reason) from None
    if not any(rule.weight != EXCLUDES for rule in compiled):
        raise RuleError(1, 1, "this only says what to exclude")
    return Translation(rules, tuple(dict.fromkeys(reader.left_out)))


def _split_queries(text: str) -> Iterator[str]:
    """Yield each query of the text in one line."""
    lines: list[str] = []
    opened, quoted = 0, False
    for line in (_one_line(line) for line in text.splitlines()):
        if not line:
            continue
        continues = lines and (opened > 0 or quoted or _ENDS_OPEN.search(lines[-1]) or _CONTINUES.match(line))
        if lines and (not continues or _ADDRESS.match(line)):
            yield " ".join(lines)
            lines, opened, quoted = [], 0, False
        lines.append(line)
        for character in re.findall(r'["()]', line):
            if character == '"':
                quoted = not quoted
            elif not quoted:
                opened += 1 if character == "(" else -1
        if _ADDRESS.match(lines[0]):
            opened = 0  # an address may contain an unmatched parenthesis
    if lines:
        yield " ".join(lines)


def _one_line(text: str) -> str:
    return " ".join(text.split())


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a rule, and its outermost operator: "AND", "OR" or ""."""

    text: str
    operator: str = ""

    def grouped(self, *operators: str) -> str:
        """Return the text, in parentheses if its outermost operator is one of these."""
        return f"({self.text})" if self.operator in operators else self.text

    def in_fields(self, fields: frozenset[Field]) -> "_Part":
        """Return the part restricted to fields. Names keep PubMed's form, Hinton GE."""
        text = self.grouped("AND", "OR")
        if fields not in _PREFIX_OF:
            return _Part(f"{text}[au]")
        prefix = _PREFIX_OF[fields]
        return _Part(f"{prefix}{text}", "" if prefix else self.operator)

    def as_near(self, distance: int) -> "_Part":
        """Return two words as a NEAR, and more words, which NEAR cannot join, as an AND."""
        words = [] if self.operator else self.text.strip(_QUOTES).split()
        if len(words) == 2:
            return _Part(f"{words[0]} NEAR/{min(distance, MAX_DISTANCE)} {words[1]}", "AND")
        return _Part(" AND ".join(words), "AND") if words[1:] else self

    def as_subject(self) -> "_Part":
        """Return a subject heading without its subheading, in the order of a text: `Diabetes, Type 2` is turned."""
        if self.operator:
            return self
        heading = self.text.strip(_QUOTES).partition("/")[0]
        first, comma, last = heading.partition(", ")
        heading = f"{last} {first}" if comma and "," not in last else heading
        return _Part(f'"{heading}"' if self.text.startswith(('"', "“", "„", "«")) else heading)


@dataclass(frozen=True, slots=True)
class _Joined:
    """A part, and how it is joined to the parts before it."""

    part: _Part
    operator: str = "AND"  # or "OR"
    negated: bool = False


def _join(parts: Sequence[_Joined], *, left_to_right: bool = False) -> _Part | None:
    """Joins parts; AND binds tighter than OR, unless they are evaluated left to right. Returns None for no parts."""
    if not left_to_right:
        alternatives: list[list[_Joined]] = []
        for one in parts:
            if one.operator == "OR" or not alternatives:
                alternatives.append([])
            alternatives[-1].append(one)
        found = (_join(some, left_to_right=True) for some in alternatives)
        parts = [_Joined(part, "OR") for part in found if part is not None]
    joined: _Part | None = None
    for one in parts:
        text = f"NOT {one.part.grouped('AND', 'OR')}" if one.negated else one.part.grouped("OR")
        if joined is None:
            joined = _Part(text) if one.negated else one.part
        elif one.operator == "AND":
            joined = _Part(f"{joined.grouped('OR')} {text if one.negated else f'AND {text}'}", "AND")
        elif joined != one.part or one.negated:  # "cancer"[Mesh] OR "cancer"[tiab] become the same
            joined = _Part(f"{joined.text} OR {text}", "OR")
    return joined


def _read_address(address: str, reader: "_Reader") -> _Part | None:
    """Read the query in the address of a search. Raises RuleError for any other address."""
    try:
        split = urlsplit(address if "//" in address[:8] else f"https://{address}")
        host, path, parameters = (split.hostname or "").lower(), split.path, parse_qs(split.query)
    except ValueError:  # an invalid host, or too many parameters
        host, path, parameters = "", "", {}
    if host == "arxiv.org" or host.endswith(".arxiv.org"):
        if "search_query" in parameters:
            reader.left_out += [f"id_list={ids}" for ids in parameters.get("id_list", ())]
            return reader.read(_one_line(parameters["search_query"][-1]))
        if path.startswith("/search/advanced") or "terms-0-term" in parameters:
            return _read_advanced_search(parameters, reader)
        if "query" in parameters:
            return _read_search_field(parameters["query"][-1], _last(parameters, "searchtype"), reader)
    elif host.endswith("ncbi.nlm.nih.gov") and "term" in parameters:
        part = reader.read(_one_line(parameters["term"][-1]), pubmed=True)
        reader.left_out += [f"filter={each}" for each in parameters.get("filter", ())]
        return part
    raise RuleError(1, 1, "this is not the address of a search of arXiv or PubMed; paste the query itself")


def _last(parameters: _Parameters, name: str) -> str:
    return parameters.get(name, [""])[-1]


def _read_advanced_search(parameters: _Parameters, reader: "_Reader") -> _Part | None:
    """Read the parameters of arXiv's advanced search."""
    found: list[_Joined] = []
    for n in range(_MOST_TERMS):
        term, operator = _last(parameters, f"terms-{n}-term").strip(), _last(parameters, f"terms-{n}-operator")
        part = _read_search_field(term, _last(parameters, f"terms-{n}-field"), reader) if term else None
        if part is not None:
            found.append(_Joined(part, "OR" if operator == "OR" else "AND", operator == "NOT"))
    reader.left_out += [
        f"{name}={_last(parameters, name)}"
        for name in ("date-filter_by", "date-year", "date-from_date", "date-to_date")
        if _last(parameters, name) not in {"", "all_dates", "date_range", "specific_year"}
    ]
    wanted = [archive for name, archive in _ARXIV_ARCHIVES.items() if _last(parameters, f"classification-{name}")]
    if _last(parameters, "classification-physics"):
        archive = _last(parameters, "classification-physics_archives")
        wanted += [archive] if archive in _PHYSICS else _PHYSICS
    terms, archives = _join(found), _join([_Joined(_Part(f"category:{archive}.*"), "OR") for archive in wanted])
    if terms is None or archives is None:
        return terms or archives
    return _Part(f"{terms.grouped('OR')} AND {archives.grouped('OR')}", "AND")


def _read_search_field(query: str, field: str, reader: "_Reader") -> _Part | None:
    """Read a field of arXiv's search, where words need not be side by side and `;` separates authors."""
    query = _one_line(query)
    if field not in _ARXIV_FIELDS:
        reader.left_out.append(f"{field}: {query}")
        return None
    names = [name for name in query.split(";") if name.strip()] if field == "author" else [query]
    parts = [reader.read(name, separate_words=field != "author") for name in names]
    found = _join([_Joined(part) for part in parts if part is not None])
    return found and _Part(f"{_ARXIV_FIELDS[field]}:{found.grouped('AND', 'OR')}")


class _Reader:
    """A recursive descent parser of queries. Collects what it left out of them in `left_out`."""

    def __init__(self) -> None:
        self.left_out: list[str] = []
        self._text = ""
        self._tokens: Sequence[re.Match[str]] = ()
        self._at = 0
        self._separate_words = False
        self._left_to_right = False

    def read(self, text: str, *, separate_words: bool = False, pubmed: bool = False) -> _Part | None:
        """Read a query in one line. Returns None if nothing of it is left. Raises RuleError.

        With `separate_words`, words side by side need not be side by side in a paper. A query with PubMed's tags is
        read as PubMed reads it, also without `pubmed`.
        """
        self._text, self._tokens, self._at = text, list(_tokens(text)), 0
        self._left_to_right = pubmed or any(self._is_tag(at) for at in range(len(self._tokens)))
        self._separate_words = separate_words or self._left_to_right
        found = self._expression(0)
        if self._at < len(self._tokens):
            raise RuleError(1, 1, "this ) has no matching (")
        return found

    @property
    def _kind(self) -> str:
        return self._tokens[self._at].lastgroup or "" if self._at < len(self._tokens) else ""

    def _next(self) -> re.Match[str]:
        self._at += 1
        return self._tokens[self._at - 1]

    def _expression(self, depth: int) -> _Part | None:
        """Read up to the next ) or the end."""
        if depth > MAX_DEPTH:
            raise RuleError(1, 1, f"parentheses and fields are nested deeper than {MAX_DEPTH}")
        found: list[_Joined] = []
        first = True
        while self._kind not in {"", "close"}:
            operators: list[str] = []
            while self._kind == "operator":
                operators.append(self._next().group())
            *before, last = operators or ["AND"]
            if len(before) > 1 or (before and last != "NOT") or (first and operators and operators != ["NOT"]):
                raise RuleError(1, 1, f"expected a word, a phrase or ( next to {operators[0]}")
            if operators and self._kind in {"", "close"}:
                raise RuleError(1, 1, f"expected a word, a phrase or ( after {last}")
            part = self._operand(depth)
            if part is not None:
                operator = "OR" if operators[:1] == ["OR"] else "AND"
                found.append(_Joined(part, operator, last in {"NOT", "ANDNOT"}))
            first = False
        return _join(found, left_to_right=self._left_to_right)

    def _operand(self, depth: int) -> _Part | None:
        begin, token = self._tokens[self._at].start(), self._next()
        match token.lastgroup:
            case "open":
                part = self._expression(depth + 1)
                if self._kind != "close":
                    raise RuleError(1, 1, "expected ) before the end")
                self._next()
            case "field":
                name, left_out_before = token.group()[:-1].lower(), len(self.left_out)
                if self._kind in {"", "close", "operator"} or depth >= MAX_DEPTH:
                    raise RuleError(1, 1, f"expected a word, a phrase or ( after {token.group()}")
                part = self._operand(depth + 1)
                if name in _FIELDS_ELSEWHERE:
                    del self.left_out[left_out_before:]  # it is part of what is left out now
                    return self._leave_out(begin)
                return part and _Part(f"{name}:{part.grouped('AND', 'OR')}")
            case "date":
                return self._leave_out(begin)
            case "quoted":
                part = _Part(token.group())
            case _:
                part = self._words(token)
        return self._tagged(part, begin)

    def _words(self, first: re.Match[str]) -> _Part:
        last = first
        while self._kind in {"word", "tag", "to"} and not self._is_tag(self._at):
            last = self._next()
        words = self._text[first.start() : last.end()].split()
        if any(re.fullmatch(r"#[0-9]+", word) for word in words):
            raise RuleError(1, 1, f"{first.group()} is a line of a search history; paste the query of that line")
        if not self._separate_words or self._is_tag(self._at):
            return _Part(" ".join(word.lstrip("#") for word in words))
        separate = [word.lstrip("#") for word in words if re.search(r"\w", word)]
        separate = [word for word in separate if word not in _STOP_WORDS] or separate or words
        return _Part(" AND ".join(separate), "AND" if len(separate) > 1 else "")

    def _is_tag(self, at: int) -> bool:
        """Return True for a PubMed tag. Two letters after a space may be a chemical element."""
        if at >= len(self._tokens) or self._tokens[at].lastgroup != "tag":
            return False
        name, _ = _tag(self._tokens[at])
        follows_directly = at > 0 and self._tokens[at - 1].end() == self._tokens[at].start()
        return name in _KNOWN_TAGS and (len(name) > 2 or follows_directly)

    def _tagged(self, part: _Part | None, begin: int) -> _Part | None:
        """Applies the tags that follow a part."""
        while self._is_tag(self._at):
            tag = self._next()
            name, option = _tag(tag)
            if name in _TAGS_ELSEWHERE or part is None:
                while self._kind == "to":  # a range: "2020"[dp] : "3000"[dp]
                    self._next()
                    while self._kind in {"quoted", "word"}:
                        self._next()
                    if self._is_tag(self._at):
                        self._next()
                return self._leave_out(begin)
            if name in _SUBJECT_TAGS:
                self.left_out.append(tag.group())
                part = part.as_subject()
            elif proximity := _PROXIMITY.fullmatch(option):
                part = part.as_near(int(proximity[1])).in_fields(TAGS.get(name, SHOWN))
            else:
                part = part.in_fields(TAGS.get(name, AUTHOR))
        return part

    def _leave_out(self, begin: int) -> _Part | None:
        """Add the text from `begin` to the current token to `left_out`. Returns None: nothing is left of it."""
        self.left_out.append(self._text[begin : self._tokens[self._at - 1].end()])
        return None


def _tag(token: re.Match[str]) -> tuple[str, str]:
    """Return (a tag's name, its option after a colon), as in [mh:noexp] and [tiab:~3]."""
    name, _, option = _one_line(token.group().strip("[]").lower()).partition(":")
    return name.strip(), option.strip()


def _tokens(text: str) -> Iterator[re.Match[str]]:
    at = 0
    while at < len(text):
        found = _TOKENS.match(text, at)
        if found is not None:
            yield found
        elif not text[at].isspace():
            raise RuleError(1, 1, f"a {'bracket' if text[at] in '[]' else 'quotation mark'} is unmatched")
        at = found.end() if found is not None else at + 1
