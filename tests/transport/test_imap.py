"""IMAP against a real Dovecot: nothing is marked before it is processed, and nothing is ever deleted."""

import imaplib
import socket
import ssl
import time
from itertools import islice
from pathlib import Path

import pytest
from imap_tools import MailBoxUnencrypted

from digest.errors import TransportError
from digest.transport.inbound import MAX_BYTES, ImapMailbox
from digest.transport.smtp_connection import Security
from digest.transport.smtp_server import SmtpServer
from tests.mta import Account, Dovecot, a_free_port, cut_after, imap_server, needs_dovecot, scripted
from tests.smtp import Postbox


def a_mailbox(port: int, security: Security = Security.NONE, **options: object) -> ImapMailbox:
    given = {"username": "reader", "password": "x-secret-x", "timeout": 20.0} | options
    return ImapMailbox("localhost", port, security=security, **given)  # type: ignore[arg-type]


def mailbox_of(account: Account, security: Security = Security.NONE, port: int = 0, **options: object) -> ImapMailbox:
    given = {"username": account.username, "password": account.password} | options
    return a_mailbox(port or port_of(account, security), security, **given)


def port_of(account: Account, security: Security) -> int:
    return account.tls_port if security is Security.TLS else account.port


def a_mail(number: int, size: int = 0) -> bytes:
    return f"Subject: mail {number}\r\n\r\n".encode() + b"line of text\r\n" * (size // 14)


def unread(account: Account) -> list[bytes]:
    """What another client finds unread."""
    with mailbox_of(account) as mailbox:
        return [inbound.content for inbound in mailbox.unread()]


def refusal(mailbox: ImapMailbox) -> str:
    with pytest.raises(TransportError) as caught, mailbox:
        list(mailbox.unread())
    said = str(caught.value)
    assert "\n" not in said
    assert not any(secret in said for secret in (Account.password, "x-secret-x"))
    return said


def another_program(account: Account) -> MailBoxUnencrypted:
    return MailBoxUnencrypted("127.0.0.1", account.port).login_utf8(account.username, account.password)


def everything(account: Account) -> list[tuple[str, ...]]:
    """The flags of all that is in the folder."""
    with another_program(account) as client:
        return [message.flags for message in client.fetch(mark_seen=False)]


@needs_dovecot
def test_reading_marks_nothing_and_mark_read_marks_the_named_mails(account: Account) -> None:
    account.deliver(a_mail(1), a_mail(2), a_mail(3))
    with mailbox_of(account) as mailbox:
        found = list(mailbox.unread())
        assert [inbound.content for inbound in found] == [a_mail(1), a_mail(2), a_mail(3)]
        assert list(mailbox.unread()) == found
        mailbox.mark_read([found[0].name, found[2].name])
        assert list(mailbox.unread()) == [found[1]]
    assert unread(account) == [a_mail(2)]


@needs_dovecot
def test_a_mail_is_named_by_a_unique_url(account: Account) -> None:
    account.deliver(a_mail(1))
    with mailbox_of(account) as mailbox:
        (inbound,) = mailbox.unread()
    start, validity, uid = inbound.name.split(";")
    assert (start, uid) == (f"imap://localhost:{account.port}/INBOX", "UID=1")
    assert validity.startswith("UIDVALIDITY=")


@needs_dovecot
def test_names_from_another_connection_are_ignored(account: Account) -> None:
    account.deliver(a_mail(1))
    mailbox = mailbox_of(account)
    with mailbox:
        (inbound,) = mailbox.unread()
    with mailbox:
        mailbox.mark_read([inbound.name, "imap://elsewhere/INBOX;UIDVALIDITY=1/;UID=1"])
    assert unread(account) == [a_mail(1)]


@needs_dovecot
def test_mail_that_arrives_while_reading_is_read_the_next_time(account: Account) -> None:
    account.deliver(a_mail(1), a_mail(2))
    with mailbox_of(account) as mailbox:
        looking = mailbox.unread()
        found = [next(looking)]
        account.deliver(a_mail(3))
        found += looking
        assert [inbound.content for inbound in found] == [a_mail(1), a_mail(2)]
        mailbox.mark_read(inbound.name for inbound in found)
        assert [inbound.content for inbound in mailbox.unread()] == [a_mail(3)]


@needs_dovecot
def test_a_mailbox_of_a_thousand_is_read_and_marked(account: Account) -> None:
    account.deliver(*(a_mail(i) for i in range(1000)))
    with mailbox_of(account) as mailbox:
        found = list(mailbox.unread())
        assert [inbound.content for inbound in found] == [a_mail(i) for i in range(1000)]
        mailbox.mark_read(inbound.name for inbound in found)
        assert list(mailbox.unread()) == []
    assert len(everything(account)) == 1000


@needs_dovecot
def test_of_a_huge_mail_only_the_beginning_is_fetched(account: Account) -> None:
    account.deliver(a_mail(1, 12_000_000), a_mail(2), b"")
    assert unread(account) == [a_mail(1, 12_000_000)[:MAX_BYTES], a_mail(2), b""]


@needs_dovecot
def test_nothing_is_deleted_not_even_mails_marked_as_deleted(account: Account) -> None:
    account.deliver(a_mail(1), a_mail(2))
    with another_program(account) as client:
        client.client.uid("STORE", "1", "+FLAGS", r"(\Deleted)")
    with mailbox_of(account) as mailbox:
        found = list(mailbox.unread())
        mailbox.mark_read(inbound.name for inbound in found)
    assert [inbound.content for inbound in found] == [a_mail(2)]
    assert [set(flags) - {r"\Recent"} for flags in everything(account)] == [{r"\Deleted"}, {r"\Seen"}]


@needs_dovecot
def test_a_connection_that_is_cut_leaves_everything_unread(account: Account) -> None:
    mails = [a_mail(i, 5000) for i in range(60)]
    account.deliver(*mails)
    with cut_after(account.port, 150_000) as port, mailbox_of(account, port=port) as mailbox:
        looking = mailbox.unread()
        found = list(islice(looking, 20))
        with pytest.raises(TransportError, match=f"^the mailbox localhost:{port} cannot be read: "):
            next(looking)
        with pytest.raises(TransportError, match=f"^the mailbox localhost:{port} is not connected$"):
            mailbox.mark_read(inbound.name for inbound in found)
    assert unread(account) == mails


@needs_dovecot
@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
class TestTls:
    def test_a_trusted_server_is_read(self, account: Account, certificate: Path, security: Security) -> None:
        account.deliver(a_mail(1))
        trusting = ssl.create_default_context(cafile=certificate)
        with mailbox_of(account, security, tls=trusting) as mailbox:
            assert [inbound.content for inbound in mailbox.unread()] == [a_mail(1)]

    def test_a_server_with_an_untrusted_certificate_gets_no_password(
        self, dovecot: Dovecot, account: Account, security: Security
    ) -> None:
        port = port_of(account, security)
        said = refusal(mailbox_of(account, security))
        assert said.startswith(f"the mailbox localhost:{port} cannot be reached: ")
        assert "certificate verify failed" in said
        assert account.username not in dovecot.log

    def test_a_server_of_another_name_is_refused(self, account: Account, certificate: Path, security: Security) -> None:
        trusting = ssl.create_default_context(cafile=certificate)
        port = port_of(account, security)
        mailbox = ImapMailbox("127.0.0.1", port, username="x", password="x", security=security, tls=trusting)
        assert "certificate is not valid for '127.0.0.1'" in refusal(mailbox)


@needs_dovecot
def test_a_wrong_password_is_reported(account: Account) -> None:
    assert refusal(mailbox_of(account, password="wrong")) == (
        f"the mailbox localhost:{account.port} refuses user '{account.username}': "
        "[AUTHENTICATIONFAILED] Authentication failed.; check DIGEST_IMAP_PASSWORD"
    )


@needs_dovecot
def test_a_missing_folder_is_reported(account: Account) -> None:
    assert refusal(mailbox_of(account, folder="Rückläufer")).startswith(
        f"the mailbox localhost:{account.port} does not open the folder 'Rückläufer': "
    )


@needs_dovecot
def test_a_folder_of_any_name_is_read(account: Account) -> None:
    with another_program(account) as client:
        client.folder.create("Rückläufer & Co")
        client.append(a_mail(1), "Rückläufer & Co")
    with mailbox_of(account, folder="Rückläufer & Co") as mailbox:
        (inbound,) = mailbox.unread()
        mailbox.mark_read([inbound.name])
        assert list(mailbox.unread()) == []
    assert "/R%C3%BCckl%C3%A4ufer%20%26%20Co;UIDVALIDITY=" in inbound.name


def test_an_unreachable_server_is_reported() -> None:
    port = a_free_port()
    assert refusal(a_mailbox(port)) == f"the mailbox localhost:{port} cannot be reached: [Errno 111] Connection refused"


def test_a_silent_server_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert refusal(a_mailbox(port, timeout=0.2)) == f"the mailbox localhost:{port} cannot be reached: timed out"


def test_a_server_of_another_protocol_is_an_error() -> None:
    with SmtpServer(Postbox()) as smtp:
        assert refusal(a_mailbox(smtp.port)).startswith(f"the mailbox localhost:{smtp.port} cannot be reached: ")


def test_starttls_is_never_skipped() -> None:
    with scripted({}) as (port, heard):
        assert "TLS not supported by server" in refusal(a_mailbox(port, Security.STARTTLS))
    assert [line.split()[1] for line in heard] == [b"CAPABILITY"]


def test_a_server_that_can_do_login_only_gets_that() -> None:
    with scripted({}) as (port, heard), a_mailbox(port, username='a "b"', password="c\\d"):
        pass
    assert heard[1].split(maxsplit=1)[1] == rb'LOGIN "a \"b\"" "c\\d"'


def test_a_connection_that_breaks_at_the_login_is_no_refusal() -> None:
    with scripted({b"LOGIN": b"* BYE too many of you\r\n"}) as (port, _):
        assert (
            refusal(a_mailbox(port))
            == f"the mailbox localhost:{port} cannot be reached: command: LOGIN => too many of you"
        )


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"NO [SERVERBUG] never\r\n", "[SERVERBUG] never"),
        (b"* 1 FETCH (UID 2 BODY[]<0> {99999999}\r\n", "the server sends 99,999,999 bytes at once"),
        (b"what?\r\n", "unexpected response: b'what?'"),
        (b"* BYE I am hurt\r\n", "I am hurt"),
        (b"", "socket error: EOF"),
    ],
    ids=["refused", "too long", "senseless", "bye", "hangs up"],
)
def test_a_mail_that_cannot_be_fetched_does_not_hold_up_those_behind_it(bad: bytes, reason: str) -> None:
    with imap_server({1: b"one", 2: bad, 3: b"three", 4: b"four"}, broken={2}) as port, a_mailbox(port) as mailbox:
        found = [(mail.name[-5:], mail.content, mail.failure) for mail in mailbox.unread()]
    assert [(name, content) for name, content, _ in found] == [
        ("UID=1", b"one"),
        ("UID=2", b""),
        ("UID=3", b"three"),
        ("UID=4", b"four"),
    ]
    assert [failure != "" for *_, failure in found] == [False, True, False, False]
    assert reason in found[1][2]


