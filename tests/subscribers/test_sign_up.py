"""What happens when an address is entered on a page: what is decided, stored and mailed."""

import re
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from digest.app import App
from digest.matching import compile_rules
from digest.models import MailKind, Schedule, Subscriber, SubscriberState, Suppression, SuppressionReason
from digest.store import Store, Transaction, deliveries, profiles, subscribers
from digest.subscribers import sign_up
from digest.subscribers.sign_up import AddressStatus, SignUpMail, mail_for_join, mail_for_sign_in
from tests.builders import MEMBERSHIP, NOW, a_subscriber
from tests.web.subscribers import put_into_state

EMAIL = "reader@example.org"
PENDING, ACTIVE, PAUSED = SubscriberState.PENDING, SubscriberState.ACTIVE, SubscriberState.PAUSED
GONE, SUPPRESSED = SubscriberState.UNSUBSCRIBED, SubscriberState.SUPPRESSED
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
BOUNCES = (SuppressionReason.HARD_BOUNCE, SuppressionReason.SOFT_BOUNCES)
OWN_WILL = (SuppressionReason.UNSUBSCRIBED, SuppressionReason.ERASED, SuppressionReason.COMPLAINT)


def suppressed(reason: SuppressionReason, *, ago: timedelta = 100 * DAY) -> Suppression:
    return Suppression(pseudonym="p", reason=reason, suppressed_at=NOW - ago)


def join(
    tx: Transaction, rules: str = "cats", *, after: timedelta = timedelta(), email: str = EMAIL, **rest: object
) -> None:
    new = Subscriber(email=email, state=PENDING, **rest)  # type: ignore[arg-type]
    sign_up.join(tx, MEMBERSHIP, new, compile_rules(rules), origin="page from 192.0.2.7", now=NOW + after)


def sign_in(tx: Transaction, *, after: timedelta = timedelta()) -> None:
    sign_up.sign_in(tx, MEMBERSHIP, EMAIL, origin="page from 192.0.2.7", now=NOW + after)


def queued(tx: Transaction) -> list[MailKind]:
    return [delivery.kind for delivery in deliveries.list_queued(tx)]


def own_rules(tx: Transaction) -> str:
    own = profiles.find_personal(tx, subscribers.get(tx, EMAIL).id)
    return own.rules if own else ""


def test_an_unknown_address_gets_a_confirmation_mail() -> None:
    assert mail_for_join(AddressStatus(), now=NOW) is SignUpMail.CONFIRMATION
    assert mail_for_sign_in(AddressStatus(), now=NOW) is SignUpMail.NOTHING


@pytest.mark.parametrize("answer", [mail_for_join, mail_for_sign_in])
@pytest.mark.parametrize("state", [ACTIVE, PAUSED])
def test_a_subscriber_gets_a_sign_in_mail_at_most_every_ten_minutes(answer: object, state: SubscriberState) -> None:
    assert callable(answer)
    assert answer(AddressStatus(state=state), now=NOW) is SignUpMail.SIGN_IN
    assert answer(AddressStatus(state=state, signed_in_at=NOW - 10 * MINUTE), now=NOW) is SignUpMail.SIGN_IN
    assert answer(AddressStatus(state=state, signed_in_at=NOW - 9 * MINUTE), now=NOW) is SignUpMail.NOTHING


@pytest.mark.parametrize("answer", [mail_for_join, mail_for_sign_in])
def test_a_pending_address_gets_a_confirmation_mail_at_most_once_a_day(answer: object) -> None:
    assert callable(answer)
    assert answer(AddressStatus(state=PENDING, asked_at=NOW - DAY), now=NOW) is SignUpMail.CONFIRMATION
    assert answer(AddressStatus(state=PENDING, asked_at=NOW - DAY + MINUTE), now=NOW) is SignUpMail.NOTHING


@pytest.mark.parametrize("reason", BOUNCES)
def test_an_address_that_bounced_gets_a_confirmation_mail_at_most_once_a_day(reason: SuppressionReason) -> None:
    known = AddressStatus(state=SUPPRESSED, suppression=suppressed(reason), asked_at=NOW - DAY)
    assert mail_for_join(known, now=NOW) is SignUpMail.CONFIRMATION
    assert mail_for_join(known, now=NOW - MINUTE) is SignUpMail.NOTHING
    assert mail_for_sign_in(known, now=NOW) is SignUpMail.NOTHING


