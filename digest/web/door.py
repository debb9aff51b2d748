"""Lets plain functions answer requests: each in a thread, told who asks, and what they ask for."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from ipaddress import ip_network

from anyio import CapacityLimiter, to_thread
from starlette.background import BackgroundTask
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.installation import Installation
from digest.models import Subscriber
from digest.store import subscribers
from digest.web.afterwards import Afterwards
from digest.web.cache import seen_by_everybody
from digest.web.clients import asking
from digest.web.pages import Answer, Document, Fields, Pages, Redirect, Visit, problem
from digest.web.security import FOR_EVERYBODY, HANG_UP, without_token
from digest.web.sessions import Sessions

_AT_ONCE = 8  # pages that are being made: more would only wait for each other
_SLOWEST_BODY = 10.0  # seconds
_MOST_FIELDS = 1000  # a tick for each shared profile
_OUR_LETTERS = re.compile(r';\s*charset="?utf-?8"?\s*(?=;|$)', re.IGNORECASE)

Answering = Callable[[Visit], Answer]
ForReader = Callable[[Visit, Subscriber], Answer]
_Endpoint = Callable[[Request], Awaitable[Response]]


class Door:
    """Lets plain functions answer requests, each in a thread."""

    def __init__(
        self,
        here: Installation,
        pages: Pages,
        sessions: Sessions,
        afterwards: Afterwards,
        clock: Callable[[], datetime],
        changed: Callable[[], None],
    ) -> None:
        """`changed` is told, in any thread, when a page has done something."""
        self._store = here.store
        self._pages = pages
        self.sessions = sessions
        self._afterwards = afterwards
        self._clock = clock
        self._changed = changed
        self._trusted = [ip_network(written, strict=False) for written in here.config.web.trusted_proxies]
        self._limiter = CapacityLimiter(_AT_ONCE)

    def route(
        self,
        path: str,
        look: Answering | None = None,
        act: Answering | None = None,
        *,
        changes: bool = True,
        from_anywhere: bool = False,
    ) -> Route:
        """A page that is looked at (GET, HEAD), or acts (POST), or both.

        `changes`: to act may leave mail to deliver. `from_anywhere`: other sites' forms may make it act; elsewhere a
        browser that tells of another site is refused.
        """
        asked = {"GET": look, "POST": act}
        answers = {method: answering for method, answering in asked.items() if answering is not None}
        return Route(path, self._endpoint(answers, changes=changes, from_anywhere=from_anywhere), methods=[*answers])

    def everybody(self, path: str, look: Answering) -> Route:
        """A page that is the same for all: it is not told who asks, and caches may keep it."""

        async def answer(request: Request) -> Response:
            query = Fields(seen_by_everybody(request.scope["query_string"]))
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

    def _endpoint(self, answers: Mapping[str, Answering], *, changes: bool, from_anywhere: bool) -> _Endpoint:
        async def answer(request: Request) -> Response:
            posted = request.method == "POST"
            if posted and not from_anywhere and request.headers.get("Sec-Fetch-Site") == "cross-site":
                raise HTTPException(403, headers=HANG_UP)
            now = self._clock()
            visit = Visit(
                path=request.path_params,
                query=Fields(QueryParams(request.scope["query_string"]).multi_items()),
                form=await _form(request) if posted else Fields(),
                posted=posted,
                fragment="X-Fragment" in request.headers,
                session=self.sessions.find(request.cookies.get(self.sessions.cookie, ""), now=now),
                cookies=request.cookies,
                client=asking(request, self._trusted),
                now=now,
            )
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
        self._afterwards.begin(act, page=without_token(request.url.path))


def _is_in_odd_letters(content_type: str) -> bool:
    """Whether a form names a charset that is not UTF-8, in whatever way a parser may find it.

    Fields would be decoded by any codec of Python's: some take seconds for a long field, some give lone surrogates.
    """
    return "charset" in _OUR_LETTERS.sub("", content_type).lower()


async def _form(request: Request) -> Fields:
    """The fields that were posted; none where they cannot be read. Raises HTTPException 408, 413."""
    if _is_in_odd_letters(request.headers.get("Content-Type", "")):
        return Fields()
    try:
        async with asyncio.timeout(_SLOWEST_BODY), request.form(max_files=0, max_fields=_MOST_FIELDS) as form:
            return Fields((name, value) for name, value in form.multi_items() if isinstance(value, str))
    except TimeoutError:
        raise HTTPException(408, headers=HANG_UP) from None
    except HTTPException as error:
        if error.status_code != 400:
            raise
        return Fields()
