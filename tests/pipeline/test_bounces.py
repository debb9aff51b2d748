"""Returned mail: proven bounces are counted, and suppressed addresses get no more mail."""

import json
import quopri
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from digest.models import Bounce, BounceKind, Delivery, MailKind, Message, SubscriberState, SuppressionReason
from digest.pipeline.bounces import BounceAuthenticator, BounceReport, process_bounces
from digest.security.links import ReturnPaths, Scope
from digest.store import Store, deliveries, subscribers
from digest.store import bounces as bounce_store
from digest.subscribers import address_change
from digest.subscribers.address_change import queue_address_confirmation
from digest.transport import bounces
from digest.transport.inbound import InboundMail
from tests.builders import MEMBERSHIP, NOW
from tests.mail.samples import LINKS, composer
from tests.pipeline.test_deliver import queue

DOMAIN = "bounces.example.org"
RETURN_PATHS = ReturnPaths(DOMAIN, LINKS.secret)
PROOFS = BounceAuthenticator(LINKS, RETURN_PATHS)
READER = "reader@example.org"


def our_mail(store: Store, email: str = READER) -> tuple[Delivery, Message]:
    """A mail to a new subscriber as it went out."""
    queue(store, email)
    with store.read() as tx:
        delivery = deliveries.list_queued(tx)[-1]
    return delivery, composer(return_paths=RETURN_PATHS, unsubscribe_by_mail=True).message(delivery)


def a_report(to: str, status: str = "5.1.1", *, returned: bytes = b"", recipient: str = READER) -> bytes:
    """What a mail server writes to a return path when it gives up on a mail."""
    said = (
        "Reporting-MTA: dns; mx.example.net\r\n\r\n"
        f"Final-Recipient: rfc822; {recipient}\r\n"
        "Action: failed\r\n"
        f"Status: {status}\r\n"
        f"Diagnostic-Code: smtp; 550 {status} no such user here"
    )
    head = f"From: Mail system <mailer-daemon@mx.example.net>\r\nTo: <{to}>\r\nSubject: Your mail was not delivered\r\n"
    return about(returned, head, "delivery-status", said, prose="It did not work out.")


def a_complaint(returned: bytes) -> bytes:
    """What a mailbox provider writes when a reader presses "spam": with no particular recipient and no return path."""
    head = "From: feedback@example.net\r\nTo: abuse@example.org\r\n"
    return about(returned, head, "feedback-report", "Feedback-Type: abuse\r\nUser-Agent: example/1\r\nVersion: 1")


def about(returned: bytes, head: str, kind: str, said: str, *, prose: str = "") -> bytes:
    """A report on a mail that is returned with it (RFC 6522)."""
    parts = [("text/plain", prose.encode())] if prose else []
    parts += [(f"message/{kind}", said.encode()), ("message/rfc822", returned)]
    body = b"".join(b"--b\r\nContent-Type: %s\r\n\r\n%s\r\n" % (name.encode(), part) for name, part in parts)
    return head.encode() + b'Content-Type: multipart/report; report-type=%s; boundary="b"\r\n\r\n%s--b--\r\n' % (
        kind.encode(),
        body,
    )


def read(
    store: Store, *contents: bytes, proofs: BounceAuthenticator = PROOFS, later: timedelta = timedelta(0)
) -> BounceReport:
    messages = [InboundMail(name=f"mail {i}", content=content) for i, content in enumerate(contents, 1)]
    return process_bounces(store, MEMBERSHIP, proofs, messages, now=NOW + later)


def reason(store: Store, email: str = READER) -> SuppressionReason | None:
    with store.read() as tx:
        found = MEMBERSHIP.find_suppression(tx, email)
    return found.reason if found else None


def test_a_hard_bounce_to_the_return_path_suppresses_and_keeps_what_was_said(store: Store) -> None:
    _, sent = our_mail(store)
    report = read(store, a_report(sent.sender))
    assert (report.read, report.kinds[BounceKind.HARD]) == (1, 1)
    assert report.suppressed == [
        (READER, "suppressed since 2026-06-03 (hard-bounce: 550 5.1.1 no such user here)"),
    ]
    with store.read() as tx:
        assert subscribers.get(tx, READER).state.value == "suppressed"


