"""The API: what each call does, and its errors."""

import asyncio
import json
import re
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.testclient import TestClient

from digest.admin.submission_actions import LookupsBusyError, PaperLookups
from digest.app import App
from digest.errors import SourceError, StageError, StoreError
from digest.models import TokenScope
from digest.sources.fetch import Fetched, Fetcher
from digest.store import profiles, submissions
from digest.web.api import fields
from digest.web.app import create_app
from digest.web.security import MAX_BODY, MAX_UPLOAD
from tests.builders import NOW, all_papers
from tests.web.admin_site import ADMIN_EMAIL, an_admin, audit_log
from tests.web.api import Client, filled, token_of
from tests.web.conftest import Opened
from tests.web.subscribers import EMAIL, add_subscriber, finish_background, history, queued, state

BY = f'token "website" of {ADMIN_EMAIL}'
CSV = {"Content-Type": "text/csv"}
JSON = {"Content-Type": "application/json"}
HOSTILE = "<script>alert(1)</script> \u202e\ufdd0 '\" {{ 7*7 }}"


@pytest.fixture
def api(app: App, site: TestClient) -> Client:
    """With a token for everything."""
    return Client(site, token_of(app, an_admin(app)))


def problem(answer: Any, status: int) -> dict[str, Any]:
    """What is said in place of an answer."""
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json"), answer.text
    said: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail"} <= said.keys() <= {"type", "title", "status", "detail", "errors"}
    assert (said["type"], said["status"], "\n" in said["detail"]) == ("about:blank", status, False)
    return said


def test_a_profile_is_added_changed_restored_and_removed(app: App, api: Client) -> None:
    made = api("POST", "/profiles", json={"name": " Cats ", "rules": "cat\r\n"})
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"')
    assert made.headers["Location"] == "https://digest.example.org/api/v1/profiles/1"
    assert made.json() == {"id": 1, "name": "Cats", "rules": "cat\r\n", "version": 1, "followers": 0}
    changed = api("PUT", "/profiles/1", json={"name": "Felines", "rules": "cat\nlynx"}, headers={"If-Match": '"1"'})
    assert (changed.headers["ETag"], changed.json()["name"]) == ('"2"', "Felines")
    assert [v["change"] for v in api.ok("GET", "/profiles/1/versions")["items"]] == [
        "1 line added, renamed from 'Cats'",
        "first version with 1 line",
    ]
    assert api.ok("POST", "/profiles/1/restore", json={"version": 1})["rules"] == "cat\r\n"
    assert api("DELETE", "/profiles/1").status_code == 204
    problem(api("GET", "/profiles/1"), 404)
    problem(api("GET", "/profiles/2/versions"), 404)
    problem(api("POST", "/profiles/2/restore", json={"version": 1}), 404)
    problem(api("POST", "/profiles/1/restore", json={"version": 4}), 422)
    assert len(api.ok("GET", "/profiles/1/versions")["items"]) == 3
    back = api.ok("POST", "/profiles/1/restore", json={"version": 2})
    assert (back["id"], back["name"], back["rules"], back["version"]) == (1, "Felines", "cat\nlynx", 4)
    does = ["restore", "remove", "restore", "edit", "add"]
    assert [(who, what) for who, what, _ in audit_log(app)[:5]] == [(BY, f"profile {do}") for do in does]


def test_an_etag_keeps_clients_from_overwriting_unseen_changes(app: App, api: Client) -> None:
    api.ok("POST", "/profiles", json={"name": "Cats", "rules": "cat"})
    new = {"name": "Cats", "rules": "lynx"}
    for etag in ('"0"', '"2"', "1", 'W/"1"', "", "\xff"):
        headers = {"If-Match": etag.encode("latin-1")}
        said = problem(api("PUT", "/profiles/1", json=new, headers=headers), 412)
        assert said["detail"] == 'the profile has changed: its ETag is "1" now'
        problem(api("DELETE", "/profiles/1", headers=headers), 412)
    assert api.ok("GET", "/profiles/1")["rules"] == "cat"
    assert api.ok("PUT", "/profiles/1", json=new, headers={"If-Match": '"7", "1"'})["version"] == 2
    assert api.ok("PUT", "/profiles/1", json=new, headers={"If-Match": "*"})["version"] == 2
    assert api("DELETE", "/profiles/1", headers={"If-Match": '"2"'}).status_code == 204


