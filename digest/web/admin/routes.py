"""Which path is which page of the desk."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from starlette.routing import Route

from digest.installation import Installation
from digest.models import Role
from digest.web import desk as entrance
from digest.web.admin import editor, log, profiles, sign_in, today, trial
from digest.web.desk import Desk
from digest.web.door import Door
from digest.web.limits import Limits
from digest.web.papers import Showcase

WITH_SAMPLES: tuple[Any, ...] = (entrance, sign_in, today, profiles, editor, log)


def desk_routes(here: Installation, door: Door, showcase: Showcase) -> list[Route]:
    """What admins and editors do."""
    desk = Desk(
        store=here.store, secret=here.links.secret, path=door.sessions.path, https=door.sessions.https, door=door
    )
    return [*_entrance(here, door, desk), *_operating(here, desk), *_editing(here, desk, showcase)]


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