def test_the_return_path_survives_other_letters_and_forwarding(store: Store) -> None:
    _, sent = our_mail(store)
    forwarded = a_report(sent.sender.upper(), recipient="elsewhere@example.net")
    assert [email for email, _ in read(store, forwarded).suppressed] == [READER]


def test_without_a_return_path_the_returned_mail_is_the_proof(store: Store) -> None:
    _, sent = our_mail(store)
    no_paths = BounceAuthenticator(LINKS, None)
    assert len(read(store, a_report("digest@example.org", returned=sent.content), proofs=no_paths).suppressed) == 1


def test_a_complaint_is_proven_by_the_link_that_unsubscribes(store: Store) -> None:
    _, sent = our_mail(store)
    read(store, a_complaint(sent.content))
    assert reason(store) is SuppressionReason.COMPLAINT


def forgeries(delivery: Delivery, sent: Message) -> Iterable[bytes]:
    """Bounces that a person who never got this mail could forge."""
    local, _, domain = sent.sender.partition("@")
    last = "a" if local[-1] != "a" else "b"
    yield a_report("digest@example.org")
    yield a_report(f"{local[:-1]}{last}@{domain}")
    yield a_report(f"bounce-{delivery.id}-@{domain}")
    yield a_report(sent.sender.replace(f"-{delivery.id}-", f"-{delivery.id + 1}-"))
    yield a_report("digest@example.org", returned=f"Message-ID: <{delivery.message_id}>\r\n".encode())
    yield a_complaint(f"To: {READER}\r\nMessage-ID: <{delivery.message_id}>\r\n".encode())
    link = LINKS.url(Scope.UNSUBSCRIBE, delivery.subscriber.id, 0)
    yield a_complaint(f"List-Unsubscribe: <{link[:-1]}{'A' if link[-1] != 'A' else 'B'}>\r\n".encode())
    yield a_complaint(
        LINKS.url(Scope.PREFERENCES, delivery.subscriber.id, 0, written_at=NOW)
        .replace("preferences", "unsubscribe")
        .encode()
    )


def test_a_forged_bounce_is_reported_and_suppresses_no_address(store: Store) -> None:
    delivery, sent = our_mail(store)
    forged = list(forgeries(delivery, sent))
    report = read(store, *forged)
    assert len(report.unproven) == report.read == len(forged)
    assert (report.suppressed, reason(store)) == ([], None)


def test_a_return_path_that_was_made_for_another_mail_of_that_number_proves_nothing(store: Store) -> None:
    """As after a restored backup, when numbers are given out again."""
    delivery, _ = our_mail(store)
    lost = RETURN_PATHS.for_delivery(delivery.id, "another@example.org")
    assert len(read(store, a_report(lost)).unproven) == 1
    assert reason(store) is None


def test_a_soft_bounce_and_an_automatic_reply_suppress_no_address(store: Store) -> None:
    _, sent = our_mail(store)
    away = (
        b"From: a@b\r\nTo: <"
        + sent.sender.encode()
        + b">\r\nAuto-Submitted: auto-replied\r\nSubject: Away\r\n\r\nBack soon.\r\n"
    )
    report = read(store, a_report(sent.sender, "4.2.2"), away)
    assert {kind.value: count for kind, count in report.kinds.items() if count} == {"soft": 1, "auto-reply": 1}
    assert (report.suppressed, report.unproven, reason(store)) == ([], [], None)


def test_a_message_that_is_read_again_counts_once(store: Store) -> None:
    _, sent = our_mail(store)
    once = a_report(sent.sender)
    assert [len(read(store, once).suppressed) for _ in range(2)] == [1, 0]


def test_a_mail_to_the_unsubscribe_address_unsubscribes(store: Store) -> None:
    delivery, sent = our_mail(store)
    to = RETURN_PATHS.unsubscribe_address(delivery.subscriber.id, delivery.subscriber.epoch)
    assert f"<mailto:{to}?subject=unsubscribe>".encode() in sent.content
    wish = f"From: {READER}\r\nTo: {to.upper()}\r\nSubject: unsubscribe\r\n\r\n".encode()
    assert read(store, wish, wish).unsubscribed == [READER]
    assert reason(store) is SuppressionReason.UNSUBSCRIBED
    with store.read() as tx:
        assert [d.kind.value for d in deliveries.list_queued(tx)] == ["goodbye"]


