"""Which path is which page of subscribers, suppressions and bounces."""

from datetime import datetime
from zoneinfo import ZoneInfo

from starlette.routing import Route

from digest.app import App
from digest.pipeline.bounces import BounceReport
from digest.web.admin.subscribers import (
    bounces,
    exports,
    importing,
    listing,
    subscriber,
    subscriber_form,
    suppressions,
    uploads,
    why,
)
from digest.web.admin_auth import Desk


def routes(app: App, desk: Desk) -> list[Route]:
    """Who gets digests, and who must not be mailed."""
    newsletter, timezone = app.config.newsletter, ZoneInfo(app.config.newsletter.timezone)
    subscriber_list = listing.ListingSubscribers(app.store, timezone)
    one = subscriber.SeeingToSomebody(app.store, app.membership, timezone)
    writing = subscriber_form.WritingDown(
        app.store, app.membership, app.templates, newsletter.timezone, newsletter.language
    )
    exporting = exports.Exporting(app.store, app.membership)
    many = importing.Importing(app, uploads.Imports(app, desk.door.at_length))
    return [
        desk.route("/admin/subscribers", subscriber_list.look),
        desk.route("/admin/subscribers/new", writing.look_new, writing.add),
        desk.route("/admin/subscribers/export", exporting.everybody),
        desk.upload_route("/admin/subscribers/import", many.look, many.upload),
        desk.route("/admin/subscribers/import/{id}", many.follow, many.decide),
        desk.route("/admin/subscribers/import/{id}/report", many.report),
        desk.route("/admin/subscribers/{id}", one.look, one.act),
        desk.route("/admin/subscribers/{id}/edit", writing.look, writing.save),
        desk.route("/admin/subscribers/{id}/why", why.Explaining(app).look),
        desk.route("/admin/subscribers/{id}/export", exporting.one),
        *_undeliverable(app, desk, timezone),
    ]


def _undeliverable(app: App, desk: Desk, timezone: ZoneInfo) -> list[Route]:
    at_length = desk.door.at_length

    def read(now: datetime) -> BounceReport:
        return app.process_inbox(now=now, stopping=at_length.stopping.is_set)

    reads = read if app.config.bounces.has_inbox else None
    suppressing = suppressions.Suppressing(app.store, app.membership, timezone)
    came_back = bounces.ListingBounces(app.store, app.membership, timezone, at_length, reads)
    return [
        desk.route("/admin/suppressions", suppressing.look, suppressing.act),
        desk.route("/admin/bounces", came_back.look, came_back.poll),
    ]
