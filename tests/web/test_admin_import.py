"""Importing subscribers on the admin pages: the file, the preview of its rows, and their outcomes."""

import asyncio
import csv
import io
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from digest.app import App
from digest.models import Role, SuppressionReason
from digest.store import subscribers
from digest.store.database import batches
from digest.subscribers import importing
from digest.subscribers.fields import CsvRow
from digest.web.admin.subscribers import importing as uploads
from digest.web.app import create_app
from digest.web.security import MAX_BODY, MAX_UPLOAD
from tests.builders import NOW
from tests.web.admin_site import ADMIN_EMAIL, AdminBrowser, audit_log, signed_in
from tests.web.conftest import browser
from tests.web.subscribers import add_subscriber, history, queued, state

PAGE = "/admin/subscribers/import"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def admin(app: App, site: TestClient) -> AdminBrowser:
    return signed_in(app, site)


def waited(admin: AdminBrowser) -> None:
    assert cast(Starlette, admin.client.app).state.services.long_background.finish(30)


def checked(admin: AdminBrowser, content: bytes | str, **form: Any) -> str:
    """The page of a file that was uploaded and checked."""
    answer = admin.upload(PAGE, content, **form)
    assert answer.status_code == 303, answer.text
    waited(admin)
    return str(answer.headers["Location"])


def all_emails(app: App) -> list[str]:
    with app.store.read() as tx:
        return [one.email for one in subscribers.list_all(tx)]


