"""Digests and their deliveries: decided once, leased to one worker, never lost."""

import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta

import pytest

from digest.models import (
    Delivery,
    DeliveryState,
    Digest,
    DoubtPolicy,
    Field,
    Hold,
    MailKind,
    Subscriber,
    Suppression,
    SuppressionReason,
)
from digest.pipeline.deliver import lease_due_deliveries
from digest.store import Store, deliveries, digests, outbox, papers, subscribers, suppressions
from digest.store.outbox import AttemptResult
from tests.builders import MEMBERSHIP, NOW, PSEUDONYMS, a_digest, a_paper, a_subscriber, an_item

WORKER = outbox.new_worker_name()
PAPER = a_paper("Cats & dogs", "About cats.", id="arxiv:2606.00001")


def freeze(store: Store, *emails: str) -> list[Digest]:
    """A digest of PAPER for each address, queued."""
    decided = []
    with store.write() as tx:
        if not papers.find_by_keys(tx, [PAPER.id]):
            papers.add(tx, [PAPER], first_seen_at=NOW, edition_on=NOW.date())
        shown = papers.find_by_keys(tx, [PAPER.id])[PAPER.id]
        for email in emails:
            s = subscribers.find(tx, email) or subscribers.add(tx, a_subscriber(email), now=NOW)
            item = an_item(shown, "P", 2.5, (Field.TITLE, "Cats"), (Field.ABSTRACT, "cats"))
            decided.append(a_digest([item], subscriber=s, message_id=f"1.{email}", more=("arxiv:2606.00002",)))
        digests.freeze(tx, decided, now=NOW)
    return decided


def claim(store: Store, worker: str = "", *, clock: timedelta = timedelta(0), limit: int = 10) -> list[Delivery]:
    with store.write() as tx:
        return lease_due_deliveries(tx, MEMBERSHIP, worker=worker or WORKER, now=NOW, clock=NOW + clock, limit=limit)


def emails(found: Sequence[Delivery]) -> list[str]:
    return [d.subscriber.email for d in found]


def settle(store: Store, delivery: Delivery, state: DeliveryState, **rest: object) -> None:
    with store.write() as tx:
        said = AttemptResult(delivery_id=delivery.id, state=state, reply="said", **rest)  # type: ignore[arg-type]
        outbox.record_results(tx, [said], worker=WORKER, now=NOW)


def test_requested_mails_are_sent_before_digests_also_in_a_running_delivery(store: Store) -> None:
    freeze(store, "a@example.org", "b@example.org")
    with store.write() as tx:
        outbox.queue_mail(
            tx,
            MailKind.SIGN_IN,
            subscribers.get(tx, "b@example.org"),
            message_id="2.b",
            now=NOW + timedelta(minutes=5),
        )
    assert [d.kind for d in claim(store, limit=1)] == [MailKind.SIGN_IN]


def test_a_digest_is_loaded_as_it_was_frozen(store: Store) -> None:
    (decided,) = freeze(store, "a@example.org")
    (delivery,) = claim(store)
    assert delivery.digest is not None
    assert delivery.digest.items == decided.items
    assert (delivery.digest.more, delivery.digest.message_id) == (decided.more, decided.message_id)


def test_a_frozen_digest_does_not_change_with_its_papers(store: Store) -> None:
    freeze(store, "a@example.org")
    with store.write() as tx:
        papers.add_revision(tx, a_paper("Birds", id=PAPER.id))
    (delivery,) = claim(store)
    assert delivery.digest is not None
    assert delivery.digest.items[0].paper.title == "Cats & dogs"


def test_a_slot_has_one_digest_even_if_decided_twice(store: Store) -> None:
    freeze(store, "a@example.org")
    freeze(store, "a@example.org")
    assert emails(claim(store)) == ["a@example.org"]


def test_an_empty_digest_is_recorded_with_its_reason_and_queues_nothing(store: Store) -> None:
    with store.write() as tx:
        s = subscribers.add(tx, a_subscriber(), now=NOW)
        assert digests.freeze(tx, [a_digest([], subscriber=s, empty_reason="no new papers")], now=NOW) == 0
        assert subscribers.get(tx, s.email).last_digest_at == NOW
    assert claim(store) == []


def test_known_papers_are_those_that_digests_show_or_mention(store: Store) -> None:
    (decided,) = freeze(store, "a@example.org")
    i = decided.subscriber.id
    with store.read() as tx:
        assert digests.known_paper_ids(tx, [i], after=NOW - timedelta(days=1)) == {i: {PAPER.id, "arxiv:2606.00002"}}
        assert digests.known_paper_ids(tx, [i], after=NOW) == {i: set()}


