"""Rendering the templates of pages in a language, and files to download.

Templates see `site` and `signed_in` on every page, and as `page` a record from here or from beside its handler.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Annotated, Any

from starlette.responses import Response, StreamingResponse

from digest.mail import Templates
from digest.mail.encoding import without_controls


@dataclass(frozen=True, slots=True)
class Samples:
    """Names the values that a field is tried with, where its type alone does not say: `Annotated[str, Samples(…)]`."""

    values: tuple[object, ...]

    def __init__(self, *values: object) -> None:
        """From the emptiest value to the fullest."""
        object.__setattr__(self, "values", values)


class Fault:
    """Marks a field that says what is wrong, `Annotated[bool, Fault()]`: its fullest sample is that nothing is.

    So the fullest instance of a page shows all its contents, not a complaint in their place.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The newsletter, as every page shows it."""

    name: str
    postal_address: str
    contact: str  # the address of the people behind it
    url: str  # https://example.org/digest: the base of absolute links
    path: str  # the base of other links: "/digest", or ""
    style_url: str
    script_url: str
    desk_script_url: str
    indexed: bool  # search engines may index pages for everyone
    can_join: bool  # sign-up is not closed
    notices: tuple[str, ...]  # those of "privacy" and "imprint" that are configured
    has_inbox: bool  # the demo: its mails are at /inbox


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The signed-in admin, whom templates see as `signed_in`; empty on the pages of readers."""

    email: str = ""
    is_admin: bool = False  # else an editor, who may edit profiles only


NOBODY = SignedIn()


@dataclass(frozen=True, slots=True)
class Question:
    """A page that asks before anything is done. Pages mask `email`."""

    email: str
    instead_of: str = ""  # the address of the reader who is signed in now, if the link signs in another


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The reader has unsubscribed."""

    email: str
    goodbye: bool  # a last mail is queued, with a link to come back


@dataclass(frozen=True, slots=True)
class Nothing:
    """A page without data."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error page, by its HTTP status."""

    status: Annotated[int, Samples(400, 403, 404, 405, 408, 413, 429, 500, 503)]


def partly_shown(email: str) -> str:
    """Mask an address, `r•••@example.org`: its owner knows it, and a reader of a forwarded mail learns nothing.

    It is isolated, as addresses run from left to right on every page.
    """
    local, _, domain = email.rpartition("@")
    return isolated(f"{local[:1]}•••@{domain}")


def isolated(text: str) -> str:
    """Isolate foreign text, so that it cannot reorder words around it. For titles, where <bdi> is not allowed."""
    return f"\N{FIRST STRONG ISOLATE}{text}\N{POP DIRECTIONAL ISOLATE}"


class Renderer:
    """Renders the templates of one newsletter's pages."""

    def __init__(self, templates: Templates, site: Site, *, language: str) -> None:
        """`language` is that of pages for readers who have chosen none."""
        self.site = site
        self._templates = templates
        self._language = language

    def text(
        self, template: str, page: object, *, language: str = "", csrf: str = "", signed_in: SignedIn = NOBODY
    ) -> str:
        """Return the rendered template, such as "unsubscribe.html.j2" of templates/web. Raises TemplateError."""
        name = f"web/{template}"
        chosen = self._templates.languages.find(language or self._language)
        with self._templates.errors_located(name):
            compiled = self._templates.environment(chosen).get_template(name)
            text = compiled.render(site=self.site, page=page, csrf=csrf, signed_in=signed_in)
        # Admin pages show what feeds, mail servers and strangers sent.
        return without_controls(text) if signed_in.email else text


def admin_template(name: str) -> str:
    """Return the template of an admin page: `subscribers` is the file desk-subscribers.html.j2."""
    return f"desk-{name}.html.j2"


def attachment(content: str | bytes | Iterable[str], media_type: str, filename: str) -> Response:
    """A file that browsers save. An iterable is sent part by part; each part is made in a thread."""
    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    response_class: Any = Response if isinstance(content, (str, bytes)) else StreamingResponse
    response: Response = response_class(content, media_type=media_type, headers=headers)
    return response


def local(at: datetime | None, timezone: tzinfo) -> str:
    """Return a time in a time zone: "2026-06-03 07:00"; "" for None."""
    return f"{at.astimezone(timezone):%Y-%m-%d %H:%M}" if at is not None else ""
