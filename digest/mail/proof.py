"""Tries templates on made-up mails before a reader's goes through them. Refuses what no reader should get."""

from collections.abc import Iterable
from html.parser import HTMLParser

from digest.errors import TemplateError
from digest.mail.budget import MAX_HTML_BYTES
from digest.mail.cardpress import Outline
from digest.mail.context import NoteMail
from digest.mail.specimen import MARKUP
from digest.mail.templates import Templates
from digest.mail.writer import DIGEST, HTML, TEXT, Rendered, Writer, template

_NO_CONTENT = {"br", "img", "hr", "input", "meta", "link", "col", "wbr"}


def prove(
    writer: Writer, templates: Templates, *, outlines: Iterable[Outline], notes: Iterable[tuple[str, NoteMail]]
) -> None:
    """Raises TemplateError, with file and line, for what would spoil mails. `notes` have their templates' names.

    A template whose print is not what ordinary Jinja gives is rendered by Jinja from now on.
    """
    for outline in outlines:
        writer.compare(outline)
        _check(writer.digest(outline), DIGEST, "mail.unsubscribe_url", outline.mail.unsubscribe_url, templates)
    for name, mail in notes:
        _check(writer.note(name, mail), name, "mail.action_url", mail.action_url, templates)


def _check(rendered: Rendered, name: str, variable: str, link: str, templates: Templates) -> None:
    """Both bodies are small, hold the link without which the mail is no good, and no markup of a paper's own."""

    def refuse(part: str, line: int, reason: str) -> None:
        raise TemplateError(templates.file(template(name, part)), line, reason)

    for part, body in ((HTML, rendered.html), (TEXT, rendered.text)):
        if len(body) > MAX_HTML_BYTES:
            refuse(part, 1, f"takes {len(body)} bytes for a handful of papers; {MAX_HTML_BYTES} is the most")
    page = _Page()
    page.feed(rendered.readable_html)
    if MARKUP in page.tags:
        refuse(HTML, 0, "writes a paper's text as if it were HTML; leave out `safe` and `autoescape false`")
    if any(not url.startswith(("https://", "http://", "mailto:", "#")) for url in page.links):
        refuse(HTML, 0, "has a link that leads nowhere on the web, or wherever a paper says")
    for part, links in ((HTML, page.links), (TEXT, rendered.readable_text.split())):
        if link not in links:
            refuse(part, templates.lines(template(name, part)), f"ends without {{{{ {variable} }}}}: a reader needs it")


class _Page(HTMLParser):
    """The tags of a page, and the links in it that show."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self._hidden = 0  # depth within what does not show

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser."""
        self.tags.add(tag)
        attributes = dict(attrs)
        if tag not in _NO_CONTENT and (self._hidden or "display:none" in (attributes.get("style") or "")):
            self._hidden += 1
        if tag == "a" and not self._hidden:
            self.links.append(attributes.get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        """Called by the parser."""
        if self._hidden and tag not in _NO_CONTENT:
            self._hidden -= 1
