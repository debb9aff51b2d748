"""Which path is which page of the desk."""

from collections.abc import Callable
from datetime import timedelta
from zoneinfo import ZoneInfo

from starlette.routing import BaseRoute, Route

from digest.app import App
from digest.models import Role
from digest.web.admin import log, sign_in, today, tokens
from digest.web.admin.papers import routes as papers
from digest.web.admin.profiles import routes as profiles
from digest.web.admin.sending import routes as sending
from digest.web.admin.subscribers import bounces, importing, listing, subscriber, subscriber_form, suppressions
from digest.web.admin_auth import Desk
from digest.web.handlers import Door
from digest.web.limits import Limits
from digest.web.papers import Showcase

_PEOPLE_ROUTERS = (
    *(listing.router, subscriber_form.router, importing.upload_router, importing.router),
    *(subscriber.router, suppressions.router, bounces.router),
)


def desk_routes(
    app: App, door: Door, desk: Desk, showcase: Showcase, ask_sources: Callable[[], None] | None
) -> list[BaseRoute]:
    """What admins and editors do. `ask_sources` has all sources asked soon."""
    return [
        *_entrance(app, door, desk),
        *_operating(app, desk),
        *_tokens(app, desk),
        *profiles.routes(app, desk, showcase),
        # In this order: /new, /export and /import come before /{id}.
        *(route for router in _PEOPLE_ROUTERS for route in router.routes),
        *sending.routes(app, desk),
        *papers.routes(app, desk, ask_sources),
    ]


def _entrance(app: App, door: Door, desk: Desk) -> list[Route]:
    tries = Limits(per_client=10, overall=200, within=timedelta(minutes=15))
    signing_in = sign_in.SigningInAtTheDesk(app.store, desk, tries)
    return [
        door.route("/admin/sign-in", signing_in.look, signing_in.act, changes=False, from_here=True),
        desk.route("/admin/sign-out", act=signing_in.leave, needs=Role.EDITOR),
    ]


def _operating(app: App, desk: Desk) -> list[Route]:
    """What goes out, and what was done."""
    timezone = ZoneInfo(app.config.newsletter.timezone)
    looking = today.LookingAtToday(app.store, timezone)
    return [
        desk.route("/admin", looking.look, needs=Role.EDITOR),
        desk.route("/admin/hold", act=looking.hold),
        desk.route("/admin/release", act=looking.release),
        desk.route("/admin/log", log.LookingAtTheLog(app.store, timezone).look),
    ]


def _tokens(app: App, desk: Desk) -> list[Route]:
    """What opens the API: each their own, so for editors, too."""
    keeping = tokens.KeepingTokens(app.store, f"{app.config.newsletter.base_url}/api/v1")
    return [
        desk.route("/admin/tokens", keeping.look, keeping.make, needs=Role.EDITOR),
        desk.route("/admin/tokens/{id}/revoke", act=keeping.revoke, needs=Role.EDITOR),
    ]
