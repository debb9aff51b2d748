"""The admin pages in their states."""

import json
from typing import Any

from digest.app import App
from digest.errors import NotFoundError
from digest.matching import compile_rules
from digest.models import Bounce, BounceKind, DeliveryState, Field, SubscriberState, SuppressionReason
from digest.store import deliveries, outbox, profiles, sources, submissions
from digest.store.sources import SourceState
from tests.builders import NOW, an_item
from tests.web.admin_site import session
from tests.web.browser_actions import (
    CROWD,
    LONG_NAME,
    Action,
    PathMaker,
    State,
    fill_and_press,
    follow,
    numbers,
    press,
    reader,
)
from tests.web.subscribers import add_subscriber
from tests.web.test_read import send

_REPLY = f"550 5.1.1 <script>alert(1)</script> {LONG_NAME} no such user"
_GONE = "that is gone"
_KNOWN = "known@example.org"


def admin_cookie(app: App) -> dict[str, str]:
    """Return the cookie that signs an admin in. Ends the hold of sending."""
    with app.store.write() as tx:
        outbox.end_hold(tx)
    return {"name": "digest-desk", "value": session(app), "url": f"{app.config.newsletter.base_url}/admin"}


def _page(template: str, where: PathMaker | str, does: Action | None = None, *, bare: bool = False) -> State:
    """The state of an admin page. `where` is its path without /admin."""
    path = f"/admin{where}" if isinstance(where, str) else lambda app: f"/admin{where(app)}"
    return State(template, path, does, bare=bare, admin=True)


def _on_hold(page: Any) -> None:
    fill_and_press("Hold all sending", reason=f"{LONG_NAME} was asked by phone")(page)


def _to_the_log(page: Any) -> None:
    _on_hold(page)
    follow("Log")(page)


# Mails, sources and tokens


def _with_mails(below: str) -> PathMaker:
    """Return the path `below` once there are deliveries in every state, and proposed papers."""

    def where(app: App) -> str:
        with app.store.read() as tx:
            is_new = not deliveries.list_newest(tx, state=DeliveryState.IN_DOUBT)
        if is_new:
            _fill(app)
        return below

    return where


def _fill(app: App) -> None:
    for state in (DeliveryState.FAILED, DeliveryState.IN_DOUBT, DeliveryState.SENT, *DeliveryState):
        _add_delivery(app, state)
    with app.store.write() as tx:
        submissions.add(tx, "file:///etc/passwd", origin="page", now=NOW)
        submissions.add(tx, f"https://example.org/{LONG_NAME}/{LONG_NAME}", origin="page from 192.0.2.7", now=NOW)
        sources.save(tx, SourceState(name="feed", url="", checked_at=NOW, failure=_REPLY))


def _add_delivery(app: App, state: DeliveryState) -> None:
    whose = reader(app, profiles=(LONG_NAME,))
    send(app, whose, an_item(CROWD, LONG_NAME, 1.0))
    bounce = Bounce(kind=BounceKind.SOFT, status="4.2.2", reply=_REPLY)
    with app.store.write() as tx:
        number = deliveries.list_by_subscriber(tx, whose.id)[-1].id
        app.membership.record_bounce(tx, whose.email, bounce, delivery_id=number, fingerprint=whose.email, now=NOW)
        tx.exec_driver_sql(
            "UPDATE deliveries SET state = ?, reply = ?, finished_at = queued_at WHERE id = ?", (state, _REPLY, number)
        )


def _delivery(state: DeliveryState, then: Action = lambda _: None) -> State:
    """The page of the newest digest's delivery in a state, after `then`."""

    def does(page: Any) -> None:
        page.locator("tbody th a").first.click()
        then(page)

    return _page("desk-delivery", _with_mails(f"/deliveries?kind=digest&state={state}"), does)


def _submission(then: Action = lambda _: None) -> State:
    """The page of a submission that cannot be looked up, after `then`."""

    def does(page: Any) -> None:
        follow("file:///etc/passwd")(page)
        then(page)

    return _page("desk-submission", _with_mails("/submissions"), does)