def test_an_unsubscribe_mail_read_twice_does_not_unsubscribe_a_returned_subscriber(store: Store) -> None:
    delivery, _ = our_mail(store)
    to = RETURN_PATHS.unsubscribe_address(delivery.subscriber.id, delivery.subscriber.epoch)
    wish = f"From: {READER}\r\nTo: {to}\r\nSubject: unsubscribe\r\n\r\n".encode()
    read(store, wish)
    with store.write() as tx:
        MEMBERSHIP.confirm(tx, subscribers.get(tx, READER), origin="page", now=NOW)
    assert read(store, wish).unsubscribed == []
    assert reason(store) is None


def test_a_mail_that_causes_an_error_is_reported_and_the_others_are_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, sent = our_mail(store)

    def read_one(content: bytes) -> tuple[Bounce, ...]:
        if content == b"odd":
            raise RecursionError("too deep")
        return bounces.parse(content)

    monkeypatch.setattr("digest.pipeline.bounces.bounces", SimpleNamespace(**{**vars(bounces), "parse": read_one}))
    report = read(store, b"odd", a_report(sent.sender))
    assert report.unreadable == [("mail 1", "RecursionError: too deep")]
    assert len(report.suppressed) == 1


def test_a_subject_in_a_charset_that_is_none_keeps_nothing_from_being_read(store: Store) -> None:
    _, sent = our_mail(store)
    report = read(store, "Subject: =?utf8\u0661?q?hello?=\r\n\r\n".encode(), a_report(sent.sender))
    assert (report.unreadable, len(report.suppressed)) == ([], 1)


def test_a_bounce_suppresses_the_address_of_a_removed_subscriber(store: Store) -> None:
    delivery, _ = our_mail(store)
    with store.write() as tx:
        subscribers.remove(tx, READER)
        bounce = Bounce(kind=BounceKind.HARD, reply="550 5.1.1 nobody")
        MEMBERSHIP.record_bounce(tx, READER, bounce, delivery_id=delivery.id, fingerprint="smtp", now=NOW)
    assert reason(store) is SuppressionReason.HARD_BOUNCE


def test_thousands_of_forged_return_paths_hold_nothing_up(store: Store) -> None:
    our_mail(store)
    paths = b"\r\n".join(b"bounce-%d-aaaaaaaaaaaaaaaa@bounces.example.org" % i for i in range(20_000))
    assert len(RETURN_PATHS.find(paths)) == 20
    assert len(read(store, a_report("digest@example.org", returned=paths)).unproven) == 1


def test_of_several_blocks_the_one_that_is_hard_counts(store: Store) -> None:
    _, sent = our_mail(store)
    report = a_report(sent.sender, "4.2.2")
    soft = report[report.index(b"Final-Recipient") :].partition(b"--b")[0]
    hard = soft.replace(b"4.2.2", b"5.1.1").replace(b"reader@", b"forwarded@")
    both = report.replace(soft, soft + b"\r\n" + hard)
    assert len(read(store, both).suppressed) == 1


def test_reading_ends_after_the_mail_at_hand_when_it_is_asked_to(store: Store) -> None:
    our_mail(store)
    messages = [InboundMail(name=str(i), content=b"Subject: x\r\n\r\n") for i in range(3)]
    done: list[str] = []
    process_bounces(store, MEMBERSHIP, PROOFS, messages, now=NOW, done=done.append, stopping=lambda: len(done) == 2)
    assert done == ["0", "1"]


@pytest.mark.parametrize(
    "head",
    [
        "To: digest@example.org\r\nSubject: Re: your papers",  # quotes the address in an answer
        "To: {to}\r\nAuto-Submitted: auto-replied\r\nSubject: Away",
        "To: {forged}\r\nSubject: unsubscribe",
    ],
)
def test_quotes_automatic_replies_and_guesses_unsubscribe_no_one(store: Store, head: str) -> None:
    delivery, _ = our_mail(store)
    to = RETURN_PATHS.unsubscribe_address(delivery.subscriber.id, delivery.subscriber.epoch)
    forged = RETURN_PATHS.unsubscribe_address(delivery.subscriber.id + 1, 0).replace(
        f"-{delivery.subscriber.id + 1}-", "-1-"
    )
    wish = (
        f"From: {READER}\r\n{head.format(to=to, forged=forged)}\r\n\r\n> List-Unsubscribe: <mailto:{to}>\r\n".encode()
    )
    assert read(store, wish).unsubscribed == []


