"""A composer and digests to compose."""

from pathlib import Path
from typing import Any

from digest.mail import Composer, Newsletter, Templates
from digest.models import AnnounceType, Digest, Field, Paper
from digest.security.links import Links
from tests.builders import a_digest, an_item, at

PAPER = Paper(
    id="arxiv:2606.00001",
    title="Low-precision training of audio–visual nets & friends",
    abstract="We train with low precision where p < 0.05 & q. Quantized nets are small. " * 3,
    authors=("A. Author", "B. Author", "C. Author", "D. Author"),
    categories=("cs.LG", "stat.ML"),
    url="https://arxiv.org/abs/2606.00001",
    pdf_url="https://arxiv.org/pdf/2606.00001",
    announce_type=AnnounceType.REPLACE,
    published_at=at("2026-06-02 04:00"),
)
OTHER = Paper(
    id="arxiv:2606.00002",
    title="مرحبا 数据集 😀 <script>alert(1)</script> {{ 7*7 }} ]]>",
    url="https://x.org/2?a=1&b=2",
)

SENDER = Newsletter(name="Daily Papers", sender="Daily Papers <digest@example.org>", postal_address="1 Street, City")
LINKS = Links("https://digest.example.org", b"k" * 32)


def composer(overriding: Path | None = None, newsletter: Newsletter = SENDER, **options: Any) -> Composer:
    return Composer(newsletter, Templates(overriding), LINKS, **options)


def two_papers() -> Digest:
    first = an_item(PAPER, "Efficient models", 3.0, (Field.TITLE, "Low-precision"), (Field.ABSTRACT, "low precision"))
    return a_digest([first, an_item(OTHER, "Everything", 1.0, (Field.TITLE, "数据集"))], more=("a", "b", "c"))


# What no digest may lack: a template of a test has it behind what it is about.
REST = (
    "{% for s in mail.sections %}{% for c in s.cards %}{{ c.plain_title }} {% endfor %}{% endfor %}"
    "{{ mail.newsletter.postal_address }} {{ mail.unsubscribe_url }}"
)
HTML_REST = REST.replace("{{ mail.unsubscribe_url }}", '<a href="{{ mail.unsubscribe_url }}">Unsubscribe</a>')


def overriding(folder: Path, name: str, text: str) -> Path:
    """A folder of the admin's with one template in it ("digest.txt.j2")."""
    (folder / "email").mkdir(exist_ok=True)
    (folder / "email" / name).write_text(text, encoding="utf-8")
    return folder
