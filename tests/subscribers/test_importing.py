"""Importing many subscribers: the outcome of each row, previewed and stored."""

from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from digest.models import MailKind, SubscriberState, SuppressionReason
from digest.store import Store, deliveries, subscribers
from digest.subscribers.fields import CsvRow
from digest.subscribers.importing import RowOutcome, RowStatus, import_rows, import_rows_in_batches, preview_import
from tests.builders import MEMBERSHIP, NOW, a_subscriber

PENDING, ACTIVE = SubscriberState.PENDING, SubscriberState.ACTIVE


def rows(*emails: str, state: SubscriberState = ACTIVE) -> list[CsvRow]:
    return [CsvRow(line=i, email=e, subscriber=a_subscriber(e, state=state)) for i, e in enumerate(emails, 2)]


def imported(store: Store, some: Sequence[CsvRow], *, days: int = 0) -> list[RowOutcome]:
    """What was done, which is what a rehearsal said."""
    now = NOW + timedelta(days=days)
    with store.read() as tx:
        said = list(preview_import(tx, MEMBERSHIP, some, now=now))
    with store.write() as tx:
        done = list(import_rows(tx, MEMBERSHIP, some, origin="import", now=now))
    assert done == said
    return done


def fates(outcomes: Sequence[RowOutcome]) -> list[str]:
    return [o.fate.value for o in outcomes]


def test_new_confirmed_subscribers_are_added_and_logged_as_confirmed_by_an_admin(store: Store) -> None:
    assert fates(imported(store, rows("a@example.org", "b@example.org"))) == ["added", "added"]
    with store.read() as tx:
        assert [s.state for s in subscribers.list_all(tx)] == [ACTIVE, ACTIVE]
        assert [c.event.value for c in MEMBERSHIP.list_consents(tx, "b@example.org")] == ["vouched"]


def test_new_pending_subscribers_get_a_confirmation_mail_whose_wording_is_stored(store: Store) -> None:
    (asked,) = imported(store, rows("a@example.org", state=PENDING))
    assert asked.fate is RowStatus.ASKED
    with store.read() as tx:
        subscriber = subscribers.get(tx, "a@example.org")
        assert deliveries.last_queued_at(tx, subscriber.id, MailKind.CONFIRMATION) == NOW
        (happened,) = MEMBERSHIP.list_consents(tx, "a@example.org")
    assert (happened.event.value, bool(happened.wording)) == ("asked", True)


def test_existing_subscribers_stay_as_they_are(store: Store) -> None:
    imported(store, rows("a@example.org"))
    assert fates(imported(store, rows("A@example.org", state=PENDING))) == ["known"]
    with store.read() as tx:
        assert subscribers.get(tx, "a@example.org").state is ACTIVE


@pytest.mark.parametrize("apart", [1, 700])
def test_the_first_of_two_rows_with_one_address_counts(store: Store, apart: int) -> None:
    others = [f"{i}@example.org" for i in range(apart)]
    *_, last = imported(store, rows("a@example.org", *others, "A@example.org"))
    assert (last.fate, last.reason) == (RowStatus.DUPLICATE, "already in line 2")


def test_a_second_row_is_a_duplicate_whatever_becomes_of_the_first(store: Store) -> None:
    imported(store, rows("known@example.org"))
    with store.write() as tx:
        MEMBERSHIP.suppress(tx, "out@example.org", SuppressionReason.ADMIN, "", now=NOW)
    outcomes = imported(store, rows("known@example.org", "out@example.org", "Known@example.org", "out@example.org"))
    assert fates(outcomes) == ["known", "suppressed", "duplicate", "duplicate"]


def test_a_bad_row_does_not_make_the_next_with_its_address_a_duplicate(store: Store) -> None:
    bad = CsvRow(line=2, email="a@example.org", column="days", reason="no days")
    assert fates(imported(store, [bad, *rows("a@example.org")])) == ["bad", "added"]


@pytest.mark.parametrize("state", [PENDING, ACTIVE])
def test_suppressed_addresses_are_left_out_with_the_reason(store: Store, state: SubscriberState) -> None:
    with store.write() as tx:
        MEMBERSHIP.suppress(tx, "a@example.org", SuppressionReason.HARD_BOUNCE, "550 gone", now=NOW)
    (refused,) = imported(store, rows("A@example.org", state=state))
    assert refused.fate is RowStatus.SUPPRESSED
    assert refused.reason.startswith("A@example.org is suppressed since 2026-06-03 (hard-bounce: 550 gone)")
    with store.read() as tx:
        assert subscribers.list_all(tx) == []


def test_an_address_that_was_asked_today_is_not_asked_again_and_not_stored(store: Store) -> None:
    imported(store, rows("a@example.org", state=PENDING))
    with store.write() as tx:
        subscribers.remove(tx, "a@example.org")
    (again,) = imported(store, rows("a@example.org", state=PENDING))
    assert (again.fate, "try again after a day" in again.reason) == (RowStatus.BAD, True)
    with store.read() as tx:
        assert subscribers.list_all(tx) == []
    assert fates(imported(store, rows("a@example.org", state=PENDING), days=1)) == ["asked"]


def test_a_bad_row_keeps_its_reason_and_does_not_stop_the_others(store: Store) -> None:
    bad = CsvRow(line=2, email="nonsense", column="email", reason="no address")
    outcomes = imported(store, [bad, *rows("a@example.org")])
    assert fates(outcomes) == ["bad", "added"]
    assert outcomes[0].record() == {
        "line": 2,
        "email": "nonsense",
        "fate": "bad",
        "column": "email",
        "reason": "no address",
    }


def in_pieces(store: Store, some: Sequence[CsvRow]) -> list[RowOutcome]:
    pieces = import_rows_in_batches(store, MEMBERSHIP, some, origin="import", now=NOW)
    return [outcome for piece in pieces for outcome in piece]


def test_batches_have_the_same_outcome_as_one_transaction(store: Store, tmp_path: Path) -> None:
    some = rows(*(f"{i % 1200}@example.org" for i in range(2500)), state=PENDING)
    with Store.open(tmp_path / "other.db") as other:
        assert in_pieces(other, some) == imported(store, some)
        with store.read() as one, other.read() as two:
            assert subscribers.list_all(one) == subscribers.list_all(two)
            assert len(deliveries.list_queued(one)) == len(deliveries.list_queued(two)) == 1200


def test_others_can_write_between_two_batches_and_stored_batches_stay(store: Store) -> None:
    some = rows(*(f"{i}@example.org" for i in range(2100)))
    with closing(import_rows_in_batches(store, MEMBERSHIP, some, origin="import", now=NOW)) as pieces:
        assert len(next(pieces)) == 1000
        with store.write() as tx:
            subscribers.add(tx, a_subscriber("1700@example.org"), now=NOW)
        assert fates(next(pieces)).count("known") == 1
    with store.read() as tx:
        assert len(subscribers.list_all(tx)) == 2000
    assert fates(in_pieces(store, some)) == ["known"] * 2000 + ["added"] * 100
