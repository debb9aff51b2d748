"""The fields of subscribers as they are typed on the command line, in forms and in CSV files."""

from typing import Any

import pytest
import typer

from digest.cli import subscriber
from digest.errors import AddressError, UsageError
from digest.mail import Templates
from digest.models import Schedule, SubscriberState
from digest.security import addresses
from digest.subscribers import fields
from digest.web.api.subscribers import Subscriber, SubscriberChanges
from tests.builders import a_subscriber, at

OPTIONS = fields.SubscriberOptions(
    languages=Templates().languages, profiles={"A", "B"}, timezone="Europe/Berlin", language="en"
)


def read(text: str) -> list[fields.CsvRow]:
    return list(fields.read_csv(text, OPTIONS, confirmed=True))


def test_each_field_is_a_csv_column_a_json_key_an_api_field_and_an_option_of_add_and_edit() -> None:
    names = set(fields.FIELDS)
    assert names < set(fields.COLUMNS)
    assert names < fields.record(a_subscriber()).keys()
    assert names < SubscriberChanges.model_fields.keys()
    assert names < Subscriber.model_fields.keys()
    commands = typer.main.get_group(subscriber.commands).commands
    for command in ("add", "edit"):
        options = {option for parameter in commands[command].params for option in parameter.opts}
        assert {f"--{name.replace('_', '-')}" for name in names - {"profiles"}} | {"--profile"} < options


def test_each_field_that_cannot_be_read_is_reported_and_the_others_are_parsed() -> None:
    changes, errors = fields.parse_changes({"days": "never", "max_papers": 7, "timezone": "Mars"}, OPTIONS)
    assert (changes, list(errors)) == ({"max_papers": 7}, ["days", "timezone"])
    assert fields.apply_changes(a_subscriber(), changes) == a_subscriber(max_papers=7)


def test_a_row_with_only_an_address_gets_the_defaults() -> None:
    (row,) = read("email\nreader@example.org\n")
    assert row.subscriber == a_subscriber(schedule=Schedule(timezone="Europe/Berlin"))


def test_every_column_is_read() -> None:
    header = "email,name,timezone,send_at,days,profiles,language"
    (row,) = read(f"{header}\nreader@example.org, A Reader ,Asia/Tokyo,18:30,weekdays,A;B,de\n")
    s = row.subscriber
    assert s is not None
    assert (s.name, s.schedule.timezone, f"{s.schedule.send_at:%H:%M}", s.profiles, s.language) == (
        "A Reader", "Asia/Tokyo", "18:30", ("A", "B"), "de",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("reader", "'reader' is not an email address"),
        ("r@example.org,,Mars/Base,,,", "no time zone 'Mars/Base'"),
        ("r@example.org,,,late,,", "'late' is not a time"),
        ("r@example.org,,,,never,", "'never' is not a list of days"),
        ("r@example.org,,,,,C", "no profile 'C'"),
        ("r@example.org,,,,,,tlh", "no language 'tlh'; there are en, de"),
        ("r@example.org,Doe, J.,,,,,", "more cells than columns"),
    ],
)
def test_a_bad_row_is_reported_and_the_next_one_is_read(row: str, reason: str) -> None:
    bad, good = read(f"email,name,timezone,send_at,days,profiles,language\n{row}\ngood@example.org,,,,,\n")
    assert bad.subscriber is None
    assert reason in bad.reason
    assert bad.line == 2
    assert good.subscriber is not None


@pytest.mark.parametrize(
    ("columns", "cells"),
    [
        ("timezone", "Mars/Base"),
        ("send_at", "late"),
        ("days", "never"),
        ("profiles", "C"),
        ("language", "tlh"),
        ("max_papers", "0"),
        ("announce", "old"),
        ("trending", "maybe"),
        ("paused", "soon"),
    ],
)
def test_a_bad_row_says_which_column_is_wrong(columns: str, cells: str) -> None:
    (row,) = read(f"email,{columns}\nreader@example.org,{cells}\n")
    assert (row.email, row.column) == ("reader@example.org", columns)


def test_a_row_has_the_number_of_the_line_where_it_begins() -> None:
    rows = read('email,name\na@example.org,"two\nlines"\n\nb@example.org\n')
    assert [row.line for row in rows] == [2, 5]


def test_an_unclosed_cell_is_refused_with_its_line() -> None:
    with pytest.raises(UsageError, match="line 3: field larger than field limit"):
        read(f'email,name\na@example.org,\nb@example.org,"{"x" * 200_000}\n')