def test_only_one_of_many_simultaneous_changes_succeeds(app: App, api: Client) -> None:
    api.ok("POST", "/profiles", json={"name": "Cats", "rules": "cat"})
    asgi = create_app(app, clock=lambda: NOW)
    bodies = [json.dumps({"name": "Cats", "rules": f"cat{n}"}).encode() for n in range(12)]
    seen = [(b"if-match", b'"1"')]
    statuses = asyncio.run(_all_at_once(asgi, api.token, "PUT", "/profiles/1", bodies, headers=seen))
    assert sorted(statuses) == [200] + [412] * 11
    assert api.ok("GET", "/profiles/1")["version"] == 2


def test_each_invalid_line_of_rules_is_reported(app: App, api: Client) -> None:
    text = "cat\n(dog\nOR fox\nowl"
    for method, path, body in (
        ("POST", "/profiles", {"name": "Cats", "rules": text}),
        ("POST", "/preview", {"rules": text}),
        ("POST", "/subscribers", {"email": EMAIL, "keywords": text}),
    ):
        said = problem(api(method, path, json=body), 422)
        assert [(e["line"], e["column"]) for e in said["errors"]] == [(2, 5), (3, 1)]
        assert said["detail"].startswith("rules: line 2, column 5: ")
    assert "no rules" in problem(api("POST", "/profiles", json={"name": "Cats", "rules": " "}), 422)["detail"]
    assert "only exclude papers" in problem(api("POST", "/preview", json={"rules": "-cat"}), 422)["detail"]


def test_a_name_that_is_taken_is_a_conflict(api: Client) -> None:
    for name in ("Cats", "Dogs"):
        api.ok("POST", "/profiles", json={"name": name, "rules": "cat"})
    assert "already" in problem(api("POST", "/profiles", json={"name": "Cats", "rules": "cat"}), 409)["detail"]
    problem(api("PUT", "/profiles/2", json={"name": "Cats", "rules": "cat"}), 409)
    api.ok("DELETE", "/profiles/1")
    api.ok("PUT", "/profiles/2", json={"name": "Cats", "rules": "cat"})
    problem(api("POST", "/profiles/1/restore", json={"version": 1}), 409)
    assert [p["id"] for p in api.ok("GET", "/profiles")["items"]] == [2]


def test_a_preview_shows_what_rules_would_have_found_and_why(app: App, api: Client) -> None:
    filled(app)
    found = api.ok("POST", "/preview", json={"rules": "cat\nzebra\n-dog", "days": 7})
    assert (found["count"], [p["id"] for p in found["papers"]]) == (1, ["arxiv:2606.00001"])
    paper = found["papers"][0]
    marked = [paper[e["field"]][e["start"] : e["end"]] for e in paper["evidence"]]
    assert (marked, {e["rule"] for e in paper["evidence"]}) == (["cats", "cats"], {"cat"})
    assert [(r["rule"], r["papers"], r["excludes"]) for r in found["rules"]] == [
        ("cat", 1, False),
        ("zebra", 0, False),
        ("dog", 0, True),
    ]
    assert found["days"] == [{"on": "2026-06-03", "papers": 1, "of": 2}]


