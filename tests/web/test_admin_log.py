"""The page of the audit log: paging, filters, and links to subjects."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.store import audit
from tests.builders import NOW
from tests.web.admin_site import refuses_an_editor, signed_in

HOSTILE = "<script>alert(1)</script>\u202e\"'"


def written(app: App, *lines: tuple[str, str, str]) -> None:
    with app.store.write() as tx:
        for who, what, subject in lines:
            audit.record(tx, who, what, subject, now=NOW)


def test_a_subscriber_in_the_log_leads_to_their_page_and_a_profile_is_plain(app: App, site: TestClient) -> None:
    written(
        app,
        ("admin@x.org", "subscriber edit", "subscriber 12"),
        ("admin@x.org", "submission approve", "7, arxiv:2606.00001"),
        ("admin@x.org", "profile add", "subscriber 12 and others"),
    )
    text = signed_in(app, site).read("/admin/log")
    assert 'subscriber edit: <a href="/admin/subscribers/12">subscriber 12</a>' in text
    assert '<a href="/admin/submissions/7">7, arxiv:2606.00001</a>' in text
    assert "profile add: <bdi>subscriber 12 and others</bdi>" in text


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("who=ADMIN@", {"one", "two"}),
        ("what=profile", {"one", "three"}),
        ("what=profile+add", {"three"}),
        ("what=file", set()),
        ("q=tw", {"two"}),
        ("q=%25", set()),
        ("q=_", set()),
        ("who=command+line&what=profile", {"three"}),
    ],
)
def test_the_log_is_filtered_by_admin_action_and_text(app: App, site: TestClient, asked: str, found: set[str]) -> None:
    written(
        app,
        ("admin@x.org", "profile edit", "one"),
        ("admin@x.org", "outbox retry", "two"),
        ("command line", "profile add", "three"),
    )
    text = signed_in(app, site).read(f"/admin/log?{asked}")
    assert {subject for subject in ("one", "two", "three") if f"<bdi>{subject}</bdi>" in text} == found
    assert ("No changes found." in text) == (not found)


def test_older_changes_are_a_page_further_with_the_same_filter(app: App, site: TestClient) -> None:
    written(app, *(("admin@x.org", "profile edit", f"line {number}.") for number in range(150)), ("x", "y", "other"))
    admin = signed_in(app, site)
    first = admin.read("/admin/log?what=profile")
    assert ("line 149." in first, "line 50." in first, "line 49." in first) == (True, True, False)
    assert 'href="/admin/log?what=profile&amp;before=51" rel="next"' in first
    second = admin.read("/admin/log?what=profile&before=51")
    assert ("line 49." in second, "line 0." in second, "line 50." in second) == (True, True, False)
    assert 'rel="next"' not in second


def test_hostile_log_entries_are_shown_as_text(app: App, site: TestClient) -> None:
    written(app, (HOSTILE, HOSTILE, HOSTILE))
    admin = signed_in(app, site)
    assert "<script>" not in admin.read("/admin/log")
    assert "\u202e" not in admin.read("/admin/log").split("<table")[1]
    params: Any = {"q": HOSTILE, "who": HOSTILE, "what": HOSTILE}
    answer = site.get("/admin/log", params=params, headers={"Cookie": admin.cookie})
    assert (answer.status_code, "<script>" in answer.text) == (200, False)


@pytest.mark.parametrize("before", ["0", "-1", "x", "9" * 30, "²"])
def test_an_odd_place_is_the_beginning(app: App, site: TestClient, before: str) -> None:
    written(app, ("admin@x.org", "profile edit", "one"))
    assert "<bdi>one</bdi>" in signed_in(app, site).read(f"/admin/log?before={before}")


def test_it_is_not_for_editors(app: App, site: TestClient) -> None:
    assert refuses_an_editor(app, site, "/admin/log")