@pytest.mark.parametrize("state", [GONE, SUPPRESSED, None])
@pytest.mark.parametrize("reason", OWN_WILL)
def test_an_address_that_wants_no_mail_gets_a_confirmation_mail_at_most_every_thirty_days(
    reason: SuppressionReason, state: SubscriberState | None
) -> None:
    known = AddressStatus(state=state, suppression=suppressed(reason), asked_at=NOW - 30 * DAY)
    assert mail_for_join(known, now=NOW) is SignUpMail.CONFIRMATION
    assert mail_for_join(known, now=NOW - MINUTE) is SignUpMail.NOTHING
    assert mail_for_sign_in(known, now=NOW) is SignUpMail.NOTHING


def test_someone_who_left_by_mistake_can_confirm_at_once() -> None:
    left = AddressStatus(
        state=GONE, suppression=suppressed(SuppressionReason.UNSUBSCRIBED, ago=MINUTE), asked_at=NOW - 2 * DAY
    )
    assert mail_for_join(left, now=NOW) is SignUpMail.CONFIRMATION


def test_an_address_that_complained_gets_no_mail_for_thirty_days() -> None:
    complained = AddressStatus(
        state=SUPPRESSED, suppression=suppressed(SuppressionReason.COMPLAINT, ago=DAY), asked_at=NOW - 2 * DAY
    )
    assert mail_for_join(complained, now=NOW + 29 * DAY - MINUTE) is SignUpMail.NOTHING
    assert mail_for_join(complained, now=NOW + 29 * DAY) is SignUpMail.CONFIRMATION


@pytest.mark.parametrize("state", [None, *SubscriberState])
def test_an_address_suppressed_by_an_admin_gets_nothing(state: SubscriberState | None) -> None:
    known = AddressStatus(state=state, suppression=suppressed(SuppressionReason.ADMIN))
    assert mail_for_join(known, now=NOW) is SignUpMail.NOTHING
    assert mail_for_sign_in(known, now=NOW) is SignUpMail.NOTHING


def test_a_new_subscriber_is_stored_with_their_choices_and_gets_a_confirmation_mail(store: Store) -> None:
    with store.write() as tx:
        profiles.add(tx, "Shared", compile_rules("dogs"), by="tests", now=NOW)
        join(tx, "cats", profiles=("Shared",), schedule=Schedule(timezone="Asia/Tokyo"))
        new = subscribers.get(tx, EMAIL)
        assert (new.state, new.profiles, new.schedule.timezone, own_rules(tx)) == (
            PENDING, ("Shared",), "Asia/Tokyo", "cats",
        )  # fmt: skip
        assert queued(tx) == [MailKind.CONFIRMATION]
        (asked,) = MEMBERSHIP.list_consents(tx, EMAIL)
        assert (asked.event.value, asked.origin, bool(asked.wording)) == ("asked", "page from 192.0.2.7", True)


def test_the_newest_choices_of_an_unconfirmed_subscriber_count(store: Store) -> None:
    with store.write() as tx:
        join(tx, "cats")
        subscribers.save(tx, a_subscriber(EMAIL, id=1, state=PENDING, name="A Name", max_papers=7))
        join(tx, "dogs", after=MINUTE, email=EMAIL.upper(), schedule=Schedule(timezone="Asia/Tokyo"))
        after = subscribers.get(tx, EMAIL)
        assert (own_rules(tx), after.schedule.timezone) == ("dogs", "Asia/Tokyo")
        assert (after.email, after.name, after.max_papers) == (EMAIL, "A Name", 7)
        assert queued(tx) == [MailKind.CONFIRMATION]


@pytest.mark.parametrize("state", [ACTIVE, PAUSED, GONE])
def test_a_stranger_cannot_change_a_confirmed_subscriber(store: Store, state: SubscriberState) -> None:
    with store.write() as tx:
        before = MEMBERSHIP.add(tx, a_subscriber(EMAIL), origin="", now=NOW)
        profiles.set_personal(tx, before.id, compile_rules("birds"), now=NOW)
        before = subscribers.save(tx, a_subscriber(EMAIL, id=before.id, state=state))
        join(tx, "cats", schedule=Schedule(timezone="Asia/Tokyo"))
        assert (subscribers.get(tx, EMAIL), own_rules(tx)) == (before, "birds")


