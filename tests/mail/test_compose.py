"""The texts of mails."""

import html
import re
import unicodedata
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.errors import AddressError
from digest.models import OWN_KEYWORDS, AnnounceType, Evidence, Field, MailKind, Paper
from digest.security.links import Scope, encode_time
from tests.builders import NOW, a_delivery, a_digest, a_paper, a_subscriber, an_item, at
from tests.mail.reading import LIST_HEADERS, body, check_wire, parsed, visible
from tests.mail.samples import HTML_REST, LINKS, OTHER, PAPER, SENDER, composer, overriding, two_papers

COMPOSER = composer()


def test_a_mail_parses_without_defects_and_has_the_headers_of_a_list() -> None:
    mail = parsed(COMPOSER.message(a_delivery(two_papers())))
    assert set(mail.keys()) == LIST_HEADERS
    assert mail["From"] == "Daily Papers <digest@example.org>"
    assert mail["To"] == "reader@example.org"
    assert mail["Subject"].startswith("2 new papers · Jun 3 · Low-precision training of audio–visual")
    assert mail["Date"].datetime == NOW
    assert mail["Message-ID"] == "<20260603.abc@example.org>"
    assert mail["List-Id"] == "<daily-papers.example.org>"
    assert mail["List-Unsubscribe"] == f"<{LINKS.url(Scope.UNSUBSCRIBE, 7, 0)}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "multipart/alternative"


def test_the_same_digest_is_the_same_bytes() -> None:
    delivery = a_delivery(two_papers())
    assert COMPOSER.message(delivery).content == composer().message(delivery).content


def test_text_and_html_show_the_same_papers_in_the_same_order() -> None:
    mail = parsed(COMPOSER.message(a_delivery(two_papers())))
    seen, read = visible(body(mail, "html")), " ".join(body(mail, "plain").split())
    for text in (seen, read):
        positions = [text.rindex(paper.title) for paper in (PAPER, OTHER)]
        assert positions == sorted(positions)


def test_a_mail_says_why_each_paper_is_there() -> None:
    rendered = COMPOSER.render(a_delivery(two_papers()))
    assert "Why: “Low-precision” in the title (mute) · “low precision” in the abstract (mute)" in visible(
        rendered.readable_html
    )
    assert "  Why: “Low-precision” in the title\n       “low precision” in the abstract\n" in rendered.readable_text
    assert ">Low-precision</b>" in rendered.readable_html


def test_a_keyword_in_title_and_abstract_is_one_reason() -> None:
    paper = a_paper("A cat", "The cat and the cats.")
    item = an_item(paper, "P", 1.0, (Field.TITLE, "cat"), (Field.ABSTRACT, "cat"))
    assert "Why: “cat” in title and abstract (mute) Abstract" in visible(
        COMPOSER.render(a_delivery(a_digest([replace(item, paper=replace(paper, url="https://x.org"))]))).readable_html
    )


@pytest.mark.parametrize(
    ("field", "text", "place", "keyword"),
    [
        (Field.TITLE, "Cats & Dogs", "in the title", "cats+dogs"),
        (Field.AUTHOR, "Ada Lovelace", "among the authors", "author%3Aada+lovelace"),
        (Field.CATEGORY, "cs.LG", "among the categories", "category%3Acs+lg"),
    ],
)
def test_each_keyword_can_be_muted_by_a_signed_link(field: Field, text: str, place: str, keyword: str) -> None:
    paper = a_paper("Cats & Dogs", authors=("Ada Lovelace",), categories=("cs.LG",))
    page = COMPOSER.render(a_delivery(a_digest([an_item(paper, "P", 1.0, (field, text))]))).readable_html
    assert f"“{text}” {place} (mute)" in visible(page)
    muted = LINKS.text_hash(unquote_plus(keyword))
    link = LINKS.url(Scope.MUTE, 7, 0, about=muted, written_at=NOW)
    assert f'href="{link}?keyword={keyword}"' in page.replace("\n", " ")


def test_a_mail_has_everything_a_reader_needs() -> None:
    rendered = COMPOSER.render(a_delivery(two_papers()))
    page = rendered.readable_html
    for text in (visible(page) + html.unescape(page), rendered.readable_text):
        for wanted in (
            "A. Author, B. Author, C. Author et al.",
            "cs.LG, stat.ML · Jun 2, 2026 · updated",
            PAPER.pdf_url,
            "3 more papers on the web",
            LINKS.url(Scope.UNSUBSCRIBE, 7, 0),
            LINKS.url(Scope.PREFERENCES, 7, 0, written_at=NOW),
            LINKS.url(Scope.PAUSE, 7, 0, written_at=NOW),
            LINKS.url(Scope.READ, 7, 0, about=encode_time(NOW), written_at=NOW),
            SENDER.postal_address,
            "reader@example.org",
            "Wednesday, June 3, 2026",
        ):
            assert wanted in text, wanted


