"""Every change on the admin pages is recorded in the audit log, without the address of a subscriber."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from digest.admin import (
    admin_actions,
    outbox_actions,
    profile_actions,
    submission_actions,
    subscriber_actions,
    test_mail,
)
from digest.app import App
from digest.errors import DigestError
from digest.matching import compile_rules
from digest.models import DeliveryState, MailKind, Role, Subscriber, SubscriberState, TokenScope
from digest.store import Transaction, audit, deliveries, digests, profiles, subscribers
from digest.store import outbox as stored
from digest.store import submissions as stored_submissions
from digest.store.outbox import AttemptResult
from tests.builders import NOW, a_digest, a_subscriber, an_entry

CAT = compile_rules("cat")
BY: Any = {"by": "admin@example.org", "now": NOW}


@dataclass(frozen=True)
class On:
    """What something is done on."""

    tx: Transaction
    app: App
    reader: Subscriber


Act = Callable[[On], object]


def _failed(tx: Transaction, reader: Subscriber, state: DeliveryState) -> int:
    """Create a delivery in this state and return its number."""
    stored.queue_mail(tx, MailKind.SIGN_IN, reader, message_id=f"{state}@example.org", now=NOW)
    number = deliveries.list_by_subscriber(tx, reader.id)[-1].id
    stored.record_results(tx, [AttemptResult(delivery_id=number, state=state, reply="550 no")], worker="", now=NOW)
    return number


def _retry(on: On) -> object:
    number = _failed(on.tx, on.reader, DeliveryState.DEFERRED)
    on.tx.exec_driver_sql("update deliveries set state = 'failed'")
    return outbox_actions.retry(on.tx, [number], **BY)


def _resolve(on: On) -> object:
    number = _failed(on.tx, on.reader, DeliveryState.DEFERRED)
    on.tx.exec_driver_sql("update deliveries set state = 'in-doubt'")
    return outbox_actions.resolve(on.tx, [number], arrived=True, **BY)


def _resent(on: On) -> object:
    digest = a_digest([], subscriber=on.reader, message_id="d@example.org")
    digests.freeze(on.tx, [digest], kind=MailKind.WELCOME, now=NOW)
    on.tx.exec_driver_sql("update deliveries set state = 'sent'")
    return outbox_actions.resend(
        on.tx, on.app.membership, deliveries.list_by_subscriber(on.tx, on.reader.id)[-1].id, **BY
    )


def _proposed(on: On) -> int:
    stored_submissions.add(on.tx, "https://example.org/paper", origin="page", now=NOW)
    return stored_submissions.list_all(on.tx)[-1].id


def _released(on: On) -> object:
    stored.start_hold(on.tx, "", now=NOW)
    return outbox_actions.release(on.tx, **BY)


def _lifted(on: On) -> object:
    subscriber_actions.suppress(on.tx, on.app.membership, "x@example.org", "", **BY)
    return subscriber_actions.lift(on.tx, on.app.membership, "x@example.org", **BY)


def _paused(tx: Transaction, reader: Subscriber) -> Subscriber:
    return subscribers.save(tx, replace(reader, state=SubscriberState.PAUSED))


def _pending(tx: Transaction, reader: Subscriber) -> Subscriber:
    return subscribers.save(tx, replace(reader, state=SubscriberState.PENDING))


def _restored(on: On) -> object:
    profile_actions.edit(on.tx, "Cats", rules=compile_rules("dog"), **BY)
    return profile_actions.restore(on.tx, profiles.get(on.tx, "Cats"), 1, CAT, **BY)


def _enlisted(on: On) -> object:
    return list(subscriber_actions.import_rows(on.tx, on.app.membership, [], **BY))


def _token(on: On) -> int:
    owner = admin_actions.add(on.tx, "editor@example.org", Role.EDITOR, "hash", **BY)
    return admin_actions.add_token(on.tx, owner, "website", [TokenScope.PROFILES_READ], **BY)[0].id


OPERATIONS: dict[str, Act] = {
    "profile add": lambda on: profile_actions.add(on.tx, "Dogs", CAT, **BY),
    "profile edit": lambda on: profile_actions.edit(on.tx, "Cats", new_name="Felines", **BY),
    "profile remove": lambda on: profile_actions.remove(on.tx, "Cats", **BY),
    "profile restore": _restored,
    "profile test": lambda on: test_mail.record_sent(on.tx, "Cats", **BY),
    "outbox hold": lambda on: outbox_actions.hold(on.tx, "a reason", **BY),
    "outbox release": _released,
    "outbox retry": _retry,
    "outbox resolve --arrived": _resolve,
    "outbox resend": _resent,
    "submission approve": lambda on: submission_actions.approve(on.tx, _proposed(on), an_entry(), timezone="UTC", **BY),
    "submission reject": lambda on: submission_actions.reject(on.tx, _proposed(on), **BY),
    "subscriber add": lambda on: subscriber_actions.add(
        on.tx, on.app.membership, a_subscriber("new@example.org"), CAT, **BY
    ),
    "subscriber import": _enlisted,
    "subscriber edit": lambda on: subscriber_actions.edit(on.tx, replace(on.reader, name="R"), CAT, **BY),
    "subscriber pause": lambda on: subscriber_actions.pause(on.tx, on.reader, None, **BY),
    "subscriber resume": lambda on: subscriber_actions.resume(on.tx, _paused(on.tx, on.reader), **BY),
    "subscriber confirm": lambda on: subscriber_actions.confirm_by_admin(
        on.tx, on.app.membership, _pending(on.tx, on.reader), **BY
    ),
    "subscriber ask": lambda on: subscriber_actions.request_confirmation(
        on.tx, on.app.membership, _pending(on.tx, on.reader), **BY
    ),
    "subscriber unsubscribe": lambda on: subscriber_actions.unsubscribe(on.tx, on.app.membership, on.reader, **BY),
    "subscriber remove": lambda on: subscriber_actions.remove(on.tx, on.app.membership, on.reader, **BY),
    "subscriber erase": lambda on: subscriber_actions.erase(on.tx, on.app.membership, on.reader.email, **BY),
    "suppression add": lambda on: subscriber_actions.suppress(on.tx, on.app.membership, on.reader.email, "", **BY),
    "suppression lift": _lifted,
    "admin add": lambda on: admin_actions.add(on.tx, "editor@example.org", Role.EDITOR, "hash", **BY),
    "token add": _token,
    "token revoke": lambda on: admin_actions.revoke_token(on.tx, _token(on), **BY),
}


@pytest.mark.parametrize("what", OPERATIONS)
def test_each_change_is_logged_with_who_made_it(app: App, what: str) -> None:
    with app.store.write() as tx:
        reader = subscribers.add(tx, a_subscriber("reader@example.org"), now=NOW)
        profile_actions.add(tx, "Cats", CAT, **BY)
        before = len(audit.list_changes(tx, limit=100))
        OPERATIONS[what](On(tx, app, reader))
        newest, *_ = changes = audit.list_changes(tx, limit=100)
    assert (newest.what, newest.who, newest.at) == (what, "admin@example.org", NOW)
    assert len(changes) > before
    assert "reader@example.org" not in newest.subject


def test_an_action_that_changes_nothing_is_not_logged(app: App) -> None:
    with app.store.write() as tx:
        outbox_actions.hold(tx, "", **BY)
        before = audit.list_changes(tx, limit=100)
        outbox_actions.hold(tx, "again", **BY)
        outbox_actions.retry(tx, [], **BY)
        profile_actions.import_all(tx, [], **BY)
        with pytest.raises(DigestError):
            profile_actions.remove(tx, "Dogs", **BY)
        assert audit.list_changes(tx, limit=100) == before
