"""What a page is asked with, what it comes to, and how that is written in the reader's language."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from starlette.datastructures import ImmutableMultiDict
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse

from digest.web.context import Nothing, Problem, SignedIn
from digest.web.rendering import Renderer
from digest.web.sessions import Session

_MOST_DIGITS = 15  # of a number in an address: no more than a database counts
_NOBODY = SignedIn()

Fields = ImmutableMultiDict[str, str]  # .get(name) is the last value, .getlist(name) are all


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that somebody sent."""

    name: str  # as their computer calls it
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What a page is asked with."""

    path: dict[str, str] = field(default_factory=dict)  # the parts of the address that vary, by name
    query: Fields = field(default_factory=Fields)
    form: Fields = field(default_factory=Fields)  # empty where nothing was posted
    posted: bool = False
    fragment: bool = False  # script.js asks, for a part of a page
    session: Session | None = None
    cookies: Mapping[str, str] = field(default_factory=dict)
    client: str  # the address that asks, as far as our proxies tell: for the consent log and for limits only
    now: datetime

    @property
    def token(self) -> str:
        """The last part of a signed link, "" where the page has none."""
        return self.path.get("token", "")

    @property
    def id(self) -> int:
        """The number in the address, of a profile or a subscriber or whatever the page is about; 0 for what is none."""
        return parse_number(self.path.get("id", ""))

    @property
    def number(self) -> int:
        """Which page of a list is asked for, from 1; 0 for what is no number."""
        return parse_number(self.query.get("page", "1"))

    def number_in(self, name: str) -> int:
        """The number that a field of the query is, 0 for what is none."""
        return parse_number(self.query.get(name, ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of HTML, or a line of text, from a template."""

    template: str  # "unsubscribe.html.j2", of templates/web
    shows: object = Nothing()  # what the template sees as `page`
    language: str = ""  # "": the newsletter's
    status: int = 200
    policy: str = ""  # a Content-Security-Policy, where it needs another than all pages have
    csrf: str = ""  # what its forms bring, where that is not the subscriber's session's
    signed_in: SignedIn = _NOBODY  # at the desk
    cookie: str = ""  # a Set-Cookie header
    afterwards: Callable[[], None] | None = None  # is done when the answer is out, and takes it no time


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Something that is no page: a feed, a reference, a file to keep."""

    content: str | bytes | Iterable[str]  # in parts where it is long: made as they are sent, each in a thread
    media_type: str  # "application/atom+xml"
    filename: str = ""  # what browsers are to save it as; "" where they show it
    cache_control: str = ""  # a header; "": as the door says, and else nobody may keep it
    policy: str = ""  # as of a page


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """Another page of ours."""

    path: str  # "/settings", without what stands before the path of every page
    cookie: str = ""  # a Set-Cookie header
    afterwards: Callable[[], None] | None = None  # as of a page


Answer = Page | Document | Redirect


def problem(status: int) -> Page:
    """The page that says why there is none."""
    return Page(template="problem.html.j2", shows=Problem(status), status=status)


class Pages:
    """Writes the pages of one newsletter."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def response(self, answer: Answer, session: Session | None = None) -> Response:
        """What a page came to, as an answer. Raises TemplateError."""
        match answer:
            case Page():
                written = PlainTextResponse if answer.template.endswith(".txt.j2") else HTMLResponse
                return written(
                    self._written(answer, session), answer.status, headers=_set(answer.cookie, answer.policy)
                )
            case Document():
                saved = {"Content-Disposition": f'attachment; filename="{answer.filename}"'} if answer.filename else {}
                saved |= {"Cache-Control": answer.cache_control} if answer.cache_control else {}
                saved |= _set("", answer.policy)
                content = answer.content
                if isinstance(content, (str, bytes)):
                    return Response(content, media_type=answer.media_type, headers=saved)
                return StreamingResponse(content, media_type=answer.media_type, headers=saved)
            case Redirect():
                return RedirectResponse(f"{self._renderer.site.path}{answer.path}", 303, headers=_set(answer.cookie))

    def _written(self, page: Page, session: Session | None) -> str:
        csrf = page.csrf or (session.csrf if session is not None else "")
        return self._renderer.text(
            page.template, page.shows, language=page.language, csrf=csrf, signed_in=page.signed_in
        )


def parse_number(written: str) -> int:
    """The number that an address or a query has, 0 for what is no number."""
    return int(written) if written.isascii() and written.isdecimal() and len(written) <= _MOST_DIGITS else 0


def _set(cookie: str, policy: str = "") -> dict[str, str]:
    named = {"Set-Cookie": cookie, "Content-Security-Policy": policy}
    return {name: value for name, value in named.items() if value}
