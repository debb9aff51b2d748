"""Delivery reports are read by their standard, and where they break it."""

import pytest

from digest.models import BounceKind
from digest.transport.bounces import parse

FAILED = "Final-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: 5.1.1\n"


def a_report(blocks: str, *, label: str = "message/delivery-status", text: str = "Sorry.", returned: str = "") -> bytes:
    returned = returned or "From: news@example.com\nTo: ann@example.org\nMessage-ID: <one@example.com>\n\nHello\n"
    return (
        "Return-Path: <>\nFrom: mailer-daemon@mx.example\nTo: bounces@example.com\nSubject: Returned mail\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="=b"\n\n'
        f"--=b\n\n{text}\n"
        f"--=b\nContent-Type: {label}\n\nReporting-MTA: dns; mx.example\n\n{blocks}\n"
        f"--=b\nContent-Type: message/rfc822\n\n{returned}\n--=b--\n"
    ).encode()


def told(message: bytes) -> list[tuple[BounceKind, str, str]]:
    return [(bounce.kind, bounce.recipient, bounce.status) for bounce in parse(message)]


def test_a_report_names_the_address_the_reason_and_the_mail() -> None:
    (bounce,) = parse(a_report(f"{FAILED}Diagnostic-Code: smtp; 550 5.1.1\n no such\n  user\n"))
    assert (bounce.kind, bounce.recipient, bounce.status) == (BounceKind.HARD, "ann@example.org", "5.1.1")
    assert (bounce.reply, bounce.message_id) == ("550 5.1.1 no such user", "one@example.com")


def test_line_ends_do_not_matter() -> None:
    message = a_report(FAILED)
    assert parse(message.replace(b"\n", b"\r\n")) == parse(message)


def test_every_failed_recipient_is_one_bounce_and_others_are_none() -> None:
    blocks = f"{FAILED}\nFinal-Recipient: rfc822; bob@example.org\nAction: delayed\nStatus: 4.4.1\n"
    blocks += "\nFinal-Recipient: rfc822; cat@example.org\nAction: failed\nStatus: 5.2.2\n"
    assert told(a_report(blocks)) == [
        (BounceKind.HARD, "ann@example.org", "5.1.1"),
        (BounceKind.SOFT, "cat@example.org", "5.2.2"),
    ]


@pytest.mark.parametrize("action", ["delayed", "relayed", "delivered", "expanded", "Delayed (still trying)"])
def test_a_report_of_success_is_no_bounce(action: str) -> None:
    assert told(a_report(FAILED.replace("failed", action))) == [(BounceKind.OTHER, "ann@example.org", "5.1.1")]


def test_an_action_that_no_standard_knows_is_a_failure() -> None:
    assert told(a_report(FAILED.replace("failed", "expired").replace("5.1.1", "4.4.7"))) == [
        (BounceKind.SOFT, "ann@example.org", "4.4.7")
    ]


def test_the_original_recipient_is_preferred_to_the_forwarding_address() -> None:
    assert told(a_report(f"Original-Recipient: rfc822; bob@example.org\n{FAILED}"))[0][1] == "bob@example.org"


def test_an_invalid_forwarding_address_is_ignored() -> None:
    assert told(a_report(f"Original-Recipient: x-unix; |/bin/catch\n{FAILED}"))[0][1] == "ann@example.org"


def test_a_missing_recipient_is_taken_from_the_returned_mail() -> None:
    assert told(a_report(FAILED.replace("ann@", "@")))[0][1] == "ann@example.org"


def test_the_remote_servers_status_is_preferred_to_a_vague_one() -> None:
    blocks = FAILED.replace("5.1.1", "5.0.0 (permanent failure)") + "Diagnostic-Code: smtp; 550 5.2.2 full\n"
    assert told(a_report(blocks)) == [(BounceKind.SOFT, "ann@example.org", "5.2.2")]


def test_a_reply_may_stand_beside_the_status_or_in_the_text() -> None:
    assert parse(a_report(FAILED.replace("5.1.1", "4.2.2 (Over quota)")))[0].reply == "Over quota"
    (bounce,) = parse(a_report(FAILED.replace("5.1.1", "5.0.0"), text="<ann@example.org>:\n550 user unknown\n\nBye"))
    assert (bounce.kind, bounce.reply) == (BounceKind.HARD, "550 user unknown")


def test_a_report_without_a_status_gets_that_of_a_known_phrase() -> None:
    blocks = FAILED.replace("Status: 5.1.1\n", "Diagnostic-Code: smtp; 552 mailbox full\n")
    assert told(a_report(blocks)) == [(BounceKind.SOFT, "ann@example.org", "5.2.2")]


def test_a_failed_pipe_is_not_a_hard_bounce() -> None:
    blocks = (
        FAILED.replace("5.1.1", "5.0.0") + "X-Actual-Recipient: x-unix; |/bin/catch\nDiagnostic-Code: x-unix; 255\n"
    )
    assert told(a_report(blocks)) == [(BounceKind.SOFT, "ann@example.org", "5.0.0")]


def test_names_may_be_in_lower_case_and_empty_lines_forgotten() -> None:
    blocks = FAILED.lower() + FAILED.replace("ann@", "bob@")
    assert [recipient for _, recipient, _ in told(a_report(blocks))] == ["ann@example.org", "bob@example.org"]


def test_an_empty_line_too_many_does_not_cut_a_block_in_two() -> None:
    assert told(a_report(FAILED.replace("\n", "\n\n", 1))) == [(BounceKind.HARD, "ann@example.org", "5.1.1")]


@pytest.mark.parametrize("label", ["message/global-delivery-status", "text/plain", "Message/Delivery-Status; x=y"])
def test_a_report_may_be_labelled_otherwise(label: str) -> None:
    assert told(a_report(FAILED, label=label)) == [(BounceKind.HARD, "ann@example.org", "5.1.1")]


def test_an_international_address_is_read() -> None:
    blocks = FAILED.replace("rfc822; ann", "utf-8; \\x{E4}nn")
    assert told(a_report(blocks, label="message/global-delivery-status"))[0][1] == "änn@example.org"


def test_a_report_is_no_automatic_reply_even_if_it_says_so() -> None:
    assert told(b"Auto-Submitted: auto-replied\n" + a_report(FAILED))[0][0] is BounceKind.HARD


def test_the_same_recipient_twice_is_one_bounce() -> None:
    assert len(parse(a_report(f"{FAILED}\n{FAILED}"))) == 1
