"""Every page that there is, in its states: what browsers look at."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

from digest import addresses
from digest.installation import Installation
from digest.links import Scope, moment
from digest.matching import compile_rules
from digest.models import (
    Admin,
    Bounce,
    BounceKind,
    DeliveryState,
    Field,
    Role,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from digest.store import admins, outbox, profiles, sources, submissions
from digest.store.sources import SourceState
from digest.web import create_app, listen, serving, url_of
from digest.web.sessions import Sessions
from tests.builders import NOW, a_delivery, a_paper, an_item, at
from tests.mail.samples import composer, two_papers
from tests.web.at_desk import session
from tests.web.papers import HOSTILE, published, seen, sharing
from tests.web.people import changed, enrolled, path, removed, way_in, way_out
from tests.web.test_read import link, send

LONG_NAME = "Donaudampfschifffahrtsforschungsgesellschaftsneuigkeiten"
_CROWD = a_paper(
    LONG_NAME, "On speech.", id="test:crowd", authors=tuple(f"Author {n} of Many" for n in range(300)),
    categories=("cs.LG", "stat.ML"), url="https://example.org/1", pdf_url="https://example.org/1.pdf",
)  # fmt: skip
_numbers = count(1)
_SESSION = "a-session-at-the-desk"

Doing = Callable[[Any], None]
Where = Callable[[Installation], str]


@dataclass(frozen=True, slots=True)
class State:
    """A page as it is when something was done there. `does` is told the browser's page."""

    template: str  # "settings": the one that it is written with
    where: str | Where  # its path
    does: Doing | None = None
    reader: Callable[[Installation], Subscriber] | None = None  # who is signed in
    bare: bool = False  # on a site that has nothing yet


def reader(here: Installation, **rest: Any) -> Subscriber:
    """Somebody new."""
    return enrolled(here, f"reader-{next(_numbers)}@example.org", **rest)


def cookie(here: Installation, whose: Subscriber) -> dict[str, str]:
    """The cookie with which a browser is theirs."""
    begun = Sessions(links=here.links, path="", https=False).begin(whose, now=NOW).partition(";")[0]
    name, _, value = begun.partition("=")
    return {"name": name, "value": value, "url": here.config.newsletter.base_url}


@contextmanager
def served(folder: Path, toml: str = "") -> Iterator[Installation]:
    """A newsletter that is really served; what `toml` says is configured besides."""
    listener = listen("127.0.0.1", 0)
    newsletter = f'[newsletter]\nbase_url = "{url_of(listener)}"\n'
    (folder / "config.toml").write_text(f"{newsletter}{toml}", encoding="utf-8")
    (folder / "mails").mkdir()
    with (
        Installation.open(folder / "config.toml") as here,
        serving(create_app(here, clock=lambda: NOW, inbox=folder / "mails"), listener, on_loss=lambda: None),
    ):
        yield here


@contextmanager
def full_site(folder: Path) -> Iterator[Installation]:
    """One that has something of everything, in three languages."""
    (folder / "mine" / "locale").mkdir(parents=True)
    (folder / "mine" / "locale" / "ar.po").write_text(
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        'msgid "Unsubscribe"\nmsgstr "إلغاء الاشتراك"\n'
        'msgid "Leave %(newsletter)s?"\nmsgstr "هل تريد مغادرة %(newsletter)s؟"\n',
        encoding="utf-8",
    )
    (folder / "notice.md").write_text(
        f"# {LONG_NAME}\n\n| what | why |\n|---|---|\n| *one* | `two` |\n\n- {LONG_NAME}\n"
    )
    configured = "[signup]\nhourly_per_client = 1000\npolicy = 'domains'\ndomains = ['example.org']\n"
    configured += "[[source]]\nname = 'feed'\nkind = 'feed'\nurl = 'https://example.org/feed'\n"
    configured += "[templates]\npath = 'mine'\n[web]\nprivacy = 'notice.md'\nimprint = 'notice.md'\n"
    with served(folder, configured) as here:
        mail = composer(folder).message(a_delivery(two_papers())).content
        (folder / "mails" / "01-reader@example.org.eml").write_bytes(mail)
        published(here, HOSTILE, on="2026-06-01")
        published(here, _CROWD, *(a_paper(f"{LONG_NAME}, number {n}", f"About {n}.") for n in range(54)))
        seen(here, _CROWD, LONG_NAME)
        sharing(here, LONG_NAME, f"{LONG_NAME}\nspeech")
        sharing(here, "Nothing", "zebra")
        yield here