def test_a_known_paper_that_was_merged_is_known_by_both_ids(store: Store) -> None:
    (decided,) = freeze(store, "a@example.org")
    older = a_paper(id="doi:10.1/x")
    with store.write() as tx:
        papers.add(tx, [older], first_seen_at=NOW - timedelta(days=9), edition_on=NOW.date())
        papers.merge(tx, younger=PAPER.id, older=older.id)
        held = digests.known_paper_ids(tx, [decided.subscriber.id], after=NOW - timedelta(days=1))
    assert {PAPER.id, older.id} <= held[decided.subscriber.id]


def test_two_workers_never_lease_the_same_delivery(store: Store) -> None:
    freeze(store, "a@example.org", "b@example.org", "c@example.org")
    first, second = claim(store, "elsewhere/1/1", limit=2), claim(store, "elsewhere/2/1")
    assert emails(first) + emails(second) == ["a@example.org", "b@example.org", "c@example.org"]


def test_a_lease_of_another_host_expires_after_five_minutes(store: Store) -> None:
    freeze(store, "a@example.org")
    claim(store, "elsewhere/1/1")
    assert claim(store, clock=timedelta(minutes=4, seconds=59)) == []
    assert emails(claim(store, clock=timedelta(minutes=5))) == ["a@example.org"]


def test_the_leases_of_a_dead_local_process_are_reclaimed_at_once(store: Store) -> None:
    freeze(store, "a@example.org")
    script = "from digest.store.outbox import new_worker_name; print(new_worker_name())"
    dead = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    claim(store, dead)
    assert emails(claim(store)) == ["a@example.org"]


@pytest.mark.parametrize("state", [DeliveryState.SENT, DeliveryState.FAILED])
def test_a_delivery_with_a_final_result_is_not_tried_again(store: Store, state: DeliveryState) -> None:
    freeze(store, "a@example.org")
    settle(store, claim(store)[0], state)
    assert claim(store) == []
    with store.read() as tx:
        (listed,) = deliveries.list_newest(tx)
        assert (listed.state, listed.attempts, listed.reply) == (state, 1, "said")


def test_a_deferred_delivery_waits_until_it_is_due(store: Store) -> None:
    freeze(store, "a@example.org")
    settle(store, claim(store)[0], DeliveryState.DEFERRED, next_at=NOW + timedelta(minutes=5))
    assert claim(store) == []
    with store.write() as tx:
        later = NOW + timedelta(minutes=5)
        assert outbox.count_due(tx, now=later) == 1
        again = lease_due_deliveries(tx, MEMBERSHIP, worker="w/1/1", now=later, clock=later, limit=9)
    assert emails(again) == ["a@example.org"]


def test_release_requeues_leased_deliveries(store: Store) -> None:
    freeze(store, "a@example.org", "b@example.org")
    settle(store, claim(store)[0], DeliveryState.SENT)
    with store.write() as tx:
        outbox.release(tx, WORKER)
    assert emails(claim(store)) == ["b@example.org"]


def test_a_removed_subscriber_gets_no_more_mail(store: Store) -> None:
    freeze(store, "a@example.org")
    with store.write() as tx:
        subscribers.remove(tx, "a@example.org")
    assert claim(store) == []


def test_a_confirmation_mail_is_queued_without_a_digest(store: Store) -> None:
    with store.write() as tx:
        s: Subscriber = subscribers.add(tx, a_subscriber(), now=NOW)
        outbox.queue_mail(tx, MailKind.CONFIRMATION, s, message_id="c1", now=NOW)
    (delivery,) = claim(store)
    assert (delivery.kind.value, delivery.digest, delivery.message_id) == ("confirmation", None, "c1")


def states(store: Store) -> list[str]:
    with store.read() as tx:
        return [d.state.value for d in reversed(deliveries.list_newest(tx))]


def begin(store: Store, *found: Delivery, worker: str = WORKER) -> set[int]:
    with store.write() as tx:
        return outbox.start_sending(tx, [d.id for d in found], worker=worker, clock=NOW)


def test_mails_that_a_dead_process_was_sending_are_resent_or_parked(store: Store) -> None:
    freeze(store, "a@example.org", "b@example.org")
    begin(store, claim(store, "elsewhere/1/1")[0], worker="elsewhere/1/1")
    assert states(store) == ["sending", "leased"]
    later = NOW + outbox.SENDING_LEASE
    with store.write() as tx:
        parked = lease_due_deliveries(
            tx, MEMBERSHIP, worker="w/1/1", now=NOW, clock=later, limit=9, doubt=DoubtPolicy.PARK
        )
    assert emails(parked) == ["b@example.org"]
    assert states(store) == ["in-doubt", "leased"]


