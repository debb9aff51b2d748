"""The mailbox of `digest demo --serve`: a list of the mails that arrived, and each as a mail program would show it.

Mails are styled inline, which the policy of pages forbids. Each is shown in a sandbox where nothing runs or is fetched.
"""

from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from digest.web.auth import public_router
from digest.web.dependencies import Context
from digest.web.security import MAIL_POLICY


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMail:
    """A row of the list."""

    name: str  # of its file, without ".eml"
    to: str
    subject: str


@dataclass(frozen=True, slots=True)
class Received:
    """The list, newest first."""

    mails: tuple[ReceivedMail, ...]


def inbox_router(folder: Path) -> APIRouter:
    """The list of the mails in `folder` at /inbox, and each mail."""
    router = public_router("/inbox")

    @router.get("")
    def list_mails(context: Context) -> Response:
        files = sorted(folder.glob("*.eml"), reverse=True)
        mails = ((file.stem, _mail(file)) for file in files)
        listed = (ReceivedMail(name=name, to=str(mail["To"]), subject=str(mail["Subject"])) for name, mail in mails)
        return context.render("inbox.html.j2", Received(tuple(listed)))

    @router.get("/{name}.{form}")
    def show_mail(name: str, form: str) -> Response:
        file = next((file for file in folder.glob("*.eml") if file.stem == name), None)
        if file is None or form not in {"html", "txt"}:
            raise HTTPException(404)
        body = _mail(file).get_body(("html",) if form == "html" else ("plain",))
        text = body.get_content() if body is not None else ""
        response_class = HTMLResponse if form == "html" else PlainTextResponse
        return response_class(text, headers={"Content-Security-Policy": MAIL_POLICY})

    return router


def _mail(file: Path) -> EmailMessage:
    return message_from_bytes(file.read_bytes(), policy=policy.default)