def test_a_subscriber_is_added_changed_and_read(app: App, api: Client) -> None:
    filled(app)
    new = {"email": "New@Example.org", "profiles": ["Dogs", "Cats"], "keywords": "lynx", "timezone": "Europe/Berlin"}
    made = api("POST", "/subscribers", json=new)
    assert made.status_code == 201
    whose = made.json()
    assert (whose["state"], whose["email"], whose["profiles"]) == ("pending", "New@example.org", ["Cats", "Dogs"])
    assert (whose["keywords"], whose["timezone"], whose["send_at"]) == ("lynx", "Europe/Berlin", "07:00")
    path = f"/subscribers/{whose['id']}"
    assert made.headers["Location"] == f"https://digest.example.org/api/v1{path}"
    choices = {"days": "mon,thu", "announce": "new", "trending": False, "max_papers": 3, "keywords": "", "name": "N"}
    changed = api.ok("PATCH", path, json=choices)
    assert changed == whose | choices
    assert api.ok("GET", path) == changed
    before = audit_log(app)
    assert api.ok("PATCH", path, json={"name": None, "days": "mon,thu"}) == changed
    assert audit_log(app) == before
    assert before[0] == (BY, "subscriber edit", f"subscriber {whose['id']}")
    assert history(app, "new@example.org") == [("asked", BY)]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"timezone": "Mars/Olympus"}, "no time zone 'Mars/Olympus'"),
        ({"send_at": "25:00"}, "25:00"),
        ({"days": "someday"}, "someday"),
        ({"language": "xx"}, "xx"),
        ({"announce": "loudly"}, "loudly"),
        ({"profiles": ["Cast"]}, "no profile 'Cast'; did you mean 'Cats'?"),
        ({"max_papers": 0}, "body.max_papers: "),
        ({"max_papers": "5"}, "body.max_papers: "),
        ({"max_papers": 10**400}, "body.max_papers: "),
        ({"trending": 1}, "body.trending: "),
        ({"name": "x" * 201}, "body.name: "),
        ({"name": "x\x00"}, "body.name: "),
        ({"state": "active"}, "body.state: Extra inputs are not permitted"),
        ({"epoch": 7}, "body.epoch: Extra inputs are not permitted"),
    ],
)
def test_invalid_values_are_refused_with_the_reason(app: App, api: Client, wrong: dict[str, Any], says: str) -> None:
    filled(app)
    before = api.ok("GET", "/subscribers/1")
    assert says in problem(api("PATCH", "/subscribers/1", json=wrong), 422)["detail"]
    assert says in problem(api("POST", "/subscribers", json={"email": "n@example.org"} | wrong), 422)["detail"]
    assert api.ok("GET", "/subscribers/1") == before


def test_an_address_that_is_not_ascii_is_taken(api: Client) -> None:
    assert api.ok("POST", "/subscribers", json={"email": "jürgen@Example.org"})["email"] == "jürgen@example.org"


def test_the_actions_on_a_subscriber_change_their_state(app: App, site: TestClient, api: Client) -> None:
    api.ok("POST", "/subscribers", json={"email": EMAIL})
    assert "asked" in problem(api("POST", "/subscribers/1/ask"), 409)["detail"]
    assert api.ok("POST", "/subscribers/1/confirm")["state"] == "active"
    problem(api("POST", "/subscribers/1/confirm"), 409)
    problem(api("POST", "/subscribers/1/resume"), 409)
    paused = api.ok("POST", "/subscribers/1/pause", json={"until": "2026-07-01"})
    assert (paused["state"], paused["resumes_at"]) == ("paused", "2026-07-01T00:00:00Z")
    for until in ("2026-06-01", "2036-06-01", "2026-02-30", "soon", 20260701):
        problem(api("POST", "/subscribers/1/pause", json={"until": until}), 422)
    assert api.ok("POST", "/subscribers/1/resume")["state"] == "active"
    assert api.ok("POST", "/subscribers/1/pause", json={})["resumes_at"] is None
    assert api.ok("POST", "/subscribers/1/unsubscribe")["state"] == "unsubscribed"
    problem(api("POST", "/subscribers/1/pause", json={}), 409)
    problem(api("POST", "/subscribers", json={"email": EMAIL, "confirmed": True}), 409)
    does = ["unsubscribe", "pause", "resume", "pause", "confirm", "add"]
    assert audit_log(app)[:6] == [(BY, f"subscriber {do}", "subscriber 1") for do in does]


@pytest.mark.parametrize(("method", "path"), [("DELETE", ""), ("POST", "/erase")])
def test_a_removed_or_erased_subscriber_leaves_no_trace(
    app: App, site: TestClient, api: Client, method: str, path: str
) -> None:
    add_subscriber(app, "somebody@example.org", name="Leander")
    assert api(method, f"/subscribers/1{path}").status_code == 204
    problem(api("GET", "/subscribers/1"), 404)
    finish_background(site)
    assert b"Leander" not in app.store.file.read_bytes()
    found = api.ok("GET", "/suppressions?email=somebody@example.org")["items"]
    assert [s["reason"] for s in found] == (["erased"] if path else [])


def test_it_explains_why_a_subscriber_got_a_paper(app: App, api: Client) -> None:
    filled(app)
    said = api.ok("GET", "/subscribers/1/explain?paper=https://arxiv.org/abs/2606.00001")
    assert (said["verdict"], said["paper"], said["place"]["section"]) == ("shown", "arxiv:2606.00001", "Cats")
    assert api.ok("GET", "/subscribers/1/explain?paper=2606.99999")["verdict"] == "unknown-paper"
    problem(api("GET", "/subscribers/1/explain"), 422)


