"""The third stage: every queued mail is sent, through every kind of failure."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from digest.errors import TemplateError, TransportError
from digest.mail import Composer
from digest.models import (
    BounceKind,
    DeliveryState,
    DoubtPolicy,
    Hold,
    MailKind,
    Message,
    Outcome,
    Receipt,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from digest.pipeline.deliver import DeliveryReport, deliver
from digest.security.links import Scope
from digest.store import Store, Transaction, bounces, daily_status, deliveries, digests, outbox, papers, subscribers
from digest.store.daily_status import Trouble
from digest.subscribers import address_change
from digest.subscribers.address_change import queue_address_confirmation
from digest.subscribers.schedule import paused
from digest.transport.retry import RefusalWatch
from digest.transport.smtp import SmtpTransport
from digest.transport.smtp_server import SmtpServer
from tests.builders import MEMBERSHIP, NOW, a_digest, a_paper, a_subscriber, an_item
from tests.mail.samples import LINKS, composer
from tests.smtp import Postbox


def queue(store: Store, *emails: str, paper_title: str = "Cats") -> None:
    with store.write() as tx:
        papers.add(tx, [a_paper(paper_title)], first_seen_at=NOW, edition_on=NOW.date())
        *_, paper = papers.list_first_seen(tx, after=NOW - timedelta(days=1), until=NOW)
        added = [subscribers.add(tx, a_subscriber(email), now=NOW) for email in emails]
        decided = [a_digest([an_item(paper)], subscriber=s, message_id=f"{s.id}@example.org") for s in added]
        digests.freeze(tx, decided, now=NOW)


def send(store: Store, postbox: Postbox, *, later: timedelta = timedelta(0), **rest: object) -> DeliveryReport:
    with SmtpServer(postbox) as server, SmtpTransport("127.0.0.1", server.port, connections=2, timeout=5) as transport:
        return deliver(store, transport, composer(), MEMBERSHIP, now=NOW + later, **rest)  # type: ignore[arg-type]


def release(store: Store) -> None:
    with store.write() as tx:
        assert outbox.end_hold(tx)


def suppressed(store: Store) -> list[str]:
    with store.read() as tx:
        return [s.email for s in subscribers.list_all(tx) if s.state is SubscriberState.SUPPRESSED]


def trouble_of(store: Store) -> Trouble | None:
    with store.read() as tx:
        return daily_status.get(tx, on=NOW.date(), since=NOW - timedelta(hours=1), now=NOW).trouble


def states(store: Store) -> dict[str, int]:
    with store.read() as tx:
        return dict(Counter(d.state.value for d in deliveries.list_newest(tx, limit=1000)))


def test_everything_that_is_queued_is_sent_once(store: Store) -> None:
    emails = sorted(f"{i}@example.org" for i in range(450))  # more than two batches
    queue(store, *emails)
    postbox = Postbox()
    assert send(store, postbox) == DeliveryReport(sent=450)
    assert postbox.recipients == emails
    assert send(store, postbox) == DeliveryReport()


def test_a_deferred_mail_is_tried_again_in_its_time(store: Store) -> None:
    queue(store, "a@example.org", "b@example.org")
    report = send(store, Postbox(at_rcpt={"a@example.org": "450 later"}))
    assert (report.sent, report.deferred, report.refused) == (1, 1, (("a@example.org", "450 later"),))
    postbox = Postbox()
    assert send(store, postbox, later=timedelta(minutes=4)) == DeliveryReport()
    assert send(store, postbox, later=timedelta(minutes=8)).sent == 1
    assert postbox.recipients == ["a@example.org"]


def test_a_refused_mail_is_failed_for_good(store: Store) -> None:
    queue(store, "a@example.org")
    assert send(store, Postbox(at_rcpt={"a@example.org": "550 nobody"})).failed == 1
    assert send(store, Postbox(), later=timedelta(days=1)) == DeliveryReport()


def test_a_mail_that_is_deferred_for_five_days_is_given_up(store: Store) -> None:
    queue(store, "a@example.org")
    postbox = Postbox(at_rcpt={"a@example.org": "450 later"})
    for day in range(5):
        assert send(store, postbox, later=timedelta(days=day)).deferred == 1
    report = send(store, postbox, later=timedelta(days=5))
    assert report.refused == (("a@example.org", "gave up after five days: 450 later"),)


def test_a_clock_that_is_ahead_for_one_run_gives_no_mail_up(store: Store) -> None:
    queue(store, "a@example.org")
    assert send(store, Postbox(at_rcpt={"a@example.org": "450 later"}), later=timedelta(days=400)).deferred == 1


def test_when_the_server_is_down_everything_stays_queued(store: Store) -> None:
    queue(store, "a@example.org", "b@example.org")
    with SmtpTransport("127.0.0.1", 1, connections=2, timeout=2) as nowhere:
        report = deliver(store, nowhere, composer(), MEMBERSHIP, now=NOW)
    assert "cannot be reached" in report.failure
    assert report.waiting == 2
    assert states(store) == {"queued": 2}
    assert send(store, Postbox()).sent == 2


def test_a_mail_to_an_address_that_is_not_ascii_needs_a_server_that_takes_it_and_else_is_no_bounce(
    store: Store,
) -> None:
    queue(store, "jürgen@example.org", "b@example.org")
    report = send(store, Postbox())
    assert (report.sent, report.failed, suppressed(store)) == (1, 1, [])
    reason = "not sent: 'jürgen@example.org' is not ASCII, and the server does not offer SMTPUTF8"
    assert report.refused[0][1] == reason
    with store.write() as tx:
        assert bounces.list_newest(tx, limit=9) == []
        outbox.retry(tx, [], now=NOW)
    postbox = Postbox()
    with SmtpServer(postbox, enable_SMTPUTF8=True) as server, SmtpTransport("127.0.0.1", server.port) as transport:
        assert deliver(store, transport, composer(), MEMBERSHIP, now=NOW).sent == 1
    assert postbox.recipients == ["jürgen@example.org"]


def test_one_mail_that_cannot_be_written_does_not_stop_the_others(store: Store) -> None:
    queue(store, "a\u202e b@example.org", "b@example.org")
    report = send(store, Postbox())
    assert (report.sent, report.failed) == (1, 1)
    assert report.refused[0][1].startswith("not sent: ")


def test_a_faulty_template_loses_nothing(store: Store, tmp_path: Path) -> None:
    queue(store, "a@example.org")
    (tmp_path / "email").mkdir()
    (tmp_path / "email" / "digest.txt.j2").write_text("{{ mail.typo }}")
    with pytest.raises(TemplateError):
        deliver(store, Breaking(9), composer(tmp_path), MEMBERSHIP, now=NOW)
    assert states(store) == {"queued": 1}


class Breaking:
    """A transport that takes some mails and then breaks."""

    def __init__(self, takes: int) -> None:
        self.takes = takes

    def send(self, messages: Iterable[Message]) -> Iterator[Receipt]:
        for taken, message in enumerate(messages):
            if taken == self.takes:
                raise TransportError("the line is down")
            yield Receipt(delivery_id=message.delivery_id, outcome=Outcome.SENT, reply="250")


def test_mails_sent_before_the_connection_broke_are_recorded(store: Store) -> None:
    queue(store, *(f"{i}@example.org" for i in range(10)))
    report = deliver(store, Breaking(7), composer(), MEMBERSHIP, now=NOW, group_size=3)
    assert (report.sent, report.waiting, report.failure) == (7, 3, "the line is down")
    assert states(store) == {"sent": 7, "queued": 3}


def test_after_its_lease_a_worker_starts_no_new_mail(store: Store) -> None:
    queue(store, *(f"{i}@example.org" for i in range(5)))
    ticks = iter([NOW, NOW, NOW, NOW, *[NOW + timedelta(minutes=5)] * 3])
    stop_after = [False] * 4 + [True] * 99
    report = deliver(
        store,
        Breaking(99),
        composer(),
        MEMBERSHIP,
        now=NOW,
        clock=lambda: next(ticks),
        stopping=lambda: stop_after.pop(0),
    )
    assert report.sent == 2
    assert states(store) == {"sent": 2, "queued": 3}


def test_a_service_that_stops_leaves_the_rest_queued(store: Store) -> None:
    queue(store, *(f"{i}@example.org" for i in range(5)))
    asked: list[bool] = []

    def stopping() -> bool:
        asked.append(True)
        return len(asked) > 3

    report = deliver(store, Breaking(99), composer(), MEMBERSHIP, now=NOW, stopping=stopping)
    assert (report.sent, report.waiting) == (2, 3)


def test_a_mail_that_is_sent_again_is_the_same_mail(store: Store) -> None:
    queue(store, "a@example.org")
    with store.read() as tx:
        (first,) = deliveries.list_queued(tx)
        (again,) = deliveries.list_queued(tx)
    made: Composer = composer()
    assert made.message(first) == made.message(replace(again, state=DeliveryState.SENDING))


def test_a_hold_stops_what_is_being_sent_and_nothing_is_lost(store: Store) -> None:
    queue(store, *(f"{i}@example.org" for i in range(10)))

    class Held(Breaking):
        def send(self, messages: Iterable[Message]) -> Iterator[Receipt]:
            for taken, receipt in enumerate(super().send(messages), 1):
                yield receipt
                if taken == 4:
                    with store.write() as tx:
                        outbox.start_hold(tx, "wrong template", now=NOW)

    report = deliver(store, Held(99), composer(), MEMBERSHIP, now=NOW, group_size=3)
    assert (report.sent, report.waiting, report.hold) == (6, 4, Hold(NOW, "wrong template"))
    assert deliver(store, Breaking(99), composer(), MEMBERSHIP, now=NOW).sent == 0
    with store.write() as tx:
        outbox.end_hold(tx)
    assert deliver(store, Breaking(99), composer(), MEMBERSHIP, now=NOW).sent == 4


def test_a_server_that_refuses_us_again_and_again_puts_sending_on_hold(store: Store) -> None:
    queue(store, *(f"{i}@example.org" for i in range(60)))
    blocked = Postbox(at_rcpt={f"{i}@example.org": "550 5.7.1 your address is on a list" for i in range(60)})
    report = send(store, blocked)
    assert report.hold is not None
    assert report.hold.reason == "the mail server refused 5 emails in a row: 550 5.7.1 your address is on a list"
    assert (report.failed, report.deferred, report.waiting) == (0, 0, 60)
    release(store)
    assert send(store, Postbox()).sent == 60


def test_an_address_that_the_server_does_not_know_is_suppressed_with_its_words(store: Store) -> None:
    queue(store, "a@example.org", "b@example.org", "c@example.org")
    said = {"a@example.org": "550 5.1.1 no such user", "b@example.org": "552 5.3.4 too big"}
    assert send(store, Postbox(at_rcpt=said)).failed == 2
    with store.read() as tx:
        suppressed = MEMBERSHIP.find_suppression(tx, "a@example.org")
        assert MEMBERSHIP.find_suppression(tx, "b@example.org") is None
        assert [s.email for s in subscribers.list_active(tx, limit=9)] == ["b@example.org", "c@example.org"]
    assert suppressed is not None
    assert (suppressed.reason, suppressed.evidence) == (SuppressionReason.HARD_BOUNCE, "550 5.1.1 no such user")


def test_a_nul_in_the_servers_words_is_not_stored(store: Store) -> None:
    queue(store, "a@example.org", "b@example.org")
    assert send(store, Postbox(at_rcpt={"a@example.org": "550 5.1.1 no\0such user"})).sent == 1
    with store.read() as tx:
        (bounce,) = bounces.list_newest(tx, limit=9)
        refused = next(d for d in deliveries.list_newest(tx) if d.state is DeliveryState.FAILED)
    assert (bounce.kind, bounce.reply, refused.reply) == (BounceKind.HARD, *["550 5.1.1 no such user"] * 2)


def test_a_new_address_that_the_server_does_not_know_is_suppressed_and_the_old_one_is_not(store: Store) -> None:
    with store.write() as tx:
        reader = subscribers.add(tx, a_subscriber("old@example.org"), now=NOW)
        queue_address_confirmation(tx, MEMBERSHIP, reader, "new@example.org", origin="", now=NOW)
    report = send(store, Postbox(at_rcpt={"new@example.org": "550 5.1.1 no such user"}))
    assert report.refused == (("new@example.org", "550 5.1.1 no such user"),)
    with store.read() as tx:
        assert MEMBERSHIP.find_suppression(tx, "new@example.org") is not None
        assert MEMBERSHIP.find_suppression(tx, "old@example.org") is None


def test_a_subscriber_who_unsubscribes_during_delivery_gets_no_mail_that_was_not_started(store: Store) -> None:
    emails = [f"{i}@example.org" for i in range(10)]
    queue(store, *emails)

    class Leaving(Breaking):
        def send(self, messages: Iterable[Message]) -> Iterator[Receipt]:
            for taken, receipt in enumerate(super().send(messages), 1):
                yield receipt
                if taken == 1:
                    with store.write() as tx:
                        MEMBERSHIP.unsubscribe(tx, subscribers.get(tx, emails[8]), origin="page", now=NOW)

    report = deliver(store, Leaving(99), composer(), MEMBERSHIP, now=NOW, group_size=3)
    assert (report.sent, states(store)) == (10, {"sent": 10, "failed": 1})  # nine digests and the goodbye


def test_rejections_of_single_mails_do_not_put_sending_on_hold(store: Store) -> None:
    queue(store, *(f"{i}@example.org" for i in range(12)))
    refusing = {f"{i}@example.org": "550 5.7.1 no" if i % 3 else "550 5.1.1 nobody" for i in range(12)}
    report = send(store, Postbox(at_rcpt=refusing))
    assert (report.failed, report.hold) == (12, None)


class Silent(Breaking):
    """A transport whose server takes each mail and never answers."""

    def send(self, messages: Iterable[Message]) -> Iterator[Receipt]:
        for message in messages:
            yield Receipt(delivery_id=message.delivery_id, outcome=Outcome.UNKNOWN, reply="no answer")


@pytest.mark.parametrize(("doubt", "state"), [(DoubtPolicy.RESEND, "deferred"), (DoubtPolicy.PARK, "in-doubt")])
def test_a_mail_without_an_answer_is_sent_again_or_parked(store: Store, doubt: DoubtPolicy, state: str) -> None:
    queue(store, "a@example.org")
    report = deliver(store, Silent(9), composer(), MEMBERSHIP, now=NOW, doubt=doubt)
    assert (states(store), report.refused) == ({state: 1}, (("a@example.org", "no answer"),))


READERS = [f"reader{i}@example.org" for i in range(12)]


@pytest.mark.parametrize(
    "answer",
    [
        "550 5.4.5 Daily user sending limit exceeded",
        "553 5.1.8 Domain of sender address does not exist",
        "550 5.1.1 user unknown",  # at MAIL FROM the unknown user is our own
        "530 5.7.0 Authentication required",
    ],
)
def test_a_refusal_of_mail_from_holds_the_queue_and_is_nobodys_bounce(store: Store, answer: str) -> None:
    queue(store, *READERS)
    for day in range(6):
        report = send(store, Postbox(at_mail=answer), later=timedelta(days=day))
        assert report.hold is not None
        assert report.hold.reason == f"the mail server refused 5 emails in a row: {answer}"
        assert (report.failed, report.deferred, report.waiting) == (0, 0, 12)
        release(store)
    with store.read() as tx:
        assert bounces.list_newest(tx, limit=9) == []
        assert {d.attempts for d in deliveries.list_newest(tx)} == {0}
    assert (suppressed(store), send(store, Postbox(), later=timedelta(days=6)).sent) == ([], 12)


def test_fewer_mails_that_mail_from_refuses_are_deferred_and_nobodys_bounce(store: Store) -> None:
    queue(store, *READERS[:4])
    for day in range(5):
        report = send(store, Postbox(at_mail="550 5.4.5 Daily sending limit exceeded"), later=timedelta(days=day))
        assert (report.deferred, report.failed, report.hold) == (4, 0, None)
    send(store, Postbox(at_mail="550 5.4.5 Daily sending limit exceeded"), later=timedelta(days=5))
    with store.read() as tx:
        assert bounces.list_newest(tx, limit=9) == []
    assert states(store) == {"failed": 4}  # given up after five days


def test_refusals_that_differ_in_addresses_numbers_and_times_are_equal(store: Store) -> None:
    queue(store, *READERS)
    said = {email: f"554 {email}: id {i}-AB{i} on Mon, {i} Jun 07:00:{i:02}" for i, email in enumerate(READERS)}
    report = send(store, Postbox(at_data=said))
    assert report.hold is not None
    assert report.hold.reason.startswith("the mail server refused 5 emails in a row: 554 …: id ")
    assert (report.failed, report.waiting) == (0, 12)


def test_different_refusals_or_refusals_of_one_reader_hold_nothing(store: Store) -> None:
    queue(store, *READERS)
    words = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu".split()
    report = send(store, Postbox(at_data={e: f"554 {word}" for e, word in zip(READERS, words, strict=True)}))
    assert (report.failed, report.hold) == (12, None)


def test_refusals_that_are_recorded_already_are_undone_when_the_queue_is_held(store: Store) -> None:
    queue(store, *READERS)
    report = send(store, Postbox(at_rcpt=dict.fromkeys(READERS, "550 no thanks")), group_size=1)
    assert (report.failed, report.waiting, report.hold is None) == (0, 12, False)
    with store.read() as tx:
        assert {bounce.kind for bounce in bounces.list_newest(tx, limit=20)} <= {BounceKind.OTHER}
        assert {d.attempts for d in deliveries.list_newest(tx)} == {0}


def test_refusals_are_counted_from_one_run_to_the_next(store: Store) -> None:
    watch = RefusalWatch()
    for number in range(5):
        queue(store, READERS[number], paper_title=f"Paper {number}")
        refusing = Postbox(at_rcpt=dict.fromkeys(READERS, "550 5.7.1 no"))
        report = send(store, refusing, refusals=watch)
    assert (report.hold is None, report.waiting, states(store)) == (False, 5, {"queued": 5})
    release(store)
    assert send(store, Postbox(), refusals=watch).sent == 5


@pytest.mark.parametrize("group_size", [1, 40])
@pytest.mark.parametrize("answer", ["552 5.2.2 mailbox full", "550 5.1.1 no such user"])
def test_mailboxes_that_refuse_again_after_a_release_hold_nothing_again(
    store: Store, answer: str, group_size: int
) -> None:
    queue(store, *READERS)
    refusing = Postbox(at_rcpt=dict.fromkeys(READERS[:7], answer))
    first = send(store, refusing, group_size=group_size)
    assert (first.hold is None, first.failed) == (False, 0)
    release(store)
    second = send(store, refusing, group_size=group_size)
    assert (second.hold, second.failed, first.sent + second.sent) == (None, 7, 5)


def test_other_mailboxes_that_refuse_after_a_release_hold_the_queue_again_with_the_first_ones(store: Store) -> None:
    emails = [f"{i:02}@example.org" for i in range(30)]  # more than are on their way at two holds
    queue(store, *emails)
    refusing = Postbox(at_rcpt=dict.fromkeys(emails, "550 no thanks"))
    for _ in range(2):
        report = send(store, refusing)
        assert (report.hold is None, report.failed, report.waiting) == (False, 0, 30)
        release(store)
    assert send(store, Postbox()).sent == 30


def test_a_mail_that_was_held_for_more_than_five_days_outlives_greylisting(store: Store) -> None:
    queue(store, "a@example.org")
    with store.write() as tx:
        outbox.start_hold(tx, "holiday", now=NOW)
    send(store, Postbox())
    release(store)
    greylisting = Postbox(at_rcpt={"a@example.org": "450 4.7.1 greylisted"})
    assert send(store, greylisting, later=timedelta(days=6)).deferred == 1
    assert send(store, Postbox(), later=timedelta(days=6, minutes=10)).sent == 1


@pytest.mark.parametrize("group_size", [1, 40])
@pytest.mark.parametrize(
    ("count", "unknown", "held"), [(9, 9, False), (10, 5, False), (10, 6, True), (12, 7, True), (12, 6, False)]
)
def test_unknown_mailboxes_hold_the_queue_only_if_more_than_half_of_ten_mails_are_to_them(
    store: Store, count: int, unknown: int, held: bool, group_size: int
) -> None:
    queue(store, *READERS[:count])
    refused = READERS[count - unknown : count]  # the last, so that the share rises to its end
    report = send(store, Postbox(at_rcpt=dict.fromkeys(refused, "550 5.1.1 no such user")), group_size=group_size)
    assert (report.hold is not None) == held
    if held:
        assert report.hold is not None
        assert report.hold.reason.startswith("the mail server refused 6 of 1")
        assert report.hold.reason.endswith(" emails: 550 5.1.1 no such user")
    assert (report.sent, report.failed) == (count - unknown, 0 if held else unknown)
    assert suppressed(store) == ([] if held else sorted(refused))
    if held:
        release(store)
        assert send(store, Postbox()).sent == unknown


def test_the_mails_of_a_date_are_seldom_counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    count, dates = deliveries.count_handed_over, []

    def counted(tx: Transaction, day: date) -> int:
        dates.append(day)
        return count(tx, day)

    monkeypatch.setattr(deliveries, "count_handed_over", counted)
    emails = [f"{i:02}@example.org" for i in range(60)]
    queue(store, *emails)
    unknown = dict.fromkeys(emails[2::3], "550 5.1.1 no such user")
    assert send(store, Postbox(at_rcpt=unknown), group_size=1).failed == 20
    assert len(dates) < 10
    assert suppressed(store) == sorted(unknown)
    dates.clear()
    assert send(store, Postbox(), group_size=1) == DeliveryReport()
    assert dates == []


def test_a_day_is_no_evidence_also_where_a_hold_kept_its_mails_for_weeks(store: Store) -> None:
    queue(store, *READERS)
    refused = {email: f"550 5.1.1 {'x' * i} gone" for i, email in enumerate(READERS)}
    assert send(store, Postbox(at_data=refused), later=timedelta(days=20)).failed == len(READERS)
    assert suppressed(store) == []


@pytest.mark.parametrize(
    ("reply", "trouble"),
    [
        ("550 5.1.1 no such user", None),
        ("550 5.4.1 Recipient address rejected: Access denied", None),
        ("552 5.3.4 message too big", Trouble.FAILED),
        ("550 5.7.1 blocked", Trouble.FAILED),
    ],
)
def test_today_is_red_for_a_refused_mail_only_if_it_is_not_about_its_reader(
    store: Store, reply: str, trouble: Trouble | None
) -> None:
    queue(store, *READERS)
    assert send(store, Postbox(at_rcpt={READERS[0]: reply})).failed == 1
    assert trouble_of(store) is trouble


def test_today_is_not_red_because_a_subscriber_left_before_their_mail_was_sent(store: Store) -> None:
    queue(store, *READERS)
    with store.write() as tx:
        MEMBERSHIP.unsubscribe(tx, subscribers.get(tx, READERS[0]), origin="page", now=NOW)
        subscribers.save(tx, replace(subscribers.get(tx, READERS[1]), state=SubscriberState.PAUSED))
        MEMBERSHIP.suppress(tx, READERS[2], SuppressionReason.ADMIN, "left the institute", now=NOW)
    send(store, Postbox())
    assert states(store)["failed"] == 3
    assert trouble_of(store) is None


def test_whoever_was_suppressed_by_a_day_that_is_no_evidence_is_as_before(store: Store) -> None:
    queue(store, *READERS)
    with store.write() as tx:
        subscribers.save(tx, replace(subscribers.get(tx, READERS[6]), state=SubscriberState.PENDING))
    refused = dict.fromkeys(READERS[:8], "550 5.1.1 no such user")
    send(store, Postbox(at_rcpt=refused), group_size=1)
    with store.read() as tx:
        now = {s.email: s.state.value for s in subscribers.list_all(tx)}
    assert [now[email] for email in READERS[5:9]] == ["active", "pending", "active", "active"]
    assert states(store)["queued"] >= 8


def test_a_permanent_refusal_that_asks_for_less_is_tried_again(store: Store) -> None:
    queue(store, "a@example.org")
    report = send(store, Postbox(at_rcpt={"a@example.org": "550 5.7.1 sending rate exceeded"}))
    assert (report.deferred, report.failed) == (1, 0)
    assert send(store, Postbox(), later=timedelta(minutes=8)).sent == 1


def test_bounces_of_the_morning_are_withdrawn_if_most_mails_of_the_whole_day_bounced(store: Store) -> None:
    queue(store, *READERS[:9])
    send(store, Postbox(at_data={email: f"550 5.1.1 {'x' * i} gone" for i, email in enumerate(READERS)}))
    assert suppressed(store) == sorted(READERS[:9])  # of so few mails, so many may well be to old addresses
    queue(store, *READERS[9:], paper_title="Dogs")
    assert send(store, Postbox(), later=timedelta(hours=1)).sent == 3
    assert suppressed(store) == []


class Interrupted(Breaking):
    """A transport that takes every mail, and lets something happen once it has taken the first."""

    def __init__(self, happens: Callable[[], None]) -> None:
        super().__init__(99)
        self.happens = happens
        self.recipients: list[str] = []
        self.contents: list[bytes] = []

    def send(self, messages: Iterable[Message]) -> Iterator[Receipt]:
        for message in messages:
            self.recipients.append(message.recipient)
            self.contents.append(message.content)
            yield Receipt(delivery_id=message.delivery_id, outcome=Outcome.SENT, reply="250")
            if len(self.recipients) == 1:
                self.happens()


def change_address(tx: Transaction, reader: Subscriber) -> None:
    queue_address_confirmation(tx, MEMBERSHIP, reader, "new@example.org", origin="", now=NOW)
    address_change.change_address(tx, MEMBERSHIP, subscribers.get(tx, reader.email), origin="", now=NOW)


CHANGES: dict[str, Callable[[Transaction, Subscriber], object]] = {
    "leaves": lambda tx, reader: MEMBERSHIP.unsubscribe(tx, reader, origin="page", now=NOW),
    "is erased": lambda tx, reader: MEMBERSHIP.erase(tx, reader.email, origin="page", now=NOW),
    "is removed": lambda tx, reader: MEMBERSHIP.remove(tx, reader, origin="page", now=NOW),
    "pauses": lambda tx, reader: subscribers.save(tx, paused(reader, None)),
    "is suppressed": lambda tx, reader: MEMBERSHIP.suppress(tx, reader.email, SuppressionReason.ADMIN, "", now=NOW),
}


@pytest.mark.parametrize("number", [1, 39, 60], ids=["next", "in the group", "in another group"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_subscriber_who_is_gone_before_their_own_mail_is_handed_over_gets_none(
    store: Store, change: str, number: int
) -> None:
    emails = [f"{i:02}@example.org" for i in range(70)]
    queue(store, *emails)

    def happens() -> None:
        with store.write() as tx:
            CHANGES[change](tx, subscribers.get(tx, emails[number]))

    transport = Interrupted(happens)
    deliver(store, transport, composer(), MEMBERSHIP, now=NOW, group_size=40)
    goodbye = [emails[number]] if change == "leaves" else []  # in the next batch
    assert transport.recipients == [email for email in emails if email != emails[number]] + goodbye
    if change in {"pauses", "is suppressed"}:
        with store.read() as tx:
            (kept,) = deliveries.list_newest(tx, state=DeliveryState.FAILED)
        assert kept.reply.startswith(("not sent: paused in the meantime", "not sent: suppressed since "))


@pytest.mark.parametrize("number", [1, 39, 60], ids=["next", "in the group", "in another group"])
def test_a_subscriber_who_moves_before_their_own_mail_is_handed_over_gets_it_at_the_new_address(
    store: Store, number: int
) -> None:
    emails = [f"{i:02}@example.org" for i in range(70)]
    queue(store, *emails)

    def happens() -> None:
        with store.write() as tx:
            change_address(tx, subscribers.get(tx, emails[number]))

    transport = Interrupted(happens)
    deliver(store, transport, composer(), MEMBERSHIP, now=NOW, group_size=40)
    assert transport.recipients[number] == "new@example.org"
    assert emails[number] not in transport.recipients
    with store.read() as tx:
        reader = subscribers.get(tx, "new@example.org")
        assert reader.epoch == 1
    preferences = LINKS.url(Scope.UNSUBSCRIBE, reader.id, reader.epoch)
    assert preferences.encode() in transport.contents[number]  # its links are those of the moved subscriber


def test_a_confirmation_of_an_address_that_was_replaced_meanwhile_is_not_sent(store: Store) -> None:
    with store.write() as tx:
        first, second = (subscribers.add(tx, a_subscriber(f"{i}@example.org"), now=NOW) for i in range(2))
        MEMBERSHIP.queue_mail(tx, MailKind.SIGN_IN, first, now=NOW)
        queue_address_confirmation(tx, MEMBERSHIP, second, "wrong@example.org", origin="", now=NOW)

    def happens() -> None:
        with store.write() as tx:
            again = subscribers.get(tx, second.email)
            queue_address_confirmation(tx, MEMBERSHIP, again, "right@example.org", origin="", now=NOW)

    transport = Interrupted(happens)
    deliver(store, transport, composer(), MEMBERSHIP, now=NOW)
    assert transport.recipients == ["0@example.org", "right@example.org"]


def test_a_digest_that_waits_when_its_reader_pauses_is_not_sent_but_a_link_that_they_ask_for_is(store: Store) -> None:
    queue(store, "a@example.org")
    with store.write() as tx:
        reader = subscribers.save(tx, paused(subscribers.get(tx, "a@example.org"), None))
        MEMBERSHIP.queue_mail(tx, MailKind.SIGN_IN, reader, now=NOW)
    assert send(store, Postbox()).sent == 1
    assert states(store) == {"failed": 1, "sent": 1}


def test_a_mail_that_was_cancelled_since_its_refusal_stays_cancelled_when_the_queue_is_held(store: Store) -> None:
    watch, refusing = RefusalWatch(), Postbox(at_mail="550 5.4.5 Daily sending limit exceeded")
    queue(store, *READERS[:2])
    send(store, refusing, refusals=watch)
    with store.write() as tx:
        MEMBERSHIP.unsubscribe(tx, subscribers.get(tx, READERS[0]), origin="page", now=NOW)
    queue(store, *READERS[2:], paper_title="Dogs")
    assert send(store, refusing, refusals=watch).hold is not None
    with store.read() as tx:
        failed = deliveries.list_newest(tx, state=DeliveryState.FAILED)
    assert [d.reply for d in failed] == ["not sent: unsubscribed in the meantime"]
