"""The newsletter's templates: which are overridden, what is wrong with them, and a preview of every mail."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from starlette.responses import HTMLResponse, Response

from digest.admin import test_mail
from digest.app import App
from digest.errors import DigestError, NotFoundError, RuleError
from digest.mail import Composer, RenderedMail, Templates, template_check
from digest.mail.languages import Language
from digest.models import MailKind, Schedule, Subscriber
from digest.pipeline.recent_papers import DAYS
from digest.store import profiles
from digest.web.auth import admin_router
from digest.web.dependencies import Context, RequestContext, shared
from digest.web.rendering import admin_template
from digest.web.security import FRAMED_POLICY, FRAMING_POLICY

_Stamp = tuple[tuple[str, int, int], ...]
_MAX_PAPERS = 8  # of a preview

router = admin_router("/admin/templates")


class PreviewComposer:
    """A composer that one page at a time uses, created when it is first needed. Safe to share between threads."""

    def __init__(self, app: App, *, follows_files: bool = False) -> None:
        """`follows_files`: create it again when a file in the admin's folder of templates has changed."""
        self._app = app
        self.folder = app.config.path(app.config.templates.path) if app.config.templates.path else None
        self._watched = self.folder if follows_files else None
        self._lock = threading.Lock()
        self._copy: App | None = None
        self._stamp: _Stamp = ()

    @contextmanager
    def composer(self) -> Iterator[Composer]:
        """The composer, for this thread alone. Raises TemplateError, ConfigError."""
        with self._lock:
            yield self._current().composer

    @contextmanager
    def templates(self) -> Iterator[Templates]:
        """Its templates, for this thread alone. Raises TemplateError."""
        with self._lock:
            yield self._current().templates

    @property
    def reader(self) -> Subscriber:
        """A made-up subscriber with the newsletter's defaults."""
        newsletter = self._app.config.newsletter
        schedule = Schedule(timezone=newsletter.timezone)
        return Subscriber(email="reader@digest.invalid", schedule=schedule, language=newsletter.language)

    def _current(self) -> App:
        # A second App on the same store: it compiles templates of its own, so neither waits for the other.
        stamp = _stamp(self._watched)
        if self._copy is None or stamp != self._stamp:
            self._copy, self._stamp = App(self._app.config, self._app.store), stamp
        return self._copy


def _stamp(folder: Path | None) -> _Stamp:
    """Names, times and sizes of the files in a folder: they differ when a file has changed."""
    if folder is None:
        return ()
    files = ((file, file.stat()) for file in sorted(folder.rglob("*")) if file.is_file())
    return tuple((str(file), stat.st_mtime_ns, stat.st_size) for file, stat in files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The list of templates, and what is wrong with them."""

    folder: str  # the admin's folder, or ""
    replaced: tuple[str, ...] = ()  # names of shipped files that it overrides
    strays: tuple[tuple[str, str], ...] = ()  # (file that overrides nothing, name that may be meant)
    slow: tuple[tuple[str, str], ...] = ()  # (file that Jinja renders for every mail, reason)
    fault: str = ""  # why no mail can be written with the files as they are now
    kinds: tuple[MailKind, ...] = tuple(MailKind)
    languages: tuple[tuple[str, str], ...]  # (code, its own name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownMail:
    """A preview of one kind of mail in one language."""

    kind: MailKind
    language: str
    language_name: str
    subject: str
    text: str
    real: bool  # with recent papers; False: with sample papers


TemplateComposer = Annotated[PreviewComposer, shared(PreviewComposer)]  # follows the files as they change


@router.get("")
def list_templates(context: Context, previews: TemplateComposer) -> Response:
    """Which files the admin's folder overrides, and what is wrong with them as they are now."""
    folder = str(previews.folder or "")
    try:
        with previews.composer() as composer:
            composer.check()
            slow = tuple(composer.slow_templates.items())
        with previews.templates() as templates:
            replaced, strays = tuple(templates.overridden_files()), tuple(templates.unused_files().items())
            for name in replaced:  # pages are not part of composer.check()
                if name.startswith("web/") and name.endswith(".j2"):
                    with templates.errors_located(name):
                        templates.environment(templates.languages.find("en")).get_template(name)
            languages = tuple((each.code, each.name) for each in templates.languages)
        page = Overview(folder=folder, replaced=replaced, strays=strays, slow=slow, languages=languages)
    except DigestError as error:
        page = Overview(folder=folder, fault=str(error), languages=())
    return context.render(admin_template("templates"), page)


@router.get("/{kind}/{language}")
def show_mail(context: Context, previews: TemplateComposer, kind: str, language: str) -> Response:
    """A mail: its text, and its HTML in a frame. Raises NotFoundError, UsageError."""
    mail_kind, chosen = _find(previews, kind, language)
    rendered, real = _render(context, previews, mail_kind, chosen)
    page = ShownMail(
        kind=mail_kind,
        language=chosen.code,
        language_name=chosen.name,
        subject=rendered.subject,
        text=rendered.readable_text,
        real=real,
    )
    return context.render(admin_template("mail"), page, headers={"Content-Security-Policy": FRAMING_POLICY})


@router.get("/{kind}/{language}/html")
def show_mail_html(context: Context, previews: TemplateComposer, kind: str, language: str) -> Response:
    """The HTML of a mail, for the frame. Raises NotFoundError, UsageError."""
    rendered, _ = _render(context, previews, *_find(previews, kind, language))
    return HTMLResponse(rendered.readable_html, headers={"Content-Security-Policy": FRAMED_POLICY})


def _find(previews: PreviewComposer, kind: str, code: str) -> tuple[MailKind, Language]:
    found = next((one for one in MailKind if one == kind), None)
    with previews.templates() as templates:
        language = next((language for language in templates.languages if language.code == code), None)
    if found is None or language is None:
        raise NotFoundError("mail", f"{kind}/{code}", MailKind)
    return found, language


def _render(
    context: RequestContext, previews: PreviewComposer, kind: MailKind, language: Language
) -> tuple[RenderedMail, bool]:
    """(the mail, True if its papers are recent ones). Its links do nothing."""
    reader = replace(previews.reader, language=language.code, max_papers=_MAX_PAPERS)
    digest, is_recent = None, False
    if kind.has_papers:
        with context.store.read() as tx:
            shared = profiles.list_shared(tx)
        if shared:
            with suppress(RuleError):  # of a profile that only an older version of the language allowed
                digest = test_mail.recent_digest(context.app.recent_papers, shared, reader, days=DAYS, now=context.now)
        is_recent = digest is not None and bool(digest.items)
        digest = digest if is_recent else template_check.full_digest(reader)
    mail = test_mail.make_delivery(kind, reader, digest, domain=context.app.domain, now=context.now)
    with previews.composer() as composer:
        return composer.render(test_mail.copy_without_links(mail, reader.email)), is_recent