def test_an_import_and_its_dry_run_return_what_happens_to_each_row(app: App, api: Client) -> None:
    filled(app)
    text = "\ufeffemail,profiles\nnew@example.org,Cats\nno address,\ngone@example.org,\nreader@example.org,\n"
    fates = ["added", "bad", "known", "known"]
    rehearsed = api.ok("POST", "/subscribers/import?dry_run=true&confirmed=true", content=text.encode(), headers=CSV)
    assert ([row["fate"] for row in rehearsed["rows"]], rehearsed["dry_run"]) == (fates, True)
    assert len(api.ok("GET", "/subscribers")["items"]) == 3
    done = api.ok("POST", "/subscribers/import?confirmed=true", content=text.encode(), headers=CSV)
    assert done == rehearsed | {"dry_run": False}
    assert done["counts"] == {"added": 1, "bad": 1, "known": 2}
    assert state(app, "new@example.org") == "active"
    assert audit_log(app)[0] == (BY, "subscriber import", "1 new")


@pytest.mark.parametrize(
    ("content", "status", "says"),
    [
        (b"", 422, "body: is empty; send the CSV file as the body"),
        (b"--x\r\nContent-Disposition: form-data", 422, "body: is a form; send the file itself"),
        (b"email\n\xff@example.org", 422, "line 2: the byte 0xFF"),
        (b"name\nx\n", 422, "line 1: no column 'email'"),
        (b"email,E-Mail\nx@example.org,1\n", 422, "line 1: two columns have the same name"),
        (b"email\n" + b"x" * MAX_UPLOAD, 413, "the file is larger than 32 MiB"),
    ],
)
def test_an_unreadable_file_is_refused_with_the_reason(api: Client, content: bytes, status: int, says: str) -> None:
    answer = api("POST", "/subscribers/import", content=content, headers=CSV)
    assert says in problem(answer, status)["detail"]


def test_a_file_of_megabytes_is_imported_as_on_the_page(app: App, api: Client) -> None:
    many = "".join(f"r{n}@example.org;{'x' * 1000}\n" for n in range(1200))
    content = f"sep=;\nE-Mail;Notes\n{many}r7@example.org;\n".encode("utf-16")
    assert len(content) > 8 * MAX_BODY
    done = api.ok("POST", "/subscribers/import?confirmed=true", content=content, headers=CSV)
    assert (done["counts"], done["ignored_columns"]) == ({"added": 1200, "duplicate": 1}, ["Notes"])
    assert done["rows"][-1] == {
        "line": 1203, "email": "r7@example.org", "fate": "duplicate", "column": "", "reason": "already in line 10",
    }  # fmt: skip
    assert audit_log(app)[0] == (BY, "subscriber import", "1200 new")


def test_a_large_body_is_read_only_from_who_may_import(app: App, site: TestClient, api: Client) -> None:
    content = b"email\n" + b"x@example.org\n" * 40_000
    for scopes, status in ((None, 401), ([TokenScope.SUBSCRIBERS_READ], 403)):
        token = token_of(app, an_admin(app), scopes, name="other") if scopes else ""
        problem(Client(site, token)("POST", "/subscribers/import", content=content, headers=CSV), status)
    problem(api("POST", "/profiles", content=content), 413)


def test_an_address_is_suppressed_and_lifted(app: App, api: Client) -> None:
    filled(app)
    assert api.ok("POST", "/suppressions", json={"email": EMAIL, "reason": "a\nb"})["evidence"] == "a b"
    assert state(app) == "suppressed"
    assert len(api.ok("GET", "/suppressions")["items"]) == 2
    assert api.ok("POST", "/suppressions/lift", json={"email": EMAIL}) == {"suppression": None}
    problem(api("POST", "/suppressions/lift", json={"email": EMAIL}), 409)
    problem(api("POST", "/suppressions", json={"email": "nobody"}), 422)
    assert api.ok("GET", f"/suppressions?email={EMAIL}")["items"] == []


