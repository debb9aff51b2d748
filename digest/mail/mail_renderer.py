"""Writes the parts of a mail in one language: digests printed, where their templates can be taken apart.

Where they cannot, ordinary Jinja renders them for every mail, to the same bytes, and `slow` says why.
"""

import quopri
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from digest.mail import cards
from digest.mail.cards import PaperCache
from digest.mail.context import Card, DigestMail, Mail
from digest.mail.encoding import html_bytes, quoted_printable
from digest.mail.fast.card_renderer import Outline
from digest.mail.fast.encoders import Encoder, HtmlEncoder, PlainTextEncoder, QuotedPrintableEncoder
from digest.mail.fast.fragments import UnsplittableError, split_template
from digest.mail.fast.renderer import MAIL, FastRenderer
from digest.mail.languages import Language
from digest.mail.templates import RENDER_ERRORS, Templates
from digest.models import DigestItem

DIGEST = "digest"
SUBJECT, HTML, TEXT = "subject.txt", "mjml", "txt"  # a mail's three templates

_ENCODERS: dict[str, Encoder] = {SUBJECT: PlainTextEncoder(), HTML: HtmlEncoder(), TEXT: QuotedPrintableEncoder()}


@dataclass(frozen=True, slots=True)
class RenderedMail:
    """A mail's subject, and its two bodies as they travel: 7-bit with CRLF, the text quoted-printable."""

    subject: str
    html: bytes
    text: bytes

    @property
    def readable_html(self) -> str:
        """The HTML as a file has it."""
        return self.html.decode().replace("\r\n", "\n")

    @property
    def readable_text(self) -> str:
        """The text as a reader sees it."""
        return quopri.decodestring(self.text).decode().replace("\r\n", "\n")


class MailRenderer:
    """Writes mails in one language."""

    def __init__(self, templates: Templates, language: Language, cache: PaperCache) -> None:
        self.language = language
        self.slow_templates: dict[str, str] = {}  # a template's file -> why ordinary Jinja renders it for every mail
        self._templates = templates
        self._cache = cache
        self._presses: dict[str, FastRenderer | None] = {}

    def render_digest(self, outline: Outline) -> RenderedMail:
        """A digest's mail. Raises TemplateError."""
        return _rendered(self.render_part(part, outline) for part in _ENCODERS)

    def render_note(self, name: str, mail: Mail) -> RenderedMail:
        """Another mail, such as "confirmation". Raises TemplateError."""
        return _rendered(self._render_template(name, part, mail) for part in _ENCODERS)

    def render_part(self, part: str, outline: Outline) -> bytes:
        """One part of a digest's mail, by the press if it can be. Raises TemplateError."""
        press = self._press(part)
        if press is not None:
            try:
                return press.render(outline)
            except (UnsplittableError, *RENDER_ERRORS) as reason:
                self._print_no_more(part, str(reason))
        return self.render_with_jinja(part, outline)

    def _press(self, part: str) -> FastRenderer | None:
        """What prints a part; None if ordinary Jinja has to. A fault that is the template's own shows there again."""
        if part not in self._presses:
            try:
                environment = self._templates.environment(self.language)
                page = split_template(environment, template(DIGEST, part), MAIL, "mail")
                self._presses[part] = FastRenderer(page, _ENCODERS[part], self._cache)
            except (UnsplittableError, *RENDER_ERRORS) as reason:
                self._print_no_more(part, str(reason))
        return self._presses[part]

    def compare_with_jinja(self, outline: Outline) -> None:
        """Print a mail and render it; where the two differ, print no more."""
        for part in _ENCODERS:
            if self.render_part(part, outline) != self.render_with_jinja(part, outline):
                self._print_no_more(part, "what is printed of it is not what Jinja renders")

    def render_with_jinja(self, part: str, outline: Outline) -> bytes:
        """The same bytes as `printed`, by ordinary Jinja. Raises TemplateError."""
        return self._render_template(DIGEST, part, self._with_cards(outline))

    def _print_no_more(self, part: str, reason: str) -> None:
        self._presses[part] = None
        self.slow_templates[self._templates.file(template(DIGEST, part))] = reason

    def _render_template(self, mail_name: str, part: str, mail: Mail) -> bytes:
        text = self._templates.render(template(mail_name, part), self.language, mail)
        if part == HTML:
            return html_bytes(text)
        return quoted_printable(text) if part == TEXT else text.encode()

    def _with_cards(self, outline: Outline) -> DigestMail[Card]:
        """The mail as ordinary Jinja gets it."""
        mail: Any = outline.mail
        sections = tuple(replace(section, cards=self._cards(section.cards, outline)) for section in mail.sections)
        whole: DigestMail[Card] = replace(mail, sections=sections, trending=self._cards(mail.trending, outline))
        return whole

    def _cards(self, items: Iterable[DigestItem], outline: Outline) -> tuple[Card, ...]:
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


def template(mail_name: str, part: str) -> str:
    """The name of one of a mail's templates."""
    return f"email/{mail_name}.{part}.j2"


def _rendered(parts: Iterable[bytes]) -> RenderedMail:
    subject, html, text = parts
    return RenderedMail(" ".join(subject.decode().split()), html, text)
