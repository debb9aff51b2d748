"""Registers the admin pages."""

from starlette.routing import BaseRoute

from digest.web.admin import log, papers, sending, sign_in, subscribers, today, tokens
from digest.web.admin.profiles import routes as profiles
from digest.web.admin_auth import Desk
from digest.web.dependencies import Services

_ROUTERS = (
    *(sign_in.router, sign_in.sign_out_router, today.router, log.router, tokens.router),
    *(*subscribers.ROUTERS, *sending.ROUTERS, *papers.ROUTERS),
)


def desk_routes(services: Services, desk: Desk) -> list[BaseRoute]:
    """The pages of admins and editors."""
    return [
        *profiles.routes(services.app, desk, services.cards, services.limits),
        *(route for router in _ROUTERS for route in router.routes),
    ]
