"""What handlers get from FastAPI: the context of the request, the posted form; and the routers of pages."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

from fastapi import APIRouter, BackgroundTasks, Depends, Path
from fastapi.params import Depends as Dependency
from fastapi.routing import APIRoute
from pydantic import BeforeValidator
from starlette.datastructures import Headers, ImmutableMultiDict, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.types import Scope

from digest.app import App
from digest.errors import DigestError, TemplateError
from digest.store import Store
from digest.subscribers.membership import Membership
from digest.web.background import Background
from digest.web.papers import PaperCards
from digest.web.rate_limits import Networks, RateLimits, client_of
from digest.web.rendering import NOBODY, Nothing, Renderer, SignedIn, Site, local
from digest.web.security import BODY_LIMIT_KEY, CACHEABLE, CLOSE_CONNECTION, MAX_UPLOAD, without_token
from digest.web.sessions import AdminSessions, Sessions

_Choice = TypeVar("_Choice", bound=StrEnum)

BODY_SECONDS = 10.0  # that a form may take to arrive
UPLOAD_SECONDS = 300.0
_MAX_DIGITS = 15  # no more than a database counts
_MAX_SEARCH = 254  # characters, the longest mail address (RFC 5321, 4.5.3.1.3)
_MAX_FIELDS = 1000  # the settings have a checkbox for each shared profile
_UTF_8 = re.compile(r';\s*charset="?utf-?8"?\s*(?=;|$)', re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What handlers share as long as the program runs: `request.app.state.services`."""

    app: App
    site: Site
    renderer: Renderer
    clock: Callable[[], datetime]
    sessions: Sessions
    admin_sessions: AdminSessions
    background: Background  # short work that a response does not wait for
    long_background: Background  # imports, and reading the bounce mailbox
    limits: RateLimits
    cards: PaperCards
    trusted_proxies: Networks
    wake_delivery: Callable[[], None]  # there may be mail to send
    ask_sources: Callable[[], None] | None  # have all sources asked soon; None if that is not possible


