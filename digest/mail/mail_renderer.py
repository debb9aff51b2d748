"""Renders the subject, HTML and text of a mail in one language.

Digests go through fast/ where their templates can be split into fragments. Other digests and all other mails are
rendered by Jinja each time; the bytes are the same.
"""

import quopri
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from digest.mail import cards
from digest.mail.cards import PaperCache
from digest.mail.context import Card, DigestMail, Mail
from digest.mail.encoding import Encoder, HtmlEncoder, QuotedPrintableEncoder
from digest.mail.fast.fragments import UnsplittableError, split_template
from digest.mail.fast.renderer import MAIL, FastRenderer, Outline
from digest.mail.languages import Language
from digest.mail.templates import RENDER_ERRORS, Templates
from digest.models import DigestItem

DIGEST = "digest"
SUBJECT, HTML, TEXT = "subject.txt", "mjml", "txt"  # a mail's three templates

_ENCODERS: dict[str, Encoder] = {SUBJECT: Encoder(), HTML: HtmlEncoder(), TEXT: QuotedPrintableEncoder()}


@dataclass(frozen=True, slots=True)
class RenderedMail:
    """A mail's subject, and its two bodies as they are sent: 7-bit with CRLF, the text quoted-printable."""

    subject: str
    html: bytes
    text: bytes

    @property
    def readable_html(self) -> str:
        """The HTML with LF line ends."""
        return self.html.decode().replace("\r\n", "\n")

    @property
    def readable_text(self) -> str:
        """The decoded text with LF line ends."""
        return quopri.decodestring(self.text).decode().replace("\r\n", "\n")


class MailRenderer:
    """Renders mails in one language."""

    def __init__(self, templates: Templates, language: Language, cache: PaperCache) -> None:
        self.language = language
        self.slow_templates: dict[str, str] = {}  # a template's file -> why Jinja renders it for every mail
        self._templates = templates
        self._cache = cache
        self._fast: dict[str, FastRenderer | None] = {}

    def render_digest(self, outline: Outline) -> RenderedMail:
        """Render a digest's mail. Raises TemplateError."""
        return _rendered(self.render_part(part, outline) for part in _ENCODERS)

    def render_note(self, name: str, mail: Mail) -> RenderedMail:
        """Render a mail of another kind, such as "confirmation". Raises TemplateError."""
        return _rendered(self._render_template(name, part, mail) for part in _ENCODERS)

    def render_part(self, part: str, outline: Outline) -> bytes:
        """Render one part of a digest's mail. Raises TemplateError."""
        try:
            if part not in self._fast:
                environment = self._templates.environment(self.language)
                page = split_template(environment, template(DIGEST, part), MAIL, "mail")
                self._fast[part] = FastRenderer(page, _ENCODERS[part], self._cache)
            fast = self._fast[part]
            if fast is not None:
                return fast.render(outline)
        except (UnsplittableError, *RENDER_ERRORS) as reason:  # an error in the template itself recurs below
            self._mark_slow(part, str(reason))
        return self.render_with_jinja(part, outline)

    def check_against_jinja(self, outline: Outline) -> None:
        """Render a mail in both ways. A part that differs is rendered by Jinja from now on."""
        for part in _ENCODERS:
            if self.render_part(part, outline) != self.render_with_jinja(part, outline):
                self._mark_slow(part, "filling in its fragments gives other bytes than Jinja")

    def render_with_jinja(self, part: str, outline: Outline) -> bytes:
        """Render one part of a digest's mail with Jinja, to the bytes of `render_part`. Raises TemplateError."""
        return self._render_template(DIGEST, part, self._with_cards(outline))

    def _mark_slow(self, part: str, reason: str) -> None:
        self._fast[part] = None
        self.slow_templates[self._templates.file(template(DIGEST, part))] = reason

    def _render_template(self, mail_name: str, part: str, mail: Mail) -> bytes:
        encoder, text = _ENCODERS[part], self._templates.render(template(mail_name, part), self.language, mail)
        return encoder.finish([encoder.literal(text)])

    def _with_cards(self, outline: Outline) -> DigestMail[Card]:
        """Return the mail as templates see it: with a Card in place of each DigestItem."""

        def make_cards(items: Iterable[DigestItem]) -> tuple[Card, ...]:
            return tuple(
                cards.build_card(
                    item,
                    self._cache.get(item.paper),
                    max_abstract=outline.max_abstract,
                    paper_url=outline.paper_url(item.paper.id),
                    mute_url=outline.mute_url,
                )
                for item in items
            )

        mail: Any = outline.mail
        sections = tuple(replace(section, cards=make_cards(section.cards)) for section in mail.sections)
        with_cards: DigestMail[Card] = replace(mail, sections=sections, trending=make_cards(mail.trending))
        return with_cards


def template(mail_name: str, part: str) -> str:
    """Return the name of one of a mail's templates."""
    return f"email/{mail_name}.{part}.j2"


def _rendered(parts: Iterable[bytes]) -> RenderedMail:
    subject, html, text = parts
    return RenderedMail(" ".join(subject.decode().split()), html, text)  # a subject is one line, whatever its template
