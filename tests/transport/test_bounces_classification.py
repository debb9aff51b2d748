"""A bounce's status and the server's text say whether an address is gone."""

import pytest

from digest.models import BounceKind
from digest.transport.bounces.classification import find_status, judge, more_specific, status_from_phrase
from digest.transport.bounces.parsing import extract_address


@pytest.mark.parametrize("status", ["5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"])
def test_an_unknown_address_is_hard(status: str) -> None:
    assert judge("", status=status).kind is BounceKind.HARD


@pytest.mark.parametrize("status", ["5.2.2", "5.2.3", "5.3.4", "5.4.6", "5.5.1", "5.6.0", "5.7.1", "5.7.26", "5.1.8"])
def test_a_rejected_mail_or_sender_is_soft(status: str) -> None:
    assert judge("", status=status).kind is BounceKind.SOFT


@pytest.mark.parametrize("status", ["", "5.0.0", "5.1.99", "5.5.0", "nonsense"])
def test_an_unspecific_status_is_soft_without_known_phrases(status: str) -> None:
    assert judge("550 no", status=status).kind is BounceKind.SOFT


@pytest.mark.parametrize(
    "reply",
    [
        "550 User unknown",
        "550 no such user here",
        "550 5.0.0 <ann@example.org>... Unknown recipient",
        "551 mailbox does not exist",
        "550 5.7.1 No such recipient",
        "550 5.5.0 Invalid recipient",
        "554 The account has been disabled",
        "This user doesn't have a example.org account",
        "Host or domain name not found. Name service error for name=gone.example type=MX: Host not found",
    ],
)
def test_known_phrases_decide_if_the_status_is_vague(reply: str) -> None:
    assert judge(reply, status="5.0.0").kind is BounceKind.HARD


@pytest.mark.parametrize(
    ("status", "reply"),
    [
        ("5.1.1", "550 5.1.1 <ann@example.org> too many recipients this hour"),
        ("5.2.1", "550 5.2.1 The user is receiving mail at a rate that prevents more"),
        ("5.1.0", "550 5.1.0 MailFrom domain is on a blocklist"),
        ("5.1.1", "550 5.1.1 mailbox full"),
        ("5.0.0", "550 Sender address rejected: User unknown in virtual table"),
        ("5.0.0", "553 Domain of sender address news@example.com does not exist"),
        ("5.7.1", "550 5.7.1 <mx.example.com>: Helo command rejected: Host not found"),
        ("5.0.0", "550 Your mail server's domain not found"),
        ("5.0.0", "550 From address does not exist"),
        ("5.6.0", "554 5.6.0 malformed address in a header"),
        ("5.0.0", "550 User unknown, perhaps"),
        ("5.0.0", "550 The group may not exist, or you may not post to it"),
    ],
)
def test_a_soft_phrase_outweighs_any_status(status: str, reply: str) -> None:
    assert judge(reply, status=status).kind is BounceKind.SOFT


@pytest.mark.parametrize(
    ("status", "reply"),
    [
        ("4.1.1", "user unknown"),
        ("", "450 4.1.1 user unknown"),
        ("", "450 no such user"),
        ("4.0.0", "host not found"),
        ("5.1.1", "450 no"),
    ],
)
def test_a_transient_reply_is_soft_whatever_it_says(status: str, reply: str) -> None:
    assert judge(reply, status=status).kind is BounceKind.SOFT


def test_a_permanent_code_outweighs_a_vague_status() -> None:
    assert judge("550 user unknown", status="4.0.0").kind is BounceKind.HARD


def test_the_reply_of_a_session_needs_no_status_beside_it() -> None:
    assert judge("550 5.1.1 no", status="").kind is BounceKind.HARD
    assert judge("552 5.2.2 no", status="").kind is BounceKind.SOFT


def test_unable_to_route_is_hard_only_if_the_domain_does_not_exist() -> None:
    assert judge("Invalid domain", status="5.4.4").kind is BounceKind.HARD
    assert judge("malformed answer from name server", status="5.4.4").kind is BounceKind.SOFT


def test_names_of_hosts_addresses_and_links_are_ignored() -> None:
    reply = "550 5.1.1 <spam@blocked.example>: User unknown, see https://quota.example/policy/spam relay=spam.example"
    assert judge(reply, status="5.1.1").kind is BounceKind.HARD


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ("550 5.1.1 no", "5.1.1"),
        ("550-5.7.26 no", "5.7.26"),
        ("no mailbox (#5.1.1)", "5.1.1"),
        ("554 4.4.7 expired <421 4.4.2 timed out>", "4.4.7"),
        ("(last: 5.4.1) 550 5.1.1 no", "5.1.1"),
        ("550 192.0.2.5 is no friend, 5.1.1.9 neither, v5.1.1 least", ""),
        ("550 5.9.1 no", ""),
    ],
)
def test_a_status_is_found_in_a_reply(reply: str, status: str) -> None:
    assert find_status(reply) == status


@pytest.mark.parametrize(
    ("told", "found", "status"),
    [
        ("5.0.0", "5.1.1", "5.1.1"),
        ("5.1.1", "5.2.2", "5.2.2"),  # the remote server's own word
        ("5.1.1", "5.0.0", "5.1.1"),
        ("5.1.1", "5.3.0", "5.1.1"),
        ("", "5.0.0", "5.0.0"),
        ("5.0.0", "", "5.0.0"),
    ],
)
def test_the_more_specific_status_wins(told: str, found: str, status: str) -> None:
    assert more_specific(told, found) == status


@pytest.mark.parametrize(
    ("reply", "status"),
    [("550 mailbox full", "5.2.2"), ("450 mailbox full", "4.2.2"), ("550 user unknown", "5.1.1"), ("550 no", "")],
)
def test_a_known_phrase_has_a_status(reply: str, status: str) -> None:
    assert status_from_phrase(reply) == status


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("rfc822; ann@example.org", "ann@example.org"),
        ("RFC822;<ann@example.org> (Ann)", "ann@example.org"),
        ("<ann@example.org>", "ann@example.org"),
        ('rfc822; "a b"@example.org', '"a b"@example.org'),
        ("rfc822; ann+2024@example.org", "ann+2024@example.org"),
        ("rfc822; ann+2Bnews@example.org", "ann+news@example.org"),
        ("rfc822; ann+40example.org", "ann@example.org"),
        ("utf-8; \\x{E4}nn@example.org", "änn@example.org"),
        ("utf-8; änn@exämple.example", "änn@exämple.example"),
        ("utf-8; \\x{D800}@example.org", "\N{REPLACEMENT CHARACTER}@example.org"),
        ("x-unix; |/home/ann/bin/catch@example.org", ""),
        ("rfc822; @example.org", ""),
        ("", ""),
    ],
)
def test_addresses_are_extracted_by_their_type(value: str, address: str) -> None:
    assert extract_address(value) == address
