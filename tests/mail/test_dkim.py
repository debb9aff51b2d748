"""DKIM signatures, verified by dkimpy."""

import re

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from digest.errors import ConfigError, UsageError
from digest.mail import Signer
from tests.builders import NOW, a_delivery, a_pem
from tests.mail.samples import composer, two_papers

HEAD = (
    b"From: Daily Papers <digest@example.org>\r\nTo: reader@example.org\r\nSubject: Two new\r\n papers\r\n"
    b"Date: Wed, 03 Jun 2026 07:00:00 +0000\r\nMessage-ID: <a@example.org>\r\nList-Id: <papers.example.org>\r\n"
    b"List-Unsubscribe: <https://example.org/u>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n"
)
MAIL = HEAD + b"\r\nHello\r\n"

GAPS = st.sampled_from([" ", "\t", "   ", " \t ", "\r\n ", "\r\n\t", " \r\n  ", "\t\r\n \t", "\r\n \r\n "])
WORDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=12)
VALUES = st.lists(st.tuples(GAPS, WORDS), max_size=6).map(lambda pairs: "".join(gap + word for gap, word in pairs))
NAMES = st.sampled_from(["Subject", "sUBJECT", "FROM", "To", "List-Id", "List-Archive", "X-Other", "Content-Type"])
LINES = st.lists(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20), max_size=5)


@pytest.fixture(scope="session", params=["rsa_pem", "ed25519_pem"])
def signer(request: pytest.FixtureRequest) -> Signer:
    return a_signer(request.getfixturevalue(request.param))


def a_signer(pem: bytes, domain: str = "example.org", selector: str = "s1") -> Signer:
    return Signer.from_pem(pem, domain=domain, selector=selector, named="dkim.pem")


def verified(content: bytes, name: str, value: str) -> bool:
    """Whether a receiver finds the signature good, where the DNS knows one TXT record."""
    published = {f"{name}.".encode(): value.encode()}
    return bool(dkim.verify(content, dnsfunc=lambda asked, **_: published.get(asked)))


def accepted(content: bytes, signer: Signer) -> bool:
    return verified(content, signer.dns_name, signer.dns_record())


def signature_of(content: bytes) -> bytes:
    """The DKIM-Signature header, unfolded."""
    header, *_ = re.split(rb"\r\n(?![ \t])", content, maxsplit=1)
    return header.replace(b"\r\n", b"")


def test_a_signed_mail_is_the_mail_behind_a_good_signature(signer: Signer) -> None:
    signed = signer.sign(MAIL, signed_at=NOW)
    assert signed.endswith(b"\r\n" + MAIL)
    assert accepted(signed, signer)


def test_the_same_mail_and_time_give_the_same_bytes(signer: Signer) -> None:
    assert signer.sign(MAIL, signed_at=NOW) == signer.sign(MAIL, signed_at=NOW)


def test_the_signature_says_who_signed_what_and_when(signer: Signer) -> None:
    kind = signer.dns_record().split("; ")[1].removeprefix("k=")
    header = signature_of(signer.sign(MAIL, signed_at=NOW)).decode()
    start = f"DKIM-Signature: v=1; a={kind}-sha256; c=relaxed/simple; t={NOW.timestamp():.0f}; d=example.org; s=s1; h="
    assert header.startswith(start)


def test_every_header_is_listed_once_more_than_it_occurs(signer: Signer) -> None:
    listed = re.search(rb" h=([^;]+);", signature_of(signer.sign(MAIL, signed_at=NOW)))
    assert listed is not None
    names = listed[1].decode().replace(" ", "").split(":")
    twice = (
        "from to subject date message-id mime-version content-type list-id list-unsubscribe list-unsubscribe-post "
        "auto-submitted"
    )
    assert sorted(names) == sorted([*twice.split() * 2, "cc", "reply-to", "content-transfer-encoding"])


@pytest.mark.parametrize(
    "name",
    "Subject From To Cc Reply-To Date Message-ID MIME-Version Content-Type Content-Transfer-Encoding Auto-Submitted "
    "List-Id List-Unsubscribe List-Unsubscribe-Post".split(),
)
def test_an_added_header_breaks_the_signature(signer: Signer, name: str) -> None:
    signed = signer.sign(MAIL, signed_at=NOW)
    added = f"{name}: x\r\n".encode()
    assert not accepted(added + signed, signer)
    assert not accepted(signed.replace(b"\r\n\r\n", b"\r\n" + added + b"\r\n", 1), signer)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"=One-Click", b"=Two-Clicks"),
        (b"example.org/u", b"example.net/u"),
        (b"Two new", b"Ten new"),
        (b"Hello\r\n", b"Hallo\r\n"),
        (b"Hello\r\n", b"Hello \r\n"),
        (b"Hello\r\n", b"Hello\r\nmore\r\n"),
        (b" t=", b" t=1"),
    ],
)
def test_an_altered_header_or_body_breaks_the_signature(signer: Signer, before: bytes, after: bytes) -> None:
    signed = signer.sign(MAIL, signed_at=NOW)
    assert before in signed
    assert not accepted(signed.replace(before, after, 1), signer)