def _revoked(page: Any) -> None:
    _back_to_tokens(page)
    press("Revoke")(page)


def _back_to_tokens(page: Any) -> None:
    _with_a_token(page)
    follow("Back to tokens")(page)


def _with_a_token(page: Any) -> None:
    page.get_by_label("profiles:read").check()
    _named_token(page)


def _named_token(page: Any) -> None:
    page.get_by_label("Name").fill(f"{LONG_NAME[:40]} {next(numbers)}")
    press("Create token")(page)


# Profiles


def _profile(below: str = "") -> PathMaker:
    """Return the path of a profile's page, or of a page below it."""

    def where(app: App) -> str:
        with app.store.read() as tx:
            return f"/profiles/{profiles.get(tx, LONG_NAME).id}{below}"

    return where


def _followed(below: str) -> PathMaker:
    """Return the path of a page below a profile that has a follower."""

    def where(app: App) -> str:
        reader(app, profiles=(LONG_NAME,))
        return _profile(below)(app)

    return where


def _type_rules(page: Any) -> None:
    page.fill("#rules", f"number\nabuot\nspeech\nspeech AND\n-{LONG_NAME} AND 9")
    page.locator("#mistakes li").wait_for()
    page.get_by_text("Day by day").click()


def _added(page: Any) -> None:
    fill_and_press("Save", name=f"Speech, number {next(numbers)}", rules="speech")(page)
    page.get_by_text("Added.").wait_for()


def _saved_by_two(page: Any) -> None:
    _added(page)
    other = page.context.new_page()
    other.goto(page.url)
    fill_and_press("Save", rules=f"speech\n{LONG_NAME}")(other)
    other.get_by_text("Saved.").wait_for()
    other.close()
    fill_and_press("Save", rules="speech\naudio")(page)


def _preview_import(text: str) -> Action:
    return fill_and_press("Preview changes", text=text)


def _another_removed(page: Any) -> None:
    """Import a profile and remove it, beginning on the page that imports profiles."""
    _preview_import(json.dumps({"name": f"{LONG_NAME} {_GONE}", "rules": f"{LONG_NAME}\nspeech"}))(page)
    press("Import this profile")(page)
    follow("All profiles")(page)
    follow(_GONE)(page)
    page.goto(f"{page.url.partition('?')[0]}/remove")
    page.get_by_label("Yes, I’m sure").check()
    press("Remove this profile")(page)


def _its_history(page: Any) -> None:
    _another_removed(page)
    follow(_GONE)(page)


def _its_version(page: Any) -> None:
    _its_history(page)
    follow("Version 1")(page)


# Subscribers


def _with_everything(app: App) -> str:
    """Return the page of a subscriber with a name, profiles, keywords, a delivery and bounces."""
    whose = reader(app, name=f"<b>{LONG_NAME}\u202e", profiles=(LONG_NAME, "Nothing"))
    send(app, whose, an_item(CROWD, LONG_NAME, 3.0, (Field.ABSTRACT, "speech")))
    with app.store.write() as tx:
        profiles.set_personal(tx, whose.id, compile_rules(f"{LONG_NAME}\n-cats"), now=NOW)
        for number, kind in enumerate((BounceKind.SOFT, BounceKind.HARD)):
            bounce = Bounce(kind=kind, status="5.1.1", reply=f"550 <script>alert(1)</script> {LONG_NAME}")
            app.membership.record_bounce(
                tx, whose.email, bounce, delivery_id=1, fingerprint=f"{whose.id}/{number}", now=NOW
            )
    return f"/subscribers/{whose.id}"


def _in_state(state: SubscriberState, below: str = "") -> PathMaker:
    return lambda app: f"/subscribers/{reader(app, state=state).id}{below}"


def _active(below: str = "") -> PathMaker:
    return _in_state(SubscriberState.ACTIVE, below)


