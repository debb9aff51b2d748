"""The live preview of keywords."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from digest.app import App
from digest.store import subscribers
from digest.web.app import create_app
from tests.builders import NOW
from tests.web.html import faults_of
from tests.web.papers import add_papers, share_profile

FRAGMENT = {"X-Fragment": "1"}


def preview(site: TestClient, rules: str, **fields: Any) -> str:
    """The whole page."""
    page = site.post("/preview", data={"rules": rules, **fields})
    assert page.status_code == 200
    assert faults_of(page.text) == []
    return " ".join(page.text.split())


def test_it_says_how_many_and_shows_the_best_marked(app: App, site: TestClient) -> None:
    add_papers(app, *(f"cat number {n}" for n in range(14)), "a dog")
    page = preview(site, "cat")
    assert "14 papers in the last 7 days. About 14 a day." in page
    assert page.count("<mark>cat</mark>") == 20  # title and abstract of ten
    assert page.count("<article") == 10


def test_papers_are_counted_day_by_day(app: App, site: TestClient) -> None:
    add_papers(app, "cat", "dog", "bird", seen_at=NOW - timedelta(days=2))
    add_papers(app, "cat two")
    page = preview(site, "cat")
    rows = [row.partition("</tr>")[0] for row in page.split('<tr><th scope="row">')[1:]]
    assert rows == [
        "Mon, Jun 1</th><td>1</td><td>3</td>",
        "Tue, Jun 2</th><td>0</td><td>0</td>",
        "Wed, Jun 3</th><td>1</td><td>1</td>",
    ]


@pytest.mark.parametrize(("days", "count"), [("7", 1), ("30", 2), ("365", 1), ("x", 1), ("", 1)])
def test_it_looks_back_seven_days_or_thirty(app: App, site: TestClient, days: str, count: int) -> None:
    add_papers(app, "cat old", seen_at=NOW - timedelta(days=20))
    add_papers(app, "cat new")
    assert preview(site, "cat", days=days).count("<article") == count


def test_selected_profiles_add_papers_and_own_mutes_apply_to_them(app: App, site: TestClient) -> None:
    share_profile(app, "Birds & more", "bird")
    share_profile(app, "Dogs", "dog")
    add_papers(app, "a bird", "a bird in a cage", "a dog", "a cat")
    page = preview(site, "cat\n-cage", profile=["Birds & more", "nobody's"])
    assert "2 papers" in page
    assert ("a <mark>bird</mark>" in page, "cage" in page.partition('id="preview"')[2]) == (True, False)
    assert 'value="Birds &amp; more" checked>' in page
    assert 'value="Dogs">' in page


def test_a_mute_that_has_nothing_to_do_is_no_mistake(app: App, site: TestClient) -> None:
    add_papers(app, "A cat")
    assert "No paper from the last 30 days contains" not in preview(site, "cat\n-survey")


def test_a_rule_that_finds_nothing_and_one_that_floods_are_named(app: App, site: TestClient) -> None:
    add_papers(app, *(f"model {n}" for n in range(8)), "neural nets", "cat")
    page = preview(site, 'model\n"nets neural"\ncat^2')
    assert "“model” matches 80% of all papers. Try something more specific." in page
    assert "No paper from the last 30 days contains “&#34;nets neural&#34;”." in page
    assert "“cat”" not in page


def test_a_rule_that_finds_nothing_comes_with_one_that_would(app: App, site: TestClient) -> None:
    add_papers(app, "neural radiance field", "cat")
    assert "would find 1 paper." in preview(site, "neural field\ncat")


def test_mistakes_are_marked_and_what_was_typed_is_kept(app: App, site: TestClient) -> None:
    add_papers(app, "cat")
    page = preview(site, "cat\r\ndog AND", days="30")
    assert "Some keywords have mistakes." in page
    assert page.count("Line 2, column 8:") == 2  # at the field, and in the preview
    assert "cat dog AND</textarea>" in page
    assert '<option value="30" selected>' in page
    assert "<article" not in page


@pytest.mark.parametrize("rules", ["", "# a comment", "-cat"])
def test_an_empty_form_is_reported(app: App, site: TestClient, rules: str) -> None:
    add_papers(app, "cat")
    assert "Enter a keyword or choose a profile" in preview(site, rules)


def test_a_keyword_without_papers_is_reported(site: TestClient) -> None:
    assert "No papers in the last 7 days." in preview(site, "cat")


def test_a_script_gets_the_part_without_the_page_around(app: App, site: TestClient) -> None:
    add_papers(app, "cat")
    part = site.post("/preview", data={"rules": "cat"}, headers=FRAGMENT).text
    assert part.lstrip().startswith('<p class="tally">')
    assert "<mark>cat</mark>" in part
    assert "<html" not in part
    assert "<form" not in part


def test_typed_keywords_are_never_markup(app: App, site: TestClient) -> None:
    add_papers(app, *(f"script alert {n} <b>bold</b>" for n in range(3)))
    typed = "<script>alert(1)</script>\nscript alert"
    for headers in ({}, FRAGMENT):
        page = site.post("/preview", data={"rules": typed}, headers=headers).text
        assert "<script>alert" not in page
        assert "<b>" not in page


def test_nothing_is_kept_and_nothing_is_there_to_look_at(app: App, site: TestClient) -> None:
    answer = site.post("/preview", data={"rules": "cat"})
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    assert site.get("/preview").status_code == 405


def test_a_profile_that_cannot_be_read_any_more_does_not_keep_others_from_being_tried(
    app: App, site: TestClient
) -> None:
    share_profile(app, "Old", "bird")
    add_papers(app, "cat")
    with app.store.write() as tx:
        tx.execute(sa.text("UPDATE profiles SET rules = 'cat AND'"))
    assert "1 paper in the last 7 days." in preview(site, "cat", profile="Old")


def test_too_many_requests_are_refused(app: App) -> None:
    site = TestClient(create_app(app, clock=lambda: NOW), client=("192.0.2.7", 50000))
    answers = [site.post("/preview", data={"rules": "cat"}, headers=FRAGMENT) for _ in range(121)]
    assert [answer.status_code for answer in answers] == [200] * 120 + [429]
    assert answers[-1].headers["Retry-After"] == "60"


def test_the_other_fields_are_carried_back_to_the_form(app: App, site: TestClient) -> None:
    share_profile(app, "Dogs", "dog")
    typed = {"email": "new@example.org", "timezone": "Europe/Berlin", "back": "subscribe", "profile": ["Dogs"]}
    page = preview(site, "cat", **typed)
    assert '<input type="hidden" name="email" value="new@example.org">' in page
    assert 'formaction="/subscribe" name="again" value="1">Back to the form</button>' in page
    form = site.post("/subscribe", data={"rules": "cat\nbird", "again": "1", **typed})
    assert form.status_code == 200
    assert 'value="new@example.org"' in form.text
    assert 'value="Europe/Berlin"' in form.text
    assert 'value="Dogs" checked' in form.text
    assert "cat\nbird</textarea>" in form.text
    with app.store.read() as tx:
        assert subscribers.list_all(tx) == []


@pytest.mark.parametrize("back", ["", "unsubscribe/1", "//evil.example", "https://evil.example/"])
def test_it_leads_back_to_no_page_but_the_forms(site: TestClient, back: str) -> None:
    assert "Back to the form" not in preview(site, "cat", back=back)


def test_carried_fields_are_text(site: TestClient) -> None:
    page = preview(site, "cat", email='"><script>alert(1)</script>')
    assert "<script>alert" not in page
