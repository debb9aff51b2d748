"""What every answer says to browsers, how much a request may hold, and that a fault shows nothing but itself.

What a page that knows its reader by a cookie does needs that session's CSRF token (sessions.py). A page behind a signed
link needs none, as there is nothing to forge: what may be done is in the link itself, and another site that knew it
could follow it as well. RFC 8058 needs it so: a mail program posts without ever having seen the page. So that no other
site signs a reader in as somebody else, a browser that says that a form came from another site is refused all the same,
but where it unsubscribes.

GET and HEAD change nothing: mail scanners follow links, and some run JavaScript.
"""

import re
import traceback
from collections.abc import Callable

import structlog
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

MAX_BODY = 256 * 1024  # bytes: the longest keywords that a form takes, in any script, as browsers write them
MAX_UPLOAD = 32 * 1024 * 1024  # of a form with a file, where whoever sends it is known to be let
MAY_HOLD = "digest.may_hold"  # in a request's scope: how many bytes its body may have, where that is not MAX_BODY
HANG_UP = {"Connection": "close"}  # of an answer to what is not read to its end

FOR_EVERYBODY = b"public, max-age=60"  # the Cache-Control of an answer that is the same for all, whoever asks

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
FRAMING = f"{_POLICY}; frame-src 'self'"  # the policy of a page that shows a mail, in a frame
FRAMED = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'"  # and its own
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",  # the address of a page is a key to it
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# Of a mail that is shown as a mail program would: styled inline, and nothing runs or is fetched.
OF_MAILS = (
    "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation; "
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_HSTS = {"Strict-Transport-Security": "max-age=31536000"}
_NO_STORE = (b"cache-control", b"no-store")
_NO_INDEX = (b"x-robots-tag", b"noindex")
_TOKEN = re.compile(r"(?<=/)\d+\.[^/]*")


class SecurityHeaders:
    """Every answer has the headers that keep browsers careful; what does not say otherwise is not to be stored."""

    def __init__(self, app: ASGIApp, *, https: bool, indexed: bool) -> None:
        """`https`: the site is reached by that alone, and browsers may remember it.

        `indexed`: search engines may show what is for everybody.
        """
        self._app = app
        said = _HEADERS | (_HSTS if https else {})
        self._headers = [(name.lower().encode(), value.encode()) for name, value in said.items()]
        self._shown = (b"cache-control", FOR_EVERYBODY) if indexed else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = message["headers"]
                said = {name for name, _ in own}
                careful = [header for header in self._headers if header[0] not in said]
                robots = [] if self._shown in own else [_NO_INDEX]
                storing = [] if b"cache-control" in said else [_NO_STORE]
                message["headers"] = [*own, *careful, *robots, *storing]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class BodyLimit:
    """Whoever reads more than MAX_BODY of a request's body, or than it MAY_HOLD, gets HTTPException 413 instead."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        said = Headers(scope=scope).get("content-length", "") if scope["type"] == "http" else ""
        read = 0

        async def receive_limited() -> Message:
            nonlocal read
            most = scope.get(MAY_HOLD, MAX_BODY)
            if said.isdecimal() and int(said) > most:
                raise HTTPException(413, headers=HANG_UP)
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
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