@dataclass(slots=True, kw_only=True)
class RequestContext:
    """One request, and what its handler needs to answer it."""

    request: Request
    services: Services
    app: App
    now: datetime  # the time of the request
    tasks: BackgroundTasks
    csrf: str = ""  # of the reader's or admin's session, for the forms of the page
    language: str = ""  # the signed-in reader's; "": the newsletter's
    signed_in: SignedIn = NOBODY  # the admin, as templates see them

    @property
    def store(self) -> Store:
        """The database."""
        return self.app.store

    @property
    def membership(self) -> Membership:
        """What may be done with subscriptions."""
        return self.app.membership

    @property
    def wants_fragment(self) -> bool:
        """True if script.js asks for a part of the page."""
        return "X-Fragment" in self.request.headers

    @property
    def client(self) -> str:
        """The client's address as far as trusted proxies tell it: for rate limits and the consent log."""
        return client_of(self.request, self.services.trusted_proxies)

    def local_time(self, at: datetime | None) -> str:
        """Return a time in the newsletter's time zone: "2026-06-03 07:00"; "" for None."""
        return local(at, ZoneInfo(self.app.config.newsletter.timezone))

    def render(
        self,
        template: str,
        page: object = Nothing(),
        *,
        status: int = 200,
        language: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Render a template of templates/web, which sees `page` by that name, in `language` or the context's.

        A template that ends in .txt.j2 makes plain text. Raises DigestError.
        """
        try:
            text = self.services.renderer.text(
                template, page, language=language or self.language, csrf=self.csrf, signed_in=self.signed_in
            )
        except TemplateError as error:  # a UsageError, but the fault is not in the request
            raise DigestError(str(error)) from None
        response_class = PlainTextResponse if template.endswith(".txt.j2") else HTMLResponse
        return response_class(text, status, headers)

    def redirect(self, path: str, *, cookies: Iterable[str] = ()) -> Response:
        """Redirect to a page of ours, such as "/settings". `cookies` are Set-Cookie headers."""
        response = RedirectResponse(f"{self.services.site.path}{path}", 303)
        for cookie in cookies:
            response.headers.append("Set-Cookie", cookie)
        return response

    def redirection(self, path: str, *, cookie: str = "") -> HTTPException:
        """Return a redirect to raise, from a dependency. The body of a POST has not been read by then."""
        headers = {"Location": f"{self.services.site.path}{path}"}
        if cookie:
            headers["Set-Cookie"] = cookie
        return HTTPException(303, headers=headers | (CLOSE_CONNECTION if self.request.method == "POST" else {}))

    def check_mail_limit(self) -> None:
        """Count a mail that the request asks for. Raises HTTPException 429 if the client asked for too many."""
        known = self.services.sessions.known_browsers.find(self.request, now=self.now)
        self.services.limits.mails.check(self.client, known, now=self.now)

    def run_after_response(self, act: Callable[[], None]) -> None:
        """Run `act` in the background once the response is out, so that its timing tells nothing about the work."""
        self.tasks.add_task(self.services.background.submit, act, page=without_token(self.request.url.path))


async def _context(request: Request, tasks: BackgroundTasks) -> RequestContext:
    services: Services = request.app.state.services
    context = RequestContext(request=request, services=services, app=services.app, now=services.clock(), tasks=tasks)
    request.state.context = context
    return context


def parse_number(written: str | int) -> int:
    """Return the number in an address or a query, or 0. Older FastAPI passes the default, a number, as well."""
    text = str(written)
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS else 0


def search_text(typed: str) -> str:
    """Return the text of a search field, without white space around it and of a bounded length."""
    return typed.strip()[:_MAX_SEARCH]


def one_of(choices: type[_Choice], written: str) -> _Choice | None:
    """Return the member with this value, or None."""
    return next((choice for choice in choices if choice == written), None)


def link(path: str, **asked: str | int) -> str:
    """Return a path with a query of those values that are not empty."""
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"{path}?{query}" if query else path


Context = Annotated[RequestContext, Depends(_context)]
Number = Annotated[int, BeforeValidator(parse_number)]  # of the query; 0 for what is no number
PathId = Annotated[int, BeforeValidator(parse_number), Path(alias="id")]


def shared(kind: type) -> Dependency:
    """Return the object of this class that create_app made for all requests."""

    async def get(request: Request) -> Any:
        return request.app.state.shared[kind]

    return Dependency(get)


async def wake_delivery(context: Context) -> AsyncIterator[None]:
    """After a successful POST there may be mail to send."""
    yield
    if context.request.method == "POST":
        context.services.wake_delivery()


# Forms


Fields = ImmutableMultiDict[str, str]  # .get(name) is the last value, .getlist(name) are all


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A posted file."""

    name: str  # on the sender's computer
    content: bytes


@dataclass(frozen=True, slots=True)
class UploadForm:
    """A form with at most one file."""

    fields: Fields
    file: Upload | None


async def posted_form(request: Request) -> Fields:
    return (await _read_form(request, max_files=0, seconds=BODY_SECONDS)).fields


async def _uploaded_form(request: Request) -> UploadForm:
    request.scope[BODY_LIMIT_KEY] = MAX_UPLOAD
    return await _read_form(request, max_files=1, seconds=UPLOAD_SECONDS)


PostedForm = Annotated[Fields, Depends(posted_form)]  # empty for a GET, and for what is no readable form
PostedUpload = Annotated[UploadForm, Depends(_uploaded_form)]


async def _read_form(request: Request, *, max_files: int, seconds: float) -> UploadForm:
    """Return the posted form, empty if it is malformed. Raises HTTPException 408 and 413.

    A file waits on disk until all of it has arrived, so a slow client takes no memory.
    """
    # Fields in a charset other than UTF-8, however a parser may find that, would be decoded by any codec of Python's:
    # some take seconds for a long field, some give lone surrogates.
    other_charset = "charset" in _UTF_8.sub("", request.headers.get("Content-Type", "")).lower()
    if request.method != "POST" or other_charset:
        return UploadForm(Fields(), None)
    try:
        async with asyncio.timeout(seconds), request.form(max_files=max_files, max_fields=_MAX_FIELDS) as form:
            sent = form.multi_items()
            file = next((value for _, value in sent if isinstance(value, UploadFile)), None)
            upload = Upload(name=file.filename or "", content=await file.read()) if file is not None else None
            return UploadForm(Fields((name, value) for name, value in sent if isinstance(value, str)), upload)
    except TimeoutError:
        raise HTTPException(408, headers=CLOSE_CONNECTION) from None
    except HTTPException as error:
        if error.status_code != 400:
            raise
        return UploadForm(Fields(), None)


# Routers


class PageRoute(APIRoute):
    """A route whose GET also answers HEAD, as Starlette's routes do and FastAPI's do not."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.methods: set[str] = {*self.methods, "HEAD"} if "GET" in self.methods else self.methods


class CachedRoute(PageRoute):
    """A page that is the same for everyone. It sees no cookies, and caches may keep it, ours (cache.py) too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        handle = super().get_route_handler()

        async def handle_cacheable(request: Request) -> Response:
            response = await handle(request)
            if response.status_code == 200:
                response.headers["Cache-Control"] = CACHEABLE.decode()
            return response

        return handle_cacheable


def cached_router() -> APIRouter:
    """Return a router of pages that are the same for everyone. Handlers see of the query only `page` and `order`."""
    return APIRouter(route_class=CachedRoute, redirect_slashes=False)


async def _refuse_foreign_posts(request: Request) -> None:
    """Refuse a POST that the page of another site or host sent. Nothing of it is read."""
    services: Services = request.app.state.services
    if request.method == "POST" and is_foreign(request.headers, services.site.url):
        raise HTTPException(403, headers=CLOSE_CONNECTION)


def is_foreign(headers: Headers, site_url: str) -> bool:
    """Return True if a browser says that a page which is not one of ours sent the request.

    Sec-Fetch-Site tells it where browsers send that header: to https and to localhost. Elsewhere Origin has to name the
    host of `site_url`, or the host that the request is for, since a proxy and a tunnel give us other names. "null" says
    nothing: browsers send it with our own forms, whose pages have the policy `no-referrer`. Programs that are no
    browsers send neither header.
    """
    sites = headers.getlist("Sec-Fetch-Site")
    if sites:
        return not {*sites} <= {"same-origin", "none"}
    ours = {_host(site_url), _host(f"//{headers.get('Host', '')}")} - {""}
    return any(origin != "null" and _host(origin) not in ours for origin in headers.getlist("Origin"))


def _host(url: str) -> str:
    """Return the host of a URL, with its port if that is not one of the two usual ones; "" if it has none."""
    try:
        return urlsplit(url).netloc.lower().removesuffix(":80").removesuffix(":443")
    except ValueError:
        return ""


def page_router(*dependencies: Dependency, prefix: str = "", from_anywhere: bool = False) -> APIRouter:
    """Return a router of pages. `dependencies` run in this order, before those of a handler.

    POSTs have to come from our own pages, or `from_anywhere`.
    """
    origin = [] if from_anywhere else [Depends(_refuse_foreign_posts)]
    return APIRouter(
        prefix=prefix, route_class=PageRoute, dependencies=[*origin, *dependencies], redirect_slashes=False
    )


def allowed_methods(routes: Iterable[BaseRoute], scope: Scope) -> set[str]:
    """Return the methods that an address has. Each route knows only its own."""
    methods: set[str] = set()
    for route in routes:
        match, child_scope = route.matches(scope)
        if isinstance(route, Mount) and match is not Match.NONE:
            methods |= allowed_methods(route.routes, {**scope, **child_scope})
        elif isinstance(route, Route) and match is not Match.NONE:
            methods |= route.methods or set()
    return methods
