"""Which path is which page of the desk."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from starlette.routing import Route

from digest.installation import Installation
from digest.models import Role
from digest.web import desk as entrance
from digest.web.admin import log, profile, profiles, sign_in, today
from digest.web.desk import Desk
from digest.web.door import Door
from digest.web.limits import Limits

WITH_SAMPLES: tuple[Any, ...] = (entrance, sign_in, today, profiles, profile, log)


def desk_routes(here: Installation, door: Door) -> list[Route]:
    """What admins and editors do."""
    desk = Desk(
        store=here.store, secret=here.links.secret, path=door.sessions.path, https=door.sessions.https, door=door
    )
    return [*_entrance(here, door, desk), *_operating(here, desk), *_editing(here, desk)]


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
    return [
        desk.route("/admin", looking.look, needs=Role.EDITOR),
        desk.route("/admin/hold", act=looking.hold),
        desk.route("/admin/release", act=looking.release),
        desk.route("/admin/log", log.LookingAtTheLog(here.store, timezone).look),
    ]


def _editing(here: Installation, desk: Desk) -> list[Route]:
    """What readers are given to follow: for editors, too."""
    listing = profiles.ListingProfiles(here.store)
    editing = profile.Editing(here.store)
    return [
        desk.route("/admin/profiles", listing.look, needs=Role.EDITOR),
        desk.route("/admin/profiles/{id}", editing.look, needs=Role.EDITOR),
    ]