@pytest.mark.parametrize("header", ["mail", "x@example.org,A"])
def test_a_wrong_header_is_refused(header: str) -> None:
    with pytest.raises(UsageError, match="line 1: .*the header is email,name"):
        read(f"{header}\nx@example.org\n")


@pytest.mark.parametrize(
    ("column", "cell", "read_as"),
    [
        *(
            ("send_at", cell, "07:00")
            for cell in ("07:00:00", "7:00", "7 AM", " 07.00 ", "7:00 a.m.", "7h00", "7h", "7 Uhr")
        ),
        *(("send_at", cell, "19:30") for cell in ("7:30 PM", "19:30:00", "7.30 pm", "7:30\u202fPM", "１９：３０")),
        *(("send_at", cell, "00:00") for cell in ("12 AM", "0:00")),
        *(
            ("days", cell, "weekdays")
            for cell in ("Mon-Fri", "mon \u2013 fri", "Monday to Friday", "Weekdays", "Mo-Fr")
        ),
        *(
            ("days", cell, "mon,thu")
            for cell in ("Mon;Thu", "thu, mon,", "Mon/Thu", "Mondays and Thursdays", "Mo Do", "Mon\nThu")
        ),
        *(("days", cell, "sat,sun") for cell in ("weekend", "Sa-So", "Sat & Sun", "Sat.,Sun.")),
        *(("days", cell, "daily") for cell in ("Every day", "DAILY", "Sun-Sat", "weekdays, weekend", "täglich")),
        ("days", "Fri-Mon", "mon,fri,sat,sun"),
        *(("timezone", cell, "Europe/Berlin") for cell in ("europe/berlin", "EUROPE/BERLIN", " Europe/Berlin ")),
        *(("timezone", cell, "America/New_York") for cell in ("america/new york", "America/New York")),
        *(("timezone", cell, "UTC") for cell in ("utc", "Utc")),
        *(("max_papers", cell, 7) for cell in ("7", "7.0", " 7")),
        *(("trending", cell, False) for cell in ("No", "FALSE", "0", "nein", "FALSCH")),
        *(("trending", cell, True) for cell in ("YES", "true", "1", "WAHR")),
        *(("language", cell, "de") for cell in ("DE", "De")),
        *(("announce", cell, "new,cross") for cell in ("New; Cross", "cross,new")),
        *(("profiles", cell, ["A", "B"]) for cell in ("A;B", "B, A", "A\nB", "A;B;")),
        *(("paused", cell, "active") for cell in ("No", "FALSE")),
        *(
            ("paused", cell, "paused")
            for cell in ("Yes", "TRUE", "2026-06-30", "30.06.2026", "2026/6/30", "2026-06-30 00:00:00")
        ),
    ],
)
def test_what_spreadsheets_and_people_write_is_read_if_it_can_mean_only_one_thing(
    column: str, cell: str, read_as: object
) -> None:
    quoted = cell.replace('"', '""')
    (row,) = read(f'email,{column}\nreader@example.org,"{quoted}"\n')
    assert row.reason == ""
    assert row.subscriber is not None
    assert fields.record(row.subscriber)["state" if column == "paused" else column] == read_as


@pytest.mark.parametrize(
    ("column", "cell", "remedy"),
    [
        *(
            ("send_at", cell, "write HH:MM, such as 07:30")
            for cell in ("7", "25:00", "13 pm", "0 AM", "7:60", "07:00:30")
        ),
        *(("days", cell, "write daily, weekdays or") for cell in ("mon-", "mon-wed-fri", "T,Th", "1,4", "," * 9000)),
        ("timezone", "Berlin", "did you mean 'Europe/Berlin'?"),
        ("timezone", "new yrok", "did you mean 'America/New_York'?"),
        ("timezone", "Mars Base", "write an IANA name such as 'Europe/Berlin'"),
        *(("timezone", cell, "write an IANA name such as") for cell in ("GMT+2", "localtime", "right/Europe/Berlin")),
        ("timezone", "+02:00", "write an IANA name such as 'Europe/Berlin'"),
        ("paused", "6/3/2026", "write one such as 2026-06-03, or yes or no"),
        ("profiles", "A, C", "no profile 'A, C'; `digest profile list` shows them"),
        ("name", "x" * 10_001, "10001 characters; at most 10000 are read"),
    ],
)
def test_what_may_mean_several_things_is_refused_with_what_to_write(column: str, cell: str, remedy: str) -> None:
    (row,) = read(f'email,{column}\nreader@example.org,"{cell}"\n')
    assert (row.subscriber, row.line, row.email, row.column) == (None, 2, "reader@example.org", column)
    assert remedy in row.reason or cell.startswith(",,")
    assert len(row.reason) <= 500