def test_mails_are_listed_retried_and_settled(app: App, api: Client) -> None:
    filled(app)
    in_doubt, failed = (api.ok("GET", f"/deliveries?state={s}")["items"][0]["id"] for s in ("in-doubt", "failed"))
    one = api.ok("GET", f"/deliveries/{in_doubt}")
    assert (one["email"], one["reply"], one["kind"]) == (EMAIL, "250 ok", "digest")
    assert api.ok("GET", "/deliveries/1")["came_back"] == [
        {"kind": "soft", "status": "4.2.2", "reply": "452 4.2.2 <full>", "bounced_at": "2026-06-03T07:00:00Z"}
    ]
    assert api.ok("POST", "/deliveries/retry", json={"ids": [in_doubt, failed]}) == {"ids": [failed]}
    assert api.ok("POST", "/deliveries/retry", json={"all": True}) == {"ids": []}
    for wrong in (
        "{}",
        '{"ids": []}',
        '{"all": false}',
        '{"ids": [1], "all": true}',
        f'{{"ids": [{2**70}]}}',
        '{"ids": [true]}',
    ):
        problem(api("POST", "/deliveries/retry", content=wrong, headers=JSON), 422)
    assert api.ok("POST", "/deliveries/resolve", json={"ids": [in_doubt], "arrived": True}) == {"ids": [in_doubt]}
    assert api.ok("GET", f"/deliveries/{in_doubt}")["state"] == "sent"
    problem(api("GET", "/deliveries/999"), 404)


def test_sending_is_held_and_released(app: App, api: Client) -> None:
    assert api.ok("GET", "/hold") == {"hold": None}
    held = api.ok("PUT", "/hold", json={"reason": "wrong\nlist"})
    assert held["hold"]["reason"] == "wrong list"
    assert api.ok("PUT", "/hold", json={"reason": "again"}) == held == api.ok("GET", "/hold")
    assert api.ok("GET", "/today")["trouble"] == "hold"
    assert api.ok("DELETE", "/hold") == api.ok("DELETE", "/hold") == {"hold": None}
    assert [(who, what) for who, what, _ in audit_log(app)[:2]] == [(BY, "outbox release"), (BY, "outbox hold")]


