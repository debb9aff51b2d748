"""The admin page of subscribers: searching, paging and exporting; admins only."""

import csv
import io
from datetime import time
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.models import Role, Schedule, SubscriberState
from digest.store import subscribers
from digest.subscribers import fields
from tests.builders import NOW
from tests.web.admin_site import AdminBrowser, signed_in
from tests.web.conftest import browser
from tests.web.papers import share_profile
from tests.web.subscribers import add_subscriber

HOSTILE = "<script>alert(1)</script> \"'\u202e & co"
PAGES = [
    *("", "/new", "/export", "/import", "/import/7", "/import/7/report"),
    *("/{id}", "/{id}/edit", "/{id}/why", "/{id}/export"),
]


@pytest.fixture
def admin(app: App, site: TestClient) -> AdminBrowser:
    return signed_in(app, site)


@pytest.mark.parametrize(
    "path", [*(f"/admin/subscribers{page}" for page in PAGES), "/admin/suppressions", "/admin/bounces"]
)
def test_an_editor_is_refused_each_of_these_pages(app: App, site: TestClient, path: str) -> None:
    path = path.replace("{id}", str(add_subscriber(app).id))
    editor = signed_in(app, site, Role.EDITOR)
    assert editor.get(path).status_code == 403
    assert editor.post(path, do="erase", sure="1").status_code in {403, 405}
    assert site.get(path).headers["Location"] == "/admin/sign-in"
    assert "/admin/subscribers" not in editor.get("/admin/profiles").text


def test_each_line_shows_the_subscriber_and_their_next_digest(app: App, admin: AdminBrowser) -> None:
    share_profile(app, HOSTILE, "cats")
    before = Schedule(send_at=time(6, 59))  # the slot before they were confirmed does not count
    one = add_subscriber(app, "a@example.org", name=HOSTILE, profiles=(HOSTILE,), schedule=before)
    add_subscriber(app, "b@example.org", state=SubscriberState.PENDING)
    text = admin.read("/admin/subscribers")
    assert f'<a href="/admin/subscribers/{one.id}"><bdi>a@example.org</bdi></a>' in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2
    assert text.count("2026-06-04 06:59") == 1
    assert "2 subscribers" in text
    assert '<td data-label="Status">not confirmed</td>' in text


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("q=ample.org", {"ann@example.org", "ben@example.org"}),
        ("q=benja", {"ben@example.org"}),
        ("q=ben&state=active", set()),
        ("state=paused", {"ben@example.org"}),
        ("state=nonsense", {"ann@example.org", "ben@example.org"}),
        ("q=%00%FF%3Cscript%3Ealert%281%29", set()),
        ("q=%22%20OR%20%25_*", set()),
        ("after=ann@example.org", {"ben@example.org"}),
        ("before=ben@example.org", {"ann@example.org"}),
        ("after=zoe@example.org", set()),
        ("before=%00", set()),
    ],
)
def test_it_is_searched_filtered_and_paged(app: App, admin: AdminBrowser, asked: str, found: set[str]) -> None:
    add_subscriber(app, "ann@example.org")
    add_subscriber(app, "ben@example.org", name="Benjamin", state=SubscriberState.PAUSED)
    text = admin.read(f"/admin/subscribers?{asked}")
    assert {email for email in ("ann@example.org", "ben@example.org") if f"<bdi>{email}</bdi>" in text} == found


def test_pages_follow_one_another_there_and_back_with_what_was_asked(app: App, admin: AdminBrowser) -> None:
    for number in range(120):
        add_subscriber(app, f"r+{number:03}@example.org")
    first = admin.read("/admin/subscribers?q=example")
    assert ("120 subscribers" in first, 'rel="prev"' in first) == (True, False)
    after = f"/admin/subscribers?q=example&amp;state=&amp;after={quote('r+049@example.org')}"
    assert after.replace("%40", "@") in first.replace("%40", "@")
    second = admin.read("/admin/subscribers?q=example&after=r%2B049@example.org")
    assert "<bdi>r+050@example.org</bdi>" in second
    assert "before=r%2B050" in second
    assert admin.read("/admin/subscribers?q=example&before=r%2B050@example.org") == first
    assert 'rel="next"' not in admin.read("/admin/subscribers?q=example&after=r%2B099@example.org")


def test_the_export_is_read_back_as_the_same_and_runs_nothing_in_a_spreadsheet(app: App, admin: AdminBrowser) -> None:
    add_subscriber(app, "=cmd@example.org", name="=HYPERLINK(1)")
    add_subscriber(app, "ann@example.org", name="'+1", state=SubscriberState.PAUSED)
    add_subscriber(app, "left@example.org", state=SubscriberState.PENDING)
    answer = admin.get("/admin/subscribers/export")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="subscribers.csv"'
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert [row[:2] for row in csv.reader(io.StringIO(answer.text))][1:] == [
        ["'=cmd@example.org", "'=HYPERLINK(1)"],
        ["ann@example.org", "''+1"],
    ]
    with app.store.read() as tx:
        rows = list(app.read_subscriber_rows(tx, answer.text, confirmed=True))
        everyone = subscribers.list_all(tx)
    assert [(row.email, row.subscriber and row.subscriber.name) for row in rows] == [
        ("=cmd@example.org", "=HYPERLINK(1)"),
        ("ann@example.org", "'+1"),
    ]
    assert answer.text == fields.to_csv(s for s in everyone if s.state.is_subscribed)


def test_a_streamed_export_contains_each_subscriber_once(app: App, admin: AdminBrowser) -> None:
    with app.store.write() as tx:
        many = [
            fields.new_subscriber(f"r{n}@example.org", timezone="UTC", language="en", confirmed=True)
            for n in range(2500)
        ]
        for at in range(0, len(many), 500):
            app.membership.add_all(tx, many[at : at + 500], origin="test", now=NOW)
    lines = admin.get("/admin/subscribers/export").text.splitlines()[1:]
    assert sorted(line.partition(",")[0] for line in lines) == sorted(s.email for s in many)


def test_a_subscribers_data_is_a_download(app: App, admin: AdminBrowser) -> None:
    one = add_subscriber(app)
    answer = admin.get(f"/admin/subscribers/{one.id}/export")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="subscriber-{one.id}.json"'
    assert answer.json()["subscriber"]["email"] == one.email
    assert admin.get("/admin/subscribers/999/export").status_code == 404


def test_another_sites_form_does_nothing(app: App, admin: AdminBrowser) -> None:
    one = add_subscriber(app)
    forged = AdminBrowser(admin.client, admin.cookie, "0" * 32)
    for path in (f"/admin/subscribers/{one.id}", f"/admin/subscribers/{one.id}/edit", "/admin/subscribers/new"):
        assert forged.post(path, do="erase", sure="1", email="x@example.org").status_code == 403
    assert browser(app).post(f"/admin/subscribers/{one.id}").headers["Location"] == "/admin/sign-in"
    with app.store.read() as tx:
        assert [s.email for s in subscribers.list_all(tx)] == [one.email]
