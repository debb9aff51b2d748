"""The pages of the desk, in their states."""

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
from tests.web.people import enrolled
from tests.web.states import CROWD, LONG_NAME, Doing, State, Where, filled, follow, numbers, press, reader
from tests.web.test_read import send

_REPLY = f"550 5.1.1 <script>alert(1)</script> {LONG_NAME} no such user"
_GONE = "that is gone"
_KNOWN = "known@example.org"


def desk_cookie(app: App) -> dict[str, str]:
    """The cookie with which a browser is an admin's; sending is not on hold."""
    with app.store.write() as tx:
        outbox.end_hold(tx)
    return {"name": "digest-desk", "value": session(app), "url": f"{app.config.newsletter.base_url}/admin"}


def _at(template: str, where: Where | str, does: Doing | None = None, *, bare: bool = False) -> State:
    """A page of the desk; its path without what all of them begin with."""
    path = f"/admin{where}" if isinstance(where, str) else lambda app: f"/admin{where(app)}"
    return State(template, path, does, bare=bare, admin=True)


def _on_hold(page: Any) -> None:
    filled("Hold all sending", reason=f"{LONG_NAME} was asked by phone")(page)


def _to_the_log(page: Any) -> None:
    _on_hold(page)
    follow("Log")(page)


# What goes out


def _with_mails(below: str) -> Where:
    """A page of a newsletter that has sent mails of every state, and of which papers were proposed."""

    def where(app: App) -> str:
        with app.store.read() as tx:
            is_new = not deliveries.list_newest(tx, state=DeliveryState.IN_DOUBT)
        if is_new:
            _fill(app)
        return below

    return where


def _fill(app: App) -> None:
    for state in (DeliveryState.FAILED, DeliveryState.IN_DOUBT, DeliveryState.SENT, *DeliveryState):
        _mailed(app, state)
    with app.store.write() as tx:
        submissions.add(tx, "file:///etc/passwd", origin="page", now=NOW)
        submissions.add(tx, f"https://example.org/{LONG_NAME}/{LONG_NAME}", origin="page from 192.0.2.7", now=NOW)
        sources.save(tx, SourceState(name="feed", url="", checked_at=NOW, failure=_REPLY))


def _mailed(app: App, state: DeliveryState) -> None:
    whose = reader(app, profiles=(LONG_NAME,))
    send(app, whose, an_item(CROWD, LONG_NAME, 1.0))
    bounce = Bounce(kind=BounceKind.SOFT, status="4.2.2", reply=_REPLY)
    with app.store.write() as tx:
        number = deliveries.list_by_subscriber(tx, whose.id)[-1].id
        app.membership.record_bounce(tx, whose.email, bounce, delivery_id=number, fingerprint=whose.email, now=NOW)
        tx.exec_driver_sql(
            "UPDATE deliveries SET state = ?, reply = ?, finished_at = queued_at WHERE id = ?", (state, _REPLY, number)
        )


def _mail(state: DeliveryState, then: Doing = lambda _: None) -> State:
    """The page of the newest digest's mail in a state, and what is done there."""

    def does(page: Any) -> None:
        page.locator("tbody th a").first.click()
        then(page)

    return _at("desk-delivery", _with_mails(f"/deliveries?kind=digest&state={state}"), does)


def _proposed(then: Doing = lambda _: None) -> State:
    """The page of a paper that nobody can fetch, and what is done there."""

    def does(page: Any) -> None:
        follow("file:///etc/passwd")(page)
        then(page)

    return _at("desk-submission", _with_mails("/submissions"), does)


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


def _one(below: str = "") -> Where:
    """The page of a profile, or one beside it."""

    def where(app: App) -> str:
        with app.store.read() as tx:
            return f"/profiles/{profiles.get(tx, LONG_NAME).id}{below}"

    return where


def _followed(below: str) -> Where:
    """The same of one that somebody follows."""

    def where(app: App) -> str:
        reader(app, profiles=(LONG_NAME,))
        return _one(below)(app)

    return where


def _typed(page: Any) -> None:
    page.fill("#rules", f"number\nabuot\nspeech\nspeech AND\n-{LONG_NAME} AND 9")
    page.locator("#mistakes li").wait_for()
    page.get_by_text("Day by day").click()


