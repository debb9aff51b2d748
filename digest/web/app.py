"""The application: which path is which page, and what stands around all of them.

Under a sub-path (newsletter.base_url = "https://example.org/digest") every page is served at both places, /digest/… and
/…, so that it does not matter whether the proxy in front strips the prefix. (A prefix that is called as one of our
pages is, such as /static, needs a proxy that strips it.) What pages link to always has it, as readers' browsers need
it. Links are made from base_url alone, never from what a request says of its host.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parseaddr
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.staticfiles import StaticFiles

from digest import publish
from digest.errors import DigestError
from digest.installation import Installation
from digest.models import Subscriber
from digest.store import subscribers
from digest.web.clients import client_address
from digest.web.context import Site
from digest.web.pages import Answer, Fields, Page, Pages, Redirect, Visit, problem
from digest.web.public import confirm, front, unsubscribe
from digest.web.security import HANG_UP, BodyLimit, Faults, SecurityHeaders, without_token
from digest.web.sessions import Sessions

log = structlog.get_logger()

_STATIC = Path(__file__).with_name("static")
_WEEK = 7 * 24 * 3600
_AT_ONCE = 8  # pages that are being made; the store has connections for these and for the stages
_SLOWEST_BODY = 10.0  # seconds
_STATUSES = (400, 403, 404, 405, 408, 413, 500, 503)

_Answering = Callable[[Visit], Answer]
_ForReader = Callable[[Visit, Subscriber], Answer]
_Endpoint = Callable[[Request], Awaitable[Response]]


def real_time() -> datetime:
    """What the time is."""
    return datetime.now(UTC)


def create_app(here: Installation, *, clock: Callable[[], datetime] = real_time) -> Starlette:
    """The pages of an installation. Raises DigestError for what would stop one of them."""
    base = urlsplit(here.config.newsletter.base_url)
    https = base.scheme == "https"
    sessions = Sessions(links=here.links, path=base.path, https=https)
    pages = Pages(here.templates, _site(here, base.path), language=here.config.newsletter.language)
    samples = [problem(status) for status in _STATUSES]
    pages.check([*samples, *front.SAMPLES, *unsubscribe.SAMPLES, *confirm.SAMPLES])
    app = Starlette(
        routes=_everywhere(_routes(here, _Door(here, pages, sessions, clock)), unquote(base.path)),
        middleware=[
            Middleware(SecurityHeaders, https=https),
            Middleware(Faults, apology=lambda: pages.response(problem(500))),
            Middleware(BodyLimit),
        ],
        exception_handlers=_apologies(pages),
    )
    app.router.redirect_slashes = False  # it would redirect to the host that the request names
    return app


def _routes(here: Installation, door: "_Door") -> list[Route | Mount]:
    def welcome(reader: Subscriber, now: datetime) -> None:
        publish.welcome(here.store, here.interests, reader, here.publishing, now=now)

    leaving = unsubscribe.Unsubscribing(here.store, here.links, here.membership)
    joining = confirm.Confirming(here.store, here.links, here.membership, welcome)
    return [
        door.route("/", front.look),
        door.route("/unsubscribe/{token}", leaving.look, leaving.act),
        door.route("/confirm/{token}", joining.look, joining.act),
        Route("/health", _healthy, methods=["GET"]),
        Mount("/static", _Files(directory=_STATIC), name="static"),
    ]


def _everywhere(routes: Sequence[Route | Mount], path: str) -> list[Route | Mount]:
    """The pages without a prefix, and with one."""
    if not path:
        return [*routes]
    first = next(route for route in routes if route.path == "/" and isinstance(route, Route))
    return [*routes, Route(path, first.endpoint), Mount(path, app=Router(routes, redirect_slashes=False))]


def _site(here: Installation, path: str) -> Site:
    newsletter = here.newsletter
    return Site(
        name=newsletter.name,
        postal_address=newsletter.postal_address,
        contact=parseaddr(newsletter.reply_to)[1] or newsletter.reply_to or newsletter.mailbox,
        path=path,
        style_url=_static_url(path, "style.css"),
        script_url=_static_url(path, "script.js"),
        indexed=here.config.web.indexed,
        can_join=here.config.signup.policy != "closed",
        notices=tuple(name for name in ("privacy", "imprint") if getattr(here.config.web, name)),
    )


def _static_url(path: str, name: str) -> str:
    """Where a file of ours is; what it holds stands in it, so that a new one is another address."""
    held = hashlib.sha256((_STATIC / name).read_bytes()).hexdigest()[:12]
    return f"{path}/static/{name}?{held}"


class _Door:
    """Lets plain functions answer requests, each in a thread."""

    def __init__(self, here: Installation, pages: Pages, sessions: Sessions, clock: Callable[[], datetime]) -> None:
        self._store = here.store
        self._pages = pages
        self._sessions = sessions
        self._clock = clock
        self._trusted = [ip_network(written, strict=False) for written in here.config.web.trusted_proxies]
        self._limiter = CapacityLimiter(_AT_ONCE)
        self._afterwards: set[asyncio.Task[None]] = set()

    def route(self, path: str, look: _Answering | None = None, act: _Answering | None = None) -> Route:
        """A page that is looked at (GET, HEAD), or acts (POST), or both."""
        asked = {"GET": look, "POST": act}
        answers = {method: answering for method, answering in asked.items() if answering is not None}
        return Route(path, self._endpoint(answers), methods=[*answers])

    def own(self, path: str, look: _ForReader | None = None, act: _ForReader | None = None) -> Route:
        """A page for who is signed in. Others are asked to sign in; what is posted needs their session's CSRF token."""
        return self.route(path, look and self._for_reader(look), act and self._for_reader(act))

    def _for_reader(self, answering: _ForReader) -> _Answering:
        def answer(visit: Visit) -> Answer:
            session = visit.session
            if session is None:
                return Redirect(path="/sign-in")
            with self._store.read() as tx:
                reader = subscribers.find_by_id(tx, session.subscriber_id)
            if reader is None or reader.epoch != session.epoch:
                return Redirect(path="/sign-in", cookie=self._sessions.end())
            if visit.posted and not session.allows(visit.form.get("csrf", "")):
                return problem(403)
            return answering(visit, reader)

        return answer

    def _endpoint(self, answers: Mapping[str, _Answering]) -> _Endpoint:
        async def answer(request: Request) -> Response:
            posted = request.method == "POST"
            now = self._clock()
            visit = Visit(
                path=request.path_params,
                query=Fields(QueryParams(request.scope["query_string"]).multi_items()),
                form=await _form(request) if posted else Fields(),
                posted=posted,
                session=self._sessions.find(request.cookies.get(self._sessions.cookie, ""), now=now),
                client=self._client(request),
                now=now,
            )
            answering = answers["POST" if posted else "GET"]
            response, afterwards = await to_thread.run_sync(self._answered, answering, visit, limiter=self._limiter)
            if afterwards is not None:
                self._begin(afterwards, request)
            return response

        return answer

    def _answered(self, answering: _Answering, visit: Visit) -> tuple[Response, Callable[[], None] | None]:
        answer = answering(visit)
        return self._pages.response(answer, visit.session), answer.afterwards if isinstance(answer, Page) else None

    def _begin(self, act: Callable[[], None], request: Request) -> None:
        """Do something beside the answer, so that nobody can tell by the time what it was."""

        async def run() -> None:
            try:
                await to_thread.run_sync(act, limiter=self._limiter)
            except DigestError as error:
                log.error("page failed afterwards", page=without_token(request.url.path), reason=str(error))

        task = asyncio.create_task(run())
        self._afterwards.add(task)
        task.add_done_callback(self._afterwards.discard)

    def _client(self, request: Request) -> str:
        peer = request.client.host if request.client is not None else ""
        return client_address(peer, request.headers.getlist("X-Forwarded-For"), self._trusted)


async def _form(request: Request) -> Fields:
    """The fields that were posted; none where they cannot be read. Raises HTTPException 408, 413."""
    try:
        async with asyncio.timeout(_SLOWEST_BODY), request.form(max_files=0, max_fields=100) as form:
            return Fields((name, value) for name, value in form.multi_items() if isinstance(value, str))
    except TimeoutError:
        raise HTTPException(408, headers=HANG_UP) from None
    except HTTPException as error:
        if error.status_code != 400:
            raise
        return Fields()


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


class _Files(StaticFiles):
    """Files of ours that browsers may keep: whoever names one says which version they mean."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """The file, or that it has not changed."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = f"public, max-age={_WEEK}"
        return response
