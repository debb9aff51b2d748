"""The API as an application of its own, which the pages' one holds at /api/v1."""

from collections.abc import Callable
from datetime import datetime, timedelta
from ipaddress import ip_network

from anyio import CapacityLimiter
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from digest import __version__
from digest.app import App
from digest.web.api import (
    deliveries,
    explaining,
    importing,
    operations,
    preview,
    profiles,
    submissions,
    subscribers,
    suppressions,
)
from digest.web.api.access import PATH, Access
from digest.web.api.document import document
from digest.web.api.problems import answer_problems
from digest.web.background import Background
from digest.web.rate_limits import ConcurrencyLimit, RateLimit

_AT_ONCE = 8  # calls that are being answered: more would only wait for each other
_NOUNS = (profiles, preview, subscribers, explaining, importing, suppressions, deliveries, submissions, operations)


def mounted(app: App, background: Background, clock: Callable[[], datetime], changed: Callable[[], None]) -> Mount:
    """The API of an installation, in its place. `changed` is told, in any thread, when a call has done something."""
    return Mount(PATH, app=_app(app, background, clock, changed))


def _app(app: App, background: Background, clock: Callable[[], datetime], changed: Callable[[], None]) -> FastAPI:
    # No pages that show the document: they would load scripts from elsewhere.
    asgi = FastAPI(title="Digest", version=__version__, openapi_url=None, docs_url=None, redoc_url=None)
    asgi.router.redirect_slashes = False  # it would redirect to the host that the request names
    asgi.state.turns = CapacityLimiter(_AT_ONCE)
    asgi.state.access = Access(
        app=app,
        clock=clock,
        changed=changed,
        afterwards=lambda act: background.submit(act, page=PATH),
        trusted=[ip_network(written, strict=False) for written in app.config.web.trusted_proxies],
        tries=RateLimit(per_client=20, overall=1_000, within=timedelta(minutes=15)),
        at_once=ConcurrencyLimit(2),
    )
    answer_problems(asgi)
    # Not include_router, which puts them in boxes: who asks which methods an address has looks at all.
    asgi.router.routes.extend(route for noun in _NOUNS for route in noun.router.routes)
    asgi.router.routes.append(_document_route(asgi, f"{app.config.newsletter.base_url}{PATH}"))
    return asgi


def _document_route(asgi: FastAPI, url: str) -> Route:
    def answer(_request: Request) -> JSONResponse:
        """GET /openapi.json: for everybody."""
        if asgi.openapi_schema is None:
            asgi.openapi_schema = document(asgi, url=url)
        return JSONResponse(asgi.openapi_schema)

    return Route("/openapi.json", answer, methods=["GET"])
