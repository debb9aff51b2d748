"""Security headers, the limit of request bodies, and the page for unforeseen faults.

Pages that know their reader by a cookie need that session's CSRF token for every POST (sessions.py). Pages behind a
signed link need none: the link itself is the permission, and a site that knew it could follow it as well. RFC 8058
requires that, since mail programs post without having seen the page. Forms of other sites are refused all the same, so
that none signs a reader in as someone else; only unsubscribing accepts them.

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

MAX_BODY = 256 * 1024  # bytes: the longest keywords that a form accepts, in any script, as browsers encode them
MAX_UPLOAD = 32 * 1024 * 1024  # of a form with a file, once its sender is known to be an admin
BODY_LIMIT_KEY = "digest.body_limit"  # in a request's scope: the limit of its body, if that is not MAX_BODY
CLOSE_CONNECTION = {"Connection": "close"}  # of a response to a body that is not read to its end

CACHEABLE = b"public, max-age=60"  # the Cache-Control of a response that is the same for everyone

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
FRAMING_POLICY = f"{_POLICY}; frame-src 'self'"  # the policy of a page that shows a mail, in a frame
FRAMED_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'"  # and its own
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",  # addresses contain signed links
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# Of a mail shown as a mail program would show it: styled inline, and nothing runs or is fetched.
MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation; "
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_HSTS = {"Strict-Transport-Security": "max-age=31536000"}
_NO_STORE = (b"cache-control", b"no-store")
_NO_INDEX = (b"x-robots-tag", b"noindex")
_TOKEN = re.compile(r"(?<=/)\d+\.[^/]*")


class SecurityHeaders:
    """Adds security headers to every response, and `no-store` unless it says otherwise."""

    def __init__(self, app: ASGIApp, *, https: bool, indexed: bool) -> None:
        """`https`: browsers may remember to use only that. `indexed`: search engines may index pages for everyone."""
        self._app = app
        said = _HEADERS | (_HSTS if https else {})
        self._headers = [(name.lower().encode(), value.encode()) for name, value in said.items()]
        self._shown = (b"cache-control", CACHEABLE) if indexed else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add the headers to its response."""

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
    """Raises HTTPException 413 where more than MAX_BODY, or the scope's BODY_LIMIT_KEY, of a body is read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and stop reading its body at the limit."""
        said = Headers(scope=scope).get("content-length", "") if scope["type"] == "http" else ""
        read = 0

        async def receive_limited() -> Message:
            nonlocal read
            most = scope.get(BODY_LIMIT_KEY, MAX_BODY)
            if said.isdecimal() and int(said) > most:
                raise HTTPException(413, headers=CLOSE_CONNECTION)
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise HTTPException(413, headers=CLOSE_CONNECTION)
            return message

        await self._app(scope, receive_limited, send)


class Faults:
    """Logs an unforeseen fault with its traceback, and answers with a page that gives no details."""

    def __init__(self, app: ASGIApp, *, response: Callable[[], Response]) -> None:
        self._app = app
        self._response = response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and answer it if that raises an unforeseen exception."""
        begun = False

        async def send_noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except ClientDisconnect:
            return
        except Exception:  # noqa: BLE001  (the last handler of all)
            # Not log.exception: it may show local variables, and tokens and addresses among them.
            log.error("page failed", page=without_token(scope["path"]), stack=traceback.format_exc())
            if not begun:
                await self._response()(scope, receive, send)


def without_token(path: str) -> str:
    """Return a path for the log, without its token: a reader of the log could use that."""
    return _TOKEN.sub("…", path)
