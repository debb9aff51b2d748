"""What a page is asked with, what it comes to, and how that is written in the reader's language."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from starlette.responses import HTMLResponse, PlainTextResponse, Response

from digest.mail import Templates
from digest.web.context import Nothing, Problem, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What a page is asked with."""

    token: str  # the last part of a signed link, "" where the page has none
    form: Mapping[str, str]  # empty where nothing was posted
    client: str  # the address that asks, as far as our proxies tell; for the consent log only
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a page comes to."""

    template: str  # "unsubscribe.html.j2", of templates/web
    shows: object = Nothing()  # what the template sees as `page`
    language: str = ""  # "": the newsletter's
    status: int = 200


def problem(status: int) -> Page:
    """The page that says why there is none."""
    return Page(template="problem.html.j2", shows=Problem(status), status=status)


class Pages:
    """Writes the pages of one newsletter."""

    def __init__(self, templates: Templates, site: Site, *, language: str) -> None:
        """`language` is that of pages for nobody in particular."""
        self._templates = templates
        self._site = site
        self._language = language

    def response(self, page: Page) -> Response:
        """The page as an answer. Raises TemplateError."""
        written = PlainTextResponse if page.template.endswith(".txt.j2") else HTMLResponse
        return written(self._written(page), page.status)

    def check(self, samples: Iterable[Page]) -> None:
        """Raise now, as a TemplateError, what would stop one of these pages in some language."""
        for sample in samples:
            for language in self._templates.languages:
                self._written(replace(sample, language=language.code))

    def _written(self, page: Page) -> str:
        name = f"web/{page.template}"
        language = self._templates.languages.find(page.language or self._language)
        with self._templates.faults_named(name):
            template = self._templates.environment(language).get_template(name)
            return template.render(site=self._site, page=page.shows)
