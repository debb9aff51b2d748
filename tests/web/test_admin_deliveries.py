"""The admin pages of deliveries: searching, showing, retrying, resolving and resending."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from digest.app import App
from digest.errors import TemplateError
from digest.mail import Composer, RenderedMail
from digest.models import (
    Bounce,
    BounceKind,
    Delivery,
    DeliveryState,
    MailKind,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from digest.store import audit, deliveries, digests, outbox, schema
from digest.store.outbox import AttemptResult
from digest.web.rendering import Renderer
from tests.builders import NOW, a_paper, an_item
from tests.web.admin_site import ADMIN_EMAIL, AdminBrowser, refuses_an_editor, signed_in
from tests.web.papers import HOSTILE
from tests.web.subscribers import add_subscriber, changed
from tests.web.test_read import send

CATS = a_paper("Cats", "Of cats.", id="arxiv:2606.00001")
FAILED, DEFERRED, SENT = DeliveryState.FAILED, DeliveryState.DEFERRED, DeliveryState.SENT
DOUBT, QUEUED = DeliveryState.IN_DOUBT, DeliveryState.QUEUED


@pytest.fixture
def admin(app: App, site: TestClient) -> AdminBrowser:
    return signed_in(app, site)


def mailed(app: App, reader: Subscriber, state: DeliveryState, reply: str = "", **rest: Any) -> int:
    """The number of a digest's mail that came to this."""
    send(app, reader, an_item(CATS), **rest)
    return put(app, reader, state, reply)


def put(app: App, reader: Subscriber, state: DeliveryState, reply: str = "") -> int:
    """Put a subscriber's newest mail into this state and return its number."""
    with app.store.write() as tx:
        number = deliveries.list_by_subscriber(tx, reader.id)[-1].id
        if state is not QUEUED:
            outbox.record_results(tx, [AttemptResult(delivery_id=number, state=SENT, reply=reply)], worker="", now=NOW)
            tx.execute(sa.update(schema.deliveries).where(schema.deliveries.c.id == number).values(state=state.value))
    return number


def of(app: App, number: int) -> Delivery:
    with app.store.read() as tx:
        return deliveries.get(tx, number)


def states(app: App) -> dict[int, str]:
    with app.store.read() as tx:
        return {d.id: d.state.value for d in deliveries.list_newest(tx)}


def log(app: App) -> list[tuple[str, str, str]]:
    with app.store.read() as tx:
        return [(c.who, c.what, c.subject) for c in reversed(audit.list_changes(tx, limit=20))]


def test_the_newest_are_listed_with_what_the_server_said(app: App, admin: AdminBrowser) -> None:
    reader = add_subscriber(app)
    mailed(app, reader, FAILED, "550 5.1.1 <script>alert(1)</script> no\u202e such user")
    text = admin.read("/admin/deliveries")
    assert "<bdi>550 5.1.1 &lt;script&gt;alert(1)&lt;/script&gt; no such user</bdi>" in text
    assert f'href="/admin/subscribers/{reader.id}"' in text
    assert "2026-06-03 07:00" in text


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", {1, 2, 3}),
        ("state=failed", {1}),
        ("state=sent", {2, 3}),
        ("kind=sign-in", {3}),
        ("state=sent&kind=digest", {2}),
        ("state=failed&kind=sign-in", set()),
        ("q=reader@exa", {1}),
        ("q=OTHER", {2, 3}),
        ("q=2", {2, 3}),
        ("q=999", set()),
        ("q=nobody@example.org", set()),
        ("state=sent&q=reader", set()),
        ("state=nonsense&kind=nonsense", {1, 2, 3}),
        ("before=3", {1, 2}),
        ("before=2&state=failed", {1}),
    ],
)
def test_deliveries_are_found_by_state_kind_and_recipient(
    app: App, admin: AdminBrowser, asked: str, found: set[int]
) -> None:
    mailed(app, add_subscriber(app), FAILED)
    other = add_subscriber(app, "other@example.org")
    mailed(app, other, SENT)
    with app.store.write() as tx:
        outbox.queue_mail(tx, MailKind.SIGN_IN, other, message_id="x@example.org", now=NOW)
    put(app, other, SENT)
    text = admin.read(f"/admin/deliveries?{asked}")
    assert {number for number in (1, 2, 3) if f'href="/admin/deliveries/{number}"' in text} == found


