"""Tries templates on made-up mails before a reader's goes through them. Refuses what no reader should get."""

from collections.abc import Iterable
from html.parser import HTMLParser

from digest.errors import TemplateError
from digest.mail.context import NoteMail
from digest.mail.fast.card_renderer import Outline
from digest.mail.html_budget import MAX_HTML_BYTES
from digest.mail.mail_renderer import DIGEST, HTML, SUBJECT, TEXT, MailRenderer, RenderedMail, template
from digest.mail.sample_mail import MARKUP
from digest.mail.templates import Templates

_BALANCED = set("a b i em strong small span bdi h1 h2 h3 h4 div table tbody tr td center".split())
_EMPTY = set("br img hr input meta link col".split())


def check_templates(
    renderer: MailRenderer, templates: Templates, *, outlines: Iterable[Outline], notes: Iterable[tuple[str, NoteMail]]
) -> None:
    """Raises TemplateError, with file and line, for what would spoil mails. `notes` have their templates' names.

    A template whose print is not what ordinary Jinja gives is rendered by Jinja from now on.
    """
    for outline in outlines:
        mail = outline.mail
        renderer.compare_with_jinja(outline)
        proof = _Proof(DIGEST, renderer.render_digest(outline), templates)
        proof.check_all()
        proof.check_link("mail.unsubscribe_url", mail.unsubscribe_url)
        proof.check_text("mail.newsletter.postal_address", mail.newsletter.postal_address)
        for section in mail.sections:
            proof.check_text("card.plain_title", section.cards[0].paper.title)
    for name, note in notes:
        proof = _Proof(name, renderer.render_note(name, note), templates)
        proof.check_all()
        proof.check_link("mail.action_url", note.action_url)


class _Proof:
    """One made-up mail, and what is wrong with it."""

    def __init__(self, name: str, rendered: RenderedMail, templates: Templates) -> None:
        self._name = name
        self._templates = templates
        self._rendered = rendered
        self._page = _Page()
        self._page.feed(rendered.readable_html)

    def check_all(self) -> None:
        """It has a subject, both bodies are small, and no markup in it is a paper's, or left open."""
        if not self._rendered.subject:
            self._refuse(SUBJECT, 1, "gives no subject")
        for part, body in ((HTML, self._rendered.html), (TEXT, self._rendered.text)):
            if len(body) > MAX_HTML_BYTES:
                self._refuse(part, 1, f"takes {len(body)} bytes for a handful of papers; {MAX_HTML_BYTES} is the most")
        if MARKUP in self._page.tags:
            self._refuse(HTML, 0, "writes a paper's text as if it were HTML; leave out `safe` and `autoescape false`")
        foreign = next((tag for tag in self._page.tags if tag == "script" or tag.startswith("mj-")), None)
        if foreign:
            self._refuse(HTML, 0, f"has a <{foreign}>, which mail programs drop or show")
        if self._page.unbalanced:
            self._refuse(HTML, 0, f"has a <{self._page.unbalanced}> that is not closed, or closed where none is open")
        if any(not url.startswith(("https://", "http://", "mailto:", "#")) for url in self._page.links):
            self._refuse(HTML, 0, "has a link that leads nowhere on the web, or wherever a paper says")

    def check_link(self, variable: str, link: str) -> None:
        """The link without which the mail is no good can be tapped in the one body and read in the other."""
        if not self._page.links.get(link, "").strip():
            self._lacks(HTML, variable)
        if link not in self._rendered.readable_text.split():
            self._lacks(TEXT, variable)

    def check_text(self, variable: str, text: str) -> None:
        """Both bodies show a text."""
        words = " ".join(text.split())
        for part, shown in ((HTML, self._page.text), (TEXT, self._rendered.readable_text)):
            if words not in " ".join(shown.split()):
                self._lacks(part, variable)

    def _lacks(self, part: str, variable: str) -> None:
        last_line = self._templates.lines(template(self._name, part))
        self._refuse(part, last_line, f"ends without {{{{ {variable} }}}} where every reader sees it")

    def _refuse(self, part: str, line: int, reason: str) -> None:
        file = self._templates.file(template(self._name, part))
        own = [name for name in self._templates.overridden_files() if name != template(self._name, part)]
        also = f" (with your {', '.join(own)})" if own else ""
        raise TemplateError(file, line, reason + also)


class _Page(HTMLParser):
    """The tags of a page, and the text and the links in it that show."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: dict[str, str] = {}  # with their texts
        self.text = ""
        self.unbalanced = ""
        self._open: list[tuple[str, bool, str]] = []  # tag, whether it shows, where it leads

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser."""
        attributes = dict(attrs)
        self.tags.add(tag)
        shows = all(shown for _, shown, _ in self._open) and "display:none" not in (attributes.get("style") or "")
        url = attributes.get("href") or ""
        if tag == "a" and shows:
            self.links.setdefault(url, "")
        if tag not in _EMPTY:
            self._open.append((tag, shows and tag not in {"style", "title", "head"}, url if tag == "a" else ""))

    def handle_endtag(self, tag: str) -> None:
        """Called by the parser."""
        while self._open and self._open[-1][0] != tag and self._open[-1][0] not in _BALANCED:
            self._open.pop()  # such as a <p>, which need not be closed
        if self._open and self._open[-1][0] == tag:
            self._open.pop()
        elif tag in _BALANCED:
            self.unbalanced = self.unbalanced or (self._open[-1][0] if self._open else tag)

    def handle_data(self, data: str) -> None:
        """Called by the parser."""
        if all(shown for _, shown, _ in self._open):
            self.text += data
            for _, _, url in self._open:
                if url in self.links:
                    self.links[url] += data
