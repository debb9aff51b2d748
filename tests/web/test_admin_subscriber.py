"""The admin pages of one subscriber: data, actions, the form, and explanations."""

from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from digest.admin import subscriber_actions
from digest.app import App
from digest.models import Bounce, BounceKind, Field, SubscriberState, SuppressionReason
from digest.store import subscribers
from tests.builders import NOW, a_paper, an_item, at
from tests.web.admin_site import ADMIN_EMAIL, AdminBrowser, audit_log, signed_in
from tests.web.papers import publish_papers, share_profile
from tests.web.reader_site import keywords, stored
from tests.web.subscribers import (
    EMAIL,
    add_subscriber,
    changed,
    finish_background,
    history,
    put_into_state,
    removed,
    state,
)
from tests.web.test_read import send

HOSTILE = "<script>alert(1)</script> \"'\u202e"
CATS = a_paper("Cats", "Of cats.", id="arxiv:2606.00001")
FORM: dict[str, Any] = {
    "name": "New\nname",
    "send_at": "08:30",
    "timezone": "Europe/Berlin",
    "day": ["mon", "thu"],
    "language": "de",
    "max_papers": "500",
    "announce": ["new"],
    "profile": ["Vision", "nonsense"],
    "rules": "cats\r\n-dogs",
}


@pytest.fixture
def admin(app: App, site: TestClient) -> AdminBrowser:
    return signed_in(app, site)


def page_of(app: App, email: str = EMAIL) -> str:
    return f"/admin/subscribers/{stored(app, email).id}"


def offered(text: str) -> set[str]:
    """The buttons of the page."""
    names = ("pause", "resume", "vouch", "ask", "unsubscribe", "suppress", "lift", "remove", "erase")
    return {do for do in names if f'name="do" value="{do}"' in text}


def test_it_shows_what_there_is_and_what_was_said_as_text(app: App, admin: AdminBrowser) -> None:
    share_profile(app, HOSTILE, "cats")
    one = add_subscriber(app, name=HOSTILE, profiles=(HOSTILE,), feed="c0ffee")
    one = changed(app, one, new_email="new@example.org")
    send(app, one, an_item(CATS, HOSTILE, 3.0, (Field.TITLE, "Cats")))
    with app.store.write() as tx:
        bounce = Bounce(kind=BounceKind.HARD, status="5.1.1", reply=f"550 {HOSTILE}")
        app.membership.record_bounce(tx, EMAIL, bounce, delivery_id=1, fingerprint="x", now=NOW)
    text = admin.read(page_of(app))
    for said in (
        "address rejected",
        "new@example.org",
        "confirmed by an admin",
        "command line",
        "/admin/deliveries/1",
    ):
        assert said in text, said
    assert (
        text.count("550 &lt;script&gt;alert(1)&lt;/script&gt;") == 3
    )  # the reason of the suppression, the mail, the bounce
    assert "c0ffee" not in text


@pytest.mark.parametrize(
    ("known", "can"),
    [
        ("pending", {"vouch", "unsubscribe", "suppress"}),
        ("active", {"pause", "unsubscribe", "suppress"}),
        ("paused", {"pause", "resume", "unsubscribe", "suppress"}),
        ("unsubscribed", {"suppress"}),
        ("hard", {"ask", "unsubscribe", "suppress"}),
        ("complaint", {"unsubscribe", "suppress"}),
    ],
)
def test_only_what_can_be_done_is_offered_and_all_that_is_offered_can_be_done(
    app: App, admin: AdminBrowser, known: str, can: set[str]
) -> None:
    put_into_state(app, known)
    if known == "pending":
        can = can | {"ask"}  # who was changed to that was never asked
    assert offered(admin.read(page_of(app))) == can | {"remove", "erase"}
    for do in sorted(can - {"unsubscribe", "suppress", "lift"}):
        removed(app, stored(app))
        with app.store.write() as tx:
            tx.exec_driver_sql("delete from suppressions")
            tx.exec_driver_sql("delete from consents")
            tx.exec_driver_sql("delete from bounces")
        put_into_state(app, known)
        where = page_of(app)
        answer = admin.post(where, do=do)
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{where}?done={do}")
        assert "notice" in admin.read(f"{where}?done={do}")
        assert audit_log(app)[0][0] == ADMIN_EMAIL
    assert admin.post(page_of(app), do="lift").status_code == 422


def test_an_admin_suppresses_a_subscriber_with_a_reason_and_lifts_it(app: App, admin: AdminBrowser) -> None:
    add_subscriber(app)
    where = page_of(app)
    admin.post(where, do="suppress", reason=f"{HOSTILE}\r\nasked by phone")
    assert state(app) == "suppressed"
    text = admin.read(where)
    assert "suppressed by an admin. <bdi>&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert offered(text) == {"unsubscribe", "lift", "remove", "erase"}
    admin.post(where, do="lift")
    assert state(app) == "pending"
    assert [line[1] for line in audit_log(app)[:2]] == ["suppression lift", "suppression add"]


