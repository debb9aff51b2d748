"""Which path is which page of the desk."""

from zoneinfo import ZoneInfo

from starlette.routing import BaseRoute, Route

from digest.app import App
from digest.models import Role
from digest.web.admin import log, sign_in, subscribers, today, tokens
from digest.web.admin.papers import routes as papers
from digest.web.admin.profiles import routes as profiles
from digest.web.admin.sending import routes as sending
from digest.web.admin_auth import Desk
from digest.web.dependencies import Services
from digest.web.handlers import Door
from digest.web.rate_limits import RateLimit

_ROUTERS = (*subscribers.ROUTERS,)


def desk_routes(services: Services, door: Door, desk: Desk) -> list[BaseRoute]:
    """The pages of admins and editors."""
    app, showcase = services.app, services.showcase
    return [
        *_entrance(app, door, desk, services.limits.admin_sign_in),
        *_operating(app, desk),
        *_tokens(app, desk),
        *profiles.routes(app, desk, showcase, services.limits),
        *(route for router in _ROUTERS for route in router.routes),
        *sending.routes(app, desk),
        *papers.routes(app, desk, services.ask_sources),
    ]


def _entrance(app: App, door: Door, desk: Desk, tries: RateLimit) -> list[Route]:
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
