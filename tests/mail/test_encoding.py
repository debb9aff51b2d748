"""The encoding of text in mails."""

import html
import quopri
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from digest.mail.encoding import EncodedText, SafeText, clean, fits_smtp, quoted_printable

TEXT = st.text(st.sampled_from("abc é&<>\"'图😀\u0301\u200d"), max_size=400)


def read(markup: bytes) -> str:
    """What a browser reads, its lines joined."""
    return html.unescape(markup.decode("ascii").replace("\r\n", " "))


@given(TEXT)
def test_a_text_is_read_as_it_was_written(text: str) -> None:
    assert read(EncodedText(text).html) == text


@given(TEXT, st.integers(0, 400), st.integers(0, 400))
def test_any_stretch_of_it_can_be_cut_out(text: str, a: int, b: int) -> None:
    start, end = sorted((min(a, len(text)), min(b, len(text))))
    assert read(EncodedText(text).part(start, end)) == text[start:end]


@given(st.text(max_size=60))
def test_text_is_escaped_as_jinja_does(text: str) -> None:
    shown = SafeText(text)
    assert read(str(shown.__html__()).replace("\n", "\r\n").encode("ascii")) == clean(text)
    assert escape(shown) == shown.__html__()


def test_lines_end_at_spaces() -> None:
    assert max(map(len, EncodedText("word " * 100).html.split(b"\r\n"))) <= 120
    assert EncodedText("x" * 300 + " " + "y" * 300).html == b"x" * 300 + b"\r\n" + b"y" * 300
    assert EncodedText("x" * 300).html == b"x" * 300


@given(st.text(max_size=300))
def test_quoted_printable_is_the_same_line_by_line(text: str) -> None:
    lines = text.encode("utf-8", "replace").decode().replace("\r", "").split("\n")
    whole = quoted_printable("\n".join(lines))
    assert whole == b"\r\n".join(quoted_printable(line) for line in lines)
    assert quopri.decodestring(whole).replace(b"\r\n", b"\n").decode() == "\n".join(lines)
    assert max(map(len, whole.split(b"\r\n"))) <= 76


@pytest.mark.parametrize(
    ("lines", "fit"),
    [
        (b"", True),
        (b"x" * 998, True),
        (b"x" * 999, False),
        (b"x" * 998 + b"\r\n" + b"x" * 998, True),
        (b"x" * 998 + b"\r\n" + b"x" * 999, False),
        (b"x" * 999 + b"\r\n" + b"x", False),
        (b"x\r\n" * 5000, True),
        ("é".encode(), False),
    ],
)
def test_only_short_lines_of_ascii_go_as_they_are(lines: bytes, fit: bool) -> None:
    assert fits_smtp(lines) is fit
    assert (re.search(rb"[^\r\n]{999}", lines) is None and lines.isascii()) is fit


def test_a_title_from_right_to_left_is_isolated_and_others_are_not() -> None:
    assert SafeText.isolated("مرحبا") == "\u2068مرحبا\u2069"
    assert SafeText.isolated("Hello") == "Hello"
