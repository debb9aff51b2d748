"""CSV files as spreadsheets and mailing services export them are read, and nothing in them is lost silently."""

import codecs

import pytest

from digest.errors import UsageError
from digest.subscribers.csv_reading import Row, Table, decode_csv, describe_ignored, read_table
from tests.builders import RECORDINGS

FAULTS = RECORDINGS.parent / "faults"
KNOWN = ("email", "name", "send_at", "profiles")


def table(content: str | bytes) -> Table:
    text = decode_csv(content if isinstance(content, bytes) else content.encode())
    return read_table(text, KNOWN, needed="email")


def rows(content: str | bytes) -> list[tuple[int, dict[str, str]]]:
    read = list(table(content).rows)
    assert [row.reason for row in read] == [""] * len(read)
    return [(row.line, row.cells) for row in read]


ANN = {"email": "a@example.org", "name": "Ann"}


@pytest.mark.parametrize(
    "header",
    [
        "EMAIL,Name",
        "E-Mail,NAME",
        "e mail,name",
        " Email ,name ",
        '"E\u2010mail","Name"',
        "\ufeffemail,name",
        "e_mail,name",
    ],
)
def test_case_spaces_and_dashes_of_the_header_do_not_count(header: str) -> None:
    assert rows(f"{header}\na@example.org,Ann\n") == [(2, ANN)]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_columns_are_separated_by_commas_semicolons_or_tabs(separator: str, end: str) -> None:
    content = "email,name\na@example.org,Ann\n".replace(",", separator).replace("\n", end)
    assert rows(content) == [(2, ANN)]


@pytest.mark.parametrize(
    ("first", "separator"), [("sep=;", ";"), ("SEP=,", ","), ("sep=\t", "\t"), ('"sep=|"', "|"), ("sep=;;;", ";")]
)
def test_a_line_for_excel_may_name_the_separator(first: str, separator: str) -> None:
    assert rows(f"{first}\nemail{separator}name\n\na@example.org{separator}Ann\n") == [(4, ANN)]


def test_a_line_for_excel_that_names_another_separator_than_the_header_has_does_no_harm() -> None:
    assert rows("sep=;\nemail,name\na@example.org,Ann\n") == [(3, ANN)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le", "utf-32"])
def test_unicode_is_read_by_its_byte_order_mark(encoding: str) -> None:
    marks = {"utf-16-be": codecs.BOM_UTF16_BE, "utf-16-le": codecs.BOM_UTF16_LE}
    content = marks.get(encoding, b"") + "email,name\na@example.org,Änn 猫\n".encode(encoding)
    assert rows(content) == [(2, {"email": "a@example.org", "name": "Änn 猫"})]


def test_empty_rows_and_empty_columns_at_the_end_are_left_out() -> None:
    content = "\n,,\nemail,name,,\n,,,\n\na@example.org,Ann,,\n  ,\nb@example.org\n"
    assert rows(content) == [(6, ANN), (8, {"email": "b@example.org"})]


def test_a_quoted_cell_may_hold_separators_line_ends_and_quotes() -> None:
    content = 'email;name\na@example.org;"Doe; ""J""\r\nof Cats"\nb@example.org;"B" \nc@example.org;"x"y\n'
    names = ['Doe; "J"\nof Cats', "B", "xy"]
    assert [(line, cells["name"]) for line, cells in rows(content)] == list(zip([2, 4, 5], names, strict=True))


def test_columns_that_are_not_known_are_named_and_ignored() -> None:
    read = table("Notes,email,,Profile,name\nx,a@example.org,1,Cats,Ann\n")
    assert read.ignored == ("Notes", "column 3", "Profile")
    assert [row.cells for row in read.rows] == [ANN]
    assert describe_ignored(read.ignored, KNOWN) == (
        "columns that are not known are ignored: 'Notes', 'column 3', 'Profile'; did you mean 'profiles'?"
    )
    assert describe_ignored([f"c{n}" for n in range(12)], KNOWN).endswith("'c9' and 2 more")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: no column 'email' among none; the header is email,name"),
        ("a@example.org,Ann\n", "line 1: no column 'email' among 'a@example.org', 'Ann'"),
        (
            "\n\nEmail address,Name\n",
            "line 3: no column 'email' among 'Email address', 'Name'; rename 'Email address' to 'email'",
        ),
        ("emial,Name\n", "'Name'; rename 'emial' to 'email'"),
        (
            "Name,E-mail 1 - Type,E-mail 1 - Value\n",
            "; rename 'E-mail 1 - Type' or 'E-mail 1 - Value' to 'email'; the header is email,name",
        ),
        ("email,name,E-Mail\n", "line 1: two columns have the same name, 'email' and 'E-Mail'; remove or rename"),
        ("email,x,x\n", "two columns have the same name, 'x' and 'x'"),
        ('email,name\na@example.org,"A\nb@example.org,B\n', "line 2: a quote that begins here is never closed"),
        (
            f'email,name\n\nb@example.org,"{"x" * 200_000}\n',
            "line 3: field larger than field limit (131072); is a quote",
        ),
        (b"email,name\na@example.org,B\xf6b\n", "line 2: the byte 0xF6 ('ö' in Windows-1252) is not UTF-8; in Excel"),
        (b"email\ra@example.org\r\xff\xfe\r", "line 3: the byte 0xFF ('ÿ' in Windows-1252) is not UTF-8"),
        (b"PK\x03\x04\x14\x00", "is a spreadsheet or a ZIP archive, not CSV; in Excel, save it as"),
        ("email\nx\n".encode("utf-16-le"), "line 1: a NUL character: this is not a text file, or UTF-16 without"),
        (codecs.BOM_UTF16_LE + b"e\x00m", "line 1: the byte 0x6D is not UTF-16; in Excel"),
    ],
)
def test_a_file_that_cannot_be_read_to_its_end_is_refused_with_line_and_remedy(
    content: str | bytes, message: str
) -> None:
    with pytest.raises(UsageError) as refused:
        table(content)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_row_that_cannot_be_read_is_returned_with_its_line_and_reason() -> None:
    content = 'email,name\na@example.org,"A\nb@example.org,"B"\nc@example.org,C,x\nd@example.org,D\n'
    broken, long, good = table(content).rows
    assert broken == Row(2, {}, "a quote is not closed in this line; lines 2 to 3 are left out")
    assert (long.line, long.cells["email"]) == (4, "c@example.org")
    assert long.reason == "more cells than columns; put quotes around values that hold the separator"
    assert (good.line, good.reason) == (5, "")


@pytest.mark.parametrize("row", ["a@example.org,Doe, Jane,", "a@example.org,Doe, Jane,,Cats"])
def test_a_comma_in_a_name_never_moves_the_other_cells_to_the_right(row: str) -> None:
    (read,) = table(f"email,name,send_at\n{row}\n").rows
    assert read.reason.startswith("more cells than columns")


def test_a_cell_below_an_empty_name_at_the_end_is_not_lost() -> None:
    (read,) = table("email,name,\na@example.org,Ann,x\n").rows
    assert read.reason.startswith("more cells than columns")


@pytest.mark.skipif(not FAULTS.is_dir(), reason=f"the inputs that went wrong are not at {FAULTS}")
def test_files_that_went_wrong_are_read() -> None:
    assert rows((FAULTS / "csv-header.csv").read_bytes()) == [(2, {"email": "a@x.example", "name": "A"})]
