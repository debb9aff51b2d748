"""Rendering the templates of pages in a language; files to download."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from starlette.responses import Response, StreamingResponse

from digest.mail import Templates
from digest.mail.encoding import without_controls
from digest.web.template_data import SignedIn, Site

NOBODY = SignedIn()


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
        """The rendered template, such as "unsubscribe.html.j2" of templates/web. Raises TemplateError."""
        name = f"web/{template}"
        chosen = self._templates.languages.find(language or self._language)
        with self._templates.errors_located(name):
            compiled = self._templates.environment(chosen).get_template(name)
            text = compiled.render(site=self.site, page=page, csrf=csrf, signed_in=signed_in)
        # Admin pages show what feeds, mail servers and strangers sent.
        return without_controls(text) if signed_in.email else text


def admin_template(name: str) -> str:
    """The template of an admin page: `subscribers` is the file desk-subscribers.html.j2."""
    return f"desk-{name}.html.j2"


def attachment(content: str | bytes | Iterable[str], media_type: str, filename: str) -> Response:
    """A file that browsers save. An iterable is sent part by part; each part is made in a thread."""
    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    response_class: Any = Response if isinstance(content, (str, bytes)) else StreamingResponse
    response: Response = response_class(content, media_type=media_type, headers=headers)
    return response


def local(at: datetime | None, timezone: ZoneInfo) -> str:
    """A time in a time zone: "2026-06-03 07:00"; "" for None."""
    return f"{at.astimezone(timezone):%Y-%m-%d %H:%M}" if at is not None else ""
