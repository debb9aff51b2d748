"""Which path is which page of mails."""

from typing import Any
from zoneinfo import ZoneInfo

from starlette.routing import Route

from digest.installation import Installation
from digest.web.admin.sending import coming, deliveries, delivery, templates
from digest.web.admin.sending.bench import Bench, new_reader
from digest.web.desk import Desk

WITH_SAMPLES: tuple[Any, ...] = (coming, deliveries, delivery, templates)


def routes(here: Installation, desk: Desk) -> list[Route]:
    """The pages of an installation."""
    timezone = ZoneInfo(here.config.newsletter.timezone)
    ahead = coming.LookingAtNext(here.store, here.interests, here.publishing, timezone)
    return [desk.route("/admin/next", ahead.look), *_deliveries(here, desk), *_templates(here, desk)]


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


def _templates(here: Installation, desk: Desk) -> list[Route]:
    newsletter = here.config.newsletter
    looking = templates.LookingAtTemplates(
        store=here.store,
        library=here.library,
        bench=Bench(here, follows_files=True),
        reader=new_reader(newsletter.timezone, newsletter.language),
        domain=here.domain,
    )
    return [
        desk.route("/admin/templates", looking.look),
        desk.route("/admin/templates/{kind}/{language}", looking.mail),
        desk.route("/admin/templates/{kind}/{language}/html", looking.html),
    ]
