"""Pages about the newsletter itself: the front page, robots.txt, privacy notice and imprint; and the demo's mailbox."""

from dataclasses import dataclass
from datetime import date
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter
from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from digest.config import Config
from digest.errors import ConfigError
from digest.models.papers import Period, Span
from digest.store import papers
from digest.store.papers import Order
from digest.web.auth import public_router
from digest.web.dependencies import Context, cached_router
from digest.web.papers import ShownPaper
from digest.web.rendering import Samples
from digest.web.security import MAIL_POLICY

_FEATURED = 5  # papers on the front page
_ABSTRACT = 400  # characters of each

front_router = cached_router()


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The best papers of the newest edition; no period if there is none yet."""

    period: Period | None
    count: int
    papers: tuple[ShownPaper, ...]


@front_router.get("/")
def show_front_page(context: Context) -> Response:
    """The front page: what the newsletter is, and the best papers of the newest edition."""
    with context.store.read() as tx:
        day = papers.find_previous_edition(tx, date.max)
        found = [] if day is None else papers.list_in_editions(tx, day, day, Order.TRENDING, offset=0, limit=_FEATURED)
        count = 0 if day is None else papers.count_by_edition(tx, day, day)[day]
    page = Newest(
        period=None if day is None else Period(Span.DAY, day),
        count=count,
        papers=tuple(context.services.cards.show(paper, most=_ABSTRACT) for paper in found),
    )
    return context.render("front.html.j2", page)


@front_router.get("/robots.txt")
def show_robots_txt(context: Context) -> Response:
    """What search engines may index (RFC 9309); of use where the pages are at the root of their host.

    Pages behind signed links are not named here: their headers say that they are not to be indexed.
    """
    site = context.services.site
    disallowed = f"{site.path}/search" if site.indexed else "/"  # a search has results without end
    return PlainTextResponse(f"User-agent: *\nDisallow: {disallowed}\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notice as HTML."""

    name: Annotated[str, Samples("privacy", "imprint")]
    html: Markup


def notice_files(config: Config) -> dict[str, Path]:
    """Return the notices that are configured: name -> file."""
    named = {"privacy": config.web.privacy, "imprint": config.web.imprint}
    return {name: config.path(file) for name, file in named.items() if file}


def notice_router(config: Config) -> APIRouter:
    """Return a router with a page for each configured notice. Reads their files now. Raises ConfigError."""
    router, notices = public_router(), dict[str, Notice]()

    def show_notice(context: Context) -> Response:
        return context.render("notice.html.j2", notices[context.request.url.path.rpartition("/")[2]])

    for name, file in notice_files(config).items():
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is not UTF-8; save it as UTF-8"
            raise ConfigError(str(file), "", f"{reason}; web.{name} must name a Markdown file") from None
        title, _, rest = text.lstrip().partition("\n")
        if title.startswith("# "):  # the page has its heading already
            text = rest
        # HTML in it is shown as text: our pages contain only markup of ours.
        html = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
        notices[name] = Notice(name=name, html=Markup(html))  # noqa: S704  (made above)
        router.add_api_route(f"/{name}", show_notice, methods=["GET"])
    return router


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
    """Return the mailbox of `digest demo --serve`: a list of the mails in `folder` at /inbox, and each mail.

    Mails are styled inline, which the policy of pages forbids. Each is shown in a sandbox where nothing runs or is
    fetched.
    """
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