def _press(name: str, number: int = 0) -> Doing:
    return lambda page: page.get_by_role("button", name=name).nth(number).click()


def _filled(button: str, number: int = 0, **typed: str) -> Doing:
    """Fields by their ids, and a button. What browsers refuse themselves is sent, too."""

    def does(page: Any) -> None:
        page.evaluate("for (const form of document.forms) form.noValidate = true")
        for field, text in typed.items():
            page.fill(f"#{field}", text)
        page.get_by_role("button", name=button).nth(number).click()

    return does


def _live(page: Any) -> None:
    page.fill("#rules", f"{LONG_NAME}\nzebra")
    page.locator("#preview article").first.wait_for()
    page.get_by_text("Day by day").click()


def _nothing_ticked(page: Any) -> None:
    for box in page.locator("[name=day], [name=announce]").all():
        box.uncheck()
    _filled("Save", 1, max_papers="0")(page)


def _nothing_chosen(page: Any) -> None:
    for box in page.locator("[name=day], [name=announce]").all():
        box.uncheck()
    _filled("Save", rules="a AND", max_papers="0")(page)


def _not_sure(page: Any) -> None:
    page.get_by_text("Remove or erase them").click()
    _filled("Erase at their wish")(page)


def _forged(page: Any) -> None:
    page.locator("[name=csrf]").first.evaluate("field => { field.value = 'forged'; }")
    _press("Save")(page)


def _too_often(page: Any) -> None:
    for _ in range(10):
        page.request.post(page.url, form={"paper": "2504.17830"})
    _filled("Propose it", paper="2504.17830")(page)


def _desk(here: Installation) -> str:
    """The desk, where somebody has a session already: how often one may sign in is limited."""
    with here.store.write() as tx:
        if admins.find(tx, "desk@example.org") is None:
            admin = admins.add(tx, Admin(email="desk@example.org", role=Role.ADMIN, password="-"), now=NOW)
            hashed = hashlib.sha256(_SESSION.encode()).hexdigest()
            admins.begin_session(tx, admin, hashed, now=NOW, expires_at=NOW + timedelta(hours=12))
        outbox.end_hold(tx)
    return "/admin"


def _signed_in(page: Any) -> None:
    desk = page.url.removesuffix("/sign-in")
    page.context.add_cookies([{"name": "digest-desk", "value": _SESSION, "url": desk}])
    page.goto(desk)


def _to_the_log(page: Any) -> None:
    _on_hold(page)
    page.get_by_role("link", name="Log").click()


def _to_the(name: str) -> Doing:
    """A page of the desk, by its name in the navigation there."""

    def does(page: Any) -> None:
        _signed_in(page)
        page.get_by_role("navigation", name="Desk").get_by_role("link", name=name).click()

    return does


def _at(path: str, press: str = "") -> Doing:
    """A page of the desk, by its path there; a button on it, where one is named."""

    def does(page: Any) -> None:
        _signed_in(page)
        page.goto(f"{page.url}{path}")
        if press:
            _press(press)(page)

    return does


def _mail(state: DeliveryState, press: str = "") -> Doing:
    """The page of the newest digest's mail in a state; a button on it, where one is named."""

    def does(page: Any) -> None:
        _at(f"/deliveries?kind=digest&state={state}")(page)
        page.locator("tbody th a").first.click()
        if press:
            _press(press)(page)

    return does


def _proposed(press: str = "") -> Doing:
    """The page of a paper that nobody can fetch; a button on it, where one is named."""

    def does(page: Any) -> None:
        _at("/submissions")(page)
        page.get_by_role("link", name="file:///etc/passwd").click()
        if press:
            _press(press)(page)

    return does


