"""Exporting and importing all profiles, and creating profiles from queries of arXiv and PubMed."""

import json
import re
from html import unescape
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.models import Role
from tests.builders import a_paper
from tests.web.admin_site import EDITOR_EMAIL, AdminBrowser, signed_in
from tests.web.papers import publish_papers, share_profile
from tests.web.test_admin_profiles import flat, log, plain, shared


@pytest.fixture
def editor(app: App, site: TestClient) -> AdminBrowser:
    return signed_in(app, site, Role.EDITOR)


def line(name: str, rules: str) -> str:
    return json.dumps({"name": name, "rules": rules})


def test_an_export_can_be_imported(app: App, editor: AdminBrowser) -> None:
    share_profile(app, "Cats & 猫", 'cat\n"lion" # <b>')
    share_profile(app, "Dogs", "dog")
    answer = editor.get("/admin/profiles/export")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="profiles.jsonl"'
    assert [json.loads(text)["name"] for text in answer.text.splitlines()] == ["Cats & 猫", "Dogs"]
    before = shared(app)
    said = plain(editor.post("/admin/profiles/import", text=answer.text.replace("\n", "\r\n")).text)
    assert said.count("unchanged") == 2
    assert editor.post("/admin/profiles/import", text=answer.text, do="import").status_code == 303
    assert shared(app) == before
    assert log(app) == []


def test_an_import_shows_a_preview_first_and_runs_on_the_second_press(app: App, editor: AdminBrowser) -> None:
    share_profile(app, "Cats", "cat\nlion")
    share_profile(app, "Dogs", "dog")
    text = "\n".join([line("Cats", "cat\ntiger"), line("Dogs", "dog"), line("Mice <b>", "mouse")])
    shown = editor.post("/admin/profiles/import", text=text)
    said = plain(shown.text)
    assert "Cats rules change: 1 line added, 1 line removed" in said
    assert "Dogs unchanged" in said
    assert "Mice &lt;b&gt; new" in said
    assert "Import these 3 profiles" in said
    assert shared(app)["Cats"] == "cat\nlion"
    kept = re.search(r'<textarea\s+name="text"\s+hidden[^>]*>\n(.*?)</textarea>', shown.text, re.DOTALL)
    assert kept is not None
    answer = editor.post("/admin/profiles/import", text=unescape(kept[1]), do="import")
    assert answer.headers["Location"] == "/admin/profiles/import?done=imported"
    assert "Imported." in editor.read(answer.headers["Location"])
    assert shared(app) == {"Cats": "cat\ntiger", "Dogs": "dog", "Mice <b>": "mouse"}
    assert log(app) == [(EDITOR_EMAIL, "profile edit", "Cats"), (EDITOR_EMAIL, "profile add", "Mice <b>")]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "there is no profile in it"),
        ("cats", "Line 1: expected {&#34;name&#34;"),
        ('{"name": "Cats"}', "Line 1: expected"),
        (f"{line('Cats', 'cat')}\n{line('Dogs', 'dog AND')}", "Line 2: profile &#39;Dogs&#39;: line 1, column 8"),
        (line("Cats", "-cat"), "Line 1: profile &#39;Cats&#39;: these rules only exclude papers"),
    ],
)
def test_an_unreadable_import_is_reported_with_its_line_and_changes_nothing(
    app: App, editor: AdminBrowser, text: str, why: str
) -> None:
    for do in ("", "import"):
        answer = editor.post("/admin/profiles/import", text=text, do=do)
        assert answer.status_code == 422
        assert why in answer.text
    assert shared(app) == {}


def test_a_pasted_query_shows_its_rules_what_was_left_out_and_what_it_would_find(
    app: App, editor: AdminBrowser
) -> None:
    publish_papers(app, a_paper("A study of cats"), a_paper("Dogs", "of cats <b>"))
    assert "Paste your search" in editor.read("/admin/profiles/query")
    pasted = "https://pubmed.ncbi.nlm.nih.gov/?term=" + quote('cats[tiab] AND "<i>"[pt]')
    answer = editor.post("/admin/profiles/query", query=pasted)
    assert answer.status_code == 200
    assert '<pre dir="auto"> cats</pre>' in flat(answer.text)
    assert "<code><bdi>&#34;&lt;i&gt;&#34;[pt]</bdi></code>" in answer.text
    assert "2 papers in the last 30 days." in answer.text
    assert flat(answer.text).count('<article class="paper">') == 2
    assert '<form method="post" action="/admin/profiles/preview">' in flat(answer.text)
    assert '<input type="hidden" name="rules" value="cats">' in flat(answer.text)
    assert shared(app) == {}


def test_a_query_that_cannot_be_read_says_why_and_stays(app: App, editor: AdminBrowser) -> None:
    answer = editor.post("/admin/profiles/query", query='jr:"<b>"\r\n')
    assert answer.status_code == 422
    assert "feeds contain none of this: jr:&#34;&lt;b&gt;&#34;" in answer.text
    assert "jr:&#34;&lt;b&gt;&#34;</textarea>" in answer.text
