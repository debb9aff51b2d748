"""Which path is which page of subscribers, suppressions and bounces."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from starlette.routing import Route

from digest.bounce import BounceReport
from digest.installation import Installation
from digest.web.admin.people import (
    bounces,
    exports,
    importing,
    subscriber,
    subscriber_form,
    subscribers,
    suppressions,
    uploads,
    why,
)
from digest.web.desk import Desk

WITH_SAMPLES: tuple[Any, ...] = (subscribers, subscriber, subscriber_form, why, importing, suppressions, bounces)


def routes(here: Installation, desk: Desk) -> list[Route]:
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