def test_today_says_how_the_last_runs_of_each_stage_ended(
    app: App, api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by zero")

    assert api.ok("GET", "/today")["stages"] == []
    app.publish(now=NOW)
    monkeypatch.setattr("digest.app.publish", broken)
    with pytest.raises(StageError):
        app.publish(now=NOW)
    today = api.ok("GET", "/today")
    assert today["trouble"] == "stage"
    (stage,) = today["stages"]
    assert (stage["stage"], stage["state"], stage["failure"]) == ("publish", "failing", "ZeroDivisionError: by zero")
    assert stage["succeeded_at"].startswith("2026-06-03T07:00:0")
    assert stage["failed_at"].startswith("2026-06-03T07:00:0")


def test_a_submission_is_rejected(app: App, api: Client) -> None:
    filled(app)
    assert api.ok("POST", "/submissions/1/reject")["state"] == "rejected"
    assert [s["id"] for s in api.ok("GET", "/submissions?state=waiting")["items"]] == [2]
    problem(api("POST", "/submissions/9/reject"), 404)
    with app.store.write() as tx:
        tx.exec_driver_sql("update submissions set state = 'approved' where id = 2")
    problem(api("POST", "/submissions/2/reject"), 409)


ABSTRACT = b'<meta name="citation_title" content="On cats"><meta name="citation_abstract" content="We look.">'


def reads(monkeypatch: pytest.MonkeyPatch, body: bytes = ABSTRACT, *, fails: str = "") -> list[str]:
    """What strangers' pages say. The addresses that are asked."""
    asked: list[str] = []

    def fetch(_: Fetcher, source: str, url: str) -> Fetched:
        asked.append(url)
        if fails:
            raise SourceError(source, fails)
        return Fetched(body=body)

    monkeypatch.setattr(Fetcher, "fetch", fetch)
    return asked


def test_a_submission_is_looked_up_and_approved(app: App, api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = reads(monkeypatch)
    with app.store.write() as tx:
        submissions.add(tx, "https://example.org/paper", origin="page", now=NOW)
    said = api.ok("POST", "/submissions/1/approve", json={"abstract": " Line one\r\nline two\u202e "})
    assert (said["state"], asked) == ("approved", ["https://example.org/paper"])
    with app.store.read() as tx:
        (paper,) = all_papers(tx)
    assert (paper.id, paper.title, paper.abstract) == (said["paper_id"], "On cats", "Line one line two")
    assert audit_log(app)[0] == (BY, "submission approve", f"1, {paper.id}")
    problem(api("POST", "/submissions/1/approve", json={}), 409)
    problem(api("POST", "/submissions/9/approve", json={}), 404)
    assert len(asked) == 1


def test_a_submission_that_cannot_be_looked_up_needs_a_title(
    app: App, api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(app)
    reads(monkeypatch, fails="answers 500")
    for body in ({}, {"title": " \n"}, {"abstract": "Typed"}):
        detail = problem(api("POST", "/submissions/1/approve", json=body), 422)["detail"]
        assert detail == "answers 500; send a title to add the paper without its page"
    assert api.ok("GET", "/submissions")["items"][0]["state"] == "waiting"
    assert api.ok("POST", "/submissions/1/approve", json={"title": "Typed"})["state"] == "approved"


def test_only_a_few_submissions_are_looked_up_at_once(app: App, api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(app)

    def busy(*_: Any) -> Any:
        raise LookupsBusyError

    monkeypatch.setattr(PaperLookups, "look_up", busy)
    answer = api("POST", "/submissions/1/approve", json={"title": "Typed"})
    assert "try again in a moment" in problem(answer, 503)["detail"]
    assert int(answer.headers["Retry-After"]) > 0
    assert api.ok("GET", "/submissions")["items"][0]["state"] == "waiting"


def test_a_digest_that_never_arrived_is_sent_again(app: App, api: Client) -> None:
    filled(app)
    number = api.ok("GET", "/deliveries?state=in-doubt")["items"][0]["id"]
    api.ok("POST", "/deliveries/resolve", json={"ids": [number], "arrived": True})
    answer = api("POST", "/deliveries/resend", json={"id": number})
    again = answer.json()
    assert (answer.status_code, again["state"], again["kind"], again["email"]) == (201, "queued", "digest", EMAIL)
    assert answer.headers["Location"].endswith(f"/api/v1/deliveries/{again['id']}")
    assert api.ok("GET", f"/deliveries/{again['id']}")["id"] == again["id"]
    assert audit_log(app)[0] == (BY, "outbox resend", f"{number}, as {again['id']}")
    assert "already sent again" in problem(api("POST", "/deliveries/resend", json={"id": number}), 409)["detail"]
    assert "is queued" in problem(api("POST", "/deliveries/resend", json={"id": again["id"]}), 409)["detail"]
    problem(api("POST", "/deliveries/resend", json={"id": 999}), 404)
    problem(api("POST", "/deliveries/resend", json={"id": True}), 422)


def test_sources_are_listed_without_their_addresses(open_site: Opened, tmp_path: Any) -> None:
    site = open_site(
        '[newsletter]\nbase_url = "https://digest.example.org"\n'
        '[[source]]\nname = "feed"\nkind = "feed"\nurl = "https://u:secret@example.org/?key=secret"\n'
    )
    with App.open(tmp_path / "config.toml") as app:
        api = Client(site, token_of(app, an_admin(app)))
    said = api("GET", "/sources")
    assert said.json()["items"][0] | {"kind": ""} == {
        "name": "feed",
        "kind": "",
        "checked_at": None,
        "succeeded_at": None,
        "entries": None,
        "failure": "",
    }
    assert "secret" not in said.text


LISTS = ["/subscribers", "/deliveries", "/log", "/bounces", "/suppressions", "/submissions", "/profiles/1/versions"]


@pytest.mark.parametrize("path", LISTS)
def test_following_the_pages_lists_everything_once(app: App, api: Client, path: str) -> None:
    filled(app)
    for number in range(3):
        api.ok("PUT", "/profiles/1", json={"name": "Cats", "rules": f"cat{number}"})
        api.ok("POST", "/suppressions", json={"email": f"{number}@example.org"})
    with app.store.write() as tx:
        tx.exec_driver_sql(
            "insert into bounces (pseudonym, kind, status, reply, bounced_at, fingerprint) "
            "select pseudonym, kind, status, reply, bounced_at, 'g' from bounces"
        )
    whole = api.ok("GET", f"{path}?limit=200")
    assert (len(whole["items"]) > 1, whole["next"]) == (True, None)
    for limit in (1, 2, len(whole["items"])):
        items: list[Any] = []
        cursor = ""
        while True:
            page = api.ok("GET", f"{path}?limit={limit}{cursor}")
            assert len(page["items"]) <= limit
            items += page["items"]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        assert items == whole["items"]


@pytest.mark.parametrize("path", LISTS)
def test_an_invalid_cursor_is_refused(app: App, api: Client, path: str) -> None:
    filled(app)
    for query in ("limit=0", "limit=201", "limit=x", "cursor=*", "cursor=", "cursor=a", "page=2", "limit=1%00"):
        assert "query." in problem(api("GET", f"{path}?{query}"), 422)["detail"]


def test_subscribers_are_found_by_name_and_state(app: App, api: Client) -> None:
    filled(app)

    def found(query: str) -> list[str]:
        return [s["email"] for s in api.ok("GET", f"/subscribers?{query}")["items"]]

    assert found("search=REN%C3%89") == [EMAIL]
    assert found("state=pending") == ["asking@example.org"]
    assert found("search=zebra") == []
    assert len(found("search=example")) == 3


def test_hostile_text_is_text(app: App, api: Client) -> None:
    name = HOSTILE
    made = api("POST", "/profiles", json={"name": name, "rules": f'"{"x"}"  # {HOSTILE}'})
    assert (made.status_code, made.json()["name"]) == (201, " ".join(name.split()))
    for path in ("/profiles", "/profiles/1", "/profiles/1/versions", "/log"):
        answer = api("GET", path)
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert HOSTILE.split(maxsplit=1)[0] in answer.text
    said = problem(api("PATCH", "/subscribers/1", json={HOSTILE: 1}), 422)
    assert said["errors"][0]["field"] == f"body.{HOSTILE}"


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 422),
        (b"", 422),
        (b"[]", 422),
        (b"null", 422),
        (b'"x"', 422),
        (b'{"reason": "\\ud800"}', 422),
        (b'{"\\ud800": 1}', 422),
        (b'{"reason": NaN}', 422),
        (b'{"reason": ' + b"9" * 5000 + b"}", 400),
        (b"[" * 100_000, 400),
        (b"\xff", 400),
        (b'{"reason": "' + b"x" * 300_000 + b'"}', 413),
    ],
)
def test_every_request_is_answered(api: Client, content: bytes, status: int) -> None:
    answer = api("PUT", "/hold", content=content, headers={"Content-Type": "application/json"})
    problem(answer, status)
    assert api.ok("GET", "/hold") == {"hold": None}


def test_a_body_that_is_not_json_is_refused(api: Client) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        problem(api("PUT", "/hold", content=b'{"reason": ""}', headers={"Content-Type": kind}), 422)


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/nothing", 404, None),
        ("GET", "/profiles/", 404, None),
        ("GET", "/profiles/x", 404, None),
        ("GET", "/profiles/0", 404, None),
        ("GET", f"/profiles/{'9' * 5000}", 404, None),
        ("GET", "/profiles/999999999999999", 404, None),
        ("GET", "/docs", 404, None),
        ("PATCH", "/profiles/1", 405, "DELETE, GET, PUT"),
        ("GET", "/subscribers/import", 405, "POST"),
        ("DELETE", "/profiles", 405, "GET, POST"),
        ("POST", "/openapi.json", 405, "GET, HEAD"),
    ],
)
def test_an_unknown_address_is_a_problem(api: Client, method: str, path: str, status: int, allow: str | None) -> None:
    answer = api(method, path)
    problem(answer, status)
    assert answer.headers.get("Allow") == allow