def test_a_pause_ends_on_a_date_to_come(app: App, admin: AdminBrowser) -> None:
    add_subscriber(app)
    where = page_of(app)
    for typed in ("2026-06-03", "yesterday", "2036-01-01"):
        answer = admin.post(where, do="pause", until=typed)
        assert (answer.status_code, "Choose a future date" in answer.text, f'value="{typed}"' in answer.text) == (
            422,
            True,
            True,
        )
    assert state(app) == "active"
    admin.post(where, do="pause", until="2026-06-10")
    assert stored(app).resumes_at == at("2026-06-10 00:00")
    assert "until 2026-06-10" in admin.read(where)


@pytest.mark.parametrize("do", ["remove", "erase"])
def test_irreversible_actions_need_a_tick_and_leave_nothing_in_the_database(
    app: App, site: TestClient, admin: AdminBrowser, do: str
) -> None:
    one = add_subscriber(app, name="Unmistakable")
    where = page_of(app)
    answer = admin.post(where, do=do)
    assert (answer.status_code, "Please tick the box to confirm" in answer.text) == (422, True)
    assert state(app) == "active"
    answer = admin.post(where, do=do, sure="1")
    assert answer.headers["Location"] == f"/admin/subscribers?done={do}d"
    finish_background(site)
    assert b"Unmistakable" not in app.store.file.read_bytes()
    assert audit_log(app)[0] == (ADMIN_EMAIL, f"subscriber {do}", f"subscriber {one.id}")
    assert f"Subscriber {do}d." in admin.read(answer.headers["Location"])


def test_a_removed_subscriber_is_reported_as_gone_and_the_number_is_not_reused(app: App, admin: AdminBrowser) -> None:
    where = f"/admin/subscribers/{add_subscriber(app).id}"
    removed(app, stored(app))
    add_subscriber(app, "next@example.org")
    for path in (where, f"{where}/edit", f"{where}/why", f"{where}/export", f"{where}/why?paper=x"):
        assert admin.get(path).status_code == 404
    for path in (where, f"{where}/edit"):
        assert admin.post(path, do="erase", sure="1", **FORM).status_code == 404
    assert "no subscriber" in admin.get(where).text
    assert state(app, "next@example.org") == "active"
    for number in ("0", "x", "-1", "9" * 30, "%00"):
        assert admin.get(f"/admin/subscribers/{number}").status_code == 404


def test_unknown_actions_are_refused(app: App, admin: AdminBrowser) -> None:
    add_subscriber(app)
    for do in ("", "enrol", "__class__", "vouch", "resume"):
        answer = admin.post(page_of(app), do=do)
        assert (answer.status_code, "this action is not possible" in answer.text) == (422, True)


def test_an_own_wish_to_leave_sends_the_way_back(app: App, admin: AdminBrowser) -> None:
    add_subscriber(app)
    admin.post(page_of(app), do="unsubscribe")
    assert state(app) == "unsubscribed"
    assert history(app)[-1] == ("unsubscribed", ADMIN_EMAIL)


def test_the_form_saves_everything_at_once(app: App, admin: AdminBrowser) -> None:
    share_profile(app, "Vision", "cats")
    before = add_subscriber(app)
    where = page_of(app)
    assert admin.post(f"{where}/edit", **FORM).headers["Location"] == f"{where}?done=saved"
    after = stored(app)
    assert (after.name, after.language, after.max_papers, after.profiles) == ("New name", "de", 500, ("Vision",))
    assert f"{after.schedule.send_at:%H:%M} {after.schedule.timezone}" == "08:30 Europe/Berlin"
    assert sorted(after.schedule.days) == ["mon", "thu"]
    assert (after.wants_trending, keywords(app)) == (False, "cats\n-dogs")
    assert (after.email, after.state, after.epoch) == (before.email, before.state, before.epoch)
    text = admin.read(f"{where}/edit")
    assert all(part in text for part in ('value="New name"', 'value="08:30"', "-dogs</textarea>"))
    assert audit_log(app)[0] == (ADMIN_EMAIL, "subscriber edit", f"subscriber {after.id}")


def test_a_form_that_changes_nothing_leaves_no_line_in_the_log(app: App, admin: AdminBrowser) -> None:
    share_profile(app, "Vision", "cats")
    add_subscriber(app)
    for _ in range(2):
        admin.post(f"{page_of(app)}/edit", **FORM)
    assert [what for _, what, _ in audit_log(app)] == ["subscriber edit"]