def test_a_poll_has_a_deadline_also_with_a_server_that_sends_byte_by_byte() -> None:
    with imap_server({1: b"x" * 100_000}, trickle=0.02) as port:
        begun = time.monotonic()
        with (
            pytest.raises(TransportError, match=r"cannot be read: the poll took longer than 0\.5 seconds"),
            a_mailbox(port, timeout=1.0, deadline=0.5) as mailbox,
        ):
            list(mailbox.unread())
        assert time.monotonic() - begun < 5


def test_what_is_left_at_the_deadline_is_read_the_next_time() -> None:
    with imap_server(dict.fromkeys(range(1, 50), b"x")) as port, a_mailbox(port) as mailbox:
        looking = mailbox.unread()
        next(looking)
        mailbox._ends_at = time.monotonic()
        assert len(list(looking)) == 19


@pytest.mark.parametrize(
    ("greeting", "says"),
    [
        (b"* PREAUTH welcome\r\n", "cannot be reached: it greets with PREAUTH, as signed in already"),
        (b"* BYE too many users\r\n", "cannot be reached: the server says goodbye (BYE): too many users"),
        (b"* BYE\r\n", "cannot be reached: "),
    ],
)
@pytest.mark.parametrize("security", [Security.NONE, Security.STARTTLS])
def test_a_greeting_that_lets_no_one_in_is_reported_in_clear_words(
    greeting: bytes, says: str, security: Security
) -> None:
    with imap_server({}, greeting=greeting) as port:
        assert says in refusal(a_mailbox(port, security))


