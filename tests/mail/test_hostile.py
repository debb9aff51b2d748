"""Mails with hostile papers, profiles and names are correct, small and safe."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.errors import TemplateError
from digest.mail import Composer, Templates
from digest.mail.html_budget import MAX_HTML_BYTES
from digest.models import DigestItem, Entry, Field, MailKind, Paper
from digest.security.links import Links
from digest.sources.parsing import clean_entry, html_to_text, plain_text
from digest.subscribers.fields import one_line
from tests.builders import a_delivery, a_digest, a_paper, a_subscriber, an_item
from tests.mail.reading import LIST_HEADERS, body, check_wire, parsed, visible
from tests.mail.samples import OTHER, SENDER, composer, overriding, two_papers

COMPOSER = composer()
WAYWARD = st.text(max_size=300).filter(lambda t: t.strip())
UNSAFE = "\r\n\0\x0b\x1b\x85\u2028\u2029\u202e\u202d\u2066\ufeff\ud800"


def mail_of(*papers: Paper, **rest: object) -> tuple[str, str]:
    """The HTML and the text that readers get of these papers, after the wire was checked."""
    message = COMPOSER.message(a_delivery(a_digest([an_item(paper) for paper in papers], **rest)))
    check_wire(message)
    mail = parsed(message)
    assert set(mail.keys()) == LIST_HEADERS
    assert len(body(mail, "html").encode()) <= MAX_HTML_BYTES
    return body(mail, "html"), body(mail, "plain")


@given(WAYWARD, WAYWARD, st.text(max_size=40), st.text(max_size=40))
def test_a_mail_is_valid_with_any_names_of_papers_and_people(
    title: str, abstract: str, profile: str, name: str
) -> None:
    paper = a_paper(plain_text(title) or "x", plain_text(abstract), url="https://x.org")
    item = replace(an_item(paper), profile=profile, also=(profile,))
    reader = a_subscriber(id=7, name=one_line(name))
    message = COMPOSER.message(a_delivery(a_digest([item], subscriber=reader)))
    check_wire(message)
    assert set(parsed(message).keys()) == LIST_HEADERS


def test_text_of_a_paper_is_never_markup_or_a_template() -> None:
    page, _ = mail_of(OTHER)
    assert "<script>" not in page
    assert "<script>alert(1)</script> {{ 7*7 }} ]]>" in visible(page.replace("&lt;", "&amp;lt;")).replace("&lt;", "<")
    assert 'href="https://x.org/2?a=1&amp;b=2"' in page.replace("\n", " ")


@pytest.mark.parametrize("place", ["title", "abstract", "authors", "categories", "profile", "also", "name"])
def test_control_characters_and_overrides_reach_no_mail(place: str) -> None:
    text = f"ab{UNSAFE}cd"
    paper = a_paper(
        text if place == "title" else "Title",
        text if place == "abstract" else "Abstract.",
        authors=(text if place == "authors" else "Ada",),
        categories=(text if place == "categories" else "cs.LG",),
    )
    item = replace(
        an_item(paper, text if place == "profile" else "Profile"), also=(text,) if place == "also" else ("Other",)
    )
    reader = a_subscriber(id=7, name=one_line(text) if place == "name" else "")
    message = COMPOSER.message(a_delivery(a_digest([item], subscriber=reader)))
    check_wire(message)
    mail = parsed(message)
    for part in (body(mail, "html"), body(mail, "plain")):
        assert not set(part.replace("\n", "")) & set(UNSAFE)
    assert not set(str(mail["Subject"])) & set(UNSAFE)


def test_a_title_cannot_become_a_header() -> None:
    title = "=?utf-8?q?a=0D=0ABcc:_x@example.org?= and more"
    mail = parsed(COMPOSER.message(a_delivery(a_digest([an_item(a_paper(title))]))))
    assert mail["Bcc"] is None
    assert title in mail["Subject"]


def test_a_name_cannot_become_a_header() -> None:
    reader = a_subscriber(id=7, name="=?utf-8?q?a=0D=0ABcc:_x@example.org?=")
    mail = parsed(COMPOSER.message(a_delivery(a_digest([an_item(a_paper())], subscriber=reader))))
    assert mail["Bcc"] is None
    assert set(mail.keys()) == LIST_HEADERS


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "java\tscript:alert(1)",
        "java&#9;script:alert(1)",
        "data:text/html,x",
        "JAVASCRIPT://x.org/%0aalert(1)",
        "//x",
    ],
)
def test_only_links_to_the_web_are_links(url: str) -> None:
    page, text = mail_of(a_paper(url=url, pdf_url=url, code_url=url, discussion_url=url))
    assert "alert" not in page
    assert "alert" not in text
    assert not re.search(r'href="(?!https?://)', page)


def test_a_link_with_letters_of_its_own_is_percent_encoded() -> None:
    page, _ = mail_of(a_paper(url='https://x.org/ä?q="><script>'))
    assert 'href="https://x.org/%C3%A4?q=%22%3E%3Cscript%3E"' in page.replace("\n", " ")


def test_a_quote_in_a_link_stays_in_its_attribute() -> None:
    page, _ = mail_of(a_paper(url='https://x.org/"onclick="x'))
    assert 'href="https://x.org/&#34;onclick=&#34;x"' in page.replace("\n", " ")


@pytest.mark.parametrize(
    "abstract",
    [
        "<b>" * 30_000 + "deep " * 20_000 + "</b>" * 30_000,
        "<div>" * 100_000,
        "word " * 42_000,
        "x" * 10_000,
        "图" * 10_000,
        "😀" * 10_000,
        "{" * 2000 + "$" * 2001,
        "e" + "\u0301" * 5000,
        "<script>" * 2000,
        "]]>" * 5000,
    ],
    ids=["tags", "divs", "210 KB", "word", "Chinese", "emoji", "braces", "accents", "scripts", "cdata"],
)
def test_an_abstract_of_any_kind_makes_a_small_mail(abstract: str) -> None:
    entry = clean_entry(Entry(guid="x", title="T", abstract=html_to_text(abstract)))
    made = composer(max_abstract=10_000)
    for paper in (a_paper(abstract=entry.abstract), a_paper(abstract=abstract)):
        message = made.message(a_delivery(a_digest([an_item(paper)])))
        check_wire(message)
        assert len(body(parsed(message), "html").encode()) <= MAX_HTML_BYTES


def test_three_hundred_papers_make_one_small_mail_of_the_best() -> None:
    papers = [a_paper(f"Title {i} " + "é&<" * 9, "wörd & <more> " * 100, id=str(i)) for i in range(300)]
    digest = a_digest([an_item(paper, "P", 300 - i) for i, paper in enumerate(papers)], more=("x",) * 7)
    message = COMPOSER.message(a_delivery(digest))
    page, text = body(parsed(message), "html"), body(parsed(message), "plain")
    shown = [int(i) for i in re.findall(r"<h3[^>]*>Title (\d+) ", page)]
    assert len(page.encode()) <= MAX_HTML_BYTES
    assert len(shown) > 30
    assert shown == list(range(len(shown)))
    assert shown == [int(i) for i in re.findall(r"^Title (\d+) ", text, re.MULTILINE)]
    assert f"{300 - len(shown) + 7} more papers on the web" in page
    assert parsed(message)["Subject"].startswith(f"{len(shown)} new papers")


def test_of_574_authors_three_are_named() -> None:
    page, text = mail_of(a_paper(authors=tuple(f"Author{i:03}" for i in range(574))))
    for part in (visible(page), text):
        assert "Author000, Author001, Author002 et al." in part
        assert "Author003" not in part


def test_a_paper_called_0_is_a_paper() -> None:
    page, text = mail_of(a_paper("0"))
    assert ">0</h3>" in page.replace("\n", "")
    assert "\n0\n" in text


def test_a_long_unsubscribe_link_is_complete_in_header_and_bodies() -> None:
    links = Links("https://digest.example.org/" + "x" * 200, b"k" * 32)
    mail = parsed(Composer(SENDER, Templates(), links).message(a_delivery(two_papers())))
    (url,) = re.findall(r"<(.*)>", mail["List-Unsubscribe"])
    assert len(url) > 240
    assert url in body(mail, "html")
    assert url in body(mail, "plain")


def test_a_title_from_right_to_left_turns_nothing_around_it() -> None:
    mail = parsed(COMPOSER.message(a_delivery(a_digest([an_item(a_paper("مرحبا بالعالم", url="https://x.org"))]))))
    assert mail["Subject"].endswith(" · \u2068مرحبا بالعالم\u2069")
    page = " ".join(body(mail, "html").split())
    assert re.search(r'<h3 class="title" dir="auto"[^>]*><a href="https://x.org"', page)


@pytest.mark.parametrize("kind", [MailKind.CONFIRMATION, MailKind.SIGN_IN, MailKind.GOODBYE])
def test_the_newsletters_own_name_is_text_too(kind: MailKind) -> None:
    made = composer(newsletter=replace(SENDER, name="<b>Papers</b> & more"))
    page = made.render(a_delivery(kind=kind)).readable_html
    assert "<b>Papers" not in page
    assert "&lt;b&gt;Papers&lt;/b&gt; &amp; more" in page


def test_many_matches_that_overlap_are_marked_once() -> None:
    paper = a_paper("a b " * 70)
    item = DigestItem(
        paper=paper,
        profile="P",
        score=1.0,
        evidence=an_item(paper, "P", 1.0, *((Field.TITLE, "a b " * n + "a") for n in range(60))).evidence,
    )
    page = COMPOSER.render(a_delivery(a_digest([item]))).readable_html
    assert page.count('class="hit"') == 1


def test_templates_cannot_reach_private_data(tmp_path: Path) -> None:
    for attempt in ("mail.__class__.__mro__", "mail.epoch", "newsletter.sender", "self._TemplateReference__context"):
        folder = overriding(tmp_path, "digest.subject.txt.j2", "{{ " + attempt + " }}")
        with pytest.raises(TemplateError):
            composer(folder).render(a_delivery(two_papers()))


def test_profiles_without_end_leave_room_for_the_papers() -> None:
    item = replace(an_item(a_paper("Short"), "P" * 10_000), also=tuple("Q" * 500 + str(i) for i in range(300)))
    rendered = COMPOSER.render(a_delivery(a_digest([item])))
    assert "Short</h3>" in rendered.readable_html
    assert len(rendered.html) < 15_000
    assert len(rendered.text) < 5_000


@pytest.mark.parametrize("name", ["x" * 1000, "x, " * 400, "x" * 300 + ' "y"', "é" * 1000])
def test_an_endless_name_does_not_stop_the_mail(name: str) -> None:
    message = COMPOSER.message(a_delivery(a_digest([an_item(a_paper())], subscriber=a_subscriber(id=7, name=name))))
    check_wire(message)
    shown = parsed(message)["To"].addresses[0].display_name
    assert shown.replace(" ", "") == name.replace(" ", "")  # the parser puts spaces between encoded words
