"""Which templates the newsletter has, what is wrong with them, and every mail that they make, in each language."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from digest.admin import test_mail
from digest.errors import DigestError, NotFoundError, RuleError
from digest.mail import RenderedMail, Templates, sample_mail
from digest.models import Admin, Delivery, Digest, MailKind, Subscriber
from digest.pipeline.recent_papers import DAYS, RecentPapers
from digest.store import Store, profiles
from digest.web.admin.sending.bench import Bench
from digest.web.pages import Answer, Document, Page, Visit
from digest.web.security import FRAMED, FRAMING

_PAPERS = 8  # of a preview


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What the list shows."""

    folder: str  # the admin's, "" for none
    replaced: tuple[str, ...] = ()  # names of our files that theirs replace
    strays: tuple[tuple[str, str], ...] = ()  # files of theirs that replace nothing, and which may be meant
    slow: tuple[tuple[str, str], ...] = ()  # files that are rendered anew for every mail, and why
    fault: str = ""  # why no mail could be written with the files as they are now
    kinds: tuple[MailKind, ...] = tuple(MailKind)
    languages: tuple[tuple[str, str], ...]  # (code, its own name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownMail:
    """A mail of a kind, in a language."""

    kind: MailKind
    language: str
    language_name: str
    subject: str
    text: str
    real: bool  # its papers are; else they are made up


@dataclass(frozen=True, slots=True, kw_only=True)
class LookingAtTemplates:
    """The pages at /admin/templates and below it. They show the files as they are now, read again when they change."""

    store: Store
    recent_papers: RecentPapers
    bench: Bench
    reader: Subscriber  # made up
    domain: str

    def look(self, _visit: Visit, _admin: Admin) -> Answer:
        """GET the list."""
        folder = str(self.bench.folder or "")
        try:
            with self.bench.composer() as composer:
                composer.check()
                slow = tuple(composer.slow_templates.items())
            with self.bench.templates() as templates:
                check_pages(templates)
                replaced, strays = tuple(templates.overridden_files()), tuple(templates.unused_files().items())
                languages = tuple((each.code, each.name) for each in templates.languages)
        except DigestError as error:
            return _list(Overview(folder=folder, fault=str(error), languages=()))
        return _list(Overview(folder=folder, replaced=replaced, strays=strays, slow=slow, languages=languages))

    def mail(self, visit: Visit, _admin: Admin) -> Answer:
        """GET a mail, as its text and in a frame. Raises NotFoundError, TemplateError."""
        kind, code, name = self._asked(visit)
        rendered, real = self._rendered(kind, code, visit.now)
        shows = ShownMail(
            kind=kind,
            language=code,
            language_name=name,
            subject=rendered.subject,
            text=rendered.readable_text,
            real=real,
        )
        return Page(template="desk-mail.html.j2", shows=shows, policy=FRAMING)

    def html(self, visit: Visit, _admin: Admin) -> Answer:
        """GET what stands in the frame. Raises NotFoundError, TemplateError."""
        kind, code, _ = self._asked(visit)
        rendered, _ = self._rendered(kind, code, visit.now)
        return Document(content=rendered.readable_html, media_type="text/html; charset=utf-8", policy=FRAMED)

    def _asked(self, visit: Visit) -> tuple[MailKind, str, str]:
        """(the kind, the language, its name) that an address names."""
        named, code = visit.path["kind"], visit.path["language"]
        kind = next((kind for kind in MailKind if kind == named), None)
        with self.bench.templates() as templates:
            language = next((language for language in templates.languages if language.code == code), None)
        if kind is None or language is None:
            raise NotFoundError("mail", f"{named}/{code}", MailKind)
        return kind, code, language.name

    def _rendered(self, kind: MailKind, code: str, now: datetime) -> tuple[RenderedMail, bool]:
        """(the mail, whether its papers are real); its links are nobody's."""
        mail, real = self._composed(kind, replace(self.reader, language=code), now)
        with self.bench.composer() as composer:
            return composer.render(test_mail.copy_without_links(mail, mail.subscriber.email)), real

    def _composed(self, kind: MailKind, reader: Subscriber, now: datetime) -> tuple[Delivery, bool]:
        if kind not in {MailKind.DIGEST, MailKind.WELCOME}:
            return test_mail.make_delivery(kind, reader, None, domain=self.domain, now=now), False
        digest = self._digest(reader, now)
        found = digest or sample_mail.full_digest(reader)
        return test_mail.make_delivery(kind, reader, found, domain=self.domain, now=now), digest is not None

    def _digest(self, reader: Subscriber, now: datetime) -> Digest | None:
        """The best of the last days for who follows every profile; None where there is nothing."""
        with self.store.read() as tx:
            shared = profiles.list_shared(tx)
        try:
            reader = replace(reader, max_papers=_PAPERS)
            digest = test_mail.recent_digest(self.recent_papers, shared, reader, days=DAYS, now=now) if shared else None
        except RuleError:  # of a profile that an older version could read
            return None
        return digest if digest is not None and digest.items else None


def check_pages(templates: Templates) -> None:
    """Raise, as a TemplateError, what is wrong with how pages' templates of the admin's are written."""
    for name in templates.overridden_files():
        if Path(name).suffix == ".j2" and name.startswith("web/"):
            with templates.errors_located(name):
                templates.environment(templates.languages.find("en")).get_template(name)


def _list(shows: Overview) -> Page:
    return Page(template="desk-templates.html.j2", shows=shows)
