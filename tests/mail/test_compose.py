"""A digest's mail, as mail programs read it."""

import email
import html
import re
from dataclasses import replace
from email import policy
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.errors import AddressError
from digest.links import Scope
from digest.mail.compose import MAX_HTML_BYTES
from digest.models import Delivery, DeliveryState, Digest, Field, MailKind, Message, Paper
from digest.sources.readable import plain
from tests.builders import NOW, a_digest, a_paper, a_subscriber, an_item
from tests.mail.samples import OTHER, PAPER, SENDER, composer, two_papers

COMPOSER = composer()
WAYWARD = st.text(max_size=300).filter(lambda t: t.strip())


def parsed(message: Message) -> EmailMessage:
    """The message as the standard library reads it, checked to be without defects."""
    mail = email.message_from_bytes(message.content, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    for part in mail.walk():
        assert part.defects == []
        assert all(value.defects == () for value in part.values() if hasattr(value, "defects"))
    return mail


def body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def visible(markup: str) -> str:
    """What a reader sees of HTML, on one line."""
    without_head = re.sub(r"<head>.*?</head>|<!--.*?-->|<style.*?</style>", "", markup, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", without_head)).split())


def test_a_mail_parses_without_defects_and_says_what_lists_must() -> None:
    mail = parsed(COMPOSER.digest(two_papers()))
    assert mail["From"] == "Daily Papers <digest@example.org>"
    assert mail["To"] == "reader@example.org"
    assert mail["Subject"].startswith("2 new papers · 3 Jun · Low-precision training of audio–visual")
    assert mail["Date"].datetime == NOW
    assert mail["Message-ID"] == "<20260603.abc@example.org>"
    assert mail["List-Id"] == "<daily-papers.example.org>"
    assert mail["List-Unsubscribe"].startswith("<https://digest.example.org/unsubscribe/7.0.")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "multipart/alternative"


def test_the_wire_is_seven_bit_with_crlf_and_short_lines() -> None:
    content = COMPOSER.digest(two_papers()).content
    assert content.isascii()
    assert re.search(rb"(?<!\r)\n|\r(?!\n)", content) is None
    assert max(map(len, content.split(b"\r\n"))) <= 998


def test_the_same_digest_is_the_same_bytes() -> None:
    assert COMPOSER.digest(two_papers()).content == composer().digest(two_papers()).content


def test_text_and_html_show_the_same_papers_in_the_same_order() -> None:
    mail = parsed(COMPOSER.digest(two_papers()))
    seen, read = visible(body(mail, "html")), " ".join(body(mail, "plain").split())
    for text in (seen, read):
        positions = [text.rindex(paper.title) for paper in (PAPER, OTHER)]
        assert positions == sorted(positions)


def test_a_mail_says_why_each_paper_is_there() -> None:
    mail = parsed(COMPOSER.digest(two_papers()))
    assert "Why: “Low-precision” in the title, “low precision” in the abstract" in visible(body(mail, "html"))
    assert 'Why: "Low-precision" in the title, "low precision" in the abstract' in body(mail, "plain").replace(
        "\n ", ""
    )
    assert ">Low-precision</b>" in body(mail, "html")


def test_a_mail_has_everything_a_reader_needs() -> None:
    mail = parsed(COMPOSER.digest(two_papers()))
    links = COMPOSER._links
    for kind in ("html", "plain"):
        text = body(mail, kind)
        for wanted in (
            "A. Author, B. Author, C. Author et al.",
            "cs.LG, stat.ML · 2 Jun 2026 · updated",
            PAPER.pdf_url,
            "3 more matched",
            links.url(Scope.UNSUBSCRIBE, 7, 0),
            links.url(Scope.PREFERENCES, 7, 0),
            SENDER.postal_address,
            "reader@example.org",
            "Wednesday 3 June 2026",
        ):
            assert wanted in text, (kind, wanted)


def test_the_html_is_made_for_readers_of_every_kind() -> None:
    page = body(parsed(COMPOSER.digest(two_papers())), "html")
    assert '<html lang="en" dir="ltr"' in page
    assert len(re.findall(r"<h1\b", page)) == 1
    assert len(re.findall(r"<h2\b", page)) == 2
    assert '<meta name="color-scheme" content="light dark"' in page
    assert all('role="presentation"' in table for table in re.findall(r"<table[^>]*>", page))
    assert "{{" not in page.replace("{{ 7*7 }}", "")
    assert "zqj" not in page


def test_what_a_paper_says_is_never_markup_or_a_template() -> None:
    page = body(parsed(COMPOSER.digest(two_papers())), "html")
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7*7 }} ]]&gt;" in page
    assert 'href="https://x.org/2?a=1&amp;b=2"' in page


