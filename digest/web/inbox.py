"""The demo's mailbox: the mails that arrived, as a page, and each of them as a mail program would show it.

It stands beside the pages, not among them: mails are styled inline, which the pages' policy forbids. Each is shown in a
sandbox of its own, where nothing runs and nothing is fetched; it is there only in `digest demo --serve`.
"""

from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from digest.web.pages import Page, Pages, problem
from digest.web.security import OF_MAILS, SecurityHeaders

_SANDBOX = {
    "Content-Security-Policy": OF_MAILS,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMail:
    """A mail as the list of them shows it."""

    name: str  # of its file, without ".eml"
    to: str
    subject: str


@dataclass(frozen=True, slots=True)
class Received:
    """What the list's template sees: the newest first."""

    mails: tuple[ReceivedMail, ...]


def with_inbox(app: ASGIApp, pages: Pages, folder: Path) -> ASGIApp:
    """`app`, and what lies in `folder` at /inbox."""
    inbox = _inbox(pages, folder)

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        here = scope["type"] == "http" and f"{scope['path']}/".startswith("/inbox/")
        await (inbox if here else app)(scope, receive, send)

    return either


def _inbox(pages: Pages, folder: Path) -> Starlette:
    def listed(_request: Request) -> Response:
        shows = Received(tuple(_received(file) for file in sorted(folder.glob("*.eml"), reverse=True)))
        return pages.response(Page(template="inbox.html.j2", shows=shows))

    def shown(request: Request) -> Response:
        name, form = request.path_params["name"], request.path_params["form"]
        file = next((file for file in folder.glob("*.eml") if file.stem == name), None)
        if file is None or form not in {"html", "txt"}:
            raise HTTPException(404)
        body = _mail(file).get_body(("html",) if form == "html" else ("plain",))
        text = body.get_content() if body is not None else ""
        return HTMLResponse(text, headers=_SANDBOX) if form == "html" else PlainTextResponse(text, headers=_SANDBOX)

    async def lost(_request: Request, error: Exception) -> Response:
        return pages.response(problem(getattr(error, "status_code", 500)))

    careful = Middleware(SecurityHeaders, https=False, indexed=False)
    return Starlette(
        routes=[Route("/inbox", listed, middleware=[careful]), Route("/inbox/{name}.{form}", shown)],
        exception_handlers={HTTPException: lost},
    )


def _received(file: Path) -> ReceivedMail:
    mail = _mail(file)
    return ReceivedMail(name=file.stem, to=str(mail["To"]), subject=str(mail["Subject"]))


def _mail(file: Path) -> EmailMessage:
    return message_from_bytes(file.read_bytes(), policy=policy.default)