@contextmanager
def held_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Imports are of two rows a piece, and wait before the second one until the event is set."""
    go_on = threading.Event()

    def slowly(rows: Iterable[CsvRow], _size: int = 500) -> Iterator[list[CsvRow]]:
        for number, some in enumerate(batches(rows, 2)):
            if number == 1:
                go_on.wait(20)
            yield some

    with monkeypatch.context() as patch:
        patch.setattr(importing, "batches", slowly)
        yield go_on
        go_on.set()


def rows(count: int, first: int = 0) -> str:
    return "email\n" + "".join(f"r{number}@example.org\n" for number in range(first, first + count))


def test_every_rows_fate_is_shown_the_bad_ones_first_before_anything_is_stored(app: App, admin: AdminBrowser) -> None:
    add_subscriber(app, "known@example.org")
    with app.store.write() as tx:
        app.membership.suppress(tx, "out@example.org", SuppressionReason.ADMIN, HOSTILE, now=NOW)
    text = f"email,name\nnew@example.org,N\nknown@example.org,\nout@example.org,\n{HOSTILE},x\nNEW@example.org,\n"
    page = admin.read(checked(admin, text))
    found = re.findall(r'<tr><th scope="row">([^<]+)</th><td>(\d+)</td>', page)
    assert found == [
        ("Rows with mistakes, skipped", "1"),
        ("Suppressed, skipped", "1"),
        ("Same address as an earlier row, skipped", "1"),
        ("Already subscribed, unchanged", "1"),
        ("Added, asked by email to confirm", "1"),
    ]
    assert "already in line 2" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&#39; is not an email address" in page
    assert '<td data-label="Column">email</td>' in page
    assert "Import 1 row" in page
    assert (all_emails(app), queued(app), audit_log(app)) == (["known@example.org"], [], [])


@pytest.mark.parametrize("agreed", [True, False])
def test_the_good_rows_are_imported_and_asked_unless_they_have_agreed(
    app: App, admin: AdminBrowser, agreed: bool
) -> None:
    where = checked(admin, "\ufeffemail,name\nnew@example.org,Ünï\nbad,\n", **({"confirmed": "1"} if agreed else {}))
    assert ("they get their first digest" in admin.read(where)) == agreed
    assert admin.post(where, do="import").headers["Location"] == where
    waited(admin)
    text = admin.read(where)
    assert "1 new subscriber." in text
    assert 'http-equiv="refresh"' not in text
    assert state(app, "new@example.org") == ("active" if agreed else "pending")
    assert history(app, "new@example.org") == [("vouched" if agreed else "asked", f"import by {ADMIN_EMAIL}")]
    assert len(queued(app)) == (0 if agreed else 1)
    assert audit_log(app) == [(ADMIN_EMAIL, "subscriber import", "1 new"), (ADMIN_EMAIL, "subscriber import", "begun")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_they_do_on_any_computer(app: App, admin: AdminBrowser, end: str) -> None:
    assert "Import 3 rows" in admin.read(checked(admin, rows(3).replace("\n", end)))


def test_a_file_is_imported_once_however_often_the_button_is_pressed(app: App, admin: AdminBrowser) -> None:
    where = checked(admin, rows(3))
    for _ in range(3):
        admin.post(where, do="import")
        waited(admin)
    assert len(audit_log(app)) == 2
    again = checked(admin, rows(4))
    admin.post(again, do="import")
    waited(admin)
    assert all_emails(app) == [f"r{number}@example.org" for number in range(4)]
    assert "1 new subscriber." in admin.read(again)


def test_a_discarded_import_is_gone(app: App, admin: AdminBrowser) -> None:
    where = checked(admin, rows(3))
    answer = admin.post(where, do="drop")
    assert "Nothing was imported" in admin.read(answer.headers["Location"])
    for path in (where, f"{where}/report"):
        assert admin.get(path).status_code == 404
    assert admin.post(where, do="import").status_code == 404
    assert all_emails(app) == []


def test_the_report_has_every_row_and_runs_nothing_in_a_spreadsheet(app: App, admin: AdminBrowser) -> None:
    where = checked(admin, 'email,name\n"=HYPERLINK(1)",\n+1@example.org,\n@x,\n-x,\n"\t=1",\nok@example.org,\n')
    answer = admin.get(f"{where}/report")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="import.csv"'
    report = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["fate"] for row in report] == ["bad", "asked", "bad", "bad", "bad", "asked"]
    assert [row["email"] for row in report][:4] == ["'=HYPERLINK(1)", "'+1@example.org", "'@x", "'-x"]
    assert not [cell for row in report for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t"))]
    assert report[0]["line"] == "2"
    assert report[0]["column"] == "email"


def test_only_the_first_hundred_of_a_fate_are_shown_and_the_report_has_all(app: App, admin: AdminBrowser) -> None:
    where = checked(admin, rows(1234))
    text = admin.read(where)
    assert text.count("<bdi>r") == 100
    assert "The first 100 of 1,234:" in text
    assert len(admin.get(f"{where}/report").text.splitlines()) == 1235


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "Choose a file first."),
        (b"email\ncaf\xe9@example.org\n", "isn’t UTF-8 text"),
        (b"email\ncaf\xe9@example.org\n", "line 2: the byte 0xE9 (&#39;é&#39; in Windows-1252)"),
        (b"email\na\x00@example.org\n", "isn’t UTF-8 text"),
        (b"\x89PNG\r\n\x1a\n\xff", "isn’t UTF-8 text"),
        (b"a@example.org\n", "the header is"),
        (b"PK\x03\x04xlsx", "is a spreadsheet or a ZIP archive, not CSV"),
        (b"email;E-Mail\na@example.org;A\n", "two columns have the same name"),
        (b"\n\n", "no column"),
        (b"<script>alert(1)</script>\n", "no column"),
        (b'email\na@example.org\n"never closed\nb@example.org\n', "line 3: a quote that begins here is never closed"),
        (b"email\na@example.org\n" + b"x" * 200_000, "line 3: field larger than field limit"),
        (b"email\n" + b"\n" * (uploads.MAX_ROWS + 1), "more than 500,000 rows"),
    ],
)
def test_an_invalid_file_is_reported_beside_the_field(app: App, admin: AdminBrowser, content: bytes, says: str) -> None:
    answer = admin.upload(PAGE, content, confirmed="1")
    assert answer.status_code == 422
    assert says in answer.text.partition('id="file-mistake"')[2].partition("</p>")[0]
    assert "<script>alert" not in answer.text
    assert 'value="1" checked' in answer.text


def test_a_form_without_a_file_or_with_two_or_in_an_odd_charset_takes_nothing_in(app: App, admin: AdminBrowser) -> None:
    assert admin.post(PAGE).status_code == 422
    headers = {"Cookie": admin.cookie}
    two = [("file", ("a.csv", "email\n")), ("file", ("b.csv", "email\n"))]
    assert admin.client.post(PAGE, data={"csrf": admin.csrf}, files=two, headers=headers).status_code == 403
    odd = {"Content-Type": "multipart/form-data; boundary=x; charset=utf-7", **headers}
    assert admin.client.post(PAGE, content=b"--x--\r\n", headers=odd).status_code == 403


def test_columns_that_are_not_known_are_named_and_ignored(app: App, admin: AdminBrowser) -> None:
    content = f"sep=;\nE-Mail;{HOSTILE};Phone;\na@example.org;x;1;\n\nA@example.org;;;\n".encode("utf-16")
    where = checked(admin, content, confirmed="1")
    page = admin.read(where)
    assert "Columns that aren’t known and are ignored: <bdi>&lt;script&gt;alert(1)&lt;/script&gt;, Phone</bdi>" in page
    assert "Same address as an earlier row, skipped" in page
    admin.post(where, do="import")
    waited(admin)
    assert all_emails(app) == ["a@example.org"]
    assert "Phone</bdi>" in admin.read(where)


def test_the_files_name_is_text(app: App, admin: AdminBrowser) -> None:
    answer = admin.upload(PAGE, rows(1), name=f"{HOSTILE}.csv")
    waited(admin)
    assert "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;.csv</bdi>" in admin.read(answer.headers["Location"])


def test_another_admins_file_is_not_there_and_another_of_ones_own_takes_its_place(
    app: App, site: TestClient, admin: AdminBrowser
) -> None:
    other = signed_in(app, site, email="other@example.org")
    first, theirs = checked(admin, rows(1)), checked(other, rows(2))
    for path in (first, f"{first}/report"):
        assert other.get(path).status_code == 404
    assert other.post(first, do="import").status_code == 404
    second = checked(admin, rows(3))
    assert (admin.get(first).status_code, admin.get(second).status_code, other.get(theirs).status_code) == (
        404,
        200,
        200,
    )


def test_a_file_is_kept_for_an_hour(app: App, admin: AdminBrowser) -> None:
    now = [NOW]
    client = TestClient(create_app(app, clock=lambda: now[0]), follow_redirects=False)
    there = AdminBrowser(client, admin.cookie, admin.csrf)
    where = checked(there, rows(1))
    now[0] = NOW + timedelta(minutes=59)
    assert there.get(where).status_code == 200
    now[0] = NOW + timedelta(minutes=60)
    assert there.get(where).status_code == 404
    assert there.post(where, do="import").status_code == 404


def test_no_more_is_kept_in_all_than_two_of_the_largest(
    app: App, site: TestClient, admin: AdminBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "_MAX_KEPT", 50)
    other = signed_in(app, site, email="other@example.org")
    where = checked(admin, rows(2))
    assert "Another import is running" in other.upload(PAGE, rows(2)).text
    admin.post(where, do="drop")
    checked(other, rows(2))


def test_it_goes_on_beside_the_pages_and_others_write_in_between(
    app: App, site: TestClient, admin: AdminBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = checked(admin, rows(5))
    with held_up(monkeypatch) as go_on:
        admin.post(where, do="import")
        for _ in range(200):
            text = admin.get(where).text
            if "33 % so far" in text:
                break
            threading.Event().wait(0.02)
        assert 'http-equiv="refresh"' in text
        assert '<progress id="percent" max="100" value="33">' in re.sub(r"\n(?=[a-z])", " ", text)
        assert all_emails(app) == ["r0@example.org", "r1@example.org"]
        add_subscriber(app, "r4@example.org")  # by themselves, in the meantime
        assert "Another import is running" in admin.upload(PAGE, rows(1)).text
        admin.post(where, do="drop")  # too late
        go_on.set()
    waited(admin)
    assert "4 new subscribers." in admin.read(where)


def test_an_interrupted_import_keeps_stored_rows_and_can_be_repeated(
    app: App, site: TestClient, admin: AdminBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = checked(admin, rows(5))
    with held_up(monkeypatch) as go_on:
        admin.post(where, do="import")
        with TestClient(site.app):  # as it is served, and then stops
            threading.Timer(0.3, go_on.set).start()
        waited(admin)
    assert "Rows that were already imported are kept." in admin.read(where)
    assert audit_log(app)[0] == (ADMIN_EMAIL, "subscriber import", "2 new")
    after = signed_in(app, browser(app))
    assert after.get(where).status_code == 404
    again = checked(after, rows(5))
    after.post(again, do="import")
    waited(after)
    assert "3 new subscribers." in after.read(again)
    assert all_emails(app) == [f"r{number}@example.org" for number in range(5)]


def test_a_fault_during_the_import_is_reported_and_ends_the_import(
    app: App, admin: AdminBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = checked(admin, rows(5))

    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("secret")

    with monkeypatch.context() as patch:
        patch.setattr(importing, "_import_batch", fail)
        admin.post(where, do="import")
        waited(admin)
    text = admin.read(where)
    assert ("The import was interrupted" in text, "secret" in text) == (True, False)
    assert audit_log(app)[0] == (ADMIN_EMAIL, "subscriber import", "0 new")
    checked(admin, rows(5))


async def _asked(app: App, headers: dict[str, str], body: Iterator[bytes]) -> tuple[int, int]:
    """The status of what is posted to the form, and how many parts of the body were read."""
    sent: list[int] = []
    read = 0

    async def receive() -> dict[str, Any]:
        nonlocal read
        part = next(body, None)
        read += part is not None
        return {"type": "http.request", "body": part or b"", "more_body": part is not None}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            sent.append(message["status"])

    scope = {
        "type": "http",
        "method": "POST",
        "path": PAGE,
        "raw_path": PAGE.encode(),
        "root_path": "",
        "query_string": b"",
        "scheme": "https",
        "http_version": "1.1",
        "server": ("digest.example.org", 443),
        "client": ("192.0.2.7", 50000),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    await create_app(app, clock=lambda: NOW)(scope, receive, send)
    return sent[0], read


MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}


def a_body(csrf: str, size: int) -> Iterator[bytes]:
    """A form with a file of a size, in parts of 64 KB."""
    yield f'--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{csrf}\r\n'.encode()
    yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nemail\n'
    for _ in range(size // 65536):
        yield b"#" * 65535 + b"\n"
    yield b"\r\n--x--\r\n"


@pytest.mark.parametrize("who", ["no one", "a reader", "an editor", "an admin"])
def test_a_body_is_read_of_an_admin_alone(app: App, admin: AdminBrowser, who: str) -> None:
    cookie = {
        "no one": "",
        "a reader": "__Host-digest=x; __Host-digest-desk=x",
        "an editor": signed_in(app, admin.client, Role.EDITOR).cookie,
        "an admin": admin.cookie,
    }[who]
    status, read = asyncio.run(_asked(app, {"Cookie": cookie, **MULTIPART}, a_body(admin.csrf, MAX_BODY * 4)))
    assert (status, read > 0) == {"an admin": (303, True), "an editor": (403, False)}.get(who, (303, False))


@pytest.mark.parametrize("told", [True, False])
def test_a_file_of_thirty_two_megabytes_is_the_most_that_is_read(app: App, admin: AdminBrowser, told: bool) -> None:
    length = {"Content-Length": str(MAX_UPLOAD + 1)} if told else {}
    headers = {"Cookie": admin.cookie, **MULTIPART, **length}
    status, read = asyncio.run(_asked(app, headers, a_body(admin.csrf, 3 * MAX_UPLOAD)))
    assert status == 413
    assert read <= (0 if told else 2 + MAX_UPLOAD // 65536 + 1)


def test_a_file_is_not_taken_in_without_the_sessions_own_token(app: App, admin: AdminBrowser) -> None:
    for csrf in ("", "0" * 32):
        forged = AdminBrowser(admin.client, admin.cookie, csrf)
        assert forged.upload(PAGE, rows(1)).status_code == 403
    waited(admin)
    assert all_emails(app) == []


def test_no_other_page_takes_a_file(app: App, admin: AdminBrowser) -> None:
    one = add_subscriber(app)
    for path in (f"/admin/subscribers/{one.id}", f"{PAGE}/7", "/admin/suppressions", "/admin/hold"):
        assert admin.upload(path, rows(1)).status_code == 403  # the form is not read, so there is no token
        assert admin.post(path, x="x" * MAX_BODY).status_code == 413
