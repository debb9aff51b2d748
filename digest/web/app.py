"""The application: what stands around all pages, and where they are served.

Under a sub-path (newsletter.base_url = "https://example.org/digest") every page is served at both places, /digest/… and
/…, so that it does not matter whether the proxy in front strips the prefix. (A prefix that is called as one of our
pages is, such as /static, needs a proxy that strips it.) What pages link to always has it, as readers' browsers need
it. Links are made from base_url alone, never from what a request says of its host.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from email.utils import parseaddr
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog
from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from digest.app import App
from digest.errors import DigestError
from digest.web.background import Afterwards
from digest.web.cache import Remembering, Versions
from digest.web.context import Site
from digest.web.handlers import Door
from digest.web.inbox import with_inbox
from digest.web.page_templates import check_page_templates
from digest.web.pages import Pages, problem
from digest.web.public import notices
from digest.web.routes import routes
from digest.web.security import BodyLimit, Faults, SecurityHeaders, without_token
from digest.web.sessions import Sessions

log = structlog.get_logger()

_STATIC = Path(__file__).with_name("static")
_GRACE = 4.0  # seconds that what pages began may take when the program stops
_WEEK = 7 * 24 * 3600
_LAG = 1.0  # seconds


def real_time() -> datetime:
    """What the time is."""
    return datetime.now(UTC)


def create_app(
    app: App,
    *,
    clock: Callable[[], datetime] = real_time,
    changed: Callable[[], None] = lambda: None,
    ask_sources: Callable[[], None] | None = None,
    inbox: Path | None = None,
    lag: float = _LAG,
) -> ASGIApp:
    """The pages of an installation. Raises DigestError for what would stop one of them.

    `changed` is called, in any thread, when a page has done something: there may be mail to deliver. `ask_sources` has
    all sources asked soon; without it there is no button for that. `inbox`: a folder
    whose mails stand at /inbox, for the demo. Pages that are the same for everybody are kept, and may be `lag` seconds
    behind what the store holds.
    """
    base = urlsplit(app.config.newsletter.base_url)
    https = base.scheme == "https"
    sessions = Sessions(links=app.links, path=base.path, https=https)
    site = _site(app, base.path, has_inbox=inbox is not None)
    pages = Pages(app.templates, site, language=app.config.newsletter.language)
    check_page_templates(app.templates, site)
    afterwards = Afterwards(changed)
    at_length = Afterwards(changed)
    door = Door(app, pages, sessions, afterwards, at_length, clock, changed)
    asgi = Starlette(
        routes=_everywhere(
            [*routes(app, door, site, ask_sources), *_files(), _api(app, afterwards, clock, changed)],
            unquote(base.path),
        ),
        middleware=[
            Middleware(Remembering, versions=Versions(app.store, lag=lag)),
            Middleware(SecurityHeaders, https=https, indexed=site.indexed),
            Middleware(Faults, apology=lambda: pages.response(problem(500))),
            Middleware(BodyLimit),
        ],
        exception_handlers=_apologies(pages),
        lifespan=_finishing(afterwards, at_length),
    )
    asgi.state.afterwards = afterwards
    asgi.state.at_length = at_length
    asgi.router.redirect_slashes = False  # it would redirect to the host that the request names
    return asgi if inbox is None else with_inbox(asgi, pages, inbox)


def _everywhere(pages: Sequence[Route | Mount], path: str) -> list[Route | Mount]:
    """The pages without a prefix, and with one."""
    if not path:
        return [*pages]
    first = next(route for route in pages if route.path == "/" and isinstance(route, Route))
    return [*pages, Route(path, first.endpoint), Mount(path, app=Router(pages, redirect_slashes=False))]


def _api(app: App, afterwards: Afterwards, clock: Callable[[], datetime], changed: Callable[[], None]) -> Mount:
    from digest.web.api.app import mounted  # noqa: PLC0415  (FastAPI takes its time; only who serves needs it)

    return mounted(app, afterwards, clock, changed)


def _site(app: App, path: str, *, has_inbox: bool) -> Site:
    newsletter = app.newsletter
    return Site(
        name=newsletter.name,
        postal_address=newsletter.postal_address,
        contact=parseaddr(newsletter.reply_to)[1] or newsletter.reply_to or newsletter.mailbox,
        url=app.config.newsletter.base_url,
        path=path,
        style_url=_static_url(path, "style.css"),
        script_url=_static_url(path, "script.js"),
        desk_script_url=_static_url(path, "desk.js"),
        indexed=app.config.web.indexed,
        can_join=app.config.signup.policy != "closed",
        notices=tuple(notices.files(app.config)),
        has_inbox=has_inbox,
    )


def _static_url(path: str, name: str) -> str:
    """Where a file of ours is; what it holds stands in it, so that a new one is another address."""
    held = hashlib.sha256((_STATIC / name).read_bytes()).hexdigest()[:12]
    return f"{path}/static/{name}?{held}"


def _finishing(*begun: Afterwards) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """When the program stops, what pages began is done first."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        for one in begun:
            one.stopping.set()
        ends = monotonic() + _GRACE
        for one in begun:
            await to_thread.run_sync(one.finish, max(0.0, ends - monotonic()))

    return lifespan


def _apologies(pages: Pages) -> Mapping[Any, Callable[[Request, Any], Response]]:
    """What a reader sees in place of a page."""

    def no_page(_request: Request, error: HTTPException) -> Response:
        response = pages.response(problem(error.status_code))
        response.headers.update(error.headers or {})
        return response

    def not_now(request: Request, error: DigestError) -> Response:
        log.error("page failed", page=without_token(request.url.path), reason=str(error))
        response = pages.response(problem(503))
        response.headers["Retry-After"] = "60"
        return response

    return {HTTPException: no_page, DigestError: not_now}


async def _healthy(_request: Request) -> Response:
    """GET /health: the process answers. Says nothing else."""
    return PlainTextResponse("ok")


def _files() -> list[Route | Mount]:
    return [Route("/health", _healthy, methods=["GET"]), Mount("/static", _Files(directory=_STATIC), name="static")]


class _Files(StaticFiles):
    """Files of ours that browsers may keep: whoever names one says which version they mean."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """The file, or that it has not changed."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = f"public, max-age={_WEEK}"
        return response