_REPLY = f"550 5.1.1 <script>alert(1)</script> {LONG_NAME} no such user"


def _desk_with_mails(here: Installation) -> str:
    """The desk of a newsletter that has sent mails of every state, and of which papers were proposed."""
    with here.store.read() as tx:
        is_new = not outbox.list_deliveries(tx, state=DeliveryState.IN_DOUBT)
    if is_new:
        for state in (DeliveryState.FAILED, DeliveryState.IN_DOUBT, DeliveryState.SENT, *DeliveryState):
            _mailed(here, state)
        with here.store.write() as tx:
            submissions.add(tx, "file:///etc/passwd", origin="page", now=NOW)
            submissions.add(tx, f"https://example.org/{LONG_NAME}/{LONG_NAME}", origin="page from 192.0.2.7", now=NOW)
            sources.save(tx, SourceState(name="feed", url="", checked_at=NOW, failure=_REPLY))
    return _desk(here)


def _mailed(here: Installation, state: DeliveryState) -> None:
    whose = reader(here, profiles=(LONG_NAME,))
    send(here, whose, an_item(_CROWD, LONG_NAME, 1.0))
    bounce = Bounce(kind=BounceKind.SOFT, status="4.2.2", reply=_REPLY)
    with here.store.write() as tx:
        number = outbox.list_of(tx, whose.id)[-1].id
        here.membership.bounced(tx, whose.email, bounce, delivery_id=number, fingerprint=whose.email, now=NOW)
        tx.exec_driver_sql(
            "UPDATE deliveries SET state = ?, reply = ?, finished_at = queued_at WHERE id = ?", (state, _REPLY, number)
        )


def _to_none(page: Any) -> None:
    _signed_in(page)
    page.goto(f"{page.url}/profiles/999")


def _to_one(page: Any) -> None:
    _to_the("Profiles")(page)
    page.get_by_role("link", name=LONG_NAME).click()


def _to_a_new_one(page: Any) -> None:
    _to_the("Profiles")(page)
    page.get_by_role("link", name="New profile").click()


def _without_a_name(page: Any) -> None:
    _to_a_new_one(page)
    _filled("Save", rules="-speech")(page)


def _mistyped(page: Any) -> None:
    _to_one(page)
    _filled("Save", rules=f"{LONG_NAME}\nzebra AND (")(page)


def _typed_at_the_desk(page: Any) -> None:
    _to_one(page)
    page.fill("#rules", f"number\nabuot\nspeech\nspeech AND\n-{LONG_NAME} AND 9")
    page.locator("#mistakes li").wait_for()
    page.get_by_text("Day by day").click()


def _added(page: Any) -> None:
    _to_a_new_one(page)
    _filled("Save", name=f"Speech, number {next(_numbers)}", rules="speech")(page)
    page.get_by_text("Added.").wait_for()


def _saved_by_two(page: Any) -> None:
    _added(page)
    other = page.context.new_page()
    other.goto(page.url)
    _filled("Save", rules=f"speech\n{LONG_NAME}")(other)
    other.get_by_text("Saved.").wait_for()
    other.close()
    _filled("Save", rules="speech\naudio")(page)


def _beside_one(name: str, does: Doing = lambda _: None) -> Doing:
    """A page beside that of a profile at the desk, and what is done there."""

    def doing(page: Any) -> None:
        _to_one(page)
        page.goto(f"{page.url.partition('?')[0]}/{name}")
        does(page)

    return doing


def _beside_all(name: str, does: Doing = lambda _: None) -> Doing:
    """A page beside the list of profiles at the desk, and what is done there."""

    def doing(page: Any) -> None:
        _to_the("Profiles")(page)
        page.goto(f"{page.url}/{name}")
        does(page)

    return doing


