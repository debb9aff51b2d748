"""Which path is which page of mails."""

from zoneinfo import ZoneInfo

from starlette.routing import Route

from digest.app import App
from digest.web.admin.sending import coming, deliveries, delivery, templates
from digest.web.admin.sending.bench import Bench, new_reader
from digest.web.admin_auth import Desk


def routes(app: App, desk: Desk) -> list[Route]:
    """The pages of an installation."""
    timezone = ZoneInfo(app.config.newsletter.timezone)
    ahead = coming.LookingAtNext(app.store, app.compiled_profiles, app.selection_settings, timezone)
    return [desk.route("/admin/next", ahead.look), *_deliveries(app, desk), *_templates(app, desk)]


def _deliveries(app: App, desk: Desk) -> list[Route]:
    """What became of every mail."""
    timezone = ZoneInfo(app.config.newsletter.timezone)
    listing = deliveries.ListingDeliveries(app.store, timezone)
    looking = delivery.LookingAtDelivery(app.store, app.membership, app.composer, timezone)
    return [
        desk.route("/admin/deliveries", listing.look, listing.act),
        desk.route("/admin/deliveries/{id}", looking.look, looking.act),
        desk.route("/admin/deliveries/{id}/mail", looking.look_at_mail),
    ]


def _templates(app: App, desk: Desk) -> list[Route]:
    newsletter = app.config.newsletter
    looking = templates.LookingAtTemplates(
        store=app.store,
        recent_papers=app.recent_papers,
        bench=Bench(app, follows_files=True),
        reader=new_reader(newsletter.timezone, newsletter.language),
        domain=app.domain,
    )
    return [
        desk.route("/admin/templates", looking.look),
        desk.route("/admin/templates/{kind}/{language}", looking.mail),
        desk.route("/admin/templates/{kind}/{language}/html", looking.html),
    ]