def test_a_delivery_in_doubt_waits_for_an_admin(store: Store) -> None:
    freeze(store, "a@example.org", "b@example.org")
    a, b = claim(store)
    for delivery in (a, b):
        settle(store, delivery, DeliveryState.IN_DOUBT)
    assert claim(store) == []
    with store.write() as tx:
        assert outbox.resolve_doubt(tx, [a.id], arrived=True, now=NOW) == [a.id]
        assert outbox.resolve_doubt(tx, [a.id, b.id], arrived=False, now=NOW) == [b.id]
    assert states(store) == ["sent", "queued"]
    assert emails(claim(store)) == ["b@example.org"]


def test_during_a_hold_nothing_is_leased_or_started(store: Store) -> None:
    freeze(store, "a@example.org", "b@example.org")
    (leased,) = claim(store, limit=1)
    with store.write() as tx:
        outbox.start_hold(tx, "wrong template", now=NOW)
        outbox.start_hold(tx, "another reason", now=NOW + timedelta(hours=1))
        assert outbox.find_hold(tx) == Hold(NOW, "wrong template")
    assert claim(store) == []
    assert not begin(store, leased)
    with store.write() as tx:
        assert (outbox.end_hold(tx), outbox.end_hold(tx)) == (True, False)
    assert begin(store, leased)
    assert emails(claim(store)) == ["b@example.org"]


def test_failed_deliveries_can_be_retried_one_or_all(store: Store) -> None:
    freeze(store, "a@example.org", "b@example.org", "c@example.org")
    a, b, c = claim(store)
    settle(store, a, DeliveryState.FAILED)
    settle(store, b, DeliveryState.DEFERRED, next_at=NOW + timedelta(hours=4))
    settle(store, c, DeliveryState.SENT)
    with store.write() as tx:
        assert outbox.retry(tx, [a.id, c.id], now=NOW) == [a.id]
        assert outbox.retry(tx, [], now=NOW) == [b.id]
    assert emails(claim(store)) == ["a@example.org", "b@example.org"]


def test_a_worker_that_lost_its_lease_starts_nothing(store: Store) -> None:
    freeze(store, "a@example.org")
    (delivery,) = claim(store, "elsewhere/1/1")
    assert claim(store, "elsewhere/2/1", clock=timedelta(minutes=5)) != []
    assert begin(store, delivery, worker="elsewhere/1/1") == set()
    assert begin(store, delivery, worker="elsewhere/2/1") == {delivery.id}


def test_a_cancelled_delivery_is_not_started_even_by_its_worker(store: Store) -> None:
    a, _ = freeze(store, "a@example.org", "b@example.org")
    leased = claim(store)
    with store.write() as tx:
        outbox.cancel(tx, a.subscriber.id, "not wanted", now=NOW)
    assert begin(store, *leased) == {leased[1].id}
    assert states(store) == ["failed", "sending"]


def test_a_suppressed_address_gets_no_queued_mail(store: Store) -> None:
    emails_ = [f"{i}@example.org" for i in range(7)]
    freeze(store, *emails_)
    with store.write() as tx:
        for email in emails_[:5]:  # more than are claimed at once
            suppression = Suppression(
                pseudonym=PSEUDONYMS.of(email.upper()),
                reason=SuppressionReason.COMPLAINT,
                suppressed_at=NOW,
                evidence="spam",
            )
            suppressions.add(tx, suppression)
    assert emails([*claim(store, limit=2), *claim(store, limit=2)]) == emails_[5:]
    with store.read() as tx:
        (first, *_) = reversed(deliveries.list_newest(tx))
    assert (first.state.value, first.reply) == (
        "failed",
        "not sent: suppressed since 2026-06-03 (complaint: spam)",
    )


def test_a_mail_requested_after_a_suppression_is_sent(store: Store) -> None:
    freeze(store, "a@example.org")
    with store.write() as tx:
        reader = subscribers.get(tx, "a@example.org")
        outbox.queue_mail(tx, MailKind.SIGN_IN, reader, message_id="before", now=NOW - timedelta(seconds=1))
        suppression = Suppression(
            pseudonym=PSEUDONYMS.of(reader.email), reason=SuppressionReason.UNSUBSCRIBED, suppressed_at=NOW
        )
        suppressions.add(tx, suppression)
        outbox.queue_mail(tx, MailKind.CONFIRMATION, reader, message_id="after", now=NOW)
    assert [d.message_id for d in claim(store)] == ["after"]


@pytest.mark.parametrize("named", [PAPER.id, "arxiv:2606.00002"])
def test_deliveries_with_a_paper_are_found_for_one_subscriber(store: Store, named: str) -> None:
    decided, _ = freeze(store, "a@example.org", "b@example.org")
    with store.read() as tx:
        (found,) = deliveries.list_with_papers(tx, decided.subscriber.id, [named, "arxiv:1"])
        assert found.message_id == decided.message_id
        assert found.digest is not None
        assert deliveries.list_with_papers(tx, decided.subscriber.id, [named[:-1]]) == []
