"""Made-up digests on which templates are tried and measured before a reader's goes through them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from digest.mail.html_budget import TemplateSizes
from digest.models import AnnounceType, Digest, DigestItem, Evidence, Field, Paper, Subscriber

_AT = datetime(2026, 6, 3, 7, tzinfo=UTC)
_KEYWORD = 60  # bytes that a keyword takes in a reason, as text and in its link

MARKUP = "specimen"  # a tag that stands in a paper's title and may never become one of the mail's


def measure_sizes(size: Callable[[Digest], int]) -> TemplateSizes:
    """What a template adds to papers' texts, from the `size` in bytes that it gives to digests."""
    none = size(_digest(["A"], ""))
    two_cards = size(_digest(["A", "A"], ""))
    two_sections = size(_digest(["A", "B"], ""))
    one_hit = size(_digest(["A"], "x"))
    same_again = size(_digest(["A"], "xx"))
    mark = max(0, same_again - one_hit)
    return TemplateSizes(
        shell=none,
        section=max(0, two_sections - two_cards),
        card=max(0, two_cards - none),
        reason=max(0, one_hit - none - mark) + _KEYWORD,
        mark=mark,
    )


def full_digest(subscriber: Subscriber) -> Digest:
    """A digest with everything in it that a mail can show, and papers that lack all but their titles."""
    full = _paper(
        "full",
        title=f"Graphs <{MARKUP}>&amp;</i> \u0634\u0628\u0643\u0627\u062a & {{{{ graph }}}} networks",
        abstract="On graphs & 图 (p < 0.05). " + "A sentence on graphs and their networks. " * 60,
        authors=("Ada Author", "Bo Author", "Cy Author", "Di Author"),
        categories=("cs.LG", "stat.ML"),
        announce_type=AnnounceType.REPLACE_CROSS,
        published_at=_AT,
        upvotes=12,
        stars=3400,
    )
    plain = _paper("plain", title="A plain paper")
    bare = Paper(id="specimen:bare", title="0")
    sly = Paper(id="specimen:sly", title=f"javascript:<{MARKUP}>", url="javascript:alert(1)")
    found = (
        _evidence(full, Field.TITLE, "Graphs"),
        _evidence(full, Field.TITLE, "networks"),
        _evidence(full, Field.ABSTRACT, "graphs"),
        _evidence(full, Field.ABSTRACT, "graphs & 图"),
        _evidence(full, Field.AUTHOR, "Ada Author"),
        _evidence(full, Field.CATEGORY, "cs.LG"),
    )
    return Digest(
        subscriber=subscriber,
        slot_at=_AT,
        created_at=_AT,
        dated_on=_AT.date(),
        message_id="specimen@digest.invalid",
        items=(
            DigestItem(paper=full, profile="Graphs & more", score=3, evidence=found, also=("Networks", "Trees")),
            DigestItem(paper=bare, profile="Graphs & more", score=2, evidence=()),
            DigestItem(paper=sly, profile="Graphs & more", score=2, evidence=()),
            DigestItem(paper=plain, profile="Else", score=1, evidence=(_evidence(plain, Field.TITLE, "paper"),)),
        ),
        more=tuple(str(i) for i in range(12)),
        trending=(full, bare),
    )


def long_digest(subscriber: Subscriber, count: int) -> Digest:
    """A digest of so many papers of which there is little to say."""
    return replace(_digest(["Graphs"] * count, ""), subscriber=subscriber)


def _digest(profiles: list[str], hits: str) -> Digest:
    """A digest with one tiny paper for each name, in its section, and as many matches in the title as `hits`."""
    papers = [_paper(str(i), title="x " * max(1, len(hits))) for i in range(len(profiles))]
    found = tuple(Evidence(field=Field.TITLE, start=2 * i, end=2 * i + 1, rule="x") for i in range(len(hits)))
    return Digest(
        subscriber=Subscriber(email="reader@digest.invalid"),
        slot_at=_AT,
        created_at=_AT,
        dated_on=date(2026, 6, 3),
        message_id="specimen@digest.invalid",
        items=tuple(
            DigestItem(paper=paper, profile=name, score=1, evidence=found)
            for paper, name in zip(papers, profiles, strict=True)
        ),
    )


def _paper(name: str, *, title: str, **rest: Any) -> Paper:
    return Paper(
        id=f"specimen:{name}",
        title=title,
        url="https://digest.invalid/abstract",
        pdf_url="https://digest.invalid/pdf",
        code_url="https://digest.invalid/code",
        discussion_url="https://digest.invalid/discussion",
        **rest,
    )


def _evidence(paper: Paper, field: Field, text: str) -> Evidence:
    start = paper.text_of(field).index(text)
    return Evidence(field=field, start=start, end=start + len(text), rule=text)
