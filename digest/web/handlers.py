"""Lets plain functions answer requests: each in a thread, told who asks, and what they ask for."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from ipaddress import ip_network

from anyio import CapacityLimiter, to_thread
from starlette.background import BackgroundTask
from starlette.datastructures import QueryParams, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.app import App
from digest.models import Subscriber
from digest.store import subscribers
from digest.web.background import Afterwards
from digest.web.cache import seen_by_everybody
from digest.web.client_address import asking
from digest.web.pages import Answer, Document, Fields, Pages, Redirect, Upload, Visit, problem
from digest.web.security import FOR_EVERYBODY, HANG_UP, MAX_UPLOAD, MAY_HOLD, without_token
from digest.web.sessions import Sessions

_AT_ONCE = 8  # pages that are being made: more would only wait for each other
_SLOWEST_BODY = 10.0  # seconds
_SLOWEST_UPLOAD = 300.0
_MOST_FIELDS = 1000  # a tick for each shared profile
_OTHER_SITES = frozenset({"cross-site"})  # of Sec-Fetch-Site
_NO_PAGES_OF_OURS = _OTHER_SITES | {"same-site"}
_OUR_LETTERS = re.compile(r';\s*charset="?utf-?8"?\s*(?=;|$)', re.IGNORECASE)

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
        afterwards: Afterwards,
        at_length: Afterwards,
        clock: Callable[[], datetime],
        changed: Callable[[], None],
    ) -> None:
        """`changed` is told, in any thread, when a page has done something.

        `at_length`: for what pages begin and do not wait for, and takes longer than others should wait for.
        """
        self._store = app.store
        self._pages = pages
        self.sessions = sessions
        self._afterwards = afterwards
        self.at_length = at_length
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
        refusal: Callable[[Visit], Answer | None] | None = None,
    ) -> Route:
        """A page that is looked at (GET, HEAD), or acts (POST), or both.

        `changes`: to act may leave mail to deliver. A browser that tells that a form came from another site is refused
        but where it may act `from_anywhere`; where it is to act `from_here` alone, also one that comes from another
        host of our own domain. `refusal`: the page takes a file with its form, of whom this is None; else it is the
        answer, and of what they send nothing is read.
        """
        asked = {"GET": look, "POST": act}
        answers = {method: answering for method, answering in asked.items() if answering is not None}
        strangers = frozenset() if from_anywhere else _NO_PAGES_OF_OURS if from_here else _OTHER_SITES
        endpoint = self._endpoint(answers, changes=changes, strangers=strangers, refusal=refusal)
        return Route(path, endpoint, methods=[*answers])

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

    def _endpoint(
        self,
        answers: Mapping[str, Answering],
        *,
        changes: bool,
        strangers: Collection[str],
        refusal: Callable[[Visit], Answer | None] | None,
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
                client=asking(request, self._trusted),
                now=now,
            )
            if posted:
                if refusal is not None and (refused := await to_thread.run_sync(refusal, visit, limiter=self._limiter)):
                    return self._unread(refused)
                form, file = await _posted(request, takes_file=refusal is not None)
                visit = replace(visit, form=form, file=file)
            answering = answers["POST" if posted else "GET"]
            response, afterwards = await to_thread.run_sync(self._answered, answering, visit, limiter=self._limiter)
            if posted and changes:
                self._changed()
            if afterwards is not None:
                response.background = BackgroundTask(self._begin, afterwards, request)
            return response

        return answer

    def _unread(self, refused: Answer) -> Response:
        response = self._pages.response(refused)
        response.headers.update(HANG_UP)
        return response

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


async def _posted(request: Request, *, takes_file: bool) -> tuple[Fields, Upload | None]:
    """The fields that were posted, and the file; none where they cannot be read. Raises HTTPException 408, 413.

    A file waits on disk until the last of it has come, so that who sends one slowly takes no memory.
    """
    if _is_in_odd_letters(request.headers.get("Content-Type", "")):
        return Fields(), None
    if takes_file:
        request.scope[MAY_HOLD] = MAX_UPLOAD
    slowest, files = (_SLOWEST_UPLOAD, 1) if takes_file else (_SLOWEST_BODY, 0)
    try:
        async with asyncio.timeout(slowest), request.form(max_files=files, max_fields=_MOST_FIELDS) as form:
            sent = form.multi_items()
            file = next((value for _, value in sent if isinstance(value, UploadFile)), None)
            upload = Upload(name=file.filename or "", content=await file.read()) if file is not None else None
            return Fields((name, value) for name, value in sent if isinstance(value, str)), upload
    except TimeoutError:
        raise HTTPException(408, headers=HANG_UP) from None
    except HTTPException as error:
        if error.status_code != 400:
            raise
        return Fields(), None
