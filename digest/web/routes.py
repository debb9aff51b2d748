"""Which path is which page, and what each page works on."""

from datetime import datetime
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from starlette.routing import BaseRoute, Route

from digest.app import App
from digest.models import Subscriber
from digest.pipeline import publish
from digest.subscribers.sign_up import SignUp
from digest.web import account
from digest.web.admin.routes import desk_routes
from digest.web.admin_auth import Desk
from digest.web.context import Site
from digest.web.dependencies import Services
from digest.web.handlers import Door
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
from digest.web.rate_limits import RateLimit, RateLimits

_ROUTERS: tuple[APIRouter, ...] = (*account.ROUTERS,)


def routes(services: Services, door: Door, desk: Desk) -> list[BaseRoute]:
    """The pages of an installation. Raises DigestError."""
    app, site, showcase, mails = services.app, services.site, services.showcase, services.limits.mails

    def welcome(reader: Subscriber, now: datetime) -> None:
        publish.publish_welcome(app.store, app.compiled_profiles, reader, app.selection_settings, now=now)

    leaving = unsubscribe.Unsubscribing(app.store, app.links, app.membership)
    joining = confirm.Confirming(app.store, app.links, app.membership, door.sessions, welcome)
    return [
        *(route for router in _ROUTERS for route in router.routes),
        *_reading_routes(app, door, site, showcase),
        *(door.route(f"/{name}", notices.page(name, file)) for name, file in notices.files(app.config).items()),
        door.route("/unsubscribe/{token}", leaving.look, leaving.act, from_anywhere=True),
        door.route("/confirm/{token}", joining.look, joining.act),
        *_joining_routes(app, door, mails),
        *_search_routes(app, door, showcase, services.limits),
        *desk_routes(services, desk),
    ]


def _joining_routes(app: App, door: Door, mails: RateLimit) -> list[Route]:
    """`mails`: how many strangers may have us send."""
    signup, newsletter = app.config.signup, app.config.newsletter
    to_mailbox, rules = mailbox.Mailbox(app.store, mails), SignUp(app.membership)
    subscribing = subscribe.Subscribing(
        store=app.store,
        joining=rules,
        mailbox=to_mailbox,
        signup=signup,
        timezone=newsletter.timezone,
        language=newsletter.language,
    )
    signing_in = sign_in.SigningIn(
        store=app.store, links=app.links, sessions=door.sessions, joining=rules, mailbox=to_mailbox
    )
    return [
        door.route("/subscribe", subscribing.look, subscribing.act),
        door.route("/sign-in", signing_in.look, signing_in.ask),
        door.route("/sign-in/{token}", signing_in.look_in, signing_in.enter),
        door.own("/sign-out", act=signing_in.leave),
    ]


def _reading_routes(app: App, door: Door, site: Site, showcase: Showcase) -> list[Route]:
    """The papers, for everybody."""
    language = app.config.newsletter.language
    by_date = editions.Editions(app.store, showcase, site, language)
    by_profile = profiles.Profiles(app.store, showcase, site, language, app.recent_papers)
    one_by_one = paper.Papers(app.store, showcase, ZoneInfo(app.config.newsletter.timezone))
    citing = cite.Citing(app.store, showcase, site)
    return [
        door.everybody("/", front.Front(app.store, showcase).look),
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


def _search_routes(app: App, door: Door, showcase: Showcase, limits: RateLimits) -> list[Route]:
    """Trying rules on papers, and proposing some."""
    trying = limits.preview
    previewing = preview.Previewing(app.store, app.recent_papers, showcase, trying)
    proposing = propose.Proposing(app.store, limits.proposals)
    return [
        door.route("/search", search.Searching(app.recent_papers, showcase, trying).look),
        door.route("/preview", act=previewing.act, changes=False),
        door.route("/propose", proposing.look, proposing.act, changes=False),
    ]