def test_an_address_of_ours_fits_into_smtp() -> None:
    longest = RETURN_PATHS.for_delivery(10**18 - 1, "x" * 200), RETURN_PATHS.unsubscribe_address(10**18 - 1, 10**18 - 1)
    assert all(len(address.partition("@")[0]) <= 64 for address in longest)


def moved(store: Store, sent: Delivery | None = None) -> None:
    """The reader has another address now; before that `sent` was sent."""
    with store.write() as tx:
        if sent is not None:
            tx.exec_driver_sql(f"UPDATE deliveries SET state = 'sent', finished_at = queued_at WHERE id = {sent.id}")
        reader = subscribers.get(tx, READER)
        queue_address_confirmation(tx, MEMBERSHIP, reader, "new@example.org", origin="", now=NOW)
        address_change.change_address(tx, MEMBERSHIP, subscribers.get(tx, READER), origin="", now=NOW)


def test_a_bounce_from_a_former_address_does_not_suppress_the_new_one(store: Store) -> None:
    delivery, sent = our_mail(store)
    moved(store, delivery)
    for proofs in (PROOFS, BounceAuthenticator(LINKS, None)):
        assert read(store, a_report(sent.sender, returned=sent.content), proofs=proofs).suppressed == []
    assert (reason(store), reason(store, "new@example.org")) == (None, None)
    read(store, a_complaint(sent.content))  # it is the same person's wish
    assert reason(store, "new@example.org") is SuppressionReason.COMPLAINT


def test_a_bounce_from_the_new_address_suppresses_it(store: Store) -> None:
    our_mail(store)
    moved(store)
    with store.read() as tx:
        delivery = next(d for d in deliveries.list_queued(tx) if d.kind is MailKind.DIGEST)
    sent = composer(return_paths=RETURN_PATHS).message(delivery)
    read(store, a_report(sent.sender, recipient="new@example.org"))
    assert (reason(store), reason(store, "new@example.org")) == (None, SuppressionReason.HARD_BOUNCE)


def test_a_bounce_of_an_unconfirmed_address_suppresses_no_address(store: Store) -> None:
    our_mail(store)
    with store.write() as tx:
        queue_address_confirmation(tx, MEMBERSHIP, subscribers.get(tx, READER), "new@example.org", origin="", now=NOW)
        delivery = next(d for d in deliveries.list_queued(tx) if d.kind is MailKind.ADDRESS)
    sent = composer(return_paths=RETURN_PATHS).message(delivery)
    read(store, a_report(sent.sender, recipient="new@example.org"))
    assert (reason(store), reason(store, "new@example.org")) == (None, None)


def all_sent(store: Store, count: int) -> list[str]:
    """Mails to `count` readers, that the server took: their return paths."""
    queue(store, *(f"reader{i:02}@example.org" for i in range(count)))
    with store.write() as tx:
        tx.exec_driver_sql("UPDATE deliveries SET state = 'sent', finished_at = queued_at")
        return [
            RETURN_PATHS.for_delivery(d.id, d.message_id)
            for d in sorted(deliveries.list_newest(tx), key=lambda d: d.id)
        ]


def suppressed(store: Store) -> int:
    with store.read() as tx:
        return sum(s.state is SubscriberState.SUPPRESSED for s in subscribers.list_all(tx))


@pytest.mark.parametrize(
    ("mails", "bounced", "counted"), [(9, 9, 9), (10, 5, 5), (10, 6, 0), (10, 10, 0), (30, 15, 15), (30, 16, 0)]
)
@pytest.mark.parametrize("at_once", [True, False], ids=["one run", "several runs"])
def test_a_day_on_which_most_mails_bounce_is_no_evidence_about_readers(
    store: Store, mails: int, bounced: int, counted: int, at_once: bool
) -> None:
    reports = [a_report(path) for path in all_sent(store, mails)[:bounced]]
    for part in [reports] if at_once else [[one] for one in reports]:
        read(store, *part, later=timedelta(days=1))
    assert suppressed(store) == counted