def _suppressed(app: App) -> str:
    """Return the list of suppressions, one of which is an admin's."""
    _with_everything(app)
    with app.store.write() as tx:
        for reason in (SuppressionReason.ADMIN, SuppressionReason.COMPLAINT):
            email = f"suppressed-{next(numbers)}@example.org"
            app.membership.suppress(tx, email, reason, f"<b> {LONG_NAME}", now=NOW)
    return "/suppressions"


def _bounced(app: App) -> str:
    _with_everything(app)
    return "/bounces"


def _erase_unconfirmed(page: Any) -> None:
    page.get_by_text("Remove or erase").click()
    press("Erase at their request")(page)


def _choose_nothing(page: Any) -> None:
    for box in page.locator("[name=day], [name=announce]").all():
        box.uncheck()
    fill_and_press("Save", rules="a AND", max_papers="0")(page)


def _known_subscriber(app: App) -> str:
    """Return the page that imports subscribers, one of whom is known."""
    try:
        with app.store.read() as tx:
            app.membership.find_known(tx, _KNOWN)
    except NotFoundError:
        add_subscriber(app, _KNOWN)
    return "/subscribers/import"


def _uploaded(button: str = "") -> Action:
    """Upload a file with rows of every outcome, and press `button` once it is checked."""

    def does(page: Any) -> None:
        rows = f"new-{next(numbers)}@example.org,{LONG_NAME}\n{_KNOWN},\n<b>,=1+1\n{LONG_NAME},x\n"
        file = {"name": f"{LONG_NAME}.csv", "mimeType": "text/csv", "buffer": f"email,name\n{rows}".encode()}
        page.set_input_files("#file", file)
        press("Check the file")(page)
        page.get_by_role("heading", name="Preview of the import").wait_for()
        if button:
            press(button)(page)
            page.get_by_role("heading", name="Import finished").wait_for()

    return does