def test_a_subject_cannot_become_a_header() -> None:
    title = "=?utf-8?q?a=0D=0ABcc:_x@example.org?= and more"
    mail = parsed(COMPOSER.digest(a_digest([an_item(a_paper(title))])))
    assert mail["Bcc"] is None
    assert title in mail["Subject"]


@given(WAYWARD, WAYWARD, st.text(max_size=40))
@settings(max_examples=40, deadline=None)
def test_whatever_papers_and_people_are_called_the_mail_is_whole(title: str, abstract: str, name: str) -> None:
    paper = a_paper(plain(title) or "x", plain(abstract), url="https://x.org")
    clean = "".join(c if c.isprintable() else " " for c in name)
    digest = a_digest([an_item(paper)], subscriber=a_subscriber(id=7, name=clean))
    message = COMPOSER.digest(digest)
    assert message.content.isascii()
    assert max(map(len, message.content.split(b"\r\n"))) <= 998
    mail = parsed(message)
    assert set(mail.keys()) == {
        "From", "To", "Subject", "Date", "Message-ID", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post",
        "Auto-Submitted", "MIME-Version", "Content-Type",
    }  # fmt: skip


def huge(words: int, papers: int = 25) -> Digest:
    def item(i: int) -> Paper:
        return a_paper(f"Title {i} " + "é&<" * 9, "wörd & <more> " * words, id=str(i), url=f"https://x.org/{i}")

    return a_digest([an_item(item(i), f"P{i % 3}", 100 - i) for i in range(papers)])


@pytest.mark.parametrize("words", [10, 100, 1000])
def test_the_html_stays_below_what_mail_programs_clip(words: int) -> None:
    rendered = COMPOSER.render(huge(words))
    assert len(rendered.html.encode()) <= MAX_HTML_BYTES
    for text in (rendered.html, rendered.text):
        assert {int(i) for i in re.findall(r"Title (\d+)\s", text)} == set(range(25))


def test_when_even_titles_do_not_fit_the_best_papers_stay() -> None:
    rendered = COMPOSER.render(huge(100, papers=120))
    assert len(rendered.html.encode()) <= MAX_HTML_BYTES
    shown = {int(i) for i in re.findall(r"Title (\d+) ", rendered.html)}
    assert shown == set(range(len(shown)))
    assert f"{120 - len(shown)} more matched" in rendered.html
    assert rendered.subject.startswith(f"{len(shown)} new papers")


def test_a_shortened_abstract_ends_between_words_with_its_marks_whole() -> None:
    digest = a_digest(
        [
            an_item(a_paper(str(i), "quark soup " * 700, id=str(i)), "P", 1.0, (Field.ABSTRACT, "quark"))
            for i in range(25)
        ]
    )
    rendered = COMPOSER.render(digest)
    assert "soup…" in rendered.html or "quark…" in rendered.html
    assert rendered.html.count("quark</b>") == 25


def test_one_paper_is_one_paper() -> None:
    rendered = COMPOSER.render(a_digest([an_item(a_paper())]))
    assert rendered.subject.startswith("1 new paper ·")
    assert "1 new paper for you" in rendered.text
    assert "more matched" not in rendered.text


def test_a_name_stands_in_the_header_as_it_is() -> None:
    for name in ('Doe, "J"', "Müller", "a=?b?=", "数据集"):
        mail = parsed(COMPOSER.digest(a_digest([an_item(PAPER)], subscriber=a_subscriber(id=7, name=name))))
        assert mail["To"].addresses[0].display_name == name
        assert mail["To"].addresses[0].addr_spec == "reader@example.org"


def test_a_confirmation_asks_and_promises_nothing_else() -> None:
    delivery = Delivery(
        id=3, kind=MailKind.CONFIRMATION, subscriber=a_subscriber(id=7), message_id="c@example.org",
        state=DeliveryState.QUEUED, attempts=0, queued_at=NOW, next_at=NOW,
    )  # fmt: skip
    message = COMPOSER.message(delivery)
    mail = parsed(message)
    assert message.delivery_id == 3
    assert mail["Subject"] == "Please confirm your subscription to Daily Papers"
    assert mail["List-Unsubscribe"] is None
    assert mail["Date"].datetime == NOW
    for kind in ("html", "plain"):
        assert COMPOSER._links.url(Scope.CONFIRM, 7, 0) in body(mail, kind)


def test_an_address_that_mail_servers_may_refuse_is_not_tried() -> None:
    with pytest.raises(AddressError, match="not ASCII"):
        COMPOSER.digest(a_digest([an_item(PAPER)], subscriber=a_subscriber("jürgen@example.org", id=7)))


def test_a_newsletter_needs_an_address_to_send_from() -> None:
    with pytest.raises(AddressError):
        composer(newsletter=replace(SENDER, sender="Daily Papers"))