def _another(page: Any) -> None:
    """A profile that was edited and removed, by its number."""
    lines = json.dumps({"name": f"{LONG_NAME} that is gone", "rules": f"{LONG_NAME}\nspeech"})
    _filled("Show what would be changed", text=lines)(page)
    _press("Import this profile")(page)
    page.get_by_role("link", name="To all profiles").click()
    page.get_by_role("link", name="that is gone").click()
    page.goto(f"{page.url.partition('?')[0]}/remove")
    page.get_by_label("I mean it").check()
    _press("Remove this profile")(page)


def _gone_and_looked_at(page: Any) -> None:
    _another(page)
    page.get_by_role("link", name="that is gone").first.click()


def _a_version(page: Any) -> None:
    _gone_and_looked_at(page)
    page.get_by_role("link", name="Version 1").click()


def _followed(here: Installation) -> str:
    """The desk, and a profile that somebody follows."""
    reader(here, profiles=(LONG_NAME,))
    return _desk(here)


def _to_a_mail(page: Any) -> None:
    _to_the("Templates")(page)
    page.get_by_role("link", name="Digest, English").click()


def _to_tokens(page: Any) -> None:
    _to_the("Tokens")(page)
    page.get_by_label("Name").fill(f"{LONG_NAME[:40]} {next(_numbers)}")


def _with_a_token(page: Any) -> None:
    _to_tokens(page)
    page.get_by_label("profiles:read").check()
    _press("Make the token")(page)


def _back_to_tokens(page: Any) -> None:
    _with_a_token(page)
    page.get_by_role("link", name="Back to the tokens").click()


def _revoked(page: Any) -> None:
    _back_to_tokens(page)
    page.get_by_role("button", name="Revoke").first.click()


def _without_a_scope(page: Any) -> None:
    _to_tokens(page)
    _press("Make the token")(page)


def _on_hold(page: Any) -> None:
    _signed_in(page)
    _filled("Hold all sending", reason=f"{LONG_NAME} was asked by phone")(page)


def _seen(template: str, make: Where | str, then: Doing | None = None) -> State:
    """A page of the desk, at a path that may have to be made first. Its admin need not sign in: few tries are free."""
    made: list[tuple[str, str]] = []

    def where(here: Installation) -> str:
        _desk(here)
        made.append((session(here), make if isinstance(make, str) else make(here)))
        return "/admin/sign-in"

    def does(page: Any) -> None:
        token, path = made[-1]
        base = page.url.removesuffix("/admin/sign-in")
        page.context.add_cookies([{"name": "digest-desk", "value": token, "url": f"{base}/admin"}])
        page.goto(base + path)
        if then is not None:
            then(page)

    return State(template, where, does)


def _somebody(here: Installation) -> str:
    """Somebody with something of everything."""
    whose = reader(here, name=f"<b>{LONG_NAME}\u202e", profiles=(LONG_NAME, "Nothing"))
    send(here, whose, an_item(_CROWD, LONG_NAME, 3.0, (Field.ABSTRACT, "speech")))
    with here.store.write() as tx:
        profiles.set_personal(tx, whose.id, compile_rules(f"{LONG_NAME}\n-cats"), now=NOW)
        for number, kind in enumerate((BounceKind.SOFT, BounceKind.HARD)):
            bounce = Bounce(kind=kind, status="5.1.1", reply=f"550 <script>alert(1)</script> {LONG_NAME}")
            here.membership.bounced(tx, whose.email, bounce, delivery_id=1, fingerprint=f"{whose.id}/{number}", now=NOW)
    return f"/admin/subscribers/{whose.id}"


def _one(state: str, below: str = "") -> Where:
    return lambda here: f"/admin/subscribers/{reader(here, state=SubscriberState(state)).id}{below}"


def _barred(here: Installation) -> str:
    """A list of those who are, one by an admin."""
    _somebody(here)
    with here.store.write() as tx:
        for reason in (SuppressionReason.ADMIN, SuppressionReason.COMPLAINT):
            email = f"barred-{next(_numbers)}@example.org"
            here.membership.suppress(tx, email, reason, f"<b> {LONG_NAME}", now=NOW)
    return "/admin/suppressions"


