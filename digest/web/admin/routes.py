"""Which path is which page of the desk."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from threading import Lock
from typing import Any
from zoneinfo import ZoneInfo

from starlette.routing import Route

from digest.bounce import BounceReport
from digest.installation import Installation
from digest.models import Role
from digest.web import desk as entrance
from digest.web.admin import (
    bounces,
    coming,
    deliveries,
    delivery,
    editor,
    exchange,
    exports,
    followers,
    importing,
    log,
    profiles,
    query,
    remove,
    rename,
    sign_in,
    sources,
    submission,
    submissions,
    subscriber,
    subscriber_form,
    subscribers,
    suppressions,
    templates,
    testmail,
    today,
    tokens,
    trial,
    uploads,
    versions,
    why,
)
from digest.web.admin.bench import Bench
from digest.web.admin.lookups import LookUps
from digest.web.desk import Desk
from digest.web.door import Door
from digest.web.limits import Limits
from digest.web.papers import Showcase

_PATIENCE = 15.0  # seconds that each step of a test mail may take: somebody waits for its page

WITH_SAMPLES: tuple[Any, ...] = (
    *(entrance, sign_in, today, profiles, editor, log),
    *(versions, rename, remove, followers, exchange, query, testmail, templates, tokens),
    *(deliveries, delivery, coming, sources, submissions, submission),
    *(subscribers, subscriber, subscriber_form, why, importing, suppressions, bounces),
)


def desk_routes(
    here: Installation, door: Door, showcase: Showcase, ask_sources: Callable[[], None] | None
) -> list[Route]:
    """What admins and editors do. `ask_sources` has all sources asked soon."""
    desk = Desk(
        store=here.store, secret=here.links.secret, path=door.sessions.path, https=door.sessions.https, door=door
    )
    return [
        *_entrance(here, door, desk),
        *_operating(here, desk),
        *_around_profiles(here, desk, showcase),
        *_editing(here, desk, showcase),
        *_templates(here, desk),
        *_tokens(here, desk),
        *_deliveries(here, desk),
        *_papers(here, desk, ask_sources),
        *_subscribers(here, desk),
    ]


def _entrance(here: Installation, door: Door, desk: Desk) -> list[Route]:
    tries = Limits(per_client=10, overall=200, within=timedelta(minutes=15))
    signing_in = sign_in.SigningInAtTheDesk(here.store, desk, tries)
    return [
        door.route("/admin/sign-in", signing_in.look, signing_in.act, changes=False),
        desk.route("/admin/sign-out", act=signing_in.leave, needs=Role.EDITOR),
    ]


def _operating(here: Installation, desk: Desk) -> list[Route]:
    """What goes out, and what was done."""
    timezone = ZoneInfo(here.config.newsletter.timezone)
    looking = today.LookingAtToday(here.store, timezone)
    ahead = coming.LookingAtNext(here.store, here.interests, here.publishing, timezone)
    return [
        desk.route("/admin", looking.look, needs=Role.EDITOR),
        desk.route("/admin/next", ahead.look),
        desk.route("/admin/hold", act=looking.hold),
        desk.route("/admin/release", act=looking.release),
        desk.route("/admin/log", log.LookingAtTheLog(here.store, timezone).look),
    ]


def _deliveries(here: Installation, desk: Desk) -> list[Route]:
    """What became of every mail."""
    timezone = ZoneInfo(here.config.newsletter.timezone)
    listing = deliveries.ListingDeliveries(here.store, timezone)
    looking = delivery.LookingAtDelivery(here.store, here.membership, here.composer, timezone)
    return [
        desk.route("/admin/deliveries", listing.look, listing.act),
        desk.route("/admin/deliveries/{id}", looking.look, looking.act),
        desk.route("/admin/deliveries/{id}/mail", looking.look_at_mail),
    ]


def _papers(here: Installation, desk: Desk, ask_sources: Callable[[], None] | None) -> list[Route]:
    """Where they come from: the sources, and readers."""
    timezone = ZoneInfo(here.config.newsletter.timezone)
    asking = sources.LookingAtSources(here.store, here.config.source, timezone, ask_sources)
    listing = submissions.ListingSubmissions(here.store, timezone)
    looking = submission.LookingAtSubmission(here.store, timezone, LookUps(here.strangers_fetcher))
    return [
        desk.route("/admin/sources", asking.look, asking.ask),
        desk.route("/admin/submissions", listing.look),
        desk.route("/admin/submissions/{id}", looking.look, looking.act),
    ]


def _around_profiles(here: Installation, desk: Desk, showcase: Showcase) -> list[Route]:
    """Before `_editing`, for whose {id} their names would be taken."""
    editor = Role.EDITOR
    looking_back = versions.LookingBack(here.store, ZoneInfo(here.config.newsletter.timezone))
    renaming, removing = rename.RenamingProfiles(here.store), remove.RemovingProfiles(here.store)
    exchanging = exchange.Exchanging(here.store)
    asking = query.AskingAsElsewhere(here.library, showcase)
    trying = _trying(here, showcase)
    version = "/admin/profiles/{id}/history/{version}"
    return [
        desk.route("/admin/profiles/removed", looking_back.removed, needs=editor),
        desk.route("/admin/profiles/export", exchanging.export, needs=editor),
        desk.route("/admin/profiles/import", exchanging.look, exchanging.act, needs=editor),
        desk.route("/admin/profiles/query", asking.look, asking.act, needs=editor),
        desk.route("/admin/profiles/{id}/history", looking_back.history, needs=editor),
        desk.route(version, looking_back.look, looking_back.restore, needs=editor),
        desk.route("/admin/profiles/{id}/rename", renaming.look, renaming.act, needs=editor),
        desk.route("/admin/profiles/{id}/remove", removing.look, removing.act, needs=editor),
        desk.route("/admin/profiles/{id}/followers", followers.ListingFollowers(here.store).look),
        desk.route("/admin/profiles/{id}/test", trying.look, trying.act, needs=editor),
    ]


def _trying(here: Installation, showcase: Showcase) -> testmail.TryingProfiles:
    newsletter, delivery = here.config.newsletter, here.config.delivery
    maildir = str(here.config.path(delivery.maildir.path)) if delivery.transport == "maildir" else ""
    way = testmail.Way(
        bench=Bench(here),
        transport=partial(here.transport, timeout=_PATIENCE),
        membership=here.membership,
        domain=here.domain,
        maildir=maildir,
    )
    return testmail.TryingProfiles(
        store=here.store,
        library=here.library,
        showcase=showcase,
        way=way,
        reader=testmail.new_reader(newsletter.timezone, newsletter.language),
        days=newsletter.welcome_days,
        sending=Lock(),
    )


def _templates(here: Installation, desk: Desk) -> list[Route]:
    newsletter = here.config.newsletter
    looking = templates.LookingAtTemplates(
        store=here.store,
        library=here.library,
        bench=Bench(here, follows_files=True),
        reader=testmail.new_reader(newsletter.timezone, newsletter.language),
        domain=here.domain,
    )
    return [
        desk.route("/admin/templates", looking.look),
        desk.route("/admin/templates/{kind}/{language}", looking.mail),
        desk.route("/admin/templates/{kind}/{language}/html", looking.html),
    ]


def _editing(here: Installation, desk: Desk, showcase: Showcase) -> list[Route]:
    """What readers are given to follow: for editors, too."""
    listing = profiles.ListingProfiles(here.store, here.library)
    # Browsers ask again as soon as they are answered, while somebody types: far more often than strangers' may.
    trying = Limits(per_client=1_800, overall=3_600, within=timedelta(minutes=1))
    timezone = ZoneInfo(here.config.newsletter.timezone)
    editing = editor.Editing(here.store, trial.Trying(here.library, showcase), trying, timezone)
    return [
        desk.route("/admin/profiles", listing.look, needs=Role.EDITOR),
        desk.route("/admin/profiles/new", editing.look_at_new, editing.add, needs=Role.EDITOR),
        desk.route("/admin/profiles/preview", editing.look_at_none, editing.try_out, needs=Role.EDITOR, changes=False),
        desk.route("/admin/profiles/{id}", editing.look, editing.save, needs=Role.EDITOR),
    ]


def _tokens(here: Installation, desk: Desk) -> list[Route]:
    """What opens the API: each their own, so for editors, too."""
    keeping = tokens.KeepingTokens(here.store, f"{here.config.newsletter.base_url}/api/v1")
    return [
        desk.route("/admin/tokens", keeping.look, keeping.make, needs=Role.EDITOR),
        desk.route("/admin/tokens/{id}/revoke", act=keeping.revoke, needs=Role.EDITOR),
    ]


def _subscribers(here: Installation, desk: Desk) -> list[Route]:
    """Who gets digests, and who must not be mailed."""
    newsletter, timezone = here.config.newsletter, ZoneInfo(here.config.newsletter.timezone)
    listing = subscribers.ListingSubscribers(here.store, timezone)
    one = subscriber.SeeingToSomebody(here.store, here.membership, timezone)
    writing = subscriber_form.WritingDown(
        here.store, here.membership, here.templates, newsletter.timezone, newsletter.language
    )
    exporting = exports.Exporting(here.store, here.membership)
    many = importing.Importing(here, uploads.Imports(here, desk.door.at_length))
    return [
        desk.route("/admin/subscribers", listing.look),
        desk.route("/admin/subscribers/new", writing.look_new, writing.add),
        desk.route("/admin/subscribers/export", exporting.everybody),
        desk.upload_route("/admin/subscribers/import", many.look, many.upload),
        desk.route("/admin/subscribers/import/{id}", many.follow, many.decide),
        desk.route("/admin/subscribers/import/{id}/report", many.report),
        desk.route("/admin/subscribers/{id}", one.look, one.act),
        desk.route("/admin/subscribers/{id}/edit", writing.look, writing.save),
        desk.route("/admin/subscribers/{id}/why", why.Explaining(here).look),
        desk.route("/admin/subscribers/{id}/export", exporting.one),
        *_undeliverable(here, desk, timezone),
    ]


def _undeliverable(here: Installation, desk: Desk, timezone: ZoneInfo) -> list[Route]:
    at_length = desk.door.at_length

    def read(now: datetime) -> BounceReport:
        return here.poll_bounces(now=now, stopping=at_length.stopping.is_set)

    reads = read if here.config.bounces.has_inbox else None
    suppressing = suppressions.Suppressing(here.store, here.membership, timezone)
    came_back = bounces.ListingBounces(here.store, here.membership, timezone, at_length, reads)
    return [
        desk.route("/admin/suppressions", suppressing.look, suppressing.act),
        desk.route("/admin/bounces", came_back.look, came_back.poll),
    ]