def test_the_list_says_that_sending_is_on_hold(app: App, admin: AdminBrowser) -> None:
    assert "Sending is on hold" not in admin.read("/admin/deliveries")
    with app.store.write() as tx:
        outbox.start_hold(tx, "550 5.4.5", now=NOW)
    text = admin.read("/admin/deliveries")
    assert "Sending is on hold" in text
    assert 'href="/admin#sending"' in text


def test_pages_go_on_where_the_one_before_ended(app: App, admin: AdminBrowser) -> None:
    reader = add_subscriber(app)
    for hour in range(60):
        mailed(app, reader, FAILED, slot_at=NOW + timedelta(hours=hour))
    first = admin.read("/admin/deliveries?state=failed")
    assert 'href="/admin/deliveries?state=failed&amp;before=11" rel="next"' in first
    second = admin.read("/admin/deliveries?state=failed&before=11")
    assert [f'/admin/deliveries/{n}"' in second for n in (1, 10, 11)] == [True, True, False]
    assert 'rel="next"' not in second


def test_a_kind_that_is_rare_is_looked_for_a_stretch_at_a_time(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "_MAX_SCANNED", 3)
    reader = add_subscriber(app)
    with app.store.write() as tx:
        outbox.queue_mail(tx, MailKind.SIGN_IN, reader, message_id="x@example.org", now=NOW)
    for hour in range(5):
        mailed(app, reader, SENT, slot_at=NOW + timedelta(hours=hour))
    sought = deliveries.DeliveryFilter(kind=MailKind.SIGN_IN)
    with app.store.read() as tx:
        near = deliveries.list_page(tx, sought, limit=50)
        far = deliveries.list_page(tx, sought, before=near.before, limit=50)
    assert (near.deliveries, near.before) == ([], 4)
    assert ([d.id for d in far.deliveries], far.before) == ([1], 0)


def test_those_that_are_ticked_are_tried_again_and_no_others(app: App, admin: AdminBrowser) -> None:
    reader = add_subscriber(app)
    for hour, state in enumerate((FAILED, DEFERRED, SENT, FAILED)):
        mailed(app, reader, state, slot_at=NOW + timedelta(hours=hour))
    text = admin.post_and_follow("/admin/deliveries", id=["1", "2", "3", "x", "9" * 40], do="retry", state="failed")
    assert "Retrying 2 emails now." in text
    assert '<option value="failed" selected>' in text
    assert states(app) == {1: "queued", 2: "queued", 3: "sent", 4: "failed"}
    assert log(app)[-1] == (ADMIN_EMAIL, "outbox retry", "1, 2")


@pytest.mark.parametrize("form", [{}, {"do": "retry"}, {"do": "nonsense", "id": "1"}, {"do": "arrived", "id": "1"}])
def test_without_a_selection_nothing_is_retried(app: App, admin: AdminBrowser, form: dict[str, str]) -> None:
    mailed(app, add_subscriber(app), FAILED)
    assert "Nothing changed" in admin.post_and_follow("/admin/deliveries", **form)
    assert states(app) == {1: "failed"}
    assert log(app) == []


@pytest.mark.parametrize(("word", "state"), [("arrived", "sent"), ("again", "queued")])
def test_those_in_doubt_are_settled(app: App, admin: AdminBrowser, word: str, state: str) -> None:
    mailed(app, add_subscriber(app), DOUBT)
    text = admin.read("/admin/deliveries?state=in-doubt")
    assert ("Mark as delivered" in text, "Send again" in text, "Retry now" in text) == (True, True, False)
    admin.post_and_follow("/admin/deliveries", id="1", do=word)
    assert states(app) == {1: state}
    assert log(app)[-1] == (ADMIN_EMAIL, f"outbox resolve --{word}", "1")


