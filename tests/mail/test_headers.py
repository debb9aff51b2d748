"""Headers: nothing that a paper or a reader says can become one."""

import email
from email import policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.errors import HeaderError
from digest.mail import headers

PRINTABLE = st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp")), max_size=400)


def read(raw: bytes, name: str) -> str:
    mail = email.message_from_bytes(raw + b"\r\n", policy=policy.default)
    assert mail.keys() == [name]
    return str(mail[name])


@given(PRINTABLE)
def test_a_subject_is_read_as_it_was_meant(text: str) -> None:
    raw = headers.unstructured("Subject", text)
    assert raw.isascii()
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert " ".join(read(raw, "Subject").split()) == " ".join(text.split())


@pytest.mark.parametrize("bad", ["\r", "\n", "\0", "\x7f", "\x85", "\u2028", "\ud800"])
def test_control_characters_are_refused(bad: str) -> None:
    for write in (headers.unstructured, headers.structured):
        with pytest.raises(HeaderError, match=f"Subject: holds the control character U\\+{ord(bad):04X}"):
            write("Subject", f"a{bad}b")
    with pytest.raises(HeaderError):
        headers.address("To", bad, "a@example.org")


@pytest.mark.parametrize("mailbox", ["a@example.org>, <b@example.org", "a b@example.org"])
def test_an_address_cannot_hold_another(mailbox: str) -> None:
    with pytest.raises(HeaderError):
        headers.address("To", "A", mailbox)


def test_an_address_that_is_not_ascii_is_written_in_utf8() -> None:
    assert headers.address("To", "", "ä@example.org") == "To: <ä@example.org>\r\n".encode()


def test_a_long_link_is_not_folded() -> None:
    url = f"<https://example.org/{'x' * 300}>"
    assert headers.structured("List-Unsubscribe", url) == f"List-Unsubscribe: {url}\r\n".encode()


@pytest.mark.parametrize("value", ["é", "x" * 1000])
def test_a_structured_header_must_be_short_ascii(value: str) -> None:
    with pytest.raises(HeaderError, match="must be ASCII and at most 998 bytes"):
        headers.structured("List-Id", value)


def test_a_word_without_end_is_refused() -> None:
    with pytest.raises(HeaderError, match="holds a word of more than 998 bytes"):
        headers.unstructured("Subject", "x" * 1000)
