"""Reads CSV files as spreadsheets and mailing services export them: encoding, separator, header and rows.

Nothing here knows what the columns mean.
"""

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from digest.errors import UsageError
from digest.spelling import did_you_mean, nearest
from digest.text import DASHES, listed, shortened

_SAVE = 'in Excel, save it as "CSV UTF-8"; elsewhere, as CSV with the character set UTF-8'
_BYTE_ORDER_MARKS = (  # that of UTF-32 begins with that of UTF-16
    *((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32")),
    *((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")),
)
_ZIP = b"PK\x03\x04"  # the first bytes of .xlsx and .ods

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_SEPARATOR_LINE = re.compile(r'"?sep=([^\n])"?[;,\t ]*(?:\r?\n|$)', re.IGNORECASE)  # for Excel, before the header
_SEPARATORS = (",", ";", "\t")
_NOT_OF_A_NAME = re.compile(rf"[\s_\ufeff{DASHES}]+")
_NAME = re.compile(rf"[\w\s.{DASHES}]+")
_MAX_SHOWN = 60  # characters of a column's name
_MAX_LISTED = 10  # columns


@dataclass(frozen=True, slots=True)
class Row:
    """A row: the line where it begins, counted from 1, and its cells by column, or why it cannot be read."""

    line: int
    cells: dict[str, str]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file, which can be read once, and the columns of its header that are not known."""

    ignored: tuple[str, ...]
    rows: Iterator[Row]


def decode_csv(content: bytes) -> str:
    r"""Return the text of a file, with "\n" as line end. Raises UsageError with the line of a wrong byte."""
    if content.startswith(_ZIP):
        raise UsageError(f"is a spreadsheet or a ZIP archive, not CSV; {_SAVE}")
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if content.startswith(mark)), "utf-8")
    try:
        text = _with_line_feeds(content.decode(encoding))
    except UnicodeDecodeError as error:
        line = _with_line_feeds(content[: error.start].decode(encoding, "ignore")).count("\n") + 1
        wrong = content[error.start : error.start + 1]
        expected = encoding.upper().removesuffix("-SIG")
        letter = wrong.decode("cp1252", "ignore") if expected == "UTF-8" else ""
        meant = f" ({letter!r} in Windows-1252)" if letter.isalpha() else ""
        raise UsageError(f"line {line}: the byte 0x{wrong.hex().upper()}{meant} is not {expected}; {_SAVE}") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UsageError(f"line {line}: a NUL character: this is not a text file, or UTF-16 without its mark; {_SAVE}")
    return text


def _with_line_feeds(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_table(text: str, known: Sequence[str], *, needed: str) -> Table:
    """Read a file whose header names some of the `known` columns, among them `needed`. Other columns are ignored.

    Case, spaces and dashes in the header do not count. Columns are separated by commas, semicolons or tabs, or by what
    a line such as `sep=;` says. Empty rows are left out. Raises UsageError if the header is wrong or a quote is not
    closed: nothing of a file is stored that cannot be read to its end.
    """
    said = _SEPARATOR_LINE.match(text)
    start, first_line = (said.end(), 2) if said else (0, 1)
    names = {_folded(name): name for name in known}
    separators = dict.fromkeys([said[1], *_SEPARATORS] if said else _SEPARATORS)  # what a file says may be wrong
    candidates = [(separator, *_header(text, start, first_line, separator)) for separator in separators]
    separator, line, header = max(candidates, key=lambda found: sum(_folded(cell) in names for cell in found[2]))
    if needed not in {names.get(_folded(cell)) for cell in header}:
        found = ", ".join(repr(_shown(cell)) for cell in header[:_MAX_LISTED])
        similar = " or ".join(repr(_shown(cell)) for cell in header[:_MAX_LISTED] if _is_like(cell, needed))
        hint = f"; rename {similar} to {needed!r}" if similar else ""
        if any("@" in cell for cell in header):
            hint = f"; the first line names the columns: write {needed} above the addresses"
        raise UsageError(
            f"line {line}: no column {needed!r} among {found or 'none'}{hint}; "
            f"the header is {','.join(known)} (only {needed} is needed)"
        )
    _check_different(header, line)
    for _ in _records(text, start, first_line, separator):
        pass
    columns = [names.get(_folded(cell), "") for cell in header]
    named = max(n for n, cell in enumerate(header, 1) if cell.strip())
    ignored = [_shown(cell) or f"column {n}" for n, cell in enumerate(header[:named], 1) if not columns[n - 1]]
    return Table(tuple(ignored), _rows(_records(text, start, first_line, separator), line, columns, named))


def describe_ignored(ignored: Sequence[str], known: Sequence[str]) -> str:
    """Return a sentence that names the ignored columns, and what some of them may be meant as."""
    named = listed(list(map(repr, ignored)), _MAX_LISTED)
    hints = {hint for name in ignored if (hint := did_you_mean(name, known))}
    return f"columns that are not known are ignored: {named}{''.join(sorted(hints))}"


def _folded(name: str) -> str:
    return _NOT_OF_A_NAME.sub("", name).casefold()


def _is_like(cell: str, name: str) -> bool:
    """Return True if a header may name this column in other words: Email address, or a misspelling."""
    return _NAME.fullmatch(cell.strip()) is not None and (name in _folded(cell) or nearest(cell, [name]) != "")


def _shown(cell: str) -> str:
    return shortened(" ".join(cell.split()), _MAX_SHOWN)


def _header(text: str, start: int, first_line: int, separator: str) -> tuple[int, list[str]]:
    """Return (line, names) of the header: the first row that is not empty."""
    for line, cells, _ in _records(text, start, first_line, separator):
        if any(map(str.strip, cells)):
            return line, cells
    return first_line, []


def _check_different(header: Sequence[str], line: int) -> None:
    """Raise UsageError if two columns have the same name."""
    seen: dict[str, str] = {}
    for cell in header:
        name = _folded(cell)
        if name and name in seen:
            twice = f"{_shown(seen[name])!r} and {_shown(cell)!r}"
            raise UsageError(f"line {line}: two columns have the same name, {twice}; remove or rename one of them")
        seen[name] = cell


def _rows(
    records: Iterator[tuple[int, list[str], str]], header_line: int, columns: Sequence[str], named: int
) -> Iterator[Row]:
    """Yield the rows below the header that have something in them. Columns after the first `named` have no name."""
    for line, record, why in records:
        cells = [cell.strip() for cell in record]
        if line <= header_line or not (any(cells) or why):
            continue
        # An empty cell too many may mean as well that a comma in a name moved the others to the right.
        too_many = len(cells) > len(columns) or any(cells[named:])
        reason = "more cells than columns; put quotes around values that hold the separator" if too_many else why
        yield Row(line, {column: cell for column, cell in zip(columns, cells, strict=False) if column}, reason)


def _records(text: str, start: int, first_line: int, separator: str) -> Iterator[tuple[int, list[str], str]]:
    """Yield (line where it begins, cells, why it cannot be read) of every row."""
    lines: list[str] = []  # of the row that is being read

    def remembered() -> Iterator[str]:
        for found in _LINE.finditer(text, start):  # a StringIO would hold it all again, in four bytes a letter
            lines.append(found[0])
            yield found[0]

    # strict: a quote that is closed in a later row must not hide the rows between.
    reader = csv.reader(remembered(), delimiter=separator, skipinitialspace=True, strict=True)
    while True:
        line, reason = first_line + reader.line_num, ""
        lines.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "expected after" not in str(error):
                unclosed = "a quote that begins here is never closed"
                why = unclosed if "end of data" in str(error) else f"{error}; is a quote never closed?"
                raise UsageError(f"line {line}: {why}") from None
            cells = []
            if len(lines) == 1:
                cells = next(csv.reader(lines, delimiter=separator, skipinitialspace=True))
            else:
                reason = f"a quote is not closed in this line; lines {line} to {line + len(lines) - 1} are left out"
        yield line, cells, reason