def test_a_paper_shows_its_announcement_code_and_discussion() -> None:
    paper = a_paper(
        announce_type=AnnounceType.REPLACE_CROSS, code_url="https://x.org/code", discussion_url="https://x.org/talk"
    )
    page = COMPOSER.render(a_delivery(a_digest([an_item(paper)]))).readable_html
    assert "updated · cross-listed Code · Discussion" in visible(page)
    assert 'href="https://x.org/code"' in page.replace("\n", " ")


def test_a_long_abstract_is_cut_between_words_and_the_rest_is_one_tap_away() -> None:
    paper = a_paper(abstract="quark soup " * 700, url="https://x.org/abs")
    item = an_item(paper, "P", 1.0, (Field.ABSTRACT, "quark"))
    page = COMPOSER.render(a_delivery(a_digest([item]))).readable_html
    assert re.search(r"(quark|soup)… read more", visible(page))
    assert page.count("quark</b>") == 1
    without_page = COMPOSER.render(a_delivery(a_digest([an_item(replace(paper, url=""))]))).readable_html
    assert 'href="https://digest.example.org/paper/test:A paper"' in without_page.replace("\n", " ")


def test_a_whole_abstract_needs_no_link_to_the_rest() -> None:
    assert "read more" not in COMPOSER.render(a_delivery(a_digest([an_item(a_paper(abstract="Short."))]))).readable_html


def test_the_admin_says_how_much_of_an_abstract_is_shown() -> None:
    digest = a_digest([an_item(a_paper(abstract="word " * 500))])
    assert "read more" not in composer(max_abstract=5000).render(a_delivery(digest)).readable_html
    assert visible(composer(max_abstract=80).render(a_delivery(digest)).readable_html).count("word") == 16


def test_trending_papers_have_their_own_section() -> None:
    digest = a_digest([an_item(a_paper("Mine"))], trending=(a_paper("Everybody's", upvotes=1, stars=12_345),))
    rendered = COMPOSER.render(a_delivery(digest))
    assert rendered.subject.startswith("1 new paper ·")
    assert "Trending Everybody's 1 upvote · 12,345 stars" in visible(rendered.readable_html)
    assert "1 upvote · 12,345 stars" in rendered.readable_text
    assert "Trending" not in visible(COMPOSER.render(a_delivery(two_papers())).readable_html)


def test_the_html_is_made_for_readers_of_every_kind() -> None:
    page = COMPOSER.render(a_delivery(two_papers())).readable_html
    assert '<html\nlang="en" dir="ltr"' in page
    assert len(re.findall(r"<h1\b", page)) == 1
    assert len(re.findall(r"<h2\b", page)) == 2
    assert 'name="color-scheme" content="light dark"' in page
    assert all('role="presentation"' in table for table in re.findall(r"<table[^>]*>", page))
    assert "{{" not in page.replace("{{ 7*7 }}", "")
    assert "zqj" not in page


def test_one_paper_is_one_paper() -> None:
    rendered = COMPOSER.render(a_delivery(a_digest([an_item(a_paper())])))
    assert rendered.subject.startswith("1 new paper ·")
    assert "1 new paper for you" in rendered.readable_text
    assert "on the web" not in rendered.readable_text.lower().replace("view on the web", "")


def test_a_mail_is_in_the_subscribers_language() -> None:
    digest = a_digest(
        [replace(an_item(a_paper(published_at=at("2026-06-02 04:00"))), profile=OWN_KEYWORDS, also=(OWN_KEYWORDS,))],
        subscriber=a_subscriber(id=7, language="de-AT"),
    )
    rendered = COMPOSER.render(a_delivery(digest))
    assert rendered.subject == "1 neuer Artikel · 3. Juni · A paper"
    assert '<html\nlang="de" dir="ltr"' in rendered.readable_html
    for text in (visible(rendered.readable_html), rendered.readable_text):
        for wanted in ("Mittwoch, 3. Juni 2026", "02.06.2026", "Ihre Stichwörter", "Abbestellen"):
            assert wanted in text, wanted


def test_a_language_that_is_no_longer_there_is_english() -> None:
    digest = a_digest([an_item(a_paper())], subscriber=a_subscriber(id=7, language="tlh"))
    assert "1 new paper for you" in COMPOSER.render(a_delivery(digest)).readable_text


def test_a_welcome_greets_also_where_nothing_matched() -> None:
    welcome = COMPOSER.render(a_delivery(two_papers(), kind=MailKind.WELCOME))
    assert welcome.subject == "Welcome to Daily Papers"
    assert "Here are 2 recent papers" in visible(welcome.readable_html)
    assert PAPER.title in visible(welcome.readable_html)
    empty = COMPOSER.message(a_delivery(a_digest([]), kind=MailKind.WELCOME))
    assert "No recent papers match your keywords yet" in visible(body(parsed(empty), "html"))
    assert set(parsed(empty).keys()) == LIST_HEADERS


