"""Writes the parts of a mail in one language: digests printed, where their templates can be taken apart.

Where they cannot, ordinary Jinja renders them for every mail, to the same bytes, and `slow` says why.
"""

import quopri
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from digest.mail import cards
from digest.mail.cards import Stockroom
from digest.mail.context import Card, DigestMail, Mail
from digest.mail.encoding import html_bytes, quoted_printable
from digest.mail.fast.card_renderer import Outline
from digest.mail.fast.encoders import HtmlInk, Ink, PlainInk, QuotedPrintableInk
from digest.mail.fast.partial_template import Unsuitable, take_apart
from digest.mail.fast.renderer import MAIL, Press
from digest.mail.languages import Language
from digest.mail.template_errors import FAULTS
from digest.mail.templates import Templates
from digest.models import DigestItem

DIGEST = "digest"
SUBJECT, HTML, TEXT = "subject.txt", "mjml", "txt"  # a mail's three templates

_INKS: dict[str, Ink] = {SUBJECT: PlainInk(), HTML: HtmlInk(), TEXT: QuotedPrintableInk()}


@dataclass(frozen=True, slots=True)
class Rendered:
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


class Writer:
    """Writes mails in one language."""

    def __init__(self, templates: Templates, language: Language, room: Stockroom) -> None:
        self.language = language
        self.slow: dict[str, str] = {}  # a template's file -> why ordinary Jinja renders it for every mail
        self._templates = templates
        self._room = room
        self._presses: dict[str, Press | None] = {}

    def digest(self, outline: Outline) -> Rendered:
        """A digest's mail. Raises TemplateError."""
        return _rendered(self.printed(part, outline) for part in _INKS)

    def note(self, name: str, mail: Mail) -> Rendered:
        """Another mail, such as "confirmation". Raises TemplateError."""
        return _rendered(self._by_jinja(name, part, mail) for part in _INKS)

    def printed(self, part: str, outline: Outline) -> bytes:
        """One part of a digest's mail, by the press if it can be. Raises TemplateError."""
        press = self._press(part)
        if press is not None:
            try:
                return press.print(outline)
            except (Unsuitable, *FAULTS) as reason:
                self._print_no_more(part, str(reason))
        return self.by_jinja(part, outline)

    def _press(self, part: str) -> Press | None:
        """What prints a part; None if ordinary Jinja has to. A fault that is the template's own shows there again."""
        if part not in self._presses:
            try:
                environment = self._templates.environment(self.language)
                page = take_apart(environment, template(DIGEST, part), MAIL, "mail")
                self._presses[part] = Press(page, _INKS[part], self._room)
            except (Unsuitable, *FAULTS) as reason:
                self._print_no_more(part, str(reason))
        return self._presses[part]

    def compare(self, outline: Outline) -> None:
        """Print a mail and render it; where the two differ, print no more."""
        for part in _INKS:
            if self.printed(part, outline) != self.by_jinja(part, outline):
                self._print_no_more(part, "what is printed of it is not what Jinja renders")

    def by_jinja(self, part: str, outline: Outline) -> bytes:
        """The same bytes as `printed`, by ordinary Jinja. Raises TemplateError."""
        return self._by_jinja(DIGEST, part, self._with_cards(outline))

    def _print_no_more(self, part: str, reason: str) -> None:
        self._presses[part] = None
        self.slow[self._templates.file(template(DIGEST, part))] = reason

    def _by_jinja(self, mail_name: str, part: str, mail: Mail) -> bytes:
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
            cards.card(
                item,
                self._room.get(item.paper),
                max_abstract=outline.max_abstract,
                paper_url=outline.paper_url(item.paper.id),
                mute_url=outline.mute_url,
            )
            for item in items
        )


def template(mail_name: str, part: str) -> str:
    """The name of one of a mail's templates."""
    return f"email/{mail_name}.{part}.j2"


def _rendered(parts: Iterable[bytes]) -> Rendered:
    subject, html, text = parts
    return Rendered(" ".join(subject.decode().split()), html, text)