def _uploaded(button: str = "") -> Doing:
    """A file with rows of every fate, checked; then a button."""

    def does(page: Any) -> None:
        rows = f"new-{next(_numbers)}@example.org,{LONG_NAME}\nreader-1@example.org,\n<b>,=1+1\n{LONG_NAME},x\n"
        file = {"name": f"{LONG_NAME}.csv", "mimeType": "text/csv", "buffer": f"email,name\n{rows}".encode()}
        page.set_input_files("#file", file)
        _press("Check the file")(page)
        page.get_by_role("heading", name="What would become of each row").wait_for()
        if button:
            _press(button)(page)
            page.get_by_role("heading", name="The import is done").wait_for()

    return does


def _erased(page: Any) -> None:
    page.get_by_label("I mean it").check()
    _press("Erase my data and leave")(page)


def _asked_for_another(here: Installation) -> Subscriber:
    return changed(here, reader(here), new_email="new@example.org")


def _move(here: Installation, to: str = "") -> str:
    to = to or f"moved-{next(_numbers)}@example.org"
    whose = changed(here, reader(here), new_email=to)
    about = here.links.about(addresses.key(to))
    return f"/address/{here.links.token(Scope.ADDRESS, whose.id, whose.epoch, about=about, written_at=NOW)}"


def _taken(here: Installation) -> str:
    return _move(here, reader(here).email)


def _with_digests(here: Installation) -> Subscriber:
    whose = reader(here)
    wanted = an_item(_CROWD, LONG_NAME, 3.0, (Field.ABSTRACT, "speech"))
    own = an_item(a_paper("A study of cats"), "Your keywords", 1.0, (Field.TITLE, "cats"))
    more = tuple(f"test:{LONG_NAME}, number {n}" for n in range(25))
    send(here, whose, wanted, own, trending=(a_paper("A popular paper", upvotes=9),), more=more)
    for day in range(1, 35):
        send(here, whose, wanted, slot_at=NOW - timedelta(days=day))
    return whose


def _muting(keyword: str, own: str = "cats") -> Where:
    def where(here: Installation) -> str:
        whose = reader(here)
        with here.store.write() as tx:
            profiles.set_personal(tx, whose.id, compile_rules(own), now=NOW)
        return f"{path(here, Scope.MUTE, whose)}?keyword={quote(keyword)}"

    return where


def _way_out(**rest: Any) -> Where:
    return lambda here: way_out(here, reader(here, **rest))


def _gone(way: Callable[[Installation, Subscriber], str]) -> Where:
    """A link of somebody who was removed."""

    def where(here: Installation) -> str:
        whose = reader(here)
        link = way(here, whose)
        removed(here, whose)
        return link

    return where


def _by_link(scope: Scope) -> Where:
    return lambda here: path(here, scope, reader(here))


def _paused(here: Installation) -> Subscriber:
    return reader(here, state=SubscriberState.PAUSED)


def _paused_until(here: Installation) -> Subscriber:
    return changed(here, _paused(here), resumes_at=at("2026-06-10 07:00"))


_EDITION = "/papers/2026-06-03"
_SLOT = f"/settings/digests/{moment(NOW)}"

