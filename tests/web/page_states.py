"""Every page in its states, for the tests with a browser, and the sites that have them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from digest.app import App
from digest.matching import compile_rules
from digest.models import Field, Subscriber, SubscriberState
from digest.security import addresses
from digest.security.links import Scope, encode_time
from digest.store import profiles
from digest.web.app import create_app
from digest.web.server import listen, serving, url_of
from digest.web.sessions import Sessions
from tests.builders import NOW, a_delivery, a_paper, an_item, at
from tests.mail.samples import composer, two_papers
from tests.web.admin_page_states import ADMIN_STATES
from tests.web.browser_actions import CROWD, LONG_NAME, PathMaker, State, fill_and_press, numbers, press, reader
from tests.web.papers import HOSTILE, publish_papers, record_sighting, share_profile
from tests.web.subscribers import changed, confirm_path, mute_path, path, removed, unsubscribe_path
from tests.web.test_read import link, send


def cookie(app: App, whose: Subscriber) -> dict[str, str]:
    """Return the cookie that signs a reader in."""
    begun = Sessions(links=app.links, path="", https=False).begin(whose, now=NOW).partition(";")[0]
    name, _, value = begun.partition("=")
    return {"name": name, "value": value, "url": app.config.newsletter.base_url}


@contextmanager
def served(folder: Path, toml: str = "") -> Iterator[App]:
    """Serve a newsletter over HTTP. `toml` is added to its configuration."""
    listener = listen("127.0.0.1", 0)
    newsletter = f'[newsletter]\nbase_url = "{url_of(listener)}"\n'
    (folder / "config.toml").write_text(f"{newsletter}{toml}", encoding="utf-8")
    (folder / "mails").mkdir()
    with (
        App.open(folder / "config.toml") as app,
        serving(create_app(app, clock=lambda: NOW, inbox=folder / "mails"), listener, on_loss=lambda: None),
    ):
        yield app


@contextmanager
def full_site(folder: Path) -> Iterator[App]:
    """Serve a newsletter that has data for every page, in three languages."""
    (folder / "mine" / "locale").mkdir(parents=True)
    (folder / "mine" / "locale" / "ar.po").write_text(
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        'msgid "Unsubscribe"\nmsgstr "إلغاء الاشتراك"\n'
        'msgid "Unsubscribe from %(newsletter)s?"\nmsgstr "هل تريد مغادرة %(newsletter)s؟"\n',
        encoding="utf-8",
    )
    (folder / "notice.md").write_text(
        f"# {LONG_NAME}\n\n| what | why |\n|---|---|\n| *one* | `two` |\n\n- {LONG_NAME}\n"
    )
    configured = "[signup]\nhourly_per_client = 1000\npolicy = 'domains'\ndomains = ['example.org']\n"
    configured += "[[source]]\nname = 'feed'\nkind = 'feed'\nurl = 'https://example.org/feed'\n"
    configured += "[templates]\npath = 'mine'\n[web]\nprivacy = 'notice.md'\nimprint = 'notice.md'\n"
    with served(folder, configured) as app:
        mail = composer(folder).message(a_delivery(two_papers())).content
        (folder / "mails" / "01-reader@example.org.eml").write_bytes(mail)
        publish_papers(app, HOSTILE, on="2026-06-01")
        publish_papers(app, CROWD, *(a_paper(f"{LONG_NAME}, number {n}", f"About {n}.") for n in range(54)))
        record_sighting(app, CROWD, LONG_NAME)
        share_profile(app, LONG_NAME, f"{LONG_NAME}\nspeech")
        share_profile(app, "Nothing", "zebra")
        yield app


def _type_keywords(page: Any) -> None:
    page.fill("#rules", f"{LONG_NAME}\nzebra")
    page.locator("#preview article").first.wait_for()
    page.get_by_text("Day by day").click()


def _uncheck_everything(page: Any) -> None:
    for box in page.locator("[name=day], [name=announce]").all():
        box.uncheck()
    fill_and_press("Save", 1, max_papers="0")(page)


def _forge_csrf(page: Any) -> None:
    page.locator("[name=csrf]").first.evaluate("field => { field.value = 'forged'; }")
    press("Save")(page)


def _propose_too_often(page: Any) -> None:
    for _ in range(10):
        page.request.post(page.url, form={"paper": "2504.17830"})
    fill_and_press("Suggest", paper="2504.17830")(page)


def _erase(page: Any) -> None:
    page.get_by_label("Yes, I’m sure").check()
    press("Delete my data and unsubscribe")(page)


def _with_requested_address(app: App) -> Subscriber:
    return changed(app, reader(app), new_email="new@example.org")


def _move(app: App, to: str = "") -> str:
    to = to or f"moved-{next(numbers)}@example.org"
    whose = changed(app, reader(app), new_email=to)
    about = app.links.text_hash(addresses.key(to))
    return f"/address/{app.links.token(Scope.ADDRESS, whose.id, whose.epoch, about=about, written_at=NOW)}"


def _move_to_known_address(app: App) -> str:
    return _move(app, reader(app).email)


def _with_digests(app: App) -> Subscriber:
    whose = reader(app)
    wanted = an_item(CROWD, LONG_NAME, 3.0, (Field.ABSTRACT, "speech"))
    own = an_item(a_paper("A study of cats"), "Your keywords", 1.0, (Field.TITLE, "cats"))
    more = tuple(f"test:{LONG_NAME}, number {n}" for n in range(25))
    send(app, whose, wanted, own, trending=(a_paper("A popular paper", upvotes=9),), more=more)
    for day in range(1, 35):
        send(app, whose, wanted, slot_at=NOW - timedelta(days=day))
    return whose


def _mute_path(keyword: str, own: str = "cats") -> PathMaker:
    def where(app: App) -> str:
        whose = reader(app)
        with app.store.write() as tx:
            profiles.set_personal(tx, whose.id, compile_rules(own), now=NOW)
        return mute_path(app, whose, keyword)

    return where


def _unsubscribe_path(**rest: Any) -> PathMaker:
    return lambda app: unsubscribe_path(app, reader(app, **rest))


def _after_removal(way: Callable[[App, Subscriber], str]) -> PathMaker:
    """Return the link of a subscriber who was removed."""

    def where(app: App) -> str:
        whose = reader(app)
        link = way(app, whose)
        removed(app, whose)
        return link

    return where


def _by_link(scope: Scope) -> PathMaker:
    return lambda app: path(app, scope, reader(app))


def _paused(app: App) -> Subscriber:
    return reader(app, state=SubscriberState.PAUSED)


def _paused_until(app: App) -> Subscriber:
    return changed(app, _paused(app), resumes_at=at("2026-06-10 07:00"))


_EDITION = "/papers/2026-06-03"
_SLOT = f"/settings/digests/{encode_time(NOW)}"

STATES = {
    "front": State("front", "/"),
    "front without papers": State("front", "/", bare=True),
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
    "profile without papers": State("profile", "/profile/Nothing"),
    "search": State("search", "/search"),
    "search results": State("search", f"/search?q={LONG_NAME}+OR+speech&page=2&in=2026-06"),
    "search by lines": State("search", "/search?q=speech%0Acats"),
    "search without results": State("search", "/search?q=zebra"),
    "search with mistakes": State("search", "/search?q=speech+AND"),
    "search, invalid period": State("search", "/search?q=speech&in=yesterday"),
    "search, missing page": State("search", "/search?q=speech&page=99"),
    "search that excludes": State("search", "/search?q=-speech"),
    "preview": State("preview", "/subscribe", fill_and_press("Try these keywords", rules=f"{LONG_NAME}\nzebra")),
    "preview with mistakes": State("preview", "/subscribe", fill_and_press("Try these keywords", rules="a AND")),
    "preview without rules": State("preview", "/subscribe", press("Try these keywords")),
    "preview in a form": State("subscribe", "/subscribe", _type_keywords),
    "propose": State("propose", "/propose"),
    "propose with mistakes": State("propose", "/propose", fill_and_press("Suggest", paper="cats")),
    "proposed": State("proposed", "/propose", fill_and_press("Suggest", paper="2504.17830")),
    "privacy": State("notice", "/privacy"),
    "imprint": State("notice", "/imprint"),
    "subscribe": State("subscribe", "/subscribe"),
    "subscribe with mistakes": State(
        "subscribe", "/subscribe", fill_and_press("Subscribe", email="me@elsewhere.org", rules="a AND", timezone="Moon")
    ),
    "subscribe without topics": State("subscribe", "/subscribe", fill_and_press("Subscribe", email="me")),
    "subscribe closed": State("closed", "/subscribe", bare=True),
    "mailbox": State("mailbox", "/subscribe", fill_and_press("Subscribe", email="new@example.org", rules="cats")),
    "sign in": State("sign-in", "/sign-in"),
    "sign in with mistakes": State("sign-in", "/sign-in", fill_and_press("Email me a link", email="me")),
    "enter": State("enter", _by_link(Scope.SIGN_IN)),
    "enter instead of another": State("enter", _by_link(Scope.PREFERENCES), reader=reader),
    "confirm instead of another": State(
        "confirm", lambda app: confirm_path(app, reader(app, state=SubscriberState.PENDING)), reader=reader
    ),
    "confirm address instead of another": State("move", _move, reader=reader),
    "confirm": State("confirm", lambda app: confirm_path(app, reader(app, state=SubscriberState.PENDING))),
    "confirmed": State(
        "confirmed",
        lambda app: confirm_path(app, reader(app, state=SubscriberState.PENDING)),
        press("Confirm subscription"),
    ),
    "confirmed before": State("confirmed", _by_link(Scope.CONFIRM)),
    "expired link": State("too-old", _after_removal(confirm_path)),
    "unsubscribe": State("unsubscribe", _unsubscribe_path()),
    "unsubscribe in German": State("unsubscribe", _unsubscribe_path(language="de")),
    "unsubscribe in Arabic": State("unsubscribe", _unsubscribe_path(language="ar")),
    "unsubscribed": State("unsubscribed", _unsubscribe_path(), press("Unsubscribe")),
    "unsubscribed before": State("unsubscribed", _unsubscribe_path(state=SubscriberState.UNSUBSCRIBED)),
    "not subscribed": State("absent", _after_removal(unsubscribe_path)),
    "settings": State("settings", "/settings", reader=reader),
    "settings in German": State("settings", "/settings", reader=lambda app: reader(app, language="de")),
    "settings saved": State("settings", "/settings", press("Save"), reader=reader),
    "keywords with mistakes": State("settings", "/settings", fill_and_press("Save", rules="a AND"), reader=reader),
    "settings with mistakes": State("settings", "/settings", _uncheck_everything, reader=reader),
    "settings while paused": State("settings", "/settings", reader=_paused_until),
    "pause": State("pause", "/settings/pause", reader=reader),
    "paused": State("pause", "/settings/pause", press("Pause"), reader=reader),
    "paused until": State("pause", "/settings/pause", reader=_paused_until),
    "pause with mistakes": State(
        "pause", "/settings/pause", fill_and_press("Pause", until="2020-01-01"), reader=reader
    ),
    "pause by link": State("pause", _by_link(Scope.PAUSE)),
    "digests": State("digests", "/settings/digests", reader=_with_digests),
    "no digests": State("digests", "/settings/digests", reader=reader),
    "digest": State("read", _SLOT, reader=_with_digests),
    "digest by link": State("read", lambda app: link(app, _with_digests(app))),
    "feed": State("feed", "/settings/feed", reader=reader),
    "feed turned on": State("feed", "/settings/feed", press("Turn the feed on"), reader=reader),
    "address": State("address", "/settings/address", reader=reader),
    "address with mistakes": State(
        "address", "/settings/address", fill_and_press("Send confirmation email", email="me"), reader=reader
    ),
    "address requested": State("address", "/settings/address", reader=_with_requested_address),
    "confirm address": State("move", _move),
    "address changed": State("address", _move, press("Confirm address")),
    "address taken": State("not-moved", _move_to_known_address, press("Confirm address")),
    "data": State("data", "/settings/data", reader=reader),
    "data, not confirmed": State(
        "data", "/settings/data", fill_and_press("Delete my data and unsubscribe"), reader=reader
    ),
    "erased": State("erased", "/settings/data", _erase, reader=reader),
    "unsubscribe from settings": State("leave", "/settings/leave", reader=reader),
    "unsubscribed from settings": State("unsubscribed", "/settings/leave", press("Unsubscribe"), reader=reader),
    "mute": State("mute", _mute_path(LONG_NAME)),
    "muted": State("mute", _mute_path(LONG_NAME), press("Mute")),
    "mute, signed in": State("mute", f"/settings/mute?keyword={LONG_NAME}", reader=reader),
    "mute, link of an early version": State(
        "mute-sign-in", lambda app: f"{path(app, Scope.MUTE, reader(app))}?keyword={LONG_NAME}"
    ),
    "mute, invalid keyword": State("no-mute", _mute_path("a AND (")),
    "inbox": State("inbox", "/inbox"),
    "empty inbox": State("inbox", "/inbox", bare=True),
    "403": State("problem", "/settings", _forge_csrf, reader=reader),
    "404": State("problem", "/nowhere"),
    "429": State("problem", "/propose", _propose_too_often, bare=True),
} | ADMIN_STATES
