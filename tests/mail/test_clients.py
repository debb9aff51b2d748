"""Mails use nothing that mail programs do not support, according to caniemail.com."""

import itertools
import re

import pytest

from digest.mail import template_check
from digest.mail.html_budget import MAX_HTML_BYTES
from digest.models import MailKind
from tests.builders import a_delivery, a_subscriber
from tests.mail.samples import composer

COMPOSER = composer()
DIGEST = COMPOSER.render(a_delivery(template_check.full_digest(a_subscriber(id=7)))).readable_html
MAILS = {
    "digest": DIGEST,
    "welcome": COMPOSER.render(
        a_delivery(template_check.full_digest(a_subscriber(id=7)), kind=MailKind.WELCOME)
    ).readable_html,
    **{
        kind.value: COMPOSER.render(a_delivery(kind=kind)).readable_html
        for kind in (MailKind.CONFIRMATION, MailKind.SIGN_IN, MailKind.GOODBYE)
    },
}

for_every_mail = pytest.mark.parametrize("page", MAILS.values(), ids=MAILS)


def style_sheets(page: str) -> list[str]:
    return re.findall(r"<style[^>]*>(.*?)</style>", page, re.DOTALL)


def inline_styles(page: str, tag: str = r"[\w]+") -> list[str]:
    return re.findall(rf'<{tag}\s[^>]*?style="([^"]*)"', page)


@for_every_mail
def test_gmail_keeps_the_style_sheet_and_clips_nothing(page: str) -> None:
    """Gmail drops a <style> of more than 16 KB, and one with what it cannot read; it clips at 102 KB."""
    assert sum(map(len, style_sheets(page))) < 16_000
    assert len(page.encode()) <= MAX_HTML_BYTES
    assert not any(
        word in sheet for sheet in style_sheets(page) for word in ("@import", "url(", "[data", "<!--", ":has")
    )


@for_every_mail
def test_no_layout_that_outlook_or_gmail_do_not_know(page: str) -> None:
    everywhere = " ".join(style_sheets(page) + inline_styles(page))
    for word in ("flex", "grid", "var(", "--", "position:", "float:", "calc(", "object-fit", "filter:", " transform:"):
        assert word not in everywhere.replace("-webkit-", "").replace("color-scheme", ""), word


@for_every_mail
def test_essential_styles_are_inline(page: str) -> None:
    """Outlook for Windows and Gmail's apps with foreign accounts drop <style>: size, colour and space stand inline."""
    for tag, properties in {
        "h1": ("font-size", "line-height", "font-weight"),
        "h2": ("font-size",),
        "h3": ("font-size",),
    }.items():
        for style in inline_styles(page, tag):
            assert all(name in style for name in properties), (tag, style)
    for style in inline_styles(page, "div"):
        if "font-family" in style:
            assert all(name in style for name in ("font-size", "line-height", "color", "text-align")), style
    assert len(inline_styles(page, "h1")) == len(re.findall("<h1", page)) == 1
    assert page.count('class="hit"') == len(re.findall(r'<b\s+class="hit" style="background-color:#ffe9a8;', page))


@for_every_mail
def test_outlook_gets_a_table_of_a_fixed_width(page: str) -> None:
    """Word knows no max-width: MJML's conditional tables hold the 600 pixels for it."""
    conditional = " ".join(re.findall(r"<!--\[if mso \| IE\]>(.*?)<!\[endif\]-->", page, re.DOTALL))
    assert conditional.count("<table") == conditional.count("</table>")
    assert 'width="600"' in conditional


@for_every_mail
def test_tables_are_layout_and_links_look_like_links(page: str) -> None:
    assert all('role="presentation"' in table for table in re.findall(r"<table[^>]*>", page))
    assert not any("text-decoration:none" in style for style in inline_styles(page, "a"))
    assert "<img" not in page
    assert re.search(r'<html\s+lang="en" dir="ltr"', page)


@for_every_mail
def test_nothing_that_shows_is_pure_black_or_white(page: str) -> None:
    """Gmail inverts colours in the dark, and what is pure comes out glaring."""
    shown = re.sub(r'<div\s+style="display:none[^>]*>|&#\d+;', "", page)
    assert not set(re.findall(r"#(?:fff|000)(?:fff|000)?\b", shown))


def test_headings_follow_one_another() -> None:
    levels = [int(level) for level in re.findall(r"<h(\d)\b", DIGEST)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(following <= level + 1 for level, following in itertools.pairwise(levels))