@pytest.mark.parametrize("command", [b"SEARCH", b"FETCH"])
def test_a_refused_command_is_reported_in_the_servers_words(command: bytes) -> None:
    with scripted({b"SEARCH": b"* SEARCH 1\r\n"}, refused=command) as (port, _):
        assert refusal(a_mailbox(port)) == f"the mailbox localhost:{port} cannot be read: never"


def test_the_order_of_an_answer_does_not_matter() -> None:
    answers = {
        b"SEARCH": b"* SEARCH 12 3\r\n",
        b"FETCH": b"* 2 FETCH (BODY[]<0> {3}\r\ntwo UID 12)\r\n* 5 FETCH (FLAGS (\\Seen))\r\n"
        b"* 1 FETCH (UID 3 BODY[]<0> {3}\r\none)\r\n* 3 FETCH (UID 99 BODY[]<0> {6}\r\nunwant)\r\n",
    }
    with scripted(answers) as (port, _), a_mailbox(port) as mailbox:
        found = [(inbound.name[-20:], inbound.content) for inbound in mailbox.unread()]
    assert found == [("UIDVALIDITY=9/;UID=3", b"one"), ("IDVALIDITY=9/;UID=12", b"two")]


def test_a_mail_may_come_in_quotes_and_is_read_once_though_it_is_found_twice() -> None:
    answers = {
        b"SEARCH": b"* SEARCH 1 2 2\r\n",
        b"FETCH": b'* 1 FETCH (UID 1 BODY[]<0> "say \\"hi\\"")\r\n* 2 FETCH (BODY[]<0> "" UID 2)\r\n',
    }
    with scripted(answers) as (port, _), a_mailbox(port) as mailbox:
        assert [inbound.content for inbound in mailbox.unread()] == [b'say "hi"', b""]


