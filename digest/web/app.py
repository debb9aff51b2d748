"""The application: middleware, error pages, static files, and the paths at which pages are served.

Below a path (newsletter.base_url = "https://example.org/digest") every page is served at /digest/… and at /…, so that
the proxy in front may strip the prefix or not. (A prefix that is also the path of a page, such as /static, needs a
proxy that strips it.) Links on pages always have the prefix. They are made from base_url, never from a request's Host.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog
from anyio import to_thread
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.staticfiles import StaticFiles

from digest.app import App
from digest.errors import DigestError, NotFoundError, UsageError
from digest.security.addresses import parse_mailbox
from digest.store import audit
from digest.web import account, admin, public
from digest.web.admin.profiles.test_mail import TestMailSender
from digest.web.admin.subscribers.bounces_and_suppressions import BounceMailbox
from digest.web.admin.subscribers.importing import Imports
from digest.web.admin.templates import PreviewComposer
from digest.web.api.app import mounted
from digest.web.auth import refuse
from digest.web.background import Background
from digest.web.cache import CacheMiddleware, Versions
from digest.web.dependencies import RequestContext, Services, allowed_methods, cached_router
from digest.web.page_templates import check_page_templates
from digest.web.papers import PaperCards
from digest.web.public.site import inbox_router, notice_files, notice_router, show_front_page
from digest.web.rate_limits import RateLimits, SignInLimit
from digest.web.rendering import Problem, Renderer, Site
from digest.web.security import BodyLimit, Faults, SecurityHeaders, without_token
from digest.web.sessions import AdminSessions, Sessions

log = structlog.get_logger()

_STATIC = Path(__file__).with_name("static")
_GRACE = 3.0  # seconds that background work may take when the program stops
_WEEK = 7 * 24 * 3600
_LAG = 1.0  # seconds
_KNOWN_FOR = timedelta(days=90)  # that networks of admins are remembered across restarts
_MAX_THREADS = 8  # pages made at the same time: with more, all would only be slower


def create_app(
    app: App,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    changed: Callable[[], None] = lambda: None,
    ask_sources: Callable[[], None] | None = None,
    inbox: Path | None = None,
    lag: float = _LAG,
) -> FastAPI:
    """Return the pages of an installation. Raises DigestError if one of them could not be shown.

    `changed` is called, in any thread, when a page has written something: there may be mail to deliver. `ask_sources`
    has all sources asked soon; without it there is no button for that. `inbox` is a folder of mails shown at /inbox,
    for the demo. Cached pages are at most `lag` seconds older than the database.
    """
    base = urlsplit(app.config.newsletter.base_url)
    https = base.scheme == "https"
    site = _site(app, base.path, has_inbox=inbox is not None)
    services = Services(
        app=app,
        site=site,
        renderer=Renderer(app.templates, site, language=app.config.newsletter.language),
        clock=clock,
        sessions=Sessions(links=app.links, path=base.path, https=https),
        admin_sessions=AdminSessions(store=app.store, links=app.links, path=base.path, https=https),
        background=Background(changed),
        long_background=Background(changed),
        limits=_rate_limits(app),
        cards=PaperCards(),
        trusted_proxies=app.config.web.proxies,
        wake_delivery=changed,
        ask_sources=ask_sources,
    )
    check_page_templates(app.templates, site)
    asgi = FastAPI(
        openapi_url=None,
        middleware=[
            Middleware(CacheMiddleware, versions=Versions(app.store, lag=lag)),
            Middleware(SecurityHeaders, https=https, indexed=site.indexed),
            Middleware(Faults, response=lambda: _problem(services, 500)),
            Middleware(BodyLimit),
        ],
        exception_handlers=_EXCEPTION_HANDLERS,
        lifespan=_lifespan,
    )
    asgi.state.services = services
    long = services.long_background
    shared = (Imports(app, long), BounceMailbox(app, long), PreviewComposer(app, follows_files=True))
    asgi.state.shared = {type(each): each for each in (*shared, TestMailSender(app))}
    asgi.router.routes.extend(_routes(services, inbox))
    asgi.router.redirect_slashes = False  # it would redirect to the host that the request names
    return asgi


def _rate_limits(app: App) -> RateLimits:
    def admins_networks(now: datetime) -> list[str]:
        with app.store.read() as tx:
            return audit.list_sign_in_clients(tx, since=now - _KNOWN_FOR)

    mails = SignInLimit(per_client=app.config.signup.hourly_per_client, overall=app.config.signup.hourly)
    return RateLimits(mails=mails, admins_networks=admins_networks)


def _routes(services: Services, inbox: Path | None) -> list[BaseRoute]:
    """Return the routes at /… and, if the newsletter has a path, below it."""
    routers = [*public.ROUTERS, notice_router(services.app.config), *account.ROUTERS, *admin.ROUTERS]
    if inbox is not None:
        routers.append(inbox_router(inbox))
    # Not include_router: it wraps routes, and allowed_methods looks at each of them.
    routes: list[BaseRoute] = [route for router in routers for route in router.routes]
    routes.append(Route("/health", _health, methods=["GET"]))
    routes.append(Mount("/static", _StaticFiles(directory=_STATIC), name="static"))
    routes.append(mounted(services))
    if not services.site.path:
        return routes
    path, root = unquote(services.site.path), cached_router()
    root.add_api_route(path, show_front_page, methods=["GET"])
    return [*routes, *root.routes, Mount(path, app=Router(routes, redirect_slashes=False))]


def _site(app: App, path: str, *, has_inbox: bool) -> Site:
    newsletter = app.newsletter
    return Site(
        name=newsletter.name,
        postal_address=newsletter.postal_address,
        contact=parse_mailbox(newsletter.reply_to or newsletter.sender)[1],
        url=app.config.newsletter.base_url,
        path=path,
        style_url=_static_url(path, "style.css"),
        script_url=_static_url(path, "script.js"),
        desk_script_url=_static_url(path, "desk.js"),
        indexed=app.config.web.indexed,
        can_join=app.config.signup.policy != "closed",
        notices=tuple(notice_files(app.config)),
        has_inbox=has_inbox,
    )


def _static_url(path: str, name: str) -> str:
    """Return the address of a static file. It contains a hash of the content, so that browsers fetch a new one."""
    content_hash = hashlib.sha256((_STATIC / name).read_bytes()).hexdigest()[:12]
    return f"{path}/static/{name}?{content_hash}"


@asynccontextmanager
async def _lifespan(asgi: FastAPI) -> AsyncIterator[None]:
    """Limit the threads that make pages; at the end of the program, finish the background work."""
    to_thread.current_default_thread_limiter().total_tokens = _MAX_THREADS
    yield
    services: Services = asgi.state.services
    both = (services.background, services.long_background)
    for background in both:
        background.stopping.set()
    ends = monotonic() + _GRACE
    for background in both:
        await to_thread.run_sync(background.shut_down, max(0.0, ends - monotonic()))


# Error pages


def _problem(
    services: Services, status: int, *, language: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    template = "too-old.html.j2" if status == 410 else "problem.html.j2"  # 410: the link has expired
    return HTMLResponse(services.renderer.text(template, Problem(status), language=language), status, headers)


def _problem_of(request: Request, status: int, headers: Mapping[str, str] | None = None) -> Response:
    context: RequestContext | None = getattr(request.state, "context", None)
    language = context.language if context is not None else ""
    return _problem(request.app.state.services, status, language=language, headers=headers)


def _http_error(request: Request, error: HTTPException) -> Response:
    headers = dict(error.headers or {})
    if error.status_code == 303:
        return Response(status_code=303, headers=headers)
    if error.status_code == 405:
        headers["Allow"] = ", ".join(sorted(allowed_methods(request.app.routes, request.scope)))
    return _problem_of(request, error.status_code, headers)


def _digest_error(request: Request, error: DigestError) -> Response:
    """An admin learns why a request was refused. Others see that there is no such page, or that it is not available."""
    context: RequestContext | None = getattr(request.state, "context", None)
    if isinstance(error, UsageError) and context is not None and context.signed_in.email:
        return refuse(context, error)
    if isinstance(error, NotFoundError):
        return _problem_of(request, 404)
    log.error("page failed", page=without_token(request.url.path), reason=str(error))
    return _problem_of(request, 503, {"Retry-After": "60"})


_EXCEPTION_HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Any]] = {
    HTTPException: _http_error,
    RequestValidationError: lambda request, _error: _problem_of(request, 400),
    DigestError: _digest_error,
}


async def _health(_request: Request) -> Response:
    """GET /health: tells that the process answers, and nothing else."""
    return PlainTextResponse("ok")


class _StaticFiles(StaticFiles):
    """Static files, which browsers may keep: their addresses name a version."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """The file, or 304."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = f"public, max-age={_WEEK}"
        return response
