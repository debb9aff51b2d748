"""Which path is which page of shared profiles."""

from datetime import timedelta
from functools import partial
from threading import Lock
from typing import Any
from zoneinfo import ZoneInfo

from starlette.routing import Route

from digest.installation import Installation
from digest.models import Role
from digest.web.admin.profiles import (
    editor,
    exchange,
    followers,
    overview,
    query,
    remove,
    rename,
    testmail,
    trial,
    versions,
)
from digest.web.admin.sending.bench import Bench, new_reader
from digest.web.desk import Desk
from digest.web.limits import AtOnce, Limits
from digest.web.papers import Showcase

_PATIENCE = 15.0  # seconds that each step of a test mail may take: somebody waits for its page

WITH_SAMPLES: tuple[Any, ...] = (
    overview,
    editor,
    versions,
    rename,
    remove,
    followers,
    exchange,
    query,
    testmail,
)


def routes(here: Installation, desk: Desk, showcase: Showcase) -> list[Route]:
    """The pages of an installation."""
    return [*_around(here, desk, showcase), *_editing(here, desk, showcase)]


def _around(here: Installation, desk: Desk, showcase: Showcase) -> list[Route]:
    """Before `_editing`, for whose {id} their names would be taken."""
    editor = Role.EDITOR
    looking_back = versions.LookingBack(here.store, ZoneInfo(here.config.newsletter.timezone))
    renaming, removing = rename.RenamingProfiles(here.store), remove.RemovingProfiles(here.store)
    exchanging = exchange.Exchanging(here.store)
    asking = query.AskingAsElsewhere(here.library, showcase)
    mailing = _mailing(here, showcase)
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
        desk.route("/admin/profiles/{id}/test", mailing.look, mailing.act, needs=editor),
    ]


def _mailing(here: Installation, showcase: Showcase) -> testmail.SendingTestMails:
    newsletter, delivery = here.config.newsletter, here.config.delivery
    maildir = str(here.config.path(delivery.maildir.path)) if delivery.transport == "maildir" else ""
    way = testmail.Way(
        bench=Bench(here),
        transport=partial(here.transport, timeout=_PATIENCE),
        membership=here.membership,
        domain=here.domain,
        maildir=maildir,
    )
    return testmail.SendingTestMails(
        store=here.store,
        library=here.library,
        showcase=showcase,
        way=way,
        reader=new_reader(newsletter.timezone, newsletter.language),
        days=newsletter.welcome_days,
        sending=Lock(),
    )


def _editing(here: Installation, desk: Desk, showcase: Showcase) -> list[Route]:
    """What readers are given to follow: for editors, too."""
    listing = overview.ListingProfiles(here.store, here.library)
    # Browsers ask again as soon as they are answered, while somebody types: far more often than strangers' may.
    trying = Limits(per_client=1_800, overall=3_600, within=timedelta(minutes=1))
    timezone = ZoneInfo(here.config.newsletter.timezone)
    at_once = AtOnce(3)  # two tabs and a preview: rules without an end take seconds, and others' pages would wait
    editing = editor.Editing(here.store, trial.Trying(here.library, showcase), trying, at_once, timezone)
    return [
        desk.route("/admin/profiles", listing.look, needs=Role.EDITOR),
        desk.route("/admin/profiles/new", editing.look_at_new, editing.add, needs=Role.EDITOR),
        desk.route("/admin/profiles/preview", editing.look_at_none, editing.try_out, needs=Role.EDITOR, changes=False),
        desk.route("/admin/profiles/{id}", editing.look, editing.save, needs=Role.EDITOR),
    ]