def _added(page: Any) -> None:
    filled("Save", name=f"Speech, number {next(numbers)}", rules="speech")(page)
    page.get_by_text("Added.").wait_for()


def _saved_by_two(page: Any) -> None:
    _added(page)
    other = page.context.new_page()
    other.goto(page.url)
    filled("Save", rules=f"speech\n{LONG_NAME}")(other)
    other.get_by_text("Saved.").wait_for()
    other.close()
    filled("Save", rules="speech\naudio")(page)


def _foreseen(text: str) -> Doing:
    return filled("Preview changes", text=text)


def _another_removed(page: Any) -> None:
    """A profile that was imported and removed, from the page on which profiles are imported."""
    _foreseen(json.dumps({"name": f"{LONG_NAME} {_GONE}", "rules": f"{LONG_NAME}\nspeech"}))(page)
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


# People


def _somebody(app: App) -> str:
    """Somebody with something of everything."""
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


def _who_is(state: SubscriberState, below: str = "") -> Where:
    return lambda app: f"/subscribers/{reader(app, state=state).id}{below}"


def _active(below: str = "") -> Where:
    return _who_is(SubscriberState.ACTIVE, below)


def _barred(app: App) -> str:
    """A list of those who are, one by an admin."""
    _somebody(app)
    with app.store.write() as tx:
        for reason in (SuppressionReason.ADMIN, SuppressionReason.COMPLAINT):
            email = f"barred-{next(numbers)}@example.org"
            app.membership.suppress(tx, email, reason, f"<b> {LONG_NAME}", now=NOW)
    return "/suppressions"


def _bounced(app: App) -> str:
    _somebody(app)
    return "/bounces"


def _not_sure(page: Any) -> None:
    page.get_by_text("Remove or erase").click()
    press("Erase at their request")(page)


def _nothing_chosen(page: Any) -> None:
    for box in page.locator("[name=day], [name=announce]").all():
        box.uncheck()
    filled("Save", rules="a AND", max_papers="0")(page)


def _import(app: App) -> str:
    """The import of people, one of whom is known."""
    try:
        with app.store.read() as tx:
            app.membership.find_known(tx, _KNOWN)
    except NotFoundError:
        enrolled(app, _KNOWN)
    return "/subscribers/import"


def _uploaded(button: str = "") -> Doing:
    """A file with rows of every fate, checked; then a button."""

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