def test_invalid_fields_are_marked_and_kept_as_typed(app: App, admin: AdminBrowser) -> None:
    share_profile(app, "Vision", "cats")
    add_subscriber(app)
    wrong = FORM | {"send_at": "25:00", "max_papers": "501", "day": [], "rules": "a AND", "name": HOSTILE}
    answer = admin.post(f"{page_of(app)}/edit", **wrong)
    assert answer.status_code == 422
    for field in ("send_at", "max_papers", "days"):
        assert f'id="{field}-mistake"' in answer.text
    assert all(part in answer.text for part in ('value="501"', "a AND</textarea>", "Line 1, column"))
    assert 'value="&lt;script&gt;alert(1)&lt;/script&gt; &#34;&#39;' in answer.text
    assert 'value="Vision" checked' in answer.text
    assert stored(app).schedule.send_at.hour == 7


def test_another_hour_that_has_passed_today_sends_no_second_digest(app: App, admin: AdminBrowser) -> None:
    changed(app, add_subscriber(app), last_slot_at=NOW)
    earlier = FORM | {"send_at": "06:59", "timezone": "UTC", "day": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}
    admin.post(f"{page_of(app)}/edit", **earlier)
    assert stored(app).last_slot_at == NOW
    later = earlier | {"send_at": "07:00", "timezone": "Europe/Berlin"}
    admin.post(f"{page_of(app)}/edit", **later)
    assert (stored(app).last_slot_at or NOW) >= NOW


@pytest.mark.parametrize("confirmed", [True, False])
def test_a_new_subscriber_is_asked_to_confirm_unless_they_have_agreed(
    app: App, admin: AdminBrowser, confirmed: bool
) -> None:
    share_profile(app, "Vision", "cats")
    ticked = {"confirmed": "1"} if confirmed else {}
    answer = admin.post("/admin/subscribers/new", email=" New@Example.org ", **FORM, **ticked)
    new = stored(app, "New@example.org")
    assert answer.headers["Location"] == f"/admin/subscribers/{new.id}?done=added"
    assert (new.state, new.profiles, new.max_papers) == (
        SubscriberState.ACTIVE if confirmed else SubscriberState.PENDING,
        ("Vision",),
        500,
    )
    assert history(app, new.email) == [("vouched" if confirmed else "asked", ADMIN_EMAIL)]
    assert keywords(app, new.email) == "cats\n-dogs"
    assert audit_log(app)[0] == (ADMIN_EMAIL, "subscriber add", f"subscriber {new.id}")


@pytest.mark.parametrize(
    ("email", "says"),
    [
        ("me", "is not an email address"),
        (EMAIL, "is already a subscriber"),
        ("out@example.org", "is suppressed since"),
    ],
)
def test_a_refused_address_is_marked_with_the_reason(app: App, admin: AdminBrowser, email: str, says: str) -> None:
    add_subscriber(app)
    with app.store.write() as tx:
        app.membership.suppress(tx, "out@example.org", SuppressionReason.ADMIN, HOSTILE, now=NOW)
    answer = admin.post("/admin/subscribers/new", email=email, **FORM)
    assert answer.status_code == 422
    assert says in answer.text.partition('id="email-mistake"')[2].partition("</p>")[0]
    assert f'value="{email}"' in answer.text
    assert "<script>alert" not in answer.text
    with app.store.read() as tx:
        assert len(subscribers.list_all(tx)) == 1


def test_the_reason_for_a_paper_is_explained_in_sentences(app: App, admin: AdminBrowser) -> None:
    one = add_subscriber(app)
    publish_papers(app, CATS)
    where = f"{page_of(app)}/why"
    assert "<h2>" not in admin.read(where)
    text = admin.read(f"{where}?paper=2606.00001")
    assert "No: they follow no profile and have no keywords." in text
    assert 'href="/paper/arxiv%3A2606.00001"' in text
    send(app, one, an_item(CATS, "Vision", 3.0, (Field.TITLE, "Cats")))
    text = admin.read(f"{where}?paper=https://arxiv.org/abs/2606.00001v2")
    assert "it is in a digest that has not been sent" in text
    assert 'href="/admin/deliveries/1"' in text
    hostile = admin.read(f"{where}?paper=%3Cscript%3Ealert%281%29%3C/script%3E{'x' * 3000}")
    assert "Digest does not know this paper" in hostile


def test_the_offered_actions_are_those_that_exist(app: App) -> None:
    """An admin's word, a day after the last question."""
    one = add_subscriber(app, state=SubscriberState.PENDING)
    with app.store.read() as tx:
        assert "ask" not in subscriber_actions.possible_actions(tx, app.membership, one, now=NOW + timedelta(hours=23))
        assert "ask" in subscriber_actions.possible_actions(tx, app.membership, one, now=NOW + timedelta(hours=24))


@pytest.mark.parametrize(("followed", "gets_nothing"), [((), True), (("Cats",), False)])
def test_it_says_if_nothing_can_match(
    app: App, admin: AdminBrowser, followed: tuple[str, ...], gets_nothing: bool
) -> None:
    share_profile(app, "Cats", "cats")
    add_subscriber(app, profiles=followed)
    assert ("They follow no profile and have no keywords, so they get no digests." in admin.read(page_of(app))) == (
        gets_nothing
    )