def test_a_mail_has_a_page_with_all_that_is_known_of_it(app: App, admin: AdminBrowser) -> None:
    reader = add_subscriber(app)
    number = mailed(app, reader, SENT, "250 2.0.0 Ok <b>")
    bounce = Bounce(kind=BounceKind.SOFT, status="4.2.2", reply="mailbox <script>full</script>")
    with app.store.write() as tx:
        app.membership.record_bounce(tx, reader.email, bounce, delivery_id=number, fingerprint="x", now=NOW)
    text = admin.read(f"/admin/deliveries/{number}")
    for said in ("250 2.0.0 Ok &lt;b&gt;", "mailbox &lt;script&gt;full", "4.2.2", of(app, number).message_id):
        assert said in text
    assert '<a href="/paper/arxiv:2606.00001"><bdi>Cats</bdi></a>' in text


def test_the_mail_itself_is_shown_in_a_sandbox_with_links_that_open_nothing(
    app: App, admin: AdminBrowser, site: TestClient
) -> None:
    reader = add_subscriber(app)
    send(app, reader, an_item(CATS))
    answer = admin.get("/admin/deliveries/1/mail")
    assert "Cats" in answer.text
    assert answer.headers["Content-Security-Policy"].startswith("sandbox ")
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    tokens = {part.split('"')[0] for part in answer.text.split("https://digest.example.org/")[1:]}
    assert any(token.startswith("unsubscribe/") for token in tokens)
    for token in tokens:
        if token.split("/")[0] in {"unsubscribe", "preferences", "pause", "read"}:
            assert "reader@example.org" not in site.post(f"/{token}").text
    assert of(app, 1).subscriber.state is SubscriberState.ACTIVE


def test_a_hostile_paper_is_text_in_the_mail_and_on_its_page(app: App, admin: AdminBrowser) -> None:
    send(app, add_subscriber(app), an_item(HOSTILE))
    assert "<script>alert" not in admin.get("/admin/deliveries/1/mail").text
    text = admin.read("/admin/deliveries/1")
    assert ("<script>alert" in text, "\u202e" in text, "alert(1)" in text) == (False, False, True)


@pytest.mark.parametrize("kind", [MailKind.CONFIRMATION, MailKind.SIGN_IN, MailKind.ADDRESS, MailKind.GOODBYE])
def test_no_mail_with_a_key_in_it_shows_one_that_opens_anything(app: App, admin: AdminBrowser, kind: MailKind) -> None:
    reader = add_subscriber(app)
    with app.store.write() as tx:
        outbox.queue_mail(tx, kind, reader, message_id="x@example.org", now=NOW)
    answer = admin.get("/admin/deliveries/1/mail")
    assert answer.status_code == 200
    assert f"/{reader.id}." not in answer.text
    assert "/0." in answer.text


def test_a_mail_whose_template_fails_is_refused_with_the_reason(
    app: App, admin: AdminBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_composer: Composer, _delivery: Delivery) -> RenderedMail:
        raise TemplateError("email/digest.mjml.j2", 7, "'titel' is undefined")

    send(app, add_subscriber(app), an_item(CATS))
    monkeypatch.setattr(Composer, "render", fail)
    answer = admin.get("/admin/deliveries/1/mail")
    assert answer.status_code == 422
    assert "email/digest.mjml.j2:7: &#39;titel&#39; is undefined" in answer.text