def test_readers_whose_bounces_were_withdrawn_get_their_queued_mails(store: Store) -> None:
    paths = all_sent(store, 10)
    with store.write() as tx:
        reader = subscribers.get(tx, "reader00@example.org")
        subscribers.save(tx, replace(reader, state=SubscriberState.PAUSED))
        MEMBERSHIP.queue_mail(tx, MailKind.GOODBYE, reader, now=NOW)
    read(store, a_report(paths[0]))
    with store.read() as tx:
        assert deliveries.list_queued(tx) == []  # it was cancelled
    read(store, *map(a_report, paths[1:]))
    with store.read() as tx:
        assert [d.kind for d in deliveries.list_queued(tx)] == [MailKind.GOODBYE]
        assert subscribers.get(tx, "reader00@example.org").state is SubscriberState.PAUSED


def test_a_suppression_that_other_days_prove_stays(store: Store) -> None:
    first, *rest = all_sent(store, 10)
    with store.write() as tx:
        hard = Bounce(kind=BounceKind.HARD, reply="550 5.1.1 nobody")
        reader = "reader00@example.org"
        MEMBERSHIP.record_bounce(tx, reader, hard, delivery_id=None, fingerprint="x", now=NOW - timedelta(days=3))
    read(store, a_report(first), *map(a_report, rest))
    assert suppressed(store) == 1


def test_five_days_of_trouble_with_our_signature_suppress_no_reader(store: Store) -> None:
    _, sent = our_mail(store)
    said = "554 5.7.26 This mail has been blocked because the sender is unauthenticated. DKIM = did not pass"
    report = a_report(sent.sender, "5.7.26").replace(b"550 5.7.26 no such user here", said.encode())
    for day in range(6):
        told = read(store, report + b"%d" % day, later=timedelta(days=day))
        assert [(name, bounce.reply) for name, bounce in told.not_counted] == [("mail 1", said)]
    assert (reason(store), told.suppressed) == (None, [])
    with store.read() as tx:
        assert {bounce.kind for bounce in bounce_store.list_newest(tx, limit=9)} == {BounceKind.OTHER}


def test_a_full_mailbox_on_five_days_still_suppresses(store: Store) -> None:
    _, sent = our_mail(store)
    for day in range(5):
        read(store, a_report(sent.sender, "5.2.2") + b"%d" % day, later=timedelta(days=day))
    assert reason(store) is SuppressionReason.SOFT_BOUNCES


@pytest.mark.parametrize("mark", ["X-Apple-Unsubscribe: true\r\nSubject: x", "Subject: unsubscribe"])
def test_apple_mails_request_unsubscribes_though_it_says_that_it_is_automatic(store: Store, mark: str) -> None:
    delivery, _ = our_mail(store)
    to = RETURN_PATHS.unsubscribe_address(delivery.subscriber.id, delivery.subscriber.epoch)
    wish = f"From: {READER}\r\nTo: {to}\r\n{mark}\r\nAuto-Submitted: auto-replied\r\n\r\nText\r\n"
    forged = wish.replace(to, f"{to[:-1]}x")
    report = read(store, forged.encode())
    assert (report.unsubscribed, [claim.kind for _, claim in report.unproven]) == ([], [BounceKind.UNSUBSCRIBE])
    assert read(store, wish.encode()).unsubscribed == [READER]


def test_a_proof_is_found_though_the_encoding_of_its_part_breaks_it(store: Store) -> None:
    _, sent = our_mail(store)
    said = json.dumps(
        {
            "notificationType": "Bounce",
            "bounce": {"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": READER}]},
            "mail": {"source": sent.sender},
        }
    )
    head = (
        b"From: AWS Notifications <no-reply@sns.amazonaws.com>\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    coded = b"=\r\n".join(quopri.encodestring(said[i : i + 9].encode()) for i in range(0, len(said), 9))
    assert sent.sender.encode() not in coded
    assert len(read(store, head + coded).suppressed) == 1
