"""Subscribing, unsubscribing and suppressions."""

from dataclasses import replace
from datetime import timedelta

import pytest

from digest.errors import SuppressedError, UsageError
from digest.models import (
    Bounce,
    BounceKind,
    ConsentEvent,
    DeliveryState,
    MailKind,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from digest.pipeline.deliver import lease_due_deliveries
from digest.store import Store, Transaction, consents, deliveries, outbox, subscribers
from digest.subscribers.schedule import paused
from digest.transport.retry import GAVE_UP, bounce_from_reply
from tests.builders import MEMBERSHIP, NOW, a_subscriber

EMAIL = "reader@example.org"
ACTIVE = a_subscriber(EMAIL)
PENDING = a_subscriber(EMAIL, state=SubscriberState.PENDING)
HARD = Bounce(kind=BounceKind.HARD, recipient=EMAIL, status="5.1.1", reply="550 5.1.1 no such user", message_id="")
SOFT = replace(HARD, kind=BounceKind.SOFT, status="4.2.2", reply="452 4.2.2 mailbox full")
LATER = NOW + timedelta(days=2)


def enrol(tx: Transaction, new: Subscriber = ACTIVE) -> Subscriber:
    return MEMBERSHIP.add(tx, new, origin="command line", now=NOW)


def leave(tx: Transaction) -> None:
    MEMBERSHIP.unsubscribe(tx, subscribers.get(tx, EMAIL), origin="page from 192.0.2.7", now=NOW)


def bounced(tx: Transaction, bounce: Bounce, *, days: int = 0, fingerprint: str = "") -> SuppressionReason | None:
    found = MEMBERSHIP.record_bounce(
        tx,
        EMAIL,
        bounce,
        delivery_id=None,
        fingerprint=fingerprint or f"{bounce.kind} {days}",
        now=NOW + timedelta(days=days),
    )
    return found.reason if found else None


def state(tx: Transaction) -> str:
    return subscribers.get(tx, EMAIL).state.value


def events(tx: Transaction) -> list[str]:
    return [happened.event.value for happened in MEMBERSHIP.list_consents(tx, EMAIL)]


def queued(tx: Transaction) -> list[MailKind]:
    return [d.kind for d in deliveries.list_queued(tx)]


def test_a_pending_subscriber_gets_a_confirmation_mail_whose_wording_is_stored(store: Store) -> None:
    with store.write() as tx:
        asked = enrol(tx, PENDING)
        assert (state(tx), queued(tx), events(tx)) == ("pending", [MailKind.CONFIRMATION], ["asked"])
        MEMBERSHIP.confirm(tx, asked, origin="page from 192.0.2.7", now=LATER)
        assert (state(tx), events(tx)) == ("active", ["asked", "confirmed"])
        said_yes = MEMBERSHIP.list_consents(tx, EMAIL)[-1]
        agreed_to = consents.find_wording(tx, said_yes.wording)
    assert (said_yes.event, said_yes.at, said_yes.origin) == (ConsentEvent.CONFIRMED, LATER, "page from 192.0.2.7")
    assert agreed_to is not None
    assert agreed_to.text == "Shall we?"


def test_a_confirmation_by_an_admin_is_logged_as_one(store: Store) -> None:
    with store.write() as tx:
        enrol(tx)
        assert (events(tx), queued(tx)) == (["vouched"], [])


def test_a_pending_subscriber_is_asked_at_most_once_a_day(store: Store) -> None:
    with store.write() as tx:
        asked = enrol(tx, PENDING)
        with pytest.raises(UsageError, match="was asked at 2026-06-03 07:00 UTC; try again after a day"):
            MEMBERSHIP.request_confirmation(tx, asked, origin="", now=NOW + timedelta(hours=23))
        MEMBERSHIP.request_confirmation(tx, asked, origin="", now=NOW + timedelta(hours=24))
        assert queued(tx) == [MailKind.CONFIRMATION] * 2
        MEMBERSHIP.confirm(tx, asked, origin="", now=LATER)
        with pytest.raises(UsageError, match="is active: there is nothing to confirm"):
            MEMBERSHIP.request_confirmation(tx, subscribers.get(tx, EMAIL), origin="", now=LATER)


def test_unsubscribing_works_at_once_queues_a_goodbye_and_revokes_links(store: Store) -> None:
    with store.write() as tx:
        before = enrol(tx)
        leave(tx)
        leave(tx)  # a second press of the button
        after = subscribers.get(tx, EMAIL)
        assert (state(tx), after.epoch) == ("unsubscribed", before.epoch + 1)
        assert (events(tx), queued(tx)) == (["vouched", "unsubscribed"], [MailKind.GOODBYE])


@pytest.mark.parametrize("new_state", [SubscriberState.ACTIVE, SubscriberState.PENDING])
def test_an_unsubscribed_address_cannot_be_added_again_even_after_removal(
    store: Store, new_state: SubscriberState
) -> None:
    with store.write() as tx:
        enrol(tx)
        leave(tx)
        with pytest.raises(SuppressedError, match="only they can come back"):
            MEMBERSHIP.confirm_by_admin(tx, subscribers.get(tx, EMAIL), origin="", now=LATER)
        with pytest.raises(SuppressedError, match="only they can come back"):
            MEMBERSHIP.request_confirmation(tx, subscribers.get(tx, EMAIL), origin="", now=LATER)
        subscribers.remove(tx, EMAIL)
        with pytest.raises(SuppressedError, match=r"suppressed since 2026-06-03 \(unsubscribed"):
            enrol(tx, a_subscriber(EMAIL.upper(), state=new_state))


def test_confirming_again_lifts_the_suppression(store: Store) -> None:
    with store.write() as tx:
        enrol(tx)
        leave(tx)
        MEMBERSHIP.confirm(tx, subscribers.get(tx, EMAIL), origin="page", now=LATER)
        assert (state(tx), MEMBERSHIP.find_suppression(tx, EMAIL)) == ("active", None)
        MEMBERSHIP.confirm(tx, subscribers.get(tx, EMAIL), origin="page", now=LATER)
        assert events(tx) == ["vouched", "unsubscribed", "confirmed"]


def test_a_paused_subscriber_who_left_and_comes_back_is_active(store: Store) -> None:
    with store.write() as tx:
        subscribers.save(tx, paused(enrol(tx), LATER))
        leave(tx)
        back = MEMBERSHIP.confirm(tx, subscribers.get(tx, EMAIL), origin="page", now=NOW)
    assert (back.state, back.resumes_at) == (SubscriberState.ACTIVE, None)


def test_a_hard_bounce_suppresses_and_an_admin_may_ask_again(store: Store) -> None:
    with store.write() as tx:
        reader = enrol(tx)
        outbox.queue_mail(tx, MailKind.SIGN_IN, reader, message_id="s", now=NOW)
        assert bounced(tx, HARD) is SuppressionReason.HARD_BOUNCE
        assert bounced(tx, HARD) is None  # the same message, read again
        assert (state(tx), queued(tx)) == ("suppressed", [])
        with pytest.raises(SuppressedError, match="only the subscriber can lift that"):
            MEMBERSHIP.confirm_by_admin(tx, subscribers.get(tx, EMAIL), origin="", now=LATER)
        MEMBERSHIP.request_confirmation(tx, subscribers.get(tx, EMAIL), origin="", now=LATER)
        assert (state(tx), queued(tx)) == ("suppressed", [MailKind.CONFIRMATION])
        MEMBERSHIP.confirm(tx, subscribers.get(tx, EMAIL), origin="page", now=LATER)
        assert state(tx) == "active"


def test_an_address_that_bounced_can_be_added_as_pending_but_not_as_confirmed(store: Store) -> None:
    with store.write() as tx:
        bounced(tx, HARD)
        with pytest.raises(SuppressedError, match="hard-bounce: 550 5.1.1 no such user"):
            enrol(tx)
        enrol(tx, PENDING)
        assert (state(tx), MEMBERSHIP.find_suppression(tx, EMAIL) is None) == ("pending", False)


def test_soft_bounces_suppress_on_the_fifth_date_within_thirty_days(store: Store) -> None:
    with store.write() as tx:
        enrol(tx)
        assert [bounced(tx, SOFT, days=day) for day in (0, 1, 8, 9)] == [None] * 4
        assert bounced(tx, SOFT, days=9, fingerprint="another on that day") is None
        assert bounced(tx, SOFT, days=31) is None  # the first two are too old now
        assert [bounced(tx, SOFT, days=day) for day in (32, 33)] == [None, SuppressionReason.SOFT_BOUNCES]
        found = MEMBERSHIP.find_suppression(tx, EMAIL)
        assert found is not None
        assert found.evidence == "bounced on 5 dates within 30 days, last: 452 4.2.2 mailbox full"
        MEMBERSHIP.confirm(tx, subscribers.get(tx, EMAIL), origin="page", now=NOW + timedelta(days=33))
        assert bounced(tx, SOFT, days=34) is None  # the count starts again


def test_a_suppression_revokes_the_links_in_earlier_mails(store: Store) -> None:
    with store.write() as tx:
        before = enrol(tx)
        bounced(tx, HARD)
        assert subscribers.get(tx, EMAIL).epoch == before.epoch + 1


def test_a_stored_bounce_does_not_contain_the_address(store: Store) -> None:
    with store.write() as tx:
        enrol(tx)
        bounced(tx, replace(HARD, reply=f"550 5.1.1 <{EMAIL.upper()}>: no such user"))
        found = MEMBERSHIP.find_suppression(tx, EMAIL)
        assert found is not None
        assert found.evidence == "550 5.1.1 <…>: no such user"


def test_a_mailbox_that_was_full_for_five_days_is_counted(store: Store) -> None:
    full = bounce_from_reply(f"{GAVE_UP}452 4.2.2 mailbox full")
    assert full is not None
    assert full.kind is BounceKind.SOFT
    assert bounce_from_reply(f"{GAVE_UP}451 4.7.1 greylisted") is None
    assert bounce_from_reply(f"{GAVE_UP}no answer") is None


def test_the_stronger_reason_stays(store: Store) -> None:
    with store.write() as tx:
        enrol(tx)
        bounced(tx, HARD)
        assert bounced(tx, replace(HARD, kind=BounceKind.COMPLAINT), days=1) is SuppressionReason.COMPLAINT
        assert bounced(tx, HARD, days=2) is SuppressionReason.COMPLAINT
        leave(tx)  # through the link in an old mail
        suppression = MEMBERSHIP.find_suppression(tx, EMAIL)
        assert suppression is not None
        assert (suppression.reason, suppression.suppressed_at) == (SuppressionReason.COMPLAINT, NOW + timedelta(days=1))
        assert (state(tx), queued(tx)) == ("unsubscribed", [])  # no goodbye to who cannot or will not be mailed


def test_only_an_admin_lifts_a_suppression_by_an_admin(store: Store) -> None:
    with store.write() as tx:
        enrol(tx)
        MEMBERSHIP.suppress(tx, EMAIL, SuppressionReason.ADMIN, "asked by phone", now=NOW)
        leave(tx)
        with pytest.raises(SuppressedError, match="asked by phone.*`digest suppression lift`"):
            MEMBERSHIP.confirm(tx, subscribers.get(tx, EMAIL), origin="page", now=NOW)
        suppression = MEMBERSHIP.lift(tx, EMAIL, now=NOW)
        assert suppression is not None
        assert suppression.reason is SuppressionReason.UNSUBSCRIBED  # the earlier unsubscription still counts


def test_a_subscriber_suppressed_by_mistake_has_to_confirm_again(store: Store) -> None:
    with store.write() as tx:
        enrol(tx)
        MEMBERSHIP.suppress(tx, EMAIL, SuppressionReason.ADMIN, "", now=NOW)
        assert MEMBERSHIP.lift(tx, EMAIL, now=NOW) is None
        assert state(tx) == "pending"


def test_an_admin_cannot_lift_any_other_suppression(store: Store) -> None:
    with store.write() as tx:
        enrol(tx)
        with pytest.raises(UsageError, match=f"{EMAIL} is not suppressed"):
            MEMBERSHIP.lift(tx, EMAIL, now=NOW)
        bounced(tx, HARD)
        with pytest.raises(UsageError, match="only the subscriber can lift that"):
            MEMBERSHIP.lift(tx, EMAIL, now=NOW)


def test_a_bounce_cancels_a_queued_goodbye_mail(store: Store) -> None:
    with store.write() as tx:
        enrol(tx)
        leave(tx)
        bounced(tx, replace(HARD, kind=BounceKind.COMPLAINT), days=1)
        claimed = lease_due_deliveries(tx, MEMBERSHIP, worker="w/1/1", now=LATER, clock=LATER, limit=9)
    assert claimed == []


def test_erasing_leaves_only_a_suppressed_pseudonym(store: Store) -> None:
    with store.write() as tx:
        enrol(tx)
        bounced(tx, HARD)
        leave(tx)
        MEMBERSHIP.erase(tx, EMAIL, origin="page from 192.0.2.7", now=LATER)
        assert subscribers.find(tx, EMAIL) is None
        assert events(tx) == ["vouched", "unsubscribed", "erased"]
        assert [happened.origin for happened in MEMBERSHIP.list_consents(tx, EMAIL)] == ["command line", "page", "page"]
        with pytest.raises(SuppressedError):
            enrol(tx)
        suppression = MEMBERSHIP.find_suppression(tx, EMAIL)
        assert suppression is not None
        assert suppression.evidence == ""
    store.erase_deleted_rows()
    for file in store.file.parent.glob(f"{store.file.name}*"):
        assert b"reader@" not in file.read_bytes().lower()
        assert b"no such user" not in file.read_bytes()
        assert b"192.0.2.7" not in file.read_bytes()


def test_a_subscribers_number_is_never_used_again(store: Store) -> None:
    with store.write() as tx:
        first = enrol(tx)
        subscribers.remove(tx, EMAIL)
        assert enrol(tx).id == first.id + 1


def test_a_sent_mail_stays_sent_when_its_reader_unsubscribes(store: Store) -> None:
    with store.write() as tx:
        reader = enrol(tx)
        outbox.queue_mail(tx, MailKind.SIGN_IN, reader, message_id="s", now=NOW)
        (sent,) = deliveries.list_queued(tx)
        arrived = outbox.AttemptResult(delivery_id=sent.id, state=DeliveryState.SENT, reply="250")
        outbox.record_results(tx, [arrived], worker="w/1/1", now=NOW)
        leave(tx)
        assert [d.state.value for d in deliveries.list_by_subscriber(tx, reader.id)] == ["sent", "queued"]
