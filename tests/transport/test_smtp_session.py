"""A fault of one mail, at any step and in any group, does not affect the others."""

import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.errors import TransportError
from digest.models import Message, Outcome, Receipt, SmtpStage
from digest.transport.rate_limiter import RateLimiter
from digest.transport.smtp import Security, SmtpTransport
from digest.transport.smtp_connection import ConnectionRefusedByServerError, MailServer
from digest.transport.smtp_session import encode_data
from tests.faults.server import Act, Fault, FaultyServer, Step
from tests.transport.conftest import server_context

MAIL_STEPS = [Step.MAIL, Step.RCPT, Step.DATA, Step.DOT]
both_ways = pytest.mark.parametrize("pipelining", [True, False], ids=["pipelining", "plain"])


def sender(number: int) -> str:
    return f"s{number}@example.org"


def a_message(number: int, content: bytes = b"", recipient: str = "") -> Message:
    return Message(
        delivery_id=number,
        sender=sender(number),
        recipient=recipient or f"r{number}@example.org",
        content=content or b"Subject: %d\r\n\r\n.one\r\n..two\r\n" % number,
    )


def send(
    server: FaultyServer, messages: Iterable[Message], *, connections: int = 1, timeout: float = 5
) -> dict[int, Receipt]:
    """The receipts by mail: exactly one for each.

    A server that asks to slow down is sent 500 mails a second: half of a rate measured over a few mails may be one.
    """
    with SmtpTransport(
        "127.0.0.1", server.port, connections=connections, timeout=timeout, rate_limiter=RateLimiter(1000)
    ) as transport:
        receipts = list(transport.send(messages))
    assert max(Counter(r.delivery_id for r in receipts).values(), default=1) == 1
    return {r.delivery_id: r for r in receipts}


def arrived(server: FaultyServer) -> Counter[int]:
    """How often each mail was taken, after a look at what each holds."""
    for mail in server.mails:
        number = int(mail.sender[1:].partition("@")[0])
        assert (mail.recipient, mail.content) == (a_message(number).recipient, a_message(number).content)
    assert server.breaches == []
    return Counter(int(mail.sender[1:].partition("@")[0]) for mail in server.mails)


def five_with(
    fault: Fault, *, pipelining: bool, trickle: bool = False, insists: bool = False
) -> tuple[Receipt, int, FaultyServer]:
    """Send five mails of which the third fails: its receipt and how often it arrived. The others arrive once."""
    with FaultyServer([fault], pipelining=pipelining, trickle=trickle, insists=insists) as server:
        receipts = send(server, map(a_message, range(1, 6)), timeout=0.2 if fault.act is Act.STALL else 5)
        taken = arrived(server)
    assert {i: receipts[i].outcome for i in (1, 2, 4, 5)} == dict.fromkeys((1, 2, 4, 5), Outcome.SENT)
    assert {i: taken[i] for i in (1, 2, 4, 5)} == dict.fromkeys((1, 2, 4, 5), 1)
    return receipts[3], taken[3], server


def outcome_of(answer: str, step: Step) -> Outcome:
    if answer[0] == ("3" if step is Step.DATA else "2"):
        return Outcome.SENT
    if step is Step.DOT and answer[0] == "3":
        return Outcome.UNKNOWN  # no answer to a whole mail
    return Outcome.FAILED if answer[0] == "5" else Outcome.DEFERRED


@both_ways
def test_a_refusal_of_the_recipient_that_names_only_the_sender_answers_mail_from(pipelining: bool) -> None:
    refusal = Fault(sender(3), Step.RCPT, answer=f"550 5.1.1 <{sender(3)}>: no such user")
    receipt, _, _ = five_with(refusal, pipelining=pipelining)
    assert (receipt.outcome, receipt.stage) == (Outcome.FAILED, SmtpStage.MAIL)


