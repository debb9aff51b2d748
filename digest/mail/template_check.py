"""Tries templates on made-up digests before they render a subscriber's mail, and refuses those that would spoil it."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

from digest.errors import TemplateError
from digest.mail.context import NoteMail
from digest.mail.fast.renderer import Outline
from digest.mail.html_budget import MAX_HTML_BYTES, TemplateSizes
from digest.mail.mail_renderer import DIGEST, HTML, SUBJECT, TEXT, MailRenderer, RenderedMail, template
from digest.mail.templates import Templates
from digest.models import AnnounceType, Digest, DigestItem, Evidence, Field, Paper, Subscriber

_BALANCED = set("a b i em strong small span bdi h1 h2 h3 h4 div table tbody tr td center".split())
_EMPTY = set("br img hr input meta link col".split())

MARKUP = "sample-markup"  # a tag in a paper's title, which must never become a tag of the mail

_AT = datetime(2026, 6, 3, 7, tzinfo=UTC)
_KEYWORD_BYTES = 60  # that a keyword takes in a reason, as text and in its link
_PAPER = Paper(
    id="sample:plain",
    title="A plain paper",
    url="https://digest.invalid/abstract",
    pdf_url="https://digest.invalid/pdf",
    code_url="https://digest.invalid/code",
    discussion_url="https://digest.invalid/discussion",
)


def check_templates(
    renderer: MailRenderer, templates: Templates, *, outlines: Iterable[Outline], notes: Iterable[tuple[str, NoteMail]]
) -> None:
    """Check the digest's templates on `outlines` and the others on `notes`, which come with their template's name.

    Raises TemplateError, with file and line. A digest's template that cannot be rendered fast is rendered by Jinja from
    now on.
    """
    for outline in outlines:
        mail = outline.mail
        renderer.check_against_jinja(outline)
        check = _MailCheck(DIGEST, renderer.render_digest(outline), templates)
        check.check_bodies()
        check.check_link("mail.unsubscribe_url", mail.unsubscribe_url)
        check.check_text("mail.newsletter.postal_address", mail.newsletter.postal_address)
        for section in mail.sections:
            check.check_text("card.plain_title", section.cards[0].paper.title)
    for name, note in notes:
        check = _MailCheck(name, renderer.render_note(name, note), templates)
        check.check_bodies()
        check.check_link("mail.action_url", note.action_url)


class _MailCheck:
    """Checks one sample mail. All methods raise TemplateError."""

    def __init__(self, name: str, rendered: RenderedMail, templates: Templates) -> None:
        self._name = name
        self._templates = templates
        self._rendered = rendered
        self._page = _Page()
        self._page.feed(rendered.readable_html)

    def check_bodies(self) -> None:
        """Check that there is a subject, that both bodies are small, and that the HTML is sound."""
        if not self._rendered.subject:
            self._refuse(SUBJECT, 1, "gives no subject")
        for part, body in ((HTML, self._rendered.html), (TEXT, self._rendered.text)):
            if len(body) > MAX_HTML_BYTES:
                self._refuse(part, 1, f"takes {len(body)} bytes for a few papers; at most {MAX_HTML_BYTES} are allowed")
        if MARKUP in self._page.tags:
            self._refuse(HTML, 0, "writes a paper's text as if it were HTML; leave out `safe` and `autoescape false`")
        foreign = next((tag for tag in self._page.tags if tag == "script" or tag.startswith("mj-")), None)
        if foreign:
            self._refuse(HTML, 0, f"has a <{foreign}>, which mail programs drop or show as text")
        if self._page.unbalanced:
            self._refuse(HTML, 0, f"has a <{self._page.unbalanced}> that is not closed, or closed where none is open")
        if any(not url.startswith(("https://", "http://", "mailto:", "#")) for url in self._page.links):
            self._refuse(HTML, 0, "has a link that is not http, https or mailto, or that a paper's text can set")

    def check_link(self, variable: str, link: str) -> None:
        """Check that the link can be clicked in the HTML and read in the text."""
        if not self._page.links.get(link, "").strip():
            self._refuse_without(HTML, variable)
        if link not in self._rendered.readable_text.split():
            self._refuse_without(TEXT, variable)

    def check_text(self, variable: str, text: str) -> None:
        """Check that both bodies show the text."""
        words = " ".join(text.split())
        for part, shown in ((HTML, self._page.text), (TEXT, self._rendered.readable_text)):
            if words not in " ".join(shown.split()):
                self._refuse_without(part, variable)

    def _refuse_without(self, part: str, variable: str) -> None:
        last_line = self._templates.lines(template(self._name, part))
        self._refuse(part, last_line, f"ends without {{{{ {variable} }}}} where every subscriber sees it")

    def _refuse(self, part: str, line: int, reason: str) -> None:
        name = template(self._name, part)
        others = [other for other in self._templates.overridden_files() if other != name]
        also = f" (with your {', '.join(others)})" if others else ""
        raise TemplateError(self._templates.file(name), line, reason + also)


class _Page(HTMLParser):
    """The tags of a page, and its visible text and links."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: dict[str, str] = {}  # with their texts
        self.text = ""
        self.unbalanced = ""
        self._open: list[tuple[str, bool, str]] = []  # tag, whether it is visible, its href

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser."""
        attributes = dict(attrs)
        self.tags.add(tag)
        visible = all(shown for _, shown, _ in self._open) and "display:none" not in (attributes.get("style") or "")
        url = attributes.get("href") or ""
        if tag == "a" and visible:
            self.links.setdefault(url, "")
        if tag not in _EMPTY:
            self._open.append((tag, visible and tag not in {"style", "title", "head"}, url if tag == "a" else ""))

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


def measure_sizes(size: Callable[[Digest], int]) -> TemplateSizes:
    """Return how many bytes a template adds to papers' texts. `size` returns the bytes of a digest in that template."""
    none = size(_small_digest(["A"]))
    two_cards = size(_small_digest(["A", "A"]))
    one_hit = size(_small_digest(["A"], hits=1))
    mark = max(0, size(_small_digest(["A"], hits=2)) - one_hit)
    return TemplateSizes(
        shell=none,
        section=max(0, size(_small_digest(["A", "B"])) - two_cards),
        card=max(0, two_cards - none),
        reason=max(0, one_hit - none - mark) + _KEYWORD_BYTES,
        mark=mark,
    )


