"""SMTP against real servers: every reply belongs to its own mail, and nothing is lost."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiosmtpd.smtp import AuthResult, Session

from digest.errors import TransportError
from digest.models import Message, Outcome, Receipt
from digest.transport.rate_limiter import RateLimiter
from digest.transport.smtp import Security, SmtpTransport
from digest.transport.smtp_server import SmtpServer
from tests.mta import a_free_port
from tests.smtp import Postbox
from tests.transport.conftest import server_context

CONTENT = b"Subject: x\r\n\r\nbody\r\n"


def a_message(number: int = 1, content: bytes = CONTENT, recipient: str = "") -> Message:
    recipient = recipient or f"r{number}@example.org"
    return Message(delivery_id=number, sender="digest@example.org", recipient=recipient, content=content)


def send(postbox: Postbox, *messages: Message, connections: int = 1, **options: object) -> dict[int, Receipt]:
    with SmtpServer(postbox) as server, SmtpTransport(
        "127.0.0.1", server.port, connections=connections, timeout=5, **options  # type: ignore[arg-type]
    ) as transport:  # fmt: skip
        return {r.delivery_id: r for r in transport.send(messages)}


def test_every_mail_is_taken_once_and_its_reply_is_its_own() -> None:
    postbox = Postbox()
    receipts = send(postbox, *(a_message(i) for i in range(200)), connections=4)
    assert {i: r.outcome for i, r in receipts.items()} == dict.fromkeys(range(200), Outcome.SENT)
    assert postbox.recipients == sorted(f"r{i}@example.org" for i in range(200))
    assert receipts[0].reply == "250 taken"


def test_connections_are_few_and_used_again() -> None:
    postbox = Postbox(delay=0.005)
    send(postbox, *(a_message(i) for i in range(40)), connections=4)
    assert len(postbox.sessions) == 4
    assert min(postbox.sessions.values()) > 1


def test_a_refused_mail_does_not_stop_the_others() -> None:
    postbox = Postbox(
        at_rcpt={"r1@example.org": "550 5.1.1 nobody here", "r2@example.org": "450 4.2.1 greylisted"},
        at_data={"r3@example.org": "552 5.3.4 too big", "r4@example.org": "451 4.3.0 later"},
    )
    receipts = send(postbox, *(a_message(i) for i in range(1, 6)))
    assert {i: (r.outcome, r.reply) for i, r in receipts.items()} == {
        1: (Outcome.FAILED, "550 5.1.1 nobody here"),
        2: (Outcome.DEFERRED, "450 4.2.1 greylisted"),
        3: (Outcome.FAILED, "552 5.3.4 too big"),
        4: (Outcome.DEFERRED, "451 4.3.0 later"),
        5: (Outcome.SENT, "250 taken"),
    }


@pytest.mark.parametrize(
    ("step", "outcome", "reply"),
    [
        ("at_rcpt", Outcome.DEFERRED, "the connection broke"),
        ("at_data", Outcome.UNKNOWN, "no answer after the mail was handed over"),
    ],
)
def test_a_broken_connection_is_replaced_and_its_mail_gets_a_receipt(step: str, outcome: Outcome, reply: str) -> None:
    postbox = Postbox(**{step: {"r1@example.org": "drop"}})  # type: ignore[arg-type]
    receipts = send(postbox, *(a_message(i) for i in range(1, 4)))
    assert receipts[1].outcome is outcome
    assert receipts[1].reply.startswith(reply)
    assert postbox.recipients == ["r2@example.org", "r3@example.org"]


def test_a_server_that_closes_the_connection_is_not_used_again() -> None:
    postbox = Postbox(at_rcpt={"r1@example.org": "421 4.3.2 closing"})
    receipts = send(postbox, a_message(1), a_message(2))
    assert [r.outcome for r in receipts.values()] == [Outcome.DEFERRED, Outcome.SENT]


@pytest.mark.parametrize(
    ("content", "received"),
    [
        (b"a\nb\rc\r\nd", b"a\r\nb\r\nc\r\nd\r\n"),
        (b".\r\n..\r\n.x\r\n", b".\r\n..\r\n.x\r\n"),
        (b"end\n.\nMAIL FROM:<evil@x.org>\n", b"end\r\n.\r\nMAIL FROM:<evil@x.org>\r\n"),
    ],
)
def test_lines_end_in_crlf_and_a_dot_never_ends_a_mail(content: bytes, received: bytes) -> None:
    postbox = Postbox()
    send(postbox, a_message(content=b"S: x\r\n\r\n" + content))
    assert [body for _, body in postbox.mails] == [b"S: x\r\n\r\n" + received]


def test_without_a_server_nothing_is_taken() -> None:
    with SmtpTransport("127.0.0.1", a_free_port(), connections=3, timeout=2) as transport:
        receipts: list[Receipt] = []
        with pytest.raises(TransportError, match="the mail server 127.0.0.1:.* cannot be reached: .*refused"):
            receipts.extend(transport.send(a_message(i) for i in range(20)))
        assert receipts == []


def test_a_server_that_dies_in_the_middle_leaves_the_rest_unsent() -> None:
    postbox = Postbox(delay=0.01)
    receipts: list[Receipt] = []
    server = SmtpServer(postbox)
    with server, SmtpTransport("127.0.0.1", server.port, connections=2, timeout=2) as transport:

        def messages() -> Iterator[Message]:
            for i in range(50):
                if i == 10:
                    server.stop()
                yield a_message(i)

        with pytest.raises(TransportError):
            receipts.extend(transport.send(messages()))
    sent = {r.delivery_id for r in receipts if r.outcome is Outcome.SENT}
    assert {f"r{i}@example.org" for i in sent} <= set(postbox.recipients)
    assert len(receipts) < 50


def test_a_server_that_accepts_fewer_connections_is_used_over_those() -> None:
    full = threading.Semaphore(1)

    class OneClient(Postbox):
        async def handle_EHLO(  # noqa: N802
            self, _server: object, session: Session, _envelope: object, hostname: str, answers: list[str]
        ) -> list[str]:
            if not full.acquire(blocking=False):
                return ["421 too many connections"]
            session.host_name = hostname
            return answers

    postbox = OneClient()
    receipts = send(postbox, *(a_message(i) for i in range(30)), connections=4, rate_limiter=RateLimiter(1000))
    assert len(receipts) == 30
    assert len(postbox.mails) == 30


def test_receipts_of_an_abandoned_send_do_not_appear_in_the_next_one() -> None:
    postbox = Postbox()
    with SmtpServer(postbox) as server, SmtpTransport("127.0.0.1", server.port, connections=2, timeout=5) as transport:
        first = transport.send(a_message(i) for i in range(10))
        next(first)
        first.close()  # type: ignore[attr-defined]
        again = [r.delivery_id for r in transport.send([a_message(77)])]
    assert again == [77]


class Users:
    """An authenticator that knows one user."""

    def __call__(
        self, _server: object, _session: object, _envelope: object, _mechanism: str, data: object
    ) -> AuthResult:
        good = (getattr(data, "login", b""), getattr(data, "password", b"")) == (b"digest", b"right")
        return AuthResult(success=good, handled=good)


def test_only_the_right_password_is_accepted() -> None:
    postbox = Postbox()
    with SmtpServer(postbox, authenticator=Users(), auth_require_tls=False) as server:
        for password in ("right", "wrong"):
            with SmtpTransport(
                "127.0.0.1", server.port, username="digest", password=password, connections=1
            ) as transport:
                if password == "right":
                    assert next(transport.send([a_message()])).outcome is Outcome.SENT
                else:
                    with pytest.raises(TransportError, match="refuses user 'digest': 535 .*DIGEST_SMTP_PASSWORD"):
                        list(transport.send([a_message()]))


def test_a_login_that_fails_for_now_is_no_fault_of_the_password() -> None:
    def fails(*_: object) -> AuthResult:
        return AuthResult(success=False, handled=False, message="454 4.7.0 Temporary authentication failure")

    with SmtpServer(Postbox(), authenticator=fails, auth_require_tls=False) as server:
        transport = SmtpTransport("127.0.0.1", server.port, username="digest", password="right", connections=1)
        with transport, pytest.raises(TransportError, match="refuses user 'digest': 454 .*; it is tried again"):
            list(transport.send([a_message()]))


def test_starttls_is_verified_and_used(certificate: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    with SmtpServer(Postbox(), tls_context=server_context(certificate), require_starttls=True) as server:
        with SmtpTransport("localhost", server.port, security=Security.STARTTLS, tls=trusting) as transport:
            assert next(transport.send([a_message()])).outcome is Outcome.SENT
        refused = SmtpTransport("localhost", server.port, security=Security.STARTTLS)
        with refused as transport, pytest.raises(TransportError, match="certificate verify failed"):
            list(transport.send([a_message()]))


def test_a_server_without_starttls_gets_no_mail_if_starttls_is_required() -> None:
    with (
        SmtpServer(Postbox()) as server,
        SmtpTransport("127.0.0.1", server.port, security=Security.STARTTLS) as transport,
        pytest.raises(TransportError, match="does not support what delivery.smtp requires: STARTTLS"),
    ):
        list(transport.send([a_message()]))


def test_a_plain_text_server_is_distinguished_from_an_absent_one() -> None:
    with (
        SmtpServer(Postbox()) as server,
        SmtpTransport("127.0.0.1", server.port, security=Security.TLS) as transport,
        pytest.raises(TransportError, match='try delivery.smtp.security = "starttls"'),
    ):
        list(transport.send([a_message()]))


def test_a_missing_password_is_reported_with_its_environment_variable() -> None:
    with (
        SmtpServer(Postbox(), authenticator=Users(), auth_require_tls=False) as server,
        SmtpTransport("127.0.0.1", server.port, username="digest") as transport,
        pytest.raises(TransportError, match="DIGEST_SMTP_PASSWORD is not set"),
    ):
        list(transport.send([a_message()]))


def test_tls_from_the_start(certificate: Path) -> None:
    class TlsServer(SmtpServer):
        async def listen(self, loop: asyncio.AbstractEventLoop) -> asyncio.Server:
            return await loop.create_server(self.new_session, "127.0.0.1", 0, ssl=server_context(certificate))

    trusting = ssl.create_default_context(cafile=str(certificate))
    with (
        TlsServer(Postbox()) as server,
        SmtpTransport("localhost", server.port, security=Security.TLS, tls=trusting) as transport,
    ):
        assert next(transport.send([a_message()])).outcome is Outcome.SENT


@pytest.mark.parametrize(
    ("host", "password", "reason"),
    [
        ("mail..example.org", "", "the mail server mail..example.org:25 cannot be reached: "),
        (
            "127.0.0.1",
            "geheim\N{LATIN SMALL LETTER U WITH DIAERESIS}",
            "takes no letters outside ASCII in .*DIGEST_SMTP_PASSWORD",
        ),
    ],
)
def test_what_smtplib_cannot_encode_is_said(host: str, password: str, reason: str) -> None:
    with (
        SmtpTransport(host, 25, username="digest", password=password) as transport,
        pytest.raises(TransportError, match=reason),
    ):
        list(transport.send([a_message()]))
