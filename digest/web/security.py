"""What every answer says to browsers, how much a request may hold, and that a fault shows nothing but itself.

What a page that knows its reader by a cookie does needs that session's CSRF token (sessions.py). A page behind a signed
link needs none, as there is nothing to forge: what may be done is in the link itself, and another site that knew it
could follow it as well. RFC 8058 needs it so: a mail program posts without ever having seen the page.

GET and HEAD change nothing: mail scanners follow links, and some run JavaScript.
"""

import re
import traceback
from collections.abc import Callable

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

MAX_BODY = 16 * 1024  # bytes
HANG_UP = {"Connection": "close"}  # of an answer to what is not read to its end

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",  # the address of a page is a key to it
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HSTS = {"Strict-Transport-Security": "max-age=31536000"}
_TOKEN = re.compile(r"(?<=/)\d+\.[^/]*")


class SecurityHeaders:
    """Every answer has the headers that keep browsers careful; what does not say otherwise is not to be stored."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        """`https`: the site is reached by that alone, and browsers may remember it."""
        self._app = app
        self._headers = _HEADERS | (_HSTS if https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class BodyLimit:
    """Whoever reads more than MAX_BODY of a request's body gets HTTPException 413 instead."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        said = Headers(scope=scope).get("content-length", "") if scope["type"] == "http" else ""
        read = 0

        async def receive_limited() -> Message:
            nonlocal read
            if said.isdecimal() and int(said) > MAX_BODY:
                raise HTTPException(413, headers=HANG_UP)
            message = await receive()
            read += len(message.get("body", b""))
            if read > MAX_BODY:
                raise HTTPException(413, headers=HANG_UP)
            return message

        await self._app(scope, receive_limited, send)


class Faults:
    """A fault that nobody foresaw goes to the log whole; the reader gets a page that says only that there was one."""

    def __init__(self, app: ASGIApp, *, apology: Callable[[], Response]) -> None:
        self._app = app
        self._apology = apology

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        begun = False

        async def send_noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except ClientDisconnect:
            return
        except Exception:  # noqa: BLE001  (that is what this is for)
            # Not log.exception: it may show local variables, and tokens and addresses among them.
            log.error("page failed", page=without_token(scope["path"]), stack=traceback.format_exc())
            if not begun:
                await self._apology()(scope, receive, send)


def without_token(path: str) -> str:
    """A path as it may stand in a log: who reads a token there could use it."""
    return _TOKEN.sub("…", path)