@pytest.mark.parametrize(
    ("kind", "subject", "scope"),
    [
        (MailKind.CONFIRMATION, "Please confirm your subscription to Daily Papers", Scope.CONFIRM),
        (MailKind.SIGN_IN, "Sign in to Daily Papers", Scope.SIGN_IN),
        (MailKind.GOODBYE, "You have unsubscribed from Daily Papers", Scope.CONFIRM),
    ],
)
def test_a_note_asks_for_one_thing(kind: MailKind, subject: str, scope: Scope) -> None:
    message = COMPOSER.message(a_delivery(kind=kind))
    mail = parsed(message)
    check_wire(message)
    assert message.delivery_id == 3
    assert mail["Subject"] == subject
    assert mail["List-Unsubscribe"] is None
    assert mail["Date"].datetime == NOW
    for part in ("html", "plain"):
        assert LINKS.url(scope, 7, 0, written_at=NOW) in body(mail, part)


def test_answers_go_where_the_admin_wants_them() -> None:
    editors = replace(SENDER, reply_to="The editors <editors@example.org>")
    mail = parsed(composer(newsletter=editors).message(a_delivery(two_papers())))
    assert mail["Reply-To"] == "The editors <editors@example.org>"


@pytest.mark.parametrize("newsletter", [replace(SENDER, sender="Daily Papers"), replace(SENDER, reply_to="nobody")])
def test_a_newsletter_needs_real_addresses(newsletter: object) -> None:
    with pytest.raises(AddressError):
        composer(newsletter=newsletter)  # type: ignore[arg-type]


def test_a_readers_address_that_is_not_ascii_is_written_in_utf8_and_ours_is_refused() -> None:
    reader = a_subscriber("jürgen@example.org", id=7, name="Jürgen")
    message = COMPOSER.message(a_delivery(a_digest([an_item(PAPER)], subscriber=reader)))
    assert message.recipient == "jürgen@example.org"
    head, _, body = message.content.partition(b"\r\n\r\n")
    assert "\r\nTo: =?utf-8?b?SsO8cmdlbg==?= <jürgen@example.org>\r\n".encode() in head
    assert body.isascii()
    for ours in ({"sender": "Die Zeitung <müller@example.org>"}, {"reply_to": "müller@example.org"}):
        with pytest.raises(AddressError, match="müller"):
            composer(newsletter=replace(SENDER, **ours))


NAMES = [
    *("Daily Papers", "Daily-Papers", "Daily Papers!", "Daily  Papers", "C papers", "C++ papers", "C# papers"),
    *("日本語の論文", "中国語の論文", "논문", "Café", "Cafe", "caf", "!", "?", "digest", "x" * 63, "x" * 64, "x" * 65),
]


def test_the_list_id_tells_any_two_names_of_a_domain_apart() -> None:
    ids = [replace(SENDER, name=name).list_id for name in NAMES]
    assert len(set(ids)) == len(NAMES)
    assert ids[0] == "daily-papers.example.org"
    assert all(re.fullmatch(r"[a-z0-9.-]{1,200}", found) for found in ids)


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_two_names_that_differ_have_one_list_id(one: str, other: str) -> None:
    spelled = [unicodedata.normalize("NFC", name).lower() for name in (one, other)]
    ids = {replace(SENDER, name=name).list_id for name in (one, other)}
    assert len(ids) == len(set(spelled))


def test_a_name_is_kept_in_the_header() -> None:
    for name in ('Doe, "J"', "Müller", "a=?b?=", "数据集"):
        digest = a_digest([an_item(PAPER)], subscriber=a_subscriber(id=7, name=name))
        mail = parsed(COMPOSER.message(a_delivery(digest)))
        assert mail["To"].addresses[0].display_name == name
        assert mail["To"].addresses[0].addr_spec == "reader@example.org"


def test_a_line_that_is_too_long_for_mail_is_encoded_once_more(tmp_path: Path) -> None:
    text = f"<mjml><mj-body><mj-raw>{HTML_REST} é " + "x" * 2000 + "</mj-raw></mj-body></mjml>"
    message = composer(overriding(tmp_path, "digest.mjml.j2", text)).message(a_delivery(two_papers()))
    check_wire(message)
    assert "é " + "x" * 2000 in visible(body(parsed(message), "html")).replace("&#233;", "é")


def test_evidence_that_reaches_beyond_the_text_does_no_harm() -> None:
    beyond = tuple(Evidence(field=f, start=90_000, end=90_009, rule="x") for f in (Field.TITLE, Field.ABSTRACT))
    item = replace(an_item(Paper(id="x", title="Short", abstract="Short.")), evidence=beyond)
    assert "Short." in visible(COMPOSER.render(a_delivery(a_digest([item]))).readable_html)
