"""Made-up digests. Templates are tried and measured on them before they render a subscriber's mail."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from digest.mail.html_budget import TemplateSizes
from digest.models import AnnounceType, Digest, DigestItem, Evidence, Field, Paper, Subscriber

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


def measure_sizes(size: Callable[[Digest], int]) -> TemplateSizes:
    """How many bytes a template adds to papers' texts. `size` gives the bytes of a digest's HTML in that template."""
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
    """A digest with all that a mail can show, papers that have nothing but a title, and hostile texts."""
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
    """A digest of `count` papers without abstracts."""
    return replace(_small_digest(["Graphs"] * count), subscriber=subscriber)


def _small_digest(profiles: list[str], *, hits: int = 0) -> Digest:
    """A digest with a tiny paper for each profile, and with so many hits in each title."""
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
