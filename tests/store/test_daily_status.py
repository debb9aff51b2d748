"""The most urgent problem of a day."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from digest.models import DeliveryState, Hold, Stage, StageRecord, StageState, StageStatus, SubscriberState
from digest.store import Store, daily_status, subscribers
from digest.store.daily_status import DailyStatus, Trouble
from digest.store.sources import SourceState
from tests.builders import MEMBERSHIP, NOW, a_subscriber, at


def a_source(*, succeeded_at: datetime | None, failure: str = "") -> SourceState:
    return SourceState(name="a", url="", checked_at=NOW, succeeded_at=succeeded_at, failure=failure)


def a_stage(stage: Stage, state: StageState) -> StageStatus:
    return StageStatus(record=StageRecord(stage=stage, started_at=NOW, active_at=NOW), state=state)


WELL = a_source(succeeded_at=NOW)
ILL = a_source(succeeded_at=NOW - timedelta(days=1), failure="HTTP 500")


def a_day(**rest: Any) -> DailyStatus:
    values: dict[str, Any] = {
        "now": NOW,
        "papers": 1,
        "digests": 1,
        "deliveries": {DeliveryState.SENT: 1},
        "overdue_since": None,
        "hold": None,
        "sources": (WELL,),
    }
    return DailyStatus(**values | rest)


@pytest.mark.parametrize(
    ("facts", "trouble"),
    [
        ({}, None),
        ({"hold": Hold(NOW, "")}, Trouble.HOLD),
        ({"deliveries": {DeliveryState.IN_DOUBT: 1}}, Trouble.IN_DOUBT),
        ({"overdue_since": NOW - timedelta(minutes=59)}, None),
        ({"overdue_since": NOW - timedelta(minutes=61)}, Trouble.OVERDUE),
        ({"deliveries": {DeliveryState.FAILED: 1}}, Trouble.FAILED),
        ({"deliveries": {DeliveryState.DEFERRED: 1}}, None),
        ({"sources": (ILL, ILL)}, Trouble.SOURCES),
        ({"sources": (WELL, ILL)}, None),
        ({"sources": (WELL, a_source(succeeded_at=None, failure="?"))}, Trouble.SOURCE),
        ({"sources": ()}, None),
        ({"hold": Hold(NOW, ""), "sources": (ILL,)}, Trouble.HOLD),
        ({"stages": (a_stage(Stage.PUBLISH, StageState.WORKING),)}, None),
        ({"stages": (a_stage(Stage.PUBLISH, StageState.FAILING),), "sources": (ILL,)}, Trouble.STAGE),
        ({"stages": (a_stage(Stage.INGEST, StageState.FAILING),)}, Trouble.STAGE),
        ({"stages": (a_stage(Stage.INGEST, StageState.FAILING),), "sources": (ILL,)}, Trouble.SOURCES),
        ({"stages": (a_stage(Stage.BOUNCE, StageState.SILENT),)}, Trouble.SILENT),
    ],
)
def test_the_most_urgent_problem_is_reported(facts: dict[str, Any], trouble: Trouble | None) -> None:
    assert a_day(**facts).trouble is trouble


def test_all_problems_are_listed_and_none_twice() -> None:
    late = NOW - timedelta(hours=2)
    hold, refused = Hold(NOW, "550 5.4.5"), {DeliveryState.FAILED: 1}
    day = a_day(hold=hold, overdue_since=late, deliveries=refused, problems=1, sources=(ILL, ILL))
    assert day.troubles == (Trouble.HOLD, Trouble.FAILED, Trouble.SUBSCRIBERS, Trouble.SOURCES)
    assert a_day().troubles == ()


def test_a_waiting_mail_is_overdue_since_it_was_queued(store: Store) -> None:
    with store.write() as tx:
        pending = subscribers.add(tx, a_subscriber(state=SubscriberState.PENDING), now=NOW)
        MEMBERSHIP.queue_confirmation(tx, pending, origin="page", now=NOW)
        today = daily_status.get(tx, on=NOW.date(), since=at("2026-06-03"), now=NOW + timedelta(hours=2))
    assert today.deliveries == {DeliveryState.QUEUED: 1}
    assert today.overdue_since == NOW
    assert today.trouble is Trouble.OVERDUE
