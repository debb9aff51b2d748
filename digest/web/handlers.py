"""Lets plain functions answer requests: each in a thread, told who asks, and what they ask for."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from ipaddress import ip_network

from anyio import CapacityLimiter, to_thread
from starlette.background import BackgroundTask
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.app import App
from digest.models import Subscriber
from digest.store import subscribers
from digest.web.background import Background
from digest.web.cache import cache_parameters
from digest.web.client_address import client_of
from digest.web.dependencies import posted_form
from digest.web.pages import Answer, Document, Fields, Pages, Redirect, Visit, problem
from digest.web.security import FOR_EVERYBODY, HANG_UP, without_token
from digest.web.sessions import Sessions

_AT_ONCE = 8  # pages that are being made: more would only wait for each other
_OTHER_SITES = frozenset({"cross-site"})  # of Sec-Fetch-Site
_NO_PAGES_OF_OURS = _OTHER_SITES | {"same-site"}

Answering = Callable[[Visit], Answer]
ForReader = Callable[[Visit, Subscriber], Answer]
_Endpoint = Callable[[Request], Awaitable[Response]]


class Door:
    """Lets plain functions answer requests, each in a thread."""

    def __init__(
        self,
        app: App,
        pages: Pages,
        sessions: Sessions,
        background: Background,
        long_background: Background,
        clock: Callable[[], datetime],
        changed: Callable[[], None],
    ) -> None:
        """`changed` is told, in any thread, when a page has done something.

        `long_background`: for what pages begin and do not wait for, and takes longer than others should wait for.
        """
        self._store = app.store
        self._pages = pages
        self.sessions = sessions
        self._background = background
        self.long_background = long_background
        self._clock = clock
        self._changed = changed
        self._trusted = [ip_network(written, strict=False) for written in app.config.web.trusted_proxies]
        self._limiter = CapacityLimiter(_AT_ONCE)

    def route(
        self,
        path: str,
        look: Answering | None = None,
        act: Answering | None = None,
        *,
        changes: bool = True,
        from_anywhere: bool = False,
        from_here: bool = False,
    ) -> Route:
        """A page that is looked at (GET, HEAD), or acts (POST), or both.

        `changes`: to act may leave mail to deliver. A browser that tells that a form came from another site is refused
        but where it may act `from_anywhere`; where it is to act `from_here` alone, also one that comes from another
        host of our own domain.
        """
        asked = {"GET": look, "POST": act}
        answers = {method: answering for method, answering in asked.items() if answering is not None}
        strangers = frozenset() if from_anywhere else _NO_PAGES_OF_OURS if from_here else _OTHER_SITES
        endpoint = self._endpoint(answers, changes=changes, strangers=strangers)
        return Route(path, endpoint, methods=[*answers])

    def everybody(self, path: str, look: Answering) -> Route:
        """A page that is the same for all: it is not told who asks, and caches may keep it."""

        async def answer(request: Request) -> Response:
            query = Fields(cache_parameters(request.scope["query_string"]))
            visit = Visit(path=request.path_params, query=query, client="", now=self._clock())
            response, _ = await to_thread.run_sync(self._answered, look, visit, limiter=self._limiter)
            if response.status_code == 200:
                response.headers["Cache-Control"] = FOR_EVERYBODY.decode()
            return response

        return Route(path, answer, methods=["GET"])

    def own(self, path: str, look: ForReader | None = None, act: ForReader | None = None) -> Route:
        """A page for who is signed in. Others are asked to sign in; what is posted needs their session's CSRF token."""
        return self.route(path, look and self._for_reader(look), act and self._for_reader(act))

    def _for_reader(self, answering: ForReader) -> Answering:
        def answer(visit: Visit) -> Answer:
            session = visit.session
            if session is None:
                return Redirect(path="/sign-in")
            with self._store.read() as tx:
                reader = subscribers.find_by_id(tx, session.subscriber_id)
            if reader is None or reader.epoch != session.epoch:
                return Redirect(path="/sign-in", cookie=self.sessions.end())
            if visit.posted and not session.allows(visit.form.get("csrf", "")):
                return problem(403)
            return answering(visit, reader)

        return answer

    def _endpoint(
        self,
        answers: Mapping[str, Answering],
        *,
        changes: bool,
        strangers: Collection[str],
    ) -> _Endpoint:
        async def answer(request: Request) -> Response:
            posted = request.method == "POST"
            if posted and request.headers.get("Sec-Fetch-Site") in strangers:
                raise HTTPException(403, headers=HANG_UP)
            now = self._clock()
            visit = Visit(
                path=request.path_params,
                query=Fields(QueryParams(request.scope["query_string"]).multi_items()),
                posted=posted,
                fragment="X-Fragment" in request.headers,
                session=self.sessions.find(request.cookies.get(self.sessions.cookie, ""), now=now),
                cookies=request.cookies,
                client=client_of(request, self._trusted),
                now=now,
            )
            if posted:
                visit = replace(visit, form=await posted_form(request))
            answering = answers["POST" if posted else "GET"]
            response, afterwards = await to_thread.run_sync(self._answered, answering, visit, limiter=self._limiter)
            if posted and changes:
                self._changed()
            if afterwards is not None:
                response.background = BackgroundTask(self._begin, afterwards, request)
            return response

        return answer

    def _answered(self, answering: Answering, visit: Visit) -> tuple[Response, Callable[[], None] | None]:
        answer = answering(visit)
        afterwards = None if isinstance(answer, Document) else answer.afterwards
        return self._pages.response(answer, visit.session), afterwards

    async def _begin(self, act: Callable[[], None], request: Request) -> None:
        """Called when the answer is out."""
        self._background.submit(act, page=without_token(request.url.path))