@pytest.mark.parametrize(
    ("columns", "cells", "reason"),
    [
        ("max_papers", "0", "'0' is not a number of papers"),
        ("max_papers", "501", "write 1 to 500"),
        ("announce", "old", "'old' is not a kind of announcement"),
        ("trending", "maybe", "'maybe' is neither yes nor no"),
        ("paused", "soon", "'soon' is not a date"),
        ("paused", "0001-01-01", "0001-01-01 is too far in the past"),
    ],
)
def test_wrong_values_are_refused_with_the_reason(columns: str, cells: str, reason: str) -> None:
    (row,) = read(f"email,{columns}\nreader@example.org,{cells}\n")
    assert row.subscriber is None
    assert reason in row.reason


def test_a_pending_subscriber_is_not_paused_by_an_import() -> None:
    text = "email,paused\nreader@example.org,yes\n"
    (row,) = fields.read_csv(text, OPTIONS, confirmed=False)
    assert row.subscriber is not None
    assert row.subscriber.state is SubscriberState.PENDING


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"max_papers": 7, "announce_types": fields.ANNOUNCE_NAMES["new"] | fields.ANNOUNCE_NAMES["updates"]},
        {"wants_trending": False, "state": SubscriberState.PAUSED},
        {"state": SubscriberState.PAUSED, "resumes_at": at("2026-06-30 15:00")},  # midnight in Tokyo
    ],
)
def test_exported_subscribers_are_read_back_unchanged(chosen: dict[str, Any]) -> None:
    whole: dict[str, Any] = {
        "name": 'Doe, "J"',
        "profiles": ("A", "B"),
        "schedule": Schedule(timezone="Asia/Tokyo"),
        "language": "de",
    }
    s = a_subscriber(**whole, **chosen)
    assert [row.subscriber for row in read(fields.to_csv([s]))] == [s]


def test_without_confirmation_a_subscriber_is_pending() -> None:
    new = fields.new_subscriber("a@example.org", timezone="UTC", language="en", confirmed=False)
    assert new.state is SubscriberState.PENDING


def test_a_name_becomes_one_line() -> None:
    assert fields.one_line(" A\r\nBcc:\tx\x00 ") == "A Bcc: x"


def test_an_address_is_normalized() -> None:
    assert addresses.normalize(" Reader@EXAMPLE.org ") == "Reader@example.org"
    assert addresses.normalize("reader@bücher.example") == "reader@xn--bcher-kva.example"


def test_a_local_part_that_is_not_ascii_is_taken_from_readers_and_not_as_ours() -> None:
    assert addresses.normalize(" ju\u0308rgen@BÜCHER.example ") == "jürgen@xn--bcher-kva.example"
    assert addresses.normalize("用户@example.org") == "用户@example.org"
    assert addresses.key("JÜRGEN@example.org") == addresses.key("jürgen@example.org")
    assert addresses.key("straße@example.org") != addresses.key("strasse@example.org")
    with pytest.raises(AddressError):
        addresses.normalize("jürgen@example.org", only_ascii=True)


@pytest.mark.parametrize(
    "address", ["", "reader", "a b@example.org", "a@b@example.org", "a@example.org\nBcc: x@y.org", "ü @example.org"]
)
def test_an_invalid_address_is_refused_with_the_reason(address: str) -> None:
    with pytest.raises(AddressError, match="is not an email address: "):
        addresses.normalize(address)


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "'=1", "''@", "'", "'x", "x=1", "' =1", "", "''"])
def test_no_cell_is_evaluated_by_a_spreadsheet_and_each_is_read_back(name: str) -> None:
    text = fields.to_csv([a_subscriber("=x@example.org", name=name)])
    cells = text.splitlines()[1].split(",")
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    (row,) = read(text)
    assert row.subscriber is not None
    assert (row.subscriber.email, row.subscriber.name) == ("=x@example.org", name)


def test_cells_with_line_breaks_are_read_with_any_line_end() -> None:
    found = read('email,name\r\na@example.org,"one\n\rtwo\x0bthree\u2028four"\r\nb@example.org,x\n\nc@example.org,y')
    assert [row.line for row in found] == [2, 4, 6]