ADMIN_STATES = {
    "admin sign-in": State("desk-sign-in", "/admin"),
    "admin sign-in refused": State(
        "desk-sign-in", "/admin", fill_and_press("Sign in", email="desk@example.org", password="x")
    ),
    "today": _page("today", ""),
    "today on hold": _page("today", "", _on_hold),
    "log": _page("log", "", _to_the_log),
    "log of nothing": _page("log", "/log?what=nothing"),
    "token created": _page("desk-token", "/tokens", _with_a_token),
    "tokens": _page("desk-tokens", "/tokens", _back_to_tokens),
    "token revoked": _page("desk-tokens", "/tokens", _revoked),
    "token refused": _page("desk-tokens", "/tokens", _named_token),
    "next": _page("desk-next", _with_mails("/next")),
    "next without subscribers": _page("desk-next", "/next", bare=True),
    "deliveries": _page("desk-deliveries", _with_mails("/deliveries")),
    "deliveries not selected": _page("desk-deliveries", _with_mails("/deliveries"), press("Retry now")),
    "no deliveries": _page("desk-deliveries", "/deliveries?state=leased&q=nobody"),
    "delivery": _delivery(DeliveryState.FAILED),
    "delivery in doubt": _delivery(DeliveryState.IN_DOUBT),
    "delivery sent again": _delivery(DeliveryState.SENT, press("Send as a new email")),
    "admin sources": _page("desk-sources", _with_mails("/sources")),
    "no sources": _page("desk-sources", "/sources", bare=True),
    "submissions": _page("desk-submissions", _with_mails("/submissions")),
    "no submissions": _page("desk-submissions", "/submissions", bare=True),
    "submission": _submission(),
    "submission by hand": _submission(press("Look it up")),
    "admin refused": _page("desk-refused", "/profiles/999"),
    "editor": _page("desk-editor", _profile()),
    "editor, new": _page("desk-editor", "/profiles/new"),
    "editor, refused": _page("desk-editor", "/profiles/new", fill_and_press("Save", rules="-speech")),
    "editor, with mistakes": _page(
        "desk-editor", _profile(), fill_and_press("Save", rules=f"{LONG_NAME}\nzebra AND (")
    ),
    "editor, live": _page("desk-editor", _profile(), _type_rules),
    "editor, added": _page("desk-editor", "/profiles/new", _added),
    "editor, conflict": _page("desk-editor", "/profiles/new", _saved_by_two),
    "admin profiles": _page("desk-profiles", "/profiles"),
    "admin history": _page("desk-history", _profile("/history")),
    "history of a removed profile": _page("desk-history", "/profiles/import", _its_history),
    "admin version": _page("desk-version", "/profiles/import", _its_version),
    "removed profiles": _page("desk-removed", "/profiles/import", _another_removed),
    "admin rename": _page("desk-rename", _profile("/rename")),
    "rename with mistakes": _page("desk-rename", _profile("/rename"), fill_and_press("Rename", name="Nothing")),
    "admin remove": _page("desk-remove", _followed("/remove")),
    "remove, not confirmed": _page("desk-remove", _followed("/remove"), press("Remove this profile")),
    "admin followers": _page("desk-followers", _followed("/followers")),
    "profiles imported": _page("desk-profiles-import", "/profiles/import"),
    "profiles import with mistakes": _page("desk-profiles-import", "/profiles/import", _preview_import(LONG_NAME)),
    "profiles import foreseen": _page(
        "desk-profiles-import", "/profiles/import", _preview_import('{"name": "Nothing", "rules": "lion"}')
    ),
    "admin query": _page("desk-query", "/profiles/query"),
    "query with mistakes": _page("desk-query", "/profiles/query", fill_and_press("Show rules", query="a AND")),
    "query translated": _page(
        "desk-query", "/profiles/query", fill_and_press("Show rules", query=f"{LONG_NAME}[tiab] AND {LONG_NAME}[pt]")
    ),
    "test mail": _page("desk-test-mail", _profile("/test")),
    "test mail saved to a folder": _page("desk-test-mail", _profile("/test"), press("Send it to me")),
    "admin templates": _page("desk-templates", "/templates"),
    "admin mail": _page("desk-mail", "/templates", follow("Digest, English")),
    "subscribers": _page("desk-subscribers", "/subscribers"),
    "subscribers found": _page("desk-subscribers", "/subscribers?q=reader&state=active"),
    "no matching subscribers": _page("desk-subscribers", "/subscribers?q=zebra"),
    "subscriber": _page("desk-subscriber", _with_everything),
    "subscriber active": _page("desk-subscriber", _active()),
    "subscriber paused": _page("desk-subscriber", _active(), press("Pause")),
    "subscriber pending": _page("desk-subscriber", _in_state(SubscriberState.PENDING)),
    "subscriber, erasure not confirmed": _page("desk-subscriber", _active(), _erase_unconfirmed),
    "subscriber edited": _page("desk-subscriber-form", _active("/edit")),
    "subscriber with mistakes": _page("desk-subscriber-form", _active("/edit"), _choose_nothing),
    "subscriber new": _page("desk-subscriber-form", "/subscribers/new"),
    "subscriber new, with mistakes": _page(
        "desk-subscriber-form", "/subscribers/new", fill_and_press("Add", email="me")
    ),
    "why, form": _page("desk-why", _active("/why")),
    "why, not matched": _page("desk-why", _active("/why?paper=test:crowd")),
    "why, unknown paper": _page("desk-why", _active("/why?paper=<b>")),
    "import": _page("desk-subscribers-import", "/subscribers/import"),
    "import with mistakes": _page("desk-subscribers-import", "/subscribers/import", press("Check the file")),
    "import checked": _page("desk-subscribers-imported", _known_subscriber, _uploaded()),
    "import done": _page("desk-subscribers-imported", _known_subscriber, _uploaded("Import 1 row")),
    "suppressions": _page("desk-suppressions", _suppressed),
    "suppressions with mistakes": _page("desk-suppressions", _suppressed, fill_and_press("Suppress", email="me")),
    "suppression of an unknown address": _page("desk-suppressions", "/suppressions?email=nobody@example.org"),
    "bounces": _page("desk-bounces", _bounced),
    "no bounces": _page("desk-bounces", "/bounces?kind=complaint"),
}