STATES = {
    "front": State("front", "/"),
    "front of nothing": State("front", "/", bare=True),
    "newest edition": State("edition", "/papers"),
    "edition": State("edition", f"{_EDITION}?order=newest"),
    "second page": State("edition", f"{_EDITION}?page=2"),
    "week": State("edition", "/papers/2026-W23"),
    "month": State("edition", "/papers/2026-06"),
    "hostile paper": State("edition", "/papers/2026-06-01"),
    "empty day": State("edition", "/papers/2020-01-01"),
    "no edition": State("no-edition", "/papers", bare=True),
    "paper": State("paper", "/paper/test:crowd"),
    "profiles": State("profiles", "/profiles"),
    "no profiles": State("profiles", "/profiles", bare=True),
    "profile": State("profile", f"/profile/{LONG_NAME}"),
    "profile of nothing": State("profile", "/profile/Nothing"),
    "search": State("search", "/search"),
    "found": State("search", f"/search?q={LONG_NAME}+OR+speech&page=2&in=2026-06"),
    "found by lines": State("search", "/search?q=speech%0Acats"),
    "found nothing": State("search", "/search?q=zebra"),
    "search mistaken": State("search", "/search?q=speech+AND"),
    "search of no period": State("search", "/search?q=speech&in=yesterday"),
    "search of no page": State("search", "/search?q=speech&page=99"),
    "search that excludes": State("search", "/search?q=-speech"),
    "preview": State("preview", "/subscribe", _filled("Try these keywords", rules=f"{LONG_NAME}\nzebra")),
    "preview mistaken": State("preview", "/subscribe", _filled("Try these keywords", rules="a AND")),
    "preview of nothing": State("preview", "/subscribe", _press("Try these keywords")),
    "preview in a form": State("subscribe", "/subscribe", _live),
    "propose": State("propose", "/propose"),
    "propose mistaken": State("propose", "/propose", _filled("Propose it", paper="cats")),
    "proposed": State("proposed", "/propose", _filled("Propose it", paper="2504.17830")),
    "privacy": State("notice", "/privacy"),
    "imprint": State("notice", "/imprint"),
    "subscribe": State("subscribe", "/subscribe"),
    "subscribe mistaken": State(
        "subscribe", "/subscribe", _filled("Subscribe", email="me@elsewhere.org", rules="a AND", timezone="Moon")
    ),
    "subscribe to nothing": State("subscribe", "/subscribe", _filled("Subscribe", email="me")),
    "subscribe closed": State("closed", "/subscribe", bare=True),
    "mailbox": State("mailbox", "/subscribe", _filled("Subscribe", email="new@example.org", rules="cats")),
    "sign in": State("sign-in", "/sign-in"),
    "sign in mistaken": State("sign-in", "/sign-in", _filled("Send me a link", email="me")),
    "enter": State("enter", _by_link(Scope.SIGN_IN)),
    "yes?": State("confirm", lambda here: way_in(here, reader(here, state=SubscriberState.PENDING))),
    "welcome": State(
        "confirmed",
        lambda here: way_in(here, reader(here, state=SubscriberState.PENDING)),
        _press("Yes, send it to me"),
    ),
    "in": State("confirmed", _by_link(Scope.CONFIRM)),
    "too old": State("too-old", _gone(way_in)),
    "leave?": State("unsubscribe", _way_out()),
    "leave in German": State("unsubscribe", _way_out(language="de")),
    "leave in Arabic": State("unsubscribe", _way_out(language="ar")),
    "left": State("unsubscribed", _way_out(), _press("Unsubscribe")),
    "left before": State("unsubscribed", _way_out(state=SubscriberState.UNSUBSCRIBED)),
    "absent": State("absent", _gone(way_out)),
    "settings": State("settings", "/settings", reader=reader),
    "settings in German": State("settings", "/settings", reader=lambda here: reader(here, language="de")),
    "settings saved": State("settings", "/settings", _press("Save"), reader=reader),
    "keywords mistaken": State("settings", "/settings", _filled("Save", rules="a AND"), reader=reader),
    "settings mistaken": State("settings", "/settings", _nothing_ticked, reader=reader),
    "settings in a pause": State("settings", "/settings", reader=_paused_until),
    "pause": State("pause", "/settings/pause", reader=reader),
    "paused": State("pause", "/settings/pause", _press("Pause"), reader=reader),
    "paused until": State("pause", "/settings/pause", reader=_paused_until),
    "pause mistaken": State("pause", "/settings/pause", _filled("Pause", until="2020-01-01"), reader=reader),
    "pause by link": State("pause", _by_link(Scope.PAUSE)),
    "digests": State("digests", "/settings/digests", reader=_with_digests),
    "no digests": State("digests", "/settings/digests", reader=reader),
    "digest": State("read", _SLOT, reader=_with_digests),
    "digest by link": State("read", lambda here: link(here, _with_digests(here))),
    "feed": State("feed", "/settings/feed", reader=reader),
    "feed turned on": State("feed", "/settings/feed", _press("Turn the feed on"), reader=reader),
    "address": State("address", "/settings/address", reader=reader),
    "address mistaken": State("address", "/settings/address", _filled("Send a mail there", email="me"), reader=reader),
    "address asked": State("address", "/settings/address", reader=_asked_for_another),
    "address?": State("move", _move),
    "address moved": State("address", _move, _press("Yes, mail me here")),
    "address taken": State("not-moved", _taken, _press("Yes, mail me here")),
    "data": State("data", "/settings/data", reader=reader),
    "data not sure": State("data", "/settings/data", _filled("Erase my data and leave"), reader=reader),
    "erased": State("erased", "/settings/data", _erased, reader=reader),
    "leave": State("leave", "/settings/leave", reader=reader),
    "left from settings": State("unsubscribed", "/settings/leave", _press("Unsubscribe"), reader=reader),
    "mute?": State("mute", _muting(LONG_NAME)),
    "muted": State("mute", _muting(LONG_NAME), _press("Mute")),
    "no keyword": State("no-mute", _muting("a AND (")),
    "desk": State("desk-sign-in", "/admin"),
    "desk shut": State("desk-sign-in", "/admin", _filled("Sign in", email="desk@example.org", password="x")),
    "today": State("today", _desk, _signed_in),
    "today on hold": State("today", _desk, _on_hold),
    "log": State("log", _desk, _to_the_log),
    "token made": State("desk-token", _desk, _with_a_token),
    "tokens": State("desk-tokens", _desk, _back_to_tokens),
    "token revoked": State("desk-tokens", _desk, _revoked),
    "token refused": State("desk-tokens", _desk, _without_a_scope),
    "log of nothing": State("log", _desk, _at("/log?what=nothing")),
    "next": State("desk-next", _desk_with_mails, _at("/next")),
    "next to nobody": State("desk-next", _desk, _at("/next"), bare=True),
    "deliveries": State("desk-deliveries", _desk_with_mails, _at("/deliveries")),
    "deliveries not ticked": State("desk-deliveries", _desk_with_mails, _at("/deliveries", "Try again now")),
    "no deliveries": State("desk-deliveries", _desk, _at("/deliveries?state=leased&q=nobody")),
    "delivery": State("desk-delivery", _desk_with_mails, _mail(DeliveryState.FAILED)),
    "delivery in doubt": State("desk-delivery", _desk_with_mails, _mail(DeliveryState.IN_DOUBT)),
    "delivery sent again": State("desk-delivery", _desk_with_mails, _mail(DeliveryState.SENT, "Send it once more")),
    "sources of the desk": State("desk-sources", _desk_with_mails, _at("/sources")),
    "no sources": State("desk-sources", _desk, _at("/sources"), bare=True),
    "submissions": State("desk-submissions", _desk_with_mails, _at("/submissions")),
    "no submissions": State("desk-submissions", _desk, _at("/submissions"), bare=True),
    "submission": State("desk-submission", _desk_with_mails, _proposed()),
    "submission by hand": State("desk-submission", _desk_with_mails, _proposed("Look it up")),
    "refused at the desk": State("desk-refused", _desk, _to_none),
    "editor": State("desk-editor", _desk, _to_one),
    "editor, new": State("desk-editor", _desk, _to_a_new_one),
    "editor, refused": State("desk-editor", _desk, _without_a_name),
    "editor, mistaken": State("desk-editor", _desk, _mistyped),
    "editor, live": State("desk-editor", _desk, _typed_at_the_desk),
    "editor, added": State("desk-editor", _desk, _added),
    "editor, conflict": State("desk-editor", _desk, _saved_by_two),
    "profiles at the desk": State("desk-profiles", _desk, _to_the("Profiles")),
    "history at the desk": State("desk-history", _desk, _beside_one("history")),
    "history of a removed profile": State("desk-history", _desk, _beside_all("import", _gone_and_looked_at)),
    "version at the desk": State("desk-version", _desk, _beside_all("import", _a_version)),
    "removed profiles": State("desk-removed", _desk, _beside_all("import", _another)),
    "rename at the desk": State("desk-rename", _desk, _beside_one("rename")),
    "rename mistaken": State("desk-rename", _desk, _beside_one("rename", _filled("Rename it", name="Nothing"))),
    "remove at the desk": State("desk-remove", _followed, _beside_one("remove")),
    "remove unsure": State("desk-remove", _followed, _beside_one("remove", _press("Remove this profile"))),
    "followers at the desk": State("desk-followers", _followed, _beside_one("followers")),
    "profiles imported": State("desk-profiles-import", _desk, _beside_all("import")),
    "profiles import mistaken": State(
        "desk-profiles-import", _desk, _beside_all("import", _filled("Show what would be changed", text=LONG_NAME))
    ),
    "profiles import foreseen": State(
        "desk-profiles-import",
        _desk,
        _beside_all("import", _filled("Show what would be changed", text='{"name": "Nothing", "rules": "lion"}')),
    ),
    "query at the desk": State("desk-query", _desk, _beside_all("query")),
    "query mistaken": State("desk-query", _desk, _beside_all("query", _filled("Show the rules", query="a AND"))),
    "query translated": State(
        "desk-query",
        _desk,
        _beside_all("query", _filled("Show the rules", query=f"{LONG_NAME}[tiab] AND {LONG_NAME}[pt]")),
    ),
    "test mail": State("desk-test-mail", _desk, _beside_one("test")),
    "test mail left": State("desk-test-mail", _desk, _beside_one("test", _press("Send it to me"))),
    "templates at the desk": State("desk-templates", _desk, _to_the("Templates")),
    "mail at the desk": State("desk-mail", _desk, _to_a_mail),
    "subscribers": _seen("desk-subscribers", "/admin/subscribers"),
    "subscribers found": _seen("desk-subscribers", "/admin/subscribers?q=reader&state=active"),
    "no subscribers like that": _seen("desk-subscribers", "/admin/subscribers?q=zebra"),
    "subscriber": _seen("desk-subscriber", _somebody),
    "subscriber active": _seen("desk-subscriber", _one("active")),
    "subscriber paused": _seen("desk-subscriber", _one("active"), _press("Pause")),
    "subscriber asked again": _seen("desk-subscriber", _one("pending")),
    "subscriber not erased": _seen("desk-subscriber", _one("active"), _not_sure),
    "subscriber edited": _seen("desk-subscriber-form", _one("active", "/edit")),
    "subscriber mistaken": _seen("desk-subscriber-form", _one("active", "/edit"), _nothing_chosen),
    "subscriber new": _seen("desk-subscriber-form", "/admin/subscribers/new"),
    "subscriber new, mistaken": _seen("desk-subscriber-form", "/admin/subscribers/new", _filled("Add", email="me")),
    "why?": _seen("desk-why", _one("active", "/why")),
    "why not": _seen("desk-why", _one("active", "/why?paper=test:crowd")),
    "why of nothing": _seen("desk-why", _one("active", "/why?paper=<b>")),
    "import": _seen("desk-subscribers-import", "/admin/subscribers/import"),
    "import mistaken": _seen("desk-subscribers-import", "/admin/subscribers/import", _filled("Check the file")),
    "import checked": _seen("desk-subscribers-imported", "/admin/subscribers/import", _uploaded()),
    "import done": _seen("desk-subscribers-imported", "/admin/subscribers/import", _uploaded("Import 1 row")),
    "suppressions": _seen("desk-suppressions", _barred),
    "suppressions mistaken": _seen("desk-suppressions", _barred, _filled("Never mail it", email="me")),
    "suppression of nobody": _seen("desk-suppressions", "/admin/suppressions?email=nobody@example.org"),
    "bounces": _seen("desk-bounces", lambda here: _somebody(here) and "/admin/bounces"),
    "no bounces": _seen("desk-bounces", "/admin/bounces?kind=complaint"),
    "inbox": State("inbox", "/inbox"),
    "empty inbox": State("inbox", "/inbox", bare=True),
    "403": State("problem", "/settings", _forged, reader=reader),
    "404": State("problem", "/nowhere"),
    "429": State("problem", "/propose", _too_often, bare=True),
}