def test_a_stranger_cannot_change_a_subscriber_who_has_to_confirm_again(store: Store) -> None:
    with store.write() as tx:
        MEMBERSHIP.add(tx, a_subscriber(EMAIL, language="de"), origin="", now=NOW)
        MEMBERSHIP.suppress(tx, EMAIL, SuppressionReason.ADMIN, "", now=NOW)
        MEMBERSHIP.lift(tx, EMAIL, now=NOW)
        join(tx, "cats")
        assert (subscribers.get(tx, EMAIL).language, own_rules(tx)) == ("de", "")
        assert queued(tx) == [MailKind.CONFIRMATION]


def test_an_erased_address_is_stored_again_only_with_a_new_confirmation_mail(store: Store) -> None:
    with store.write() as tx:
        join(tx)
        MEMBERSHIP.erase(tx, EMAIL, origin="page", now=NOW + MINUTE)
        join(tx, after=2 * MINUTE)
        assert subscribers.find(tx, EMAIL) is None
        join(tx, after=DAY)
        assert (subscribers.get(tx, EMAIL).state, queued(tx)) == (PENDING, [MailKind.CONFIRMATION])
        assert MEMBERSHIP.find_suppression(tx, EMAIL) is not None
        join(tx, after=30 * DAY)  # the second question is younger
        assert queued(tx) == [MailKind.CONFIRMATION]
        MEMBERSHIP.confirm(tx, subscribers.get(tx, EMAIL), origin="page", now=NOW + 30 * DAY)
        assert MEMBERSHIP.find_suppression(tx, EMAIL) is None


def test_nothing_is_stored_for_an_address_suppressed_by_an_admin(store: Store) -> None:
    with store.write() as tx:
        MEMBERSHIP.suppress(tx, EMAIL, SuppressionReason.ADMIN, "", now=NOW)
        join(tx)
        sign_in(tx)
        assert (subscribers.find(tx, EMAIL), MEMBERSHIP.list_consents(tx, EMAIL)) == (None, [])


def test_two_mails_at_the_same_time_have_different_message_ids(store: Store) -> None:
    with store.write() as tx:
        reader = MEMBERSHIP.add(tx, a_subscriber(EMAIL), origin="", now=NOW)
        for _ in range(2):
            MEMBERSHIP.unsubscribe(tx, subscribers.get(tx, EMAIL), origin="page", now=NOW)
            MEMBERSHIP.confirm(tx, subscribers.get(tx, EMAIL), origin="page", now=NOW)
        sign_in(tx)
        kinds = [delivery.kind for delivery in deliveries.list_by_subscriber(tx, reader.id)]
    assert kinds == [MailKind.GOODBYE, MailKind.GOODBYE, MailKind.SIGN_IN]


@pytest.mark.parametrize(
    ("known", "joins", "signs_in"),
    [
        ("unknown", "confirm", ""),
        ("pending", "confirm", "confirm"),
        ("active", "sign-in", "sign-in"),
        ("paused", "sign-in", "sign-in"),
        ("unsubscribed", "confirm", ""),
        ("erased", "confirm", ""),
        ("hard", "confirm", ""),
        ("complaint", "confirm", ""),
        ("admin", "", ""),
    ],
)
@pytest.mark.parametrize("way", ["join", "sign in"])
def test_the_sign_in_mail_arrives(app: App, tmp_path: Path, known: str, joins: str, signs_in: str, way: str) -> None:
    put_into_state(app, known, EMAIL)
    app.deliver(now=NOW)  # a goodbye
    for old in (tmp_path / "outbox" / "new").glob("*"):
        old.unlink()
    later = NOW + 31 * DAY
    with app.store.write() as tx:
        if way == "join":
            new = a_subscriber(EMAIL, state=PENDING)
            sign_up.join(tx, app.membership, new, compile_rules("cats"), origin="page", now=later)
        else:
            sign_up.sign_in(tx, app.membership, EMAIL, origin="page", now=later)
    app.deliver(now=later)
    arrived = [file.read_bytes() for file in (tmp_path / "outbox" / "new").glob("*")]
    links = [link for mail in arrived for link in links_in(mail)]
    wanted = joins if way == "join" else signs_in
    assert [re.sub(r"/[^/]*$", "", link) for link in links] == (
        [f"https://digest.example.org/{wanted}"] if wanted else []
    )


def links_in(mail: bytes) -> list[str]:
    part = message_from_bytes(mail, policy=policy.default).get_body(("plain",))
    assert part is not None
    return re.findall(r"https://digest\.example\.org/\S+", part.get_content())
