"""What people copy from arXiv and PubMed, as rules of ours: queries as they stand there, and addresses of searches."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, unquote_plus, urlsplit

from digest.errors import RuleError
from digest.matching.language.compiling import compile_rules
from digest.matching.language.foreign import Reader
from digest.matching.language.parts import Joined, Part, joined
from digest.models import EXCLUDES

MAX_PASTED = 20_000  # characters

_ADDRESS = re.compile(r"(?:https?://|(?:www\.|export\.)?arxiv\.org/|pubmed\.ncbi\.|www\.ncbi\.)\S", re.IGNORECASE)
_OPERATOR = r"(?:AND|OR|NOT|ANDNOT)"
_GOES_ON = re.compile(rf"(?:^|[\s)\]\"”]){_OPERATOR}$|[(:]$")
_BEGINS_LATE = re.compile(rf"{_OPERATOR}(?:[\s(\"“]|$)|[)\[:]")
_ENCODED = re.compile(rf"search_query=|\+{_OPERATOR}\+|%2[028]|%3A", re.IGNORECASE)

# What arxiv.org's search calls fields, of those that we know; https://arxiv.org/search/advanced.
_SEARCHED = {"all": "all", "title": "title", "abstract": "abstract", "author": "author", "": "all"}
_ARCHIVES = {
    "computer_science": "cs",
    "economics": "econ",
    "eess": "eess",
    "mathematics": "math",
    "q_biology": "q-bio",
    "q_finance": "q-fin",
    "statistics": "stat",
}
_PHYSICS = "astro-ph cond-mat gr-qc hep-ex hep-lat hep-ph hep-th math-ph nlin nucl-ex nucl-th physics quant-ph".split()
_MOST_TERMS = 50

_Asked = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Translation:
    """Rules that ask the same, as far as feeds say it; and the parts of the query that they do not."""

    rules: str
    left_out: tuple[str, ...] = ()


def translate_query(text: str) -> Translation:
    """A query, or the address of a search, as rules that can be saved.

    A query may go over several lines; where a line neither ends nor begins with an operator, and no parenthesis is
    open, the next is a query of its own. Raises RuleError, whose line and column say nothing.
    """
    if len(text) > MAX_PASTED:
        raise RuleError(1, 1, f"that is longer than {MAX_PASTED:,} characters")
    reader = Reader()
    parts = [_part(query, reader) for query in _queries(text)]
    found = [part.text for part in parts if part is not None and part.text]
    if not found:
        raise RuleError(1, 1, _nothing(reader.left_out))
    rules = "\n".join(dict.fromkeys(found))
    try:
        asks = compile_rules(rules).rules
    except RuleError as error:
        raise RuleError(1, 1, error.reason) from None
    if not any(ask.weight != EXCLUDES for ask in asks):
        raise RuleError(1, 1, "this only says what is not wanted")
    return Translation(rules, tuple(dict.fromkeys(reader.left_out)))


def _nothing(left_out: list[str]) -> str:
    if not left_out:
        return "there is nothing to look for"
    return f"nothing is left that a feed says: {', '.join(left_out)[:200]}"


def _queries(text: str) -> Iterator[str]:
    """The text cut into queries of one line each."""
    lines: list[str] = []
    opened, quoted = 0, False
    for line in (" ".join(line.split()) for line in text.splitlines()):
        if not line:
            continue
        goes_on = lines and (opened > 0 or quoted or _GOES_ON.search(lines[-1]) or _BEGINS_LATE.match(line))
        if lines and (not goes_on or _ADDRESS.match(line)):
            yield " ".join(lines)
            lines, opened, quoted = [], 0, False
        lines.append(line)
        opened, quoted = _left_open(line, opened, quoted=quoted)
        if _ADDRESS.match(lines[0]):
            opened = 0  # what may stand in an address, without a partner
    if lines:
        yield " ".join(lines)


def _left_open(line: str, opened: int, *, quoted: bool) -> tuple[int, bool]:
    """(how many parentheses are open, whether a quotation mark is) behind a line, where so many were before it."""
    for sign in re.findall(r'["()]', line):
        if sign == '"':
            quoted = not quoted
        elif not quoted:
            opened += 1 if sign == "(" else -1
    return opened, quoted


def _part(query: str, reader: Reader) -> Part | None:
    if _ADDRESS.match(query):
        return _of_address(query, reader)
    if _ENCODED.search(query) and " " not in query:
        query = unquote_plus(query.partition("search_query=")[2].partition("&")[0] or query)
    return reader.read(_one_line(query))


def _of_address(address: str, reader: Reader) -> Part | None:
    """What the address of a search asks. Raises RuleError where it is of none that we know."""
    try:
        split = urlsplit(address if "//" in address[:8] else f"https://{address}")
        host, asked = split.hostname or "", parse_qs(split.query)
    except ValueError:  # no such host, or too many fields
        host, asked, split = "", {}, SplitResult("", "", "", "", "")
    read = _reading(host.lower(), split.path, asked)
    if read is None:
        raise RuleError(
            1, 1, "this is the address of no search of arXiv or PubMed that we know; paste the query itself"
        )
    return read(asked, reader)


def _reading(host: str, path: str, asked: _Asked) -> Callable[[_Asked, Reader], Part | None] | None:
    """What reads an address of a host and path, which asks that."""
    if host == "arxiv.org" or host.endswith(".arxiv.org"):
        if "search_query" in asked:
            return _arxiv_api
        if path.startswith("/search/advanced") or "terms-0-term" in asked:
            return _arxiv_advanced
        return _arxiv_simple if "query" in asked else None
    return _pubmed if host.endswith("ncbi.nlm.nih.gov") and "term" in asked else None


def _arxiv_api(asked: _Asked, reader: Reader) -> Part | None:
    reader.left_out += [f"id_list={ids}" for ids in asked.get("id_list", ())]
    return reader.read(_one_line(asked["search_query"][-1]))


def _arxiv_simple(asked: _Asked, reader: Reader) -> Part | None:
    return _searched(asked["query"][-1], _last(asked, "searchtype"), reader)


def _arxiv_advanced(asked: _Asked, reader: Reader) -> Part | None:
    found: list[Joined] = []
    for n in range(_MOST_TERMS):
        term, operator = _last(asked, f"terms-{n}-term").strip(), _last(asked, f"terms-{n}-operator")
        part = _searched(term, _last(asked, f"terms-{n}-field"), reader) if term else None
        if part is not None:
            found.append(Joined(part, "OR" if operator == "OR" else "AND", operator == "NOT"))
    reader.left_out += [
        f"{name}={_last(asked, name)}"
        for name in ("date-filter_by", "date-year", "date-from_date", "date-to_date")
        if _last(asked, name) not in {"", "all_dates", "date_range", "specific_year"}
    ]
    terms, archives = joined(found), _archives(asked)
    if terms is None or archives is None:
        return terms or archives
    return Part(f"{terms.within('OR')} AND {archives.within('OR')}", "AND")


def _archives(asked: _Asked) -> Part | None:
    """The ticks of the advanced search, as categories."""
    wanted = [short for name, short in _ARCHIVES.items() if _last(asked, f"classification-{name}")]
    if _last(asked, "classification-physics"):
        archive = _last(asked, "classification-physics_archives")
        wanted += [archive] if archive in _PHYSICS else _PHYSICS
    return joined([Joined(Part(f"category:{archive}.*"), "OR") for archive in wanted])


def _searched(query: str, field: str, reader: Reader) -> Part | None:
    """What stands in a field of arXiv's search, where words may stand apart and `;` parts authors."""
    if field not in _SEARCHED:
        reader.left_out.append(f"{field}: {_one_line(query)}")
        return None
    names = [name for name in _one_line(query).split(";") if name.strip()] if field == "author" else [_one_line(query)]
    parts = [reader.read(name, each_word=field != "author") for name in names]
    found = joined([Joined(part) for part in parts if part is not None])
    return found and Part(f"{_SEARCHED[field]}:{found.within('AND', 'OR')}")


def _pubmed(asked: _Asked, reader: Reader) -> Part | None:
    part = reader.read(_one_line(asked["term"][-1]), pubmed=True)
    reader.left_out += [f"filter={each}" for each in asked.get("filter", ())]
    return part


def _last(asked: _Asked, name: str) -> str:
    return asked.get(name, [""])[-1]


def _one_line(text: str) -> str:
    return " ".join(text.split())