@both_ways
@pytest.mark.parametrize("trickle", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("step", MAIL_STEPS)
@pytest.mark.parametrize(
    "answer",
    [
        "251 as you like",
        "250-one\r\n250-two\r\n250 three",
        "354 what",
        "354-what\r\n354 now",
        "450 4.2.1 later",
        "421 4.3.2 closing",
        "550 5.1.1 never",
        "550-5.1.1 never\r\n550-\r\n550 5.1.1 ever",
        "garbage",
        "550-5.1.1 two\r\n250 minds",
        "199 too low",
        "",
    ],
)
def test_a_reply_belongs_to_its_own_mail(answer: str, step: Step, trickle: bool, pipelining: bool) -> None:
    receipt, taken, _ = five_with(Fault(sender(3), step, answer=answer), pipelining=pipelining, trickle=trickle)
    if answer in {"garbage", "", "199 too low", "550-5.1.1 two\r\n250 minds"}:
        senseless = Outcome.UNKNOWN if step is Step.DOT else Outcome.DEFERRED
        assert (receipt.outcome, taken) == (senseless, 0)
    else:
        assert receipt.outcome is outcome_of(answer, step)
        assert taken == (receipt.outcome is Outcome.SENT)
    if receipt.outcome is Outcome.FAILED:
        assert receipt.reply == ("550 5.1.1 never" if answer == "550 5.1.1 never" else "550 5.1.1 never 5.1.1 ever")
    if answer.startswith("45") or (answer.startswith("421") and receipt.outcome is Outcome.DEFERRED):
        assert receipt.reply == answer


@pytest.mark.parametrize("step", [Step.MAIL, Step.RCPT])
@pytest.mark.parametrize("answer", ["450 later", "550 never"])
def test_a_server_that_wants_the_body_of_a_refused_mail_gets_an_empty_one(step: Step, answer: str) -> None:
    receipt, taken, server = five_with(Fault(sender(3), step, answer=answer), pipelining=True, insists=True)
    assert (receipt.outcome, receipt.reply, taken) == (outcome_of(answer, step), answer, 0)
    assert len(server.heard) == 1


@both_ways
@pytest.mark.parametrize("fault", [Fault(sender(3), Step.RSET, Act.DROP), Fault(sender(3), Step.RSET, answer="500 no")])
def test_a_rejection_holds_if_the_connection_breaks_afterwards(fault: Fault, pipelining: bool) -> None:
    faults = [fault, Fault(sender(3), Step.RCPT, answer="550 never")]
    with FaultyServer(faults, pipelining=pipelining) as server:
        receipts = send(server, map(a_message, range(1, 6)))
        assert arrived(server) == Counter([1, 2, 4, 5])
    assert receipts[3].reply == "550 never"


@both_ways
def test_after_a_refused_rset_nothing_more_goes_over_that_connection(pipelining: bool) -> None:
    faults = [Fault(sender(3), Step.RCPT, answer="550 never"), Fault(sender(3), Step.RSET, answer="500 no")]
    with FaultyServer(faults, pipelining=pipelining) as server:
        receipts = send(server, map(a_message, range(1, 6)))
    assert [[mail.sender for mail in heard.mails] for heard in server.heard] == [
        [sender(1), sender(2)],
        [sender(4), sender(5)],
    ]
    assert receipts[3].reply == "550 never"


@pytest.mark.parametrize("answer", ["450 later", "550 never"])
def test_a_recipient_of_a_refused_mail_gets_no_empty_one(answer: str) -> None:
    faults = [Fault(sender(3), Step.MAIL, answer=answer), Fault(sender(3), Step.RCPT, answer="250 why not")]
    with FaultyServer(faults, insists=True) as server:
        receipts = send(server, map(a_message, range(1, 6)))
        assert arrived(server) == Counter([1, 2, 4, 5])
    assert receipts[3].reply == answer


@both_ways
@pytest.mark.parametrize("step", [Step.MAIL, Step.RCPT, Step.DATA])
def test_a_mail_answered_with_421_goes_over_another_connection(step: Step, pipelining: bool) -> None:
    goodbye = Fault(sender(3), step, answer="421 4.3.2 closing", times=1)
    receipt, taken, server = five_with(goodbye, pipelining=pipelining)
    assert (receipt.outcome, taken, len(server.heard)) == (Outcome.SENT, 1, 2)


@pytest.mark.parametrize("step", [Step.MAIL, Step.RCPT, Step.DOT])
def test_an_unsolicited_reply_does_not_answer_the_next_command(step: Step) -> None:
    unasked = Fault(sender(3), step, answer="250 well\r\n550 5.1.1 and another thing", times=1)
    receipt, taken, server = five_with(unasked, pipelining=False)
    assert (receipt.outcome, taken, len(server.heard)) == (Outcome.SENT, 1, 2)


@both_ways
def test_a_server_that_takes_back_what_it_said_to_data_gets_no_body(pipelining: bool) -> None:
    unasked = Fault(sender(3), Step.DATA, answer="354 go on\r\n550 5.1.1 or rather not")
    receipt, taken, _ = five_with(unasked, pipelining=pipelining)
    assert (receipt.outcome, receipt.reply, taken) == (Outcome.FAILED, "550 5.1.1 or rather not", 0)


@both_ways
@pytest.mark.parametrize("act", [Act.DROP, Act.RESET, Act.STALL])
@pytest.mark.parametrize("step", [Step.MAIL, Step.RCPT, Step.DATA])
def test_a_mail_that_was_announced_only_goes_over_another_connection(step: Step, act: Act, pipelining: bool) -> None:
    receipt, taken, server = five_with(Fault(sender(3), step, act, times=1), pipelining=pipelining)
    assert (receipt.outcome, taken, len(server.heard)) == (Outcome.SENT, 1, 2)


@both_ways
@pytest.mark.parametrize("act", [Act.DROP, Act.RESET, Act.STALL])
@pytest.mark.parametrize("step", [Step.MAIL, Step.RCPT, Step.DATA])
def test_a_mail_that_breaks_two_new_connections_is_deferred(step: Step, act: Act, pipelining: bool) -> None:
    receipt, taken, server = five_with(Fault(sender(3), step, act), pipelining=pipelining)
    assert (receipt.outcome, taken, len(server.heard)) == (Outcome.DEFERRED, 0, 4)
    assert receipt.reply.startswith("the connection broke before the mail was handed over: ")


@both_ways
@pytest.mark.parametrize("act", [Act.DROP, Act.RESET, Act.STALL, Act.TAKE_AND_DROP])
def test_a_mail_that_is_never_answered_is_in_doubt(act: Act, pipelining: bool) -> None:
    receipt, taken, _ = five_with(Fault(sender(3), Step.DOT, act), pipelining=pipelining)
    assert (receipt.outcome, taken) == (Outcome.UNKNOWN, int(act is Act.TAKE_AND_DROP))
    assert receipt.reply.startswith("no answer after the mail was handed over: ")


@both_ways
@pytest.mark.parametrize("step", MAIL_STEPS)
def test_a_server_that_closes_after_its_reply_is_connected_again(step: Step, pipelining: bool) -> None:
    receipt, taken, _ = five_with(Fault(sender(3), step, Act.DROP_AFTER, times=1), pipelining=pipelining)
    assert (receipt.outcome, taken) == (Outcome.SENT, 1)


@both_ways
@pytest.mark.parametrize("act", [Act.RESET, Act.STALL])
def test_a_mail_that_did_not_go_out_whole_is_not_in_doubt(act: Act, pipelining: bool) -> None:
    big = a_message(2, b"x\r\n" * 10_000_000)
    faults = [Fault(sender(2), Step.CONTENT, act)]
    with FaultyServer(faults, pipelining=pipelining) as server:
        receipts = send(server, [a_message(1), big, a_message(3)], timeout=0.5 if act is Act.STALL else 5)
    assert [receipts[i].outcome for i in (1, 2, 3)] == [Outcome.SENT, Outcome.DEFERRED, Outcome.SENT]
    assert receipts[2].reply.startswith("the connection broke while the mail was handed over: ")


@pytest.mark.parametrize("step", [Step.BANNER, Step.EHLO])
@pytest.mark.parametrize(
    "fault",
    [(Act.ANSWER, "421 busy"), (Act.ANSWER, "554 go away"), (Act.ANSWER, "garbage"), (Act.DROP, ""), (Act.STALL, "")],
)
def test_a_connection_that_cannot_be_made_leaves_the_mail_to_the_others(step: Step, fault: tuple[Act, str]) -> None:
    act, answer = fault
    with FaultyServer([Fault(1, step, act, answer)]) as server:
        receipts = send(server, map(a_message, range(20)), connections=2, timeout=0.3 if act is Act.STALL else 5)
        assert arrived(server) == Counter(range(20))
    assert {r.outcome for r in receipts.values()} == {Outcome.SENT}


@both_ways
def test_if_no_connection_can_be_made_the_remaining_mails_are_returned(pipelining: bool) -> None:
    faults = [Fault(sender(3), Step.MAIL, Act.DROP)] + [Fault(i, Step.BANNER, answer="554 no") for i in range(2, 9)]
    receipts: list[Receipt] = []
    with (
        FaultyServer(faults, pipelining=pipelining) as server,
        SmtpTransport("127.0.0.1", server.port, connections=1, timeout=5) as transport,
    ):
        with pytest.raises(TransportError, match="does not accept mail: 554 no"):
            receipts.extend(transport.send(map(a_message, range(1, 6))))
        assert arrived(server) == Counter([1, 2])
    assert [(r.delivery_id, r.outcome) for r in receipts] == [(1, Outcome.SENT), (2, Outcome.SENT)]


@both_ways
@pytest.mark.parametrize("last_word", [b"", b"421 4.4.2 idle for too long\r\n"])
def test_connections_that_ended_between_two_sendings_cost_no_mail(last_word: bytes, pipelining: bool) -> None:
    with (
        FaultyServer(pipelining=pipelining) as server,
        SmtpTransport("127.0.0.1", server.port, connections=3, timeout=5) as transport,
    ):
        assert len(list(transport.send(map(a_message, range(20))))) == 20
        server.hang_up(last_word)
        assert [r.outcome for r in transport.send([a_message(20)])] == [Outcome.SENT]
        assert arrived(server) == Counter(range(21))


@both_ways
def test_a_connection_is_renewed_after_some_mails(pipelining: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.transport.smtp._MAILS_PER_CONNECTION", 3)
    with FaultyServer(pipelining=pipelining) as server:
        receipts = send(server, map(a_message, range(10)))
        assert arrived(server) == Counter(range(10))
    assert {r.outcome for r in receipts.values()} == {Outcome.SENT}
    assert [len(heard.mails) for heard in server.heard] == [3, 3, 3, 1]
    assert {heard.commands[-1].upper() for heard in server.heard} == {"QUIT"}


def test_one_round_trip_a_mail() -> None:
    with FaultyServer() as server:
        send(server, map(a_message, range(5)))
        assert arrived(server) == Counter(range(5))
    assert server.heard[0].turns == 1 + 1 + 5 + 1  # EHLO, the first mail's group, bodies, QUIT


def test_a_server_without_ehlo_gets_helo() -> None:
    with FaultyServer([Fault(1, Step.EHLO, answer="500 what?")]) as server:
        send(server, map(a_message, range(5)))
        assert arrived(server) == Counter(range(5))
    assert server.heard[0].turns > 5 * 4


@both_ways
def test_few_mails_are_in_flight(pipelining: bool) -> None:
    taken = 0

    def messages() -> Iterator[Message]:
        nonlocal taken
        for taken in range(1, 51):
            yield a_message(taken)

    with (
        FaultyServer(pipelining=pipelining) as server,
        SmtpTransport("127.0.0.1", server.port, connections=2, timeout=5) as transport,
    ):
        for yielded, _ in enumerate(transport.send(messages())):
            assert taken - yielded <= 2 * 4
    assert taken == 50


@both_ways
def test_an_error_of_the_messages_comes_after_the_receipts_of_those_before(pipelining: bool) -> None:
    def messages() -> Iterator[Message]:
        yield from map(a_message, range(6))
        raise LookupError("no more")

    receipts: list[Receipt] = []
    with (
        FaultyServer(pipelining=pipelining) as server,
        SmtpTransport("127.0.0.1", server.port, connections=2, timeout=5) as transport,
    ):
        with pytest.raises(LookupError, match="no more"):
            receipts.extend(transport.send(messages()))
        assert arrived(server) == Counter(range(6)) == Counter(r.delivery_id for r in receipts)


def test_a_caller_that_stops_early_does_not_wait_for_a_server_that_is_gone() -> None:
    """The mail that was announced goes over no other connection, whose server would let the sender wait."""
    faults = [Fault(sender(1), Step.MAIL, Act.STALL)]
    faults += [Fault(i, Step.BANNER, Act.STALL) for i in range(2, 99)]
    with (
        FaultyServer(faults) as server,
        SmtpTransport("127.0.0.1", server.port, connections=1, timeout=10) as transport,
    ):
        receipts = transport.send(map(a_message, range(9)))
        assert next(receipts).outcome is Outcome.SENT
        goes_away = threading.Timer(0.1, server.hang_up)
        begun = time.monotonic()
        goes_away.start()
        receipts.close()  # type: ignore[attr-defined]
        assert time.monotonic() - begun < 5
        goes_away.join()
        assert arrived(server) == Counter([0])
        assert len(server.heard) == 1


@both_ways
def test_a_mail_that_is_too_big_is_not_sent(pipelining: bool) -> None:
    with FaultyServer(pipelining=pipelining, size=1000) as server:
        messages = [a_message(1), a_message(2, b"x" * 999 + b"\r\n"), a_message(3, b"." * 998 + b"\r\n")]
        receipts = send(server, messages)
        assert [mail.sender for mail in server.mails] == [sender(1), sender(3)]
    assert receipts[2].outcome is Outcome.FAILED
    assert receipts[2].reply == "not sent: it has 1,001 bytes, and the server takes 1,000 (SIZE)"
    assert "MAIL FROM:<s3@example.org> SIZE=1000" in server.heard[0].commands


@both_ways
def test_big_mails_go_through_tls(certificate: Path, pipelining: bool) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    bodies = [(b"%d." % i * 900 + b"\r\n.\r\n") * 200 for i in range(12)]
    with (
        FaultyServer(pipelining=pipelining, tls=server_context(certificate)) as server,
        SmtpTransport("localhost", server.port, security=Security.TLS, tls=trusting, connections=2) as transport,
    ):
        receipts = list(transport.send(a_message(i, body) for i, body in enumerate(bodies)))
    assert {r.outcome for r in receipts} == {Outcome.SENT}
    assert {mail.sender: mail.content for mail in server.mails} == {sender(i): body for i, body in enumerate(bodies)}
    assert (len(receipts), server.breaches) == (12, [])


@pytest.mark.parametrize("size", [0, None])
def test_without_a_limit_every_mail_is_sent(size: int | None) -> None:
    with FaultyServer(size=size) as server:
        assert send(server, [a_message(1, b"x" * 100_000)])[1].outcome is Outcome.SENT


@both_ways
@pytest.mark.parametrize("utf8", [True, False])
def test_an_address_beyond_ascii_needs_a_server_that_takes_it(utf8: bool, pipelining: bool) -> None:
    with FaultyServer(pipelining=pipelining, utf8=utf8) as server:
        receipt = send(server, [a_message(1, recipient="jürgen@example.org"), a_message(2)])[1]
    if utf8:
        assert receipt.outcome is Outcome.SENT
        assert server.mails[0].recipient == "jürgen@example.org"
        assert "MAIL FROM:<s1@example.org> SMTPUTF8" in server.heard[0].commands
        assert "MAIL FROM:<s2@example.org>" in server.heard[0].commands
    else:
        assert receipt.outcome is Outcome.FAILED
        assert receipt.reply == "not sent: 'jürgen@example.org' is not ASCII, and the server does not offer SMTPUTF8"
        assert [mail.sender for mail in server.mails] == [sender(2)]


@pytest.mark.parametrize("address", ["a@x.org>\r\nRSET", "a b@x.org", "a@x.org\0", "<a@x.org>", "a@x.org\n"])
def test_an_address_cannot_inject_a_command(address: str) -> None:
    with FaultyServer() as server:
        receipt = send(server, [a_message(1, recipient=address), a_message(2)])[1]
        assert arrived(server) == Counter([2])
    assert (receipt.outcome, receipt.reply) == (
        Outcome.FAILED,
        f"not sent: {address!r} contains characters that SMTP does not allow",
    )


@pytest.mark.parametrize(
    ("content", "wire"),
    [
        (b"", b"\r\n.\r\n"),
        (b"\r\n", b"\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b"a\r\n.\r\n.b\r\n..\r\n", b"a\r\n..\r\n..b\r\n...\r\n.\r\n"),
        (b"\r\n.\r\n", b"\r\n..\r\n.\r\n"),
        (b"a.\r\n", b"a.\r\n.\r\n"),
        (b"a\n.\nb\r.\r\n", b"a\r\n..\r\nb\r\n..\r\n.\r\n"),
        (b"\n", b"\r\n.\r\n"),
        (b"\r", b"\r\n.\r\n"),
        (b"a\r\r\n", b"a\r\n\r\n.\r\n"),
        (b"a\n\r\n", b"a\r\n\r\n.\r\n"),
    ],
)
def test_lines_end_in_crlf_and_dots_that_begin_one_are_doubled(content: bytes, wire: bytes) -> None:
    assert encode_data(content) == (len(wire.replace(b"\r\n..", b"\r\n.").removeprefix(b".")) - 3, wire)


@given(st.text("a.\r\n").map(str.encode))
def test_encoded_data_decodes_to_the_content(content: bytes) -> None:
    length, wire = encode_data(content)
    assert wire.endswith(b"\r\n.\r\n")
    lines = wire.removesuffix(b".\r\n").removesuffix(b"\r\n").split(b"\r\n")
    assert not any(line == b"." or b"\r" in line or b"\n" in line for line in lines)
    received = b"".join(line.removeprefix(b".") + b"\r\n" for line in lines)
    assert received == as_received(content)
    assert length == len(received)


lines = st.lists(
    st.one_of(st.sampled_from([b".", b"..", b"", b".x", b"x" * 5000, b"\0\xff"]), st.binary(max_size=20)), max_size=8
)
contents = st.builds(lambda ls, end: b"\r\n".join(ls) + end, lines, st.sampled_from([b"", b"\r\n"])).filter(bool)
answers = st.sampled_from(
    ["250 ok", "354 go", "421 bye", "450 later", "451-a\r\n451 b", "550 no", "?", "250-x\r\n550 y"]
)
acts = st.sampled_from([Act.ANSWER, Act.ANSWER, Act.DROP, Act.RESET, Act.DROP_AFTER, Act.TAKE_AND_DROP])
faults = st.one_of(
    st.builds(
        Fault,
        st.integers(0, 19).map(sender),
        st.sampled_from([*MAIL_STEPS, Step.RSET]),
        acts,
        answers,
        st.sampled_from([1, 2, 99]),
    ),
    st.builds(
        Fault, st.integers(0, 19).map(sender), st.just(Step.CONTENT), st.sampled_from([Act.DROP, Act.RESET]), answers
    ),
    st.builds(Fault, st.integers(1, 9), st.sampled_from([Step.BANNER, Step.EHLO]), acts, answers),
)


def as_received(content: bytes) -> bytes:
    ended = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    return ended if ended.endswith(b"\r\n") else ended + b"\r\n"


@given(
    st.lists(faults, max_size=8),
    st.lists(contents, min_size=20, max_size=20),
    st.booleans(),
    st.booleans(),
    st.integers(1, 3),
)
def test_every_mail_gets_one_receipt_whatever_happens(
    script: Sequence[Fault], bodies: Sequence[bytes], pipelining: bool, insists: bool, connections: int
) -> None:
    receipts: list[Receipt] = []
    handed_back = False
    with (
        FaultyServer(script, pipelining=pipelining, insists=insists) as server,
        SmtpTransport("127.0.0.1", server.port, connections=connections, timeout=2) as transport,
    ):
        try:
            receipts.extend(transport.send(a_message(i, body) for i, body in enumerate(bodies)))
        except TransportError:
            handed_back = True
    given_out = [r.delivery_id for r in receipts]
    assert len(given_out) == len(set(given_out))
    assert handed_back or len(given_out) == 20
    taken = Counter(int(mail.sender[1:].partition("@")[0]) for mail in server.mails)
    assert set(taken.values()) <= {1}
    sent = {r.delivery_id for r in receipts if r.outcome is Outcome.SENT}
    assert sent <= set(taken)
    assert set(taken) - sent <= {r.delivery_id for r in receipts if r.outcome is Outcome.UNKNOWN}
    for mail in server.mails:
        number = int(mail.sender[1:].partition("@")[0])
        assert (mail.recipient, mail.content) == (f"r{number}@example.org", as_received(bodies[number]))
    assert server.breaches == []


def test_an_unreachable_server_is_reported() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with SmtpTransport("127.0.0.1", port, timeout=2) as transport, pytest.raises(TransportError, match="refused"):
            list(transport.send([a_message(1)]))


@both_ways
@pytest.mark.parametrize(
    ("step", "stage"),
    [(Step.MAIL, SmtpStage.MAIL), (Step.RCPT, SmtpStage.RCPT), (Step.DATA, SmtpStage.DATA), (Step.DOT, SmtpStage.DATA)],
)
@pytest.mark.parametrize("answer", ["450 4.2.1 later", "550 5.1.1 never"])
def test_a_rejection_says_which_step_it_answers(step: Step, stage: SmtpStage, answer: str, pipelining: bool) -> None:
    receipt, _, _ = five_with(Fault(sender(3), step, answer=answer), pipelining=pipelining)
    assert (receipt.reply, receipt.stage) == (answer, stage)


@pytest.mark.parametrize(
    ("fault", "stage"),
    [
        (Fault(1, Step.BANNER, answer="554 no"), SmtpStage.GREETING),
        (Fault(1, Step.EHLO, answer="421 4.7.0 too many"), SmtpStage.EHLO),
    ],
)
def test_a_connection_that_is_refused_says_at_which_step(fault: Fault, stage: SmtpStage) -> None:
    with FaultyServer([fault]) as server, pytest.raises(ConnectionRefusedByServerError) as caught:
        MailServer(
            host="127.0.0.1", port=server.port, security=Security.NONE, username="", password="", timeout=5, tls=None
        ).connect()
    assert (caught.value.stage, caught.value.reply) == (stage, fault.answer)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(1, Step.BANNER, answer="421 too many connections"),
        Fault(sender(1), Step.MAIL, answer="451 4.7.1 come back later"),
        Fault(sender(1), Step.RCPT, answer="550 5.7.1 rate limit reached"),
        Fault(sender(1), Step.DOT, answer="452 4.3.1 out of memory"),
    ],
)
def test_whatever_says_slower_slows_all_connections(fault: Fault) -> None:
    limiter = RateLimiter(1000)
    with (
        FaultyServer([fault]) as server,
        SmtpTransport("127.0.0.1", server.port, connections=2, timeout=5, rate_limiter=limiter) as transport,
    ):
        list(transport.send(map(a_message, range(1, 3))))
        assert limiter._reduced_rate == 500
