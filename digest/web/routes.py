"""Which path is which page, and what each page works on."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from starlette.routing import Route

from digest import publish
from digest.installation import Installation
from digest.models import Subscriber
from digest.people.joining import Joining
from digest.web import holders
from digest.web.admin.routes import WITH_SAMPLES as AT_THE_DESK
from digest.web.admin.routes import desk_routes
from digest.web.context import Site
from digest.web.door import Door
from digest.web.limits import Limits
from digest.web.pages import Page
from digest.web.papers import Showcase
from digest.web.public import (
    cite,
    confirm,
    editions,
    front,
    mailbox,
    notices,
    paper,
    preview,
    profiles,
    propose,
    robots,
    search,
    sign_in,
    subscribe,
    unsubscribe,
)
from digest.web.subscriber import address, data, enter, feed, leave, mute, pause, read, settings

_WITH_SAMPLES: tuple[Any, ...] = (
    *(front, editions, paper, profiles, search, preview, propose, notices, holders),
    *(mailbox, subscribe, sign_in, confirm, unsubscribe),
    *(settings, pause, mute, read, feed, address, data, leave),
    *AT_THE_DESK,
)

SAMPLES: tuple[Page, ...] = tuple(sample for page in _WITH_SAMPLES for sample in page.SAMPLES)


def routes(here: Installation, door: Door, site: Site, ask_sources: Callable[[], None] | None = None) -> list[Route]:
    """The pages of an installation. `ask_sources` has all sources asked soon. Raises DigestError."""

    def welcome(reader: Subscriber, now: datetime) -> None:
        publish.welcome(here.store, here.interests, reader, here.publishing, now=now)

    showcase = Showcase()
    leaving = unsubscribe.Unsubscribing(here.store, here.links, here.membership)
    joining = confirm.Confirming(here.store, here.links, here.membership, door.sessions, welcome)
    signup = here.config.signup
    mails = Limits(per_client=signup.hourly_per_client, overall=signup.hourly)
    return [
        *_reading_routes(here, door, site, showcase),
        *(door.route(f"/{name}", notices.page(name, file)) for name, file in notices.files(here.config).items()),
        door.route("/unsubscribe/{token}", leaving.look, leaving.act, from_anywhere=True),
        door.route("/confirm/{token}", joining.look, joining.act),
        *_joining_routes(here, door, mails),
        *_search_routes(here, door, showcase),
        *_own_routes(here, door, site, showcase, mails),
        *desk_routes(here, door, showcase, ask_sources),
    ]


def _joining_routes(here: Installation, door: Door, mails: Limits) -> list[Route]:
    """`mails`: how many strangers may have us send."""
    signup, newsletter = here.config.signup, here.config.newsletter
    to_mailbox, rules = mailbox.Mailbox(here.store, mails), Joining(here.membership)
    subscribing = subscribe.Subscribing(
        store=here.store,
        joining=rules,
        mailbox=to_mailbox,
        signup=signup,
        timezone=newsletter.timezone,
        language=newsletter.language,
    )
    signing_in = sign_in.SigningIn(
        store=here.store, links=here.links, sessions=door.sessions, joining=rules, mailbox=to_mailbox
    )
    return [
        door.route("/subscribe", subscribing.look, subscribing.act),
        door.route("/sign-in", signing_in.look, signing_in.ask),
        door.route("/sign-in/{token}", signing_in.look_in, signing_in.enter),
        door.own("/sign-out", act=signing_in.leave),
    ]


def _reading_routes(here: Installation, door: Door, site: Site, showcase: Showcase) -> list[Route]:
    """The papers, for everybody."""
    language = here.config.newsletter.language
    by_date = editions.Editions(here.store, showcase, site, language)
    by_profile = profiles.Profiles(here.store, showcase, site, language, here.library)
    one_by_one = paper.Papers(here.store, showcase, ZoneInfo(here.config.newsletter.timezone))
    citing = cite.Citing(here.store, showcase, site)
    return [
        door.everybody("/", front.Front(here.store, showcase).look),
        door.everybody("/papers", by_date.latest),
        door.everybody("/papers.{form}", by_date.latest_feed),
        door.everybody("/papers/{name}", by_date.look),
        door.everybody("/paper/{id:path}", one_by_one.look),
        door.everybody("/bibtex/{id:path}", citing.bibtex),
        door.everybody("/ris/{id:path}", citing.ris),
        door.everybody("/profiles", by_profile.all),
        door.everybody("/profile/{name:path}", by_profile.look),
        door.everybody("/robots.txt", robots.Robots(site).look),
    ]


def _search_routes(here: Installation, door: Door, showcase: Showcase) -> list[Route]:
    """Trying rules on papers, and proposing some."""
    trying = Limits(per_client=120, overall=1_200, within=timedelta(minutes=1))
    previewing = preview.Previewing(here.store, here.library, showcase, trying)
    proposing = propose.Proposing(here.store, Limits(per_client=10, overall=200))
    return [
        door.route("/search", search.Searching(here.library, showcase, trying).look),
        door.route("/preview", act=previewing.act, changes=False),
        door.route("/propose", proposing.look, proposing.act, changes=False),
    ]


def _own_routes(here: Installation, door: Door, site: Site, showcase: Showcase, mails: Limits) -> list[Route]:
    """What subscribers do by the links in their mails, and signed in."""
    entering = enter.Entering(here.store, here.links, door.sessions)
    choosing = settings.Choosing(here.store, here.templates)
    pausing = pause.Pausing(here.store, here.links)
    muting = mute.Muting(here.store, here.links)
    reading = read.Reading(here.store, here.links, showcase)
    feeding = feed.Feeding(here.store, here.links, here.templates, showcase, site)
    moving = address.Moving(here.store, here.links, here.membership, door.sessions, mails, here.config.signup)
    keeping = data.Keeping(here.store, here.membership, door.sessions)
    leaving = leave.Leaving(here.store, here.membership, door.sessions)
    return [
        door.route("/preferences/{token}", entering.look),
        door.route("/pause/{token}", pausing.look_by_link, pausing.act_by_link),
        door.route("/mute/{token}", muting.look, muting.act),
        door.route("/read/{token}", reading.look_by_link),
        door.route("/feed/{token}/{form}", feeding.read),
        door.route("/address/{token}", moving.look_by_link, moving.act_by_link),
        door.own("/settings", choosing.look, choosing.act),
        door.own("/settings/pause", pausing.look, pausing.act),
        door.own("/settings/digests", reading.list),
        door.own("/settings/digests/{slot}", reading.look),
        door.own("/settings/feed", feeding.look, feeding.act),
        door.own("/settings/address", moving.look, moving.ask),
        door.own("/settings/data", keeping.look, keeping.erase),
        door.own("/settings/data/export", keeping.export),
        door.own("/settings/leave", leaving.look, leaving.act),
    ]