@pytest.mark.parametrize(("error", "status"), [(ValueError("secret"), 500), (StoreError("/secret: locked"), 503)])
def test_an_internal_error_reveals_nothing(
    api: Client,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    status: int,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(profiles, "list_shared", fail)
    answer = api("GET", "/profiles")
    problem(answer, status)
    assert "secret" not in answer.text
    audit_log = "".join(capsys.readouterr())
    assert ("secret" in audit_log, api.token in audit_log) == (True, False)


def test_a_change_wakes_the_delivery_and_a_read_does_not(app: App) -> None:
    told: list[int] = []
    asgi = create_app(app, clock=lambda: NOW, changed=lambda: told.append(1))
    api = Client(TestClient(asgi, raise_server_exceptions=False), token_of(app, an_admin(app)))
    api("GET", "/subscribers")
    api("POST", "/subscribers", json={"email": "nobody"})
    assert told == []
    api.ok("POST", "/subscribers", json={"email": EMAIL})
    assert (told, len(queued(app))) == ([1], 1)


def test_it_is_served_under_a_path_with_and_without_the_prefix(open_site: Opened, tmp_path: Any) -> None:
    site = open_site('[newsletter]\nbase_url = "https://example.org/digest"\n')
    with App.open(tmp_path / "config.toml") as app:
        api = Client(site, token_of(app, an_admin(app)))
    for base in ("/digest/api/v1", "/api/v1"):
        assert api.ok("GET", "/profiles", base=base) == {"items": [], "next": None}
        assert api.ok("GET", "/openapi.json", base=base)["servers"] == [{"url": "https://example.org/digest/api/v1"}]
        problem(api("GET", "/nothing", base=base), 404)


def test_the_document_describes_every_call(app: App, site: TestClient) -> None:
    document = Client(site).ok("GET", "/openapi.json")
    calls = [call for path in document["paths"].values() for call in path.values()]
    names = [call["operationId"] for call in calls]
    assert len(set(names)) == len(names) == 39
    scheme = document["components"]["securitySchemes"]["token"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for call in calls:
        assert call["description"].endswith("."), call["operationId"]
        assert [list(one) for one in call["security"]] == [["token"]]
        assert {"401", "403", "422", "429", "500", "503"} <= call["responses"].keys()
        errors = [response["content"] for status, response in call["responses"].items() if status >= "400"]
        assert {kind for content in errors for kind in content} == {"application/problem+json"}
    assert not re.search(r"HTTPValidationError|<script|digest_[\w-]{20}", json.dumps(document))


def test_a_slow_request_is_dropped_and_delays_no_others(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "_SLOWEST_BODY", 0.05)
    token = token_of(app, an_admin(app))
    asgi = create_app(app, clock=lambda: NOW)
    statuses = asyncio.run(_all_at_once(asgi, token, "PUT", "/hold", [None] * 12))
    assert statuses == [408] * 12


def test_files_that_arrive_slowly_delay_no_other_calls(app: App) -> None:
    token = token_of(app, an_admin(app))
    asgi = create_app(app, clock=lambda: NOW)

    async def call_meanwhile() -> list[int]:
        uploads = asyncio.create_task(_all_at_once(asgi, token, "POST", "/subscribers/import", [None] * 20))
        await asyncio.sleep(0.5)
        statuses = await asyncio.wait_for(_all_at_once(asgi, token, "GET", "/profiles", [b""] * 20), 30)
        uploads.cancel()
        await asyncio.wait([uploads])
        return statuses

    assert asyncio.run(call_meanwhile()) == [200] * 20


def test_only_a_few_calls_are_answered_at_once(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    token = token_of(app, an_admin(app))
    asgi = create_app(app, clock=lambda: NOW)
    lock, busy, most = threading.Lock(), 0, 0
    read = profiles.list_shared

    def slowly(tx: Any) -> Any:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        time.sleep(0.02)
        with lock:
            busy -= 1
        return read(tx)

    monkeypatch.setattr(profiles, "list_shared", slowly)
    assert asyncio.run(_all_at_once(asgi, token, "GET", "/profiles", [b""] * 30)) == [200] * 30
    assert 1 < most <= 8


async def _all_at_once(
    asgi: Any,
    token: str,
    method: str,
    path: str,
    bodies: Sequence[bytes | None],
    *,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> list[int]:
    """The statuses of calls with these bodies that come at the same time; a body that is None never comes."""
    statuses: list[int] = []
    full = f"/api/v1{path}"
    said = [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json"), *headers]
    scope = {"type": "http", "method": method, "path": full, "raw_path": full.encode(), "query_string": b""}
    scope |= {"client": ("192.0.2.7", 1), "server": ("x", 80), "scheme": "http", "root_path": ""}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def call(body: bytes | None) -> None:
        async def receive() -> dict[str, Any]:
            if body is None:
                await asyncio.sleep(60)
            return {"type": "http.request", "body": body, "more_body": False}

        await asgi(scope | {"headers": [*said]}, receive, send)

    await asyncio.gather(*map(call, bodies))
    return statuses