AT_THE_DESK = {
    "desk": State("desk-sign-in", "/admin"),
    "desk shut": State("desk-sign-in", "/admin", filled("Sign in", email="desk@example.org", password="x")),
    "today": _at("today", ""),
    "today on hold": _at("today", "", _on_hold),
    "log": _at("log", "", _to_the_log),
    "log of nothing": _at("log", "/log?what=nothing"),
    "token made": _at("desk-token", "/tokens", _with_a_token),
    "tokens": _at("desk-tokens", "/tokens", _back_to_tokens),
    "token revoked": _at("desk-tokens", "/tokens", _revoked),
    "token refused": _at("desk-tokens", "/tokens", _named_token),
    "next": _at("desk-next", _with_mails("/next")),
    "next to nobody": _at("desk-next", "/next", bare=True),
    "deliveries": _at("desk-deliveries", _with_mails("/deliveries")),
    "deliveries not ticked": _at("desk-deliveries", _with_mails("/deliveries"), press("Retry now")),
    "no deliveries": _at("desk-deliveries", "/deliveries?state=leased&q=nobody"),
    "delivery": _mail(DeliveryState.FAILED),
    "delivery in doubt": _mail(DeliveryState.IN_DOUBT),
    "delivery sent again": _mail(DeliveryState.SENT, press("Send as a new email")),
    "sources of the desk": _at("desk-sources", _with_mails("/sources")),
    "no sources": _at("desk-sources", "/sources", bare=True),
    "submissions": _at("desk-submissions", _with_mails("/submissions")),
    "no submissions": _at("desk-submissions", "/submissions", bare=True),
    "submission": _proposed(),
    "submission by hand": _proposed(press("Look it up")),
    "refused at the desk": _at("desk-refused", "/profiles/999"),
    "editor": _at("desk-editor", _one()),
    "editor, new": _at("desk-editor", "/profiles/new"),
    "editor, refused": _at("desk-editor", "/profiles/new", filled("Save", rules="-speech")),
    "editor, mistaken": _at("desk-editor", _one(), filled("Save", rules=f"{LONG_NAME}\nzebra AND (")),
    "editor, live": _at("desk-editor", _one(), _typed),
    "editor, added": _at("desk-editor", "/profiles/new", _added),
    "editor, conflict": _at("desk-editor", "/profiles/new", _saved_by_two),
    "profiles at the desk": _at("desk-profiles", "/profiles"),
    "history at the desk": _at("desk-history", _one("/history")),
    "history of a removed profile": _at("desk-history", "/profiles/import", _its_history),
    "version at the desk": _at("desk-version", "/profiles/import", _its_version),
    "removed profiles": _at("desk-removed", "/profiles/import", _another_removed),
    "rename at the desk": _at("desk-rename", _one("/rename")),
    "rename mistaken": _at("desk-rename", _one("/rename"), filled("Rename", name="Nothing")),
    "remove at the desk": _at("desk-remove", _followed("/remove")),
    "remove unsure": _at("desk-remove", _followed("/remove"), press("Remove this profile")),
    "followers at the desk": _at("desk-followers", _followed("/followers")),
    "profiles imported": _at("desk-profiles-import", "/profiles/import"),
    "profiles import mistaken": _at("desk-profiles-import", "/profiles/import", _foreseen(LONG_NAME)),
    "profiles import foreseen": _at(
        "desk-profiles-import", "/profiles/import", _foreseen('{"name": "Nothing", "rules": "lion"}')
    ),
    "query at the desk": _at("desk-query", "/profiles/query"),
    "query mistaken": _at("desk-query", "/profiles/query", filled("Show rules", query="a AND")),
    "query translated": _at(
        "desk-query", "/profiles/query", filled("Show rules", query=f"{LONG_NAME}[tiab] AND {LONG_NAME}[pt]")
    ),
    "test mail": _at("desk-test-mail", _one("/test")),
    "test mail left": _at("desk-test-mail", _one("/test"), press("Send it to me")),
    "templates at the desk": _at("desk-templates", "/templates"),
    "mail at the desk": _at("desk-mail", "/templates", follow("Digest, English")),
    "subscribers": _at("desk-subscribers", "/subscribers"),
    "subscribers found": _at("desk-subscribers", "/subscribers?q=reader&state=active"),
    "no subscribers like that": _at("desk-subscribers", "/subscribers?q=zebra"),
    "subscriber": _at("desk-subscriber", _somebody),
    "subscriber active": _at("desk-subscriber", _active()),
    "subscriber paused": _at("desk-subscriber", _active(), press("Pause")),
    "subscriber asked again": _at("desk-subscriber", _who_is(SubscriberState.PENDING)),
    "subscriber not erased": _at("desk-subscriber", _active(), _not_sure),
    "subscriber edited": _at("desk-subscriber-form", _active("/edit")),
    "subscriber mistaken": _at("desk-subscriber-form", _active("/edit"), _nothing_chosen),
    "subscriber new": _at("desk-subscriber-form", "/subscribers/new"),
    "subscriber new, mistaken": _at("desk-subscriber-form", "/subscribers/new", filled("Add", email="me")),
    "why?": _at("desk-why", _active("/why")),
    "why not": _at("desk-why", _active("/why?paper=test:crowd")),
    "why of nothing": _at("desk-why", _active("/why?paper=<b>")),
    "import": _at("desk-subscribers-import", "/subscribers/import"),
    "import mistaken": _at("desk-subscribers-import", "/subscribers/import", press("Check the file")),
    "import checked": _at("desk-subscribers-imported", _import, _uploaded()),
    "import done": _at("desk-subscribers-imported", _import, _uploaded("Import 1 row")),
    "suppressions": _at("desk-suppressions", _barred),
    "suppressions mistaken": _at("desk-suppressions", _barred, filled("Suppress", email="me")),
    "suppression of nobody": _at("desk-suppressions", "/suppressions?email=nobody@example.org"),
    "bounces": _at("desk-bounces", _bounced),
    "no bounces": _at("desk-bounces", "/bounces?kind=complaint"),
}
