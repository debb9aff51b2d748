"""Turns a delivery into a message. The same digest always gives the same bytes.

A message is multipart/alternative with a quoted-printable text and 7-bit HTML, has CRLF line ends and no line of more
than 998 bytes.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby

from digest.errors import TemplateError
from digest.mail.cards import MAX_NAME, PaperCache, shortened
from digest.mail.context import DigestMail, NoteMail, Section, SenderInfo
from digest.mail.dkim import Signer
from digest.mail.encoding import SafeText
from digest.mail.fast.renderer import Outline
from digest.mail.html_budget import MAX_HTML_BYTES, Fit, TemplateSizes, candidate_fits
from digest.mail.mail_renderer import HTML, MailRenderer, RenderedMail
from digest.mail.mime import MessageBuilder, Newsletter
from digest.mail.template_check import check_templates, full_digest, long_digest, measure_sizes
from digest.mail.templates import Templates
from digest.models import OWN_KEYWORDS, Delivery, Digest, DigestItem, MailKind, Message, Paper, Subscriber, Wording
from digest.security import addresses
from digest.security.links import Links, ReturnPaths, Scope, encode_time

ABSTRACT_CHARACTERS = 280  # three or four lines
_PREHEADER_CHARACTERS = 120
_TOP_TITLE_CHARACTERS = 80

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)

_ACTIONS = {  # what the link of a mail without a digest does
    MailKind.CONFIRMATION: Scope.CONFIRM,
    MailKind.SIGN_IN: Scope.SIGN_IN,
    MailKind.ADDRESS: Scope.ADDRESS,
    MailKind.GOODBYE: Scope.CONFIRM,  # confirming again is the way to come back
}


class Composer:
    """Composes the mails of one newsletter."""

    def __init__(
        self,
        newsletter: Newsletter,
        templates: Templates,
        links: Links,
        *,
        signer: Signer | None = None,
        return_paths: ReturnPaths | None = None,
        unsubscribe_by_mail: bool = False,
        max_abstract: int = ABSTRACT_CHARACTERS,
    ) -> None:
        """`signer` signs every mail; `return_paths` tell which mail bounced. `unsubscribe_by_mail`: their domain's mail
        is read, so that it can unsubscribe. `max_abstract`: characters of each abstract.

        Raises AddressError if the newsletter's sender or reply-to is not an address.
        """
        self._sender = SenderInfo(SafeText(newsletter.name), SafeText(newsletter.postal_address))
        self._templates = templates
        self._links = links
        self._max_abstract = max_abstract
        self._cache = PaperCache()
        self._renderers: dict[str, tuple[MailRenderer, TemplateSizes]] = {}
        self._unsubscribe_addresses = return_paths if unsubscribe_by_mail else None
        self._messages = MessageBuilder(newsletter, links.secret, signer=signer, return_paths=return_paths)

    def message(self, delivery: Delivery) -> Message:
        """Compose the mail of one delivery. Raises TemplateError, HeaderError, AddressError."""
        digest, reader = delivery.digest, delivery.subscriber
        unsubscribe: list[str] = []
        if digest is not None:
            # RFC 8058: the https link is the one that mail programs post to. It comes first.
            unsubscribe.append(self._links.url(Scope.UNSUBSCRIBE, reader.id, reader.epoch))
            if self._unsubscribe_addresses is not None:
                address = self._unsubscribe_addresses.unsubscribe_address(reader.id, reader.epoch)
                unsubscribe.append(f"mailto:{address}?subject=unsubscribe")
        return self._messages.build(
            self.render(delivery),
            reader,
            message_id=delivery.message_id,
            dated_at=delivery.queued_at if digest is None else digest.created_at,
            unsubscribe=unsubscribe,
            delivery_id=delivery.id,
        )

    def render(self, delivery: Delivery) -> RenderedMail:
        """Render a delivery's subject, HTML (at most MAX_HTML_BYTES) and text. Raises TemplateError.

        HTML and text have the same papers in the same order.
        """
        digest, kind, reader = delivery.digest, delivery.kind, delivery.subscriber
        renderer, sizes = self._renderer(reader.language)
        if digest is None:
            return renderer.render_note(kind.value, self._note(kind, reader, delivery.queued_at))
        trending = _as_items(digest.trending)
        items = digest.items
        own_keywords = renderer.language.translations.gettext(OWN_KEYWORDS)
        if own_keywords != OWN_KEYWORDS:
            names = {OWN_KEYWORDS: own_keywords}
            items = tuple(
                replace(i, profile=names.get(i.profile, i.profile), also=tuple(names.get(n, n) for n in i.also))
                for i in items
            )
        for fit in candidate_fits(items, trending, max_abstract=self._max_abstract, sizes=sizes, cache=self._cache):
            rendered = renderer.render_digest(self._outline(digest, fit, welcome=kind is MailKind.WELCOME))
            if len(rendered.html) <= MAX_HTML_BYTES:
                return rendered
        file = self._templates.file("email/digest.mjml.j2")
        raise TemplateError(file, 1, f"takes more than {MAX_HTML_BYTES} bytes of HTML without a single paper")

    def wording(self, language: str) -> Wording:
        """Return what subscribers agree to: the text of the confirmation mail. Raises TemplateError."""
        renderer, _ = self._renderer(language)
        note = self._note(MailKind.CONFIRMATION, Subscriber(email="…", language=language), _NEVER)
        rendered = renderer.render_note(MailKind.CONFIRMATION.value, note)
        text = f"{rendered.subject}\n\n{rendered.readable_text}".replace(note.action_url, "…")
        return Wording(language=renderer.language.code, text=text)

    def check(self) -> None:
        """Check the templates in all languages. Raises TemplateError."""
        for language in self._templates.languages:
            self._renderer(language.code)

    @property
    def slow_templates(self) -> dict[str, str]:
        """The template files that Jinja renders for every mail, and why they cannot be split into fragments."""
        return {file: why for renderer, _ in self._renderers.values() for file, why in renderer.slow_templates.items()}

    def _renderer(self, language: str) -> tuple[MailRenderer, TemplateSizes]:
        """Return the renderer for a language, its templates checked, with their sizes. Raises TemplateError."""
        found = self._templates.languages.find(language)
        if found.code not in self._renderers:
            renderer = MailRenderer(self._templates, found, self._cache)
            nameless = Subscriber(email="reader@digest.invalid", language=found.code)
            named = replace(nameless, email="A.Reader@digest.invalid", name="A. Reader")
            full, long = full_digest(named), long_digest(nameless, 30)
            empty = replace(full, items=(), more=(), trending=())
            samples = ((full, _as_items(full.trending), False), (full, (), True), (long, (), False), (empty, (), True))
            check_templates(
                renderer,
                self._templates,
                outlines=[
                    self._outline(digest, Fit(digest.items, trending, ABSTRACT_CHARACTERS), welcome=welcome)
                    for digest, trending, welcome in samples
                ],
                notes=[
                    (kind.value, self._note(kind, reader, full.created_at))
                    for kind in _ACTIONS
                    for reader in (named, nameless)
                ],
            )

            def size(digest: Digest) -> int:
                outline = self._outline(digest, Fit(digest.items, (), self._max_abstract), welcome=False)
                return len(renderer.render_with_jinja(HTML, outline))

            self._renderers[found.code] = renderer, measure_sizes(size)
        return self._renderers[found.code]

    def _outline(self, digest: Digest, fit: Fit, *, welcome: bool) -> Outline:
        reader, written_at = digest.subscriber, digest.created_at
        best = sorted(fit.items, key=lambda item: -item.score)
        titles = " · ".join(shortened(item.paper.title, _PREHEADER_CHARACTERS) for item in best[1:6])
        sections = [(name, tuple(items)) for name, items in groupby(fit.items, key=lambda item: item.profile)]
        mail = DigestMail(
            newsletter=self._sender,
            email=SafeText(reader.email),
            name=SafeText(reader.name),
            welcome=welcome,
            dated_on=digest.dated_on,
            count=len(fit.items),
            more=len(digest.more) + len(digest.items) - len(fit.items),
            top_title=SafeText.isolated(shortened(best[0].paper.title, _TOP_TITLE_CHARACTERS) if best else ""),
            preheader=SafeText(shortened(titles, _PREHEADER_CHARACTERS)),
            sections=tuple(
                Section(name=SafeText(shortened(name, MAX_NAME)), count=len(items), cards=items)
                for name, items in sections
            ),
            trending=fit.trending,
            web_url=self._url(Scope.READ, reader, written_at, about=encode_time(digest.slot_at)),
            preferences_url=self._url(Scope.PREFERENCES, reader, written_at),
            pause_url=self._url(Scope.PAUSE, reader, written_at),
            unsubscribe_url=self._url(Scope.UNSUBSCRIBE, reader, written_at),
        )
        return Outline(
            mail=mail,
            max_abstract=fit.max_abstract,
            mute_url=self._links.mute_links(reader.id, reader.epoch, written_at=written_at),
            paper_url=self._links.paper_url,
        )

    def _note(self, kind: MailKind, subscriber: Subscriber, created_at: datetime) -> NoteMail:
        about = self._links.text_hash(addresses.key(subscriber.new_email)) if kind is MailKind.ADDRESS else ""
        return NoteMail(
            newsletter=self._sender,
            email=SafeText(subscriber.email),
            name=SafeText(subscriber.name),
            action_url=self._url(_ACTIONS[kind], subscriber, created_at, about=about),
        )

    def _url(self, scope: Scope, subscriber: Subscriber, written_at: datetime, *, about: str = "") -> str:
        return self._links.url(scope, subscriber.id, subscriber.epoch, about=about, written_at=written_at)


def _as_items(papers: Iterable[Paper]) -> tuple[DigestItem, ...]:
    """Papers that no profile matched, as items."""
    return tuple(DigestItem(paper=paper, profile="", score=0, evidence=()) for paper in papers)
