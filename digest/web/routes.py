"""The routes of all pages."""

from starlette.routing import BaseRoute

from digest.web import account, public
from digest.web.admin.routes import ROUTERS as ADMIN_ROUTERS
from digest.web.dependencies import Services
from digest.web.public import notices


def routes(services: Services) -> list[BaseRoute]:
    """The pages of an installation. Raises ConfigError."""
    return [
        *(route for router in (*public.ROUTERS, *account.ROUTERS) for route in router.routes),
        *notices.notice_router(services.app.config).routes,
        *(route for router in ADMIN_ROUTERS for route in router.routes),
    ]