def full_digest(subscriber: Subscriber) -> Digest:
    """Return a digest with all that a mail can show, papers that have nothing but a title, and hostile texts."""
    full = replace(
        _PAPER,
        id="sample:full",
        title=f"Graphs <{MARKUP}>&amp;</i> \u0634\u0628\u0643\u0627\u062a & {{{{ graph }}}} networks",
        abstract="On graphs & 图 (p < 0.05). " + "A sentence on graphs and their networks. " * 60,
        authors=("Ada Author", "Bo Author", "Cy Author", "Di Author"),
        categories=("cs.LG", "stat.ML"),
        announce_type=AnnounceType.REPLACE_CROSS,
        published_at=_AT,
        upvotes=12,
        stars=3400,
    )
    bare = Paper(id="sample:bare", title="0")
    hostile = Paper(id="sample:hostile", title=f"javascript:<{MARKUP}>", url="javascript:alert(1)")
    hits = (
        _hit(full, Field.TITLE, "Graphs"),
        _hit(full, Field.TITLE, "networks"),
        _hit(full, Field.ABSTRACT, "graphs"),
        _hit(full, Field.ABSTRACT, "graphs & 图"),
        _hit(full, Field.AUTHOR, "Ada Author"),
        _hit(full, Field.CATEGORY, "cs.LG"),
    )
    items = (
        DigestItem(paper=full, profile="Graphs & more", score=3, evidence=hits, also=("Networks", "Trees")),
        DigestItem(paper=bare, profile="Graphs & more", score=2, evidence=()),
        DigestItem(paper=hostile, profile="Graphs & more", score=2, evidence=()),
        DigestItem(paper=_PAPER, profile="Else", score=1, evidence=(_hit(_PAPER, Field.TITLE, "paper"),)),
    )
    return _digest(subscriber, items, more=tuple(str(i) for i in range(12)), trending=(full, bare))


def long_digest(subscriber: Subscriber, count: int) -> Digest:
    """Return a digest of `count` papers without abstracts."""
    return replace(_small_digest(["Graphs"] * count), subscriber=subscriber)


def _small_digest(profiles: list[str], *, hits: int = 0) -> Digest:
    """Return a digest with a tiny paper for each profile, and with so many hits in each title."""
    found = tuple(Evidence(field=Field.TITLE, start=2 * i, end=2 * i + 1, rule="x") for i in range(hits))
    papers = [replace(_PAPER, id=f"sample:{i}", title="x " * max(1, hits)) for i in range(len(profiles))]
    items = (DigestItem(paper=p, profile=n, score=1, evidence=found) for p, n in zip(papers, profiles, strict=True))
    return _digest(Subscriber(email="reader@digest.invalid"), tuple(items))


def _digest(
    subscriber: Subscriber, items: tuple[DigestItem, ...], more: tuple[str, ...] = (), trending: tuple[Paper, ...] = ()
) -> Digest:
    return Digest(
        subscriber=subscriber,
        slot_at=_AT,
        created_at=_AT,
        dated_on=_AT.date(),
        message_id="sample@digest.invalid",
        items=items,
        more=more,
        trending=trending,
    )


def _hit(paper: Paper, field: Field, text: str) -> Evidence:
    start = paper.text_of(field).index(text)
    return Evidence(field=field, start=start, end=start + len(text), rule=text)