def test_changes_by_mail_servers_do_not_break_the_signature(signer: Signer) -> None:
    signed = signer.sign(MAIL, signed_at=NOW)
    refolded = signed.replace(b"Subject: Two new\r\n papers", b"subject:Two \t new papers ")
    assert refolded != signed
    assert accepted(b"Received: from a by b\r\n" + refolded + b"\r\n\r\n", signer)


@given(LINES, st.integers(0, 3), st.booleans())
def test_any_body_can_be_signed(signer: Signer, lines: list[str], blank: int, ended: bool) -> None:
    body = "\r\n".join(lines) + "\r\n" * ended + "\r\n" * blank
    assert accepted(signer.sign(HEAD + b"\r\n" + body.encode(), signed_at=NOW), signer)


@given(st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=6))
def test_headers_of_any_shape_can_be_signed(signer: Signer, headers: list[tuple[str, str]]) -> None:
    head = "".join(f"{name}:{value}\r\n" for name, value in headers)
    assert accepted(signer.sign(f"From: a@example.org\r\n{head}\r\nHello\r\n".encode(), signed_at=NOW), signer)


def test_a_signature_is_folded_into_short_lines(rsa_pem: bytes, ed25519_pem: bytes) -> None:
    for pem in (rsa_pem, ed25519_pem):
        signer = a_signer(pem, domain=f"{'d' * 60}.example.org", selector="s" * 60)
        signed = signer.sign(MAIL, signed_at=NOW)
        assert max(map(len, signed.removesuffix(MAIL).split(b"\r\n"))) <= 78
        assert accepted(signed, signer)


def test_every_mail_of_a_newsletter_is_signed_with_its_own_date(signer: Signer) -> None:
    signing = composer(signer=signer)
    for message in (signing.message(a_delivery(two_papers())), signing.message(a_delivery())):
        assert b" t=%d;" % NOW.timestamp() in signature_of(message.content)
        assert accepted(message.content, signer)


@pytest.mark.parametrize(
    "name", ["", "a b", "bücher.example", "-a.org", "a-.org", "a..org", "a.org.", "a;d=b", "a" * 64]
)
def test_a_domain_or_selector_that_no_host_has_is_refused(rsa_pem: bytes, name: str) -> None:
    for names in ({"domain": name}, {"selector": name}):
        with pytest.raises(
            UsageError, match=re.escape(f"{name!r} is not made of ASCII letters, digits and inner hyph")
        ):
            a_signer(rsa_pem, **names)


def test_an_international_domain_is_taken_as_the_dns_writes_it(signer: Signer, rsa_pem: bytes) -> None:
    international = a_signer(rsa_pem, domain="xn--bcher-kva.example", selector="news.s1")
    assert international.dns_name == "news.s1._domainkey.xn--bcher-kva.example"
    assert accepted(international.sign(MAIL, signed_at=NOW), international)


def refused(pem: bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        a_signer(pem)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_key_that_cannot_sign_is_refused_with_a_fix() -> None:
    long, short = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 1024)
    public = long.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    mend = "`openssl genrsa -out dkim.pem 2048` makes one"
    decrypt = "`openssl pkey -in ENCRYPTED.pem -out dkim.pem` writes it decrypted"
    assert refused(a_pem(long, b"hush")) == f"dkim.pem: is encrypted; {decrypt}"
    assert refused(a_pem(short)) == f"dkim.pem: is an RSA key of 1024 bits, fewer than 2048; {mend}"
    assert refused(public) == f"dkim.pem: is a public key, not the private one; {mend}"
    elliptic = a_pem(ec.generate_private_key(ec.SECP256R1()))
    assert refused(elliptic) == f"dkim.pem: is neither an RSA nor an Ed25519 key; {mend}"
    for pem in (b"", b"\xff", b"hello", a_pem(long)[:300]):
        assert refused(pem) == f"dkim.pem: is not a private PEM key; {mend}"


def test_a_private_key_is_never_shown(signer: Signer) -> None:
    assert repr(signer) == "Signer(domain='example.org', selector='s1')"