def test_a_page_whose_own_template_fails_is_unavailable(
    app: App, admin: AdminBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    render = Renderer.text

    def fail(renderer: Renderer, template: str, page: object, **rest: Any) -> str:
        if template == "desk-deliveries.html.j2":
            raise TemplateError(template, 7, "'titel' is undefined")
        return render(renderer, template, page, **rest)

    monkeypatch.setattr(Renderer, "text", fail)
    answer = admin.get("/admin/deliveries")
    assert (answer.status_code, "titel" in answer.text) == (503, False)


def test_one_is_sent_once_more_as_a_mail_of_its_own(app: App, admin: AdminBrowser) -> None:
    reader = add_subscriber(app)
    mailed(app, reader, SENT, "250 Ok")
    before = of(app, 1)
    text = admin.post_and_follow("/admin/deliveries/1", do="resend")
    assert "This new email contains the same papers." in text
    first, second = of(app, 1), of(app, 2)
    assert (first.state, first.reply, first.message_id) == (SENT, "250 Ok", before.message_id)
    assert (second.state, second.kind, second.attempts) == (QUEUED, MailKind.DIGEST, 0)
    assert second.message_id != before.message_id
    assert before.digest is not None
    assert second.digest == replace(before.digest, message_id=second.message_id)
    assert log(app)[-1] == (ADMIN_EMAIL, "outbox resend", "1, as 2")
    assert "The papers of this email were sent again in a newer one." in admin.read("/admin/deliveries/1")
    assert admin.get("/admin/deliveries/1/mail").status_code == 404
    with app.store.read() as tx:
        assert len(digests.list_last(tx, reader.id, limit=5)) == 1


def test_pressing_twice_sends_it_once_more_only(app: App, admin: AdminBrowser) -> None:
    mailed(app, add_subscriber(app), SENT)
    admin.post_and_follow("/admin/deliveries/1", do="resend")
    answer = admin.post("/admin/deliveries/1", do="resend")
    assert answer.status_code == 422
    assert "was already sent again" in answer.text
    assert states(app) == {1: "sent", 2: "queued"}


def test_it_is_delivered_with_its_new_message_id(app: App, admin: AdminBrowser) -> None:
    mailed(app, add_subscriber(app), SENT)
    admin.post_and_follow("/admin/deliveries/1", do="resend")
    assert app.deliver(now=NOW + timedelta(hours=1)).sent == 1
    (file,) = app.config.path(app.config.delivery.maildir.path).rglob("*.eml")
    assert f"Message-ID: <{of(app, 2).message_id}>" in file.read_text().replace("\n ", " ")
    put(app, of(app, 2).subscriber, SENT)
    admin.post_and_follow("/admin/deliveries/2", do="resend")
    assert len({of(app, number).message_id for number in (1, 2, 3)}) == 3


@pytest.mark.parametrize("state", [state for state in DeliveryState if state is not SENT])
def test_an_unsent_mail_is_not_resent(app: App, admin: AdminBrowser, state: DeliveryState) -> None:
    mailed(app, add_subscriber(app), state)
    assert "Send as a new email" not in admin.read("/admin/deliveries/1")
    assert admin.post("/admin/deliveries/1", do="resend").status_code == 422
    assert list(states(app)) == [1]


@pytest.mark.parametrize("how", ["left", "suppressed", "pending", "sign-in"])
def test_a_digest_is_not_sent_again_to_addresses_that_must_not_get_mail(
    app: App, admin: AdminBrowser, how: str
) -> None:
    reader = add_subscriber(app)
    mailed(app, reader, SENT)
    if how == "left":
        with app.store.write() as tx:
            app.membership.unsubscribe(tx, reader, origin="page", now=NOW)
    if how == "suppressed":
        with app.store.write() as tx:
            app.membership.suppress(tx, reader.email, SuppressionReason.ADMIN, "", now=NOW)
        changed(app, reader, state=SubscriberState.ACTIVE)
    if how == "pending":
        changed(app, reader, state=SubscriberState.PENDING)
    number = 1
    if how == "sign-in":
        with app.store.write() as tx:
            outbox.queue_mail(tx, MailKind.SIGN_IN, reader, message_id="x@example.org", now=NOW)
        number = put(app, reader, SENT)
    before = states(app)
    assert "Send as a new email" not in admin.read(f"/admin/deliveries/{number}")
    assert admin.post(f"/admin/deliveries/{number}", do="resend").status_code == 422
    assert states(app) == before


def test_a_mail_that_is_not_there_is_told(app: App, admin: AdminBrowser) -> None:
    for path in ("/admin/deliveries/7", "/admin/deliveries/7/mail", "/admin/deliveries/x"):
        assert admin.get(path).status_code == 404
    assert admin.post("/admin/deliveries/7", do="resend").status_code == 404


def test_they_are_not_for_editors(app: App, site: TestClient) -> None:
    mailed(app, add_subscriber(app), SENT)
    assert refuses_an_editor(app, site, "/admin/deliveries", "/admin/deliveries/1", "/admin/deliveries/1/mail")
    assert states(app) == {1: "sent"}
