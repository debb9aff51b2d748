"""Which path is which page of shared profiles."""

from functools import partial
from threading import Lock
from zoneinfo import ZoneInfo

from starlette.routing import Route

from digest.app import App
from digest.models import Role
from digest.web.admin.profiles import (
    editor,
    exchange,
    followers,
    overview,
    query,
    remove,
    rename,
    test_mail,
    trial,
    versions,
)
from digest.web.admin.sending.preview_composer import PreviewComposer
from digest.web.admin_auth import Desk
from digest.web.papers import PaperCards
from digest.web.rate_limits import RateLimits

_PATIENCE = 15.0  # seconds that each step of a test mail may take: somebody waits for its page


def routes(app: App, desk: Desk, cards: PaperCards, limits: RateLimits) -> list[Route]:
    """The pages of an installation."""
    return [*_around(app, desk, cards), *_editing(app, desk, cards, limits)]


def _around(app: App, desk: Desk, cards: PaperCards) -> list[Route]:
    """Before `_editing`, for whose {id} their names would be taken."""
    editor = Role.EDITOR
    looking_back = versions.LookingBack(app.store, ZoneInfo(app.config.newsletter.timezone))
    renaming, removing = rename.RenamingProfiles(app.store), remove.RemovingProfiles(app.store)
    exchanging = exchange.Exchanging(app.store)
    asking = query.AskingAsElsewhere(app.recent_papers, cards)
    mailing = _mailing(app, cards)
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
        desk.route("/admin/profiles/{id}/followers", followers.ListingFollowers(app.store).look),
        desk.route("/admin/profiles/{id}/test", mailing.look, mailing.act, needs=editor),
    ]


def _mailing(app: App, cards: PaperCards) -> test_mail.SendingTestMails:
    newsletter, delivery = app.config.newsletter, app.config.delivery
    maildir = str(app.config.path(delivery.maildir.path)) if delivery.transport == "maildir" else ""
    way = test_mail.Way(
        bench=PreviewComposer(app),
        transport=partial(app.transport, timeout=_PATIENCE),
        membership=app.membership,
        domain=app.domain,
        maildir=maildir,
    )
    return test_mail.SendingTestMails(
        store=app.store,
        recent_papers=app.recent_papers,
        cards=cards,
        way=way,
        reader=PreviewComposer(app).reader,
        days=newsletter.welcome_days,
        sending=Lock(),
    )


def _editing(app: App, desk: Desk, cards: PaperCards, limits: RateLimits) -> list[Route]:
    """What readers are given to follow: for editors, too."""
    listing = overview.ListingProfiles(app.store, app.recent_papers)
    timezone = ZoneInfo(app.config.newsletter.timezone)
    trying = trial.Trying(app.recent_papers, cards)
    editing = editor.Editing(app.store, trying, limits.admin_preview, limits.admin_previews_at_once, timezone)
    return [
        desk.route("/admin/profiles", listing.look, needs=Role.EDITOR),
        desk.route("/admin/profiles/new", editing.look_at_new, editing.add, needs=Role.EDITOR),
        desk.route("/admin/profiles/preview", editing.look_at_none, editing.try_out, needs=Role.EDITOR, changes=False),
        desk.route("/admin/profiles/{id}", editing.look, editing.save, needs=Role.EDITOR),
    ]