@pytest.mark.parametrize("instead", [b"", b"* 2 FETCH (UID 2 BODY[]<0> NIL)\r\n", b"* 2 FETCH (FLAGS ())\r\n"])
@pytest.mark.parametrize("is_deleted", [False, True], ids=["there", "deleted"])
def test_a_mail_that_the_server_leaves_out_is_reported_unless_it_was_deleted(instead: bytes, is_deleted: bool) -> None:
    answers = {b"SEARCH": b"* SEARCH 1 2\r\n", b"FETCH": b'* 1 FETCH (UID 1 BODY[]<0> "one")\r\n' + instead}
    with scripted(answers) as (port, _), a_mailbox(port) as mailbox:
        looking = mailbox.unread()
        assert next(looking).content == b"one"
        if is_deleted:
            answers[b"SEARCH"] = b"* SEARCH\r\n"
        failures = [inbound.failure for inbound in looking]
    assert failures == ([] if is_deleted else ["cannot be fetched: the server does not send it"])


def test_a_server_that_takes_no_password_over_the_connection_gets_none() -> None:
    with scripted({b"CAPABILITY": b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n"}) as (port, heard):
        said = refusal(a_mailbox(port))
    assert "it takes no password over this connection (LOGINDISABLED); try bounces.imap.security = " in said
    assert not any(b"LOGIN" in line for line in heard)


def test_a_line_that_never_ends_is_no_refusal_of_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imaplib, "_MAXLINE", 1000)
    with scripted({b"LOGIN": b"x" * 2000}) as (port, _):
        assert "cannot be reached: command: LOGIN => got more than 1000 bytes" in refusal(a_mailbox(port))


@pytest.mark.parametrize(
    "answer",
    [
        b"* SEARCH one\r\n",
        b"* SEARCH -1\r\n",
        b"* SEARCH 0\r\n",
        b"* SEARCH 99999999999\r\n",
        b"* SEARCH \xd9\xa3\r\n",
        b"* SEARCH \xff\r\n",
        b"what?\r\n",
        b"* BYE I am tired\r\n",
        b"x1 OK\r\n",
    ],
)
def test_an_answer_without_sense_ends_the_connection(answer: bytes) -> None:
    with scripted({b"SEARCH": answer}) as (port, _):
        assert refusal(
            a_mailbox(
                port,
            )
        ).startswith(f"the mailbox localhost:{port} cannot be read: ")


def test_a_folder_that_may_only_be_read_is_refused() -> None:
    with scripted({b"SELECT": b"* OK [READ-ONLY] no\r\n"}) as (port, _):
        assert "does not open the folder 'INBOX': " in refusal(
            a_mailbox(
                port,
            )
        )
