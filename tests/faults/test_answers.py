"""Every answer of a server, at every step, is recorded for the right mail and for no other."""

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest

from digest.mail import Composer, Templates
from digest.models import Delivery, DoubtPolicy, Message, Outcome
from digest.pipeline.deliver import DeliveryReport, deliver
from digest.store import Store, deliveries
from digest.transport.smtp import SmtpTransport
from tests.builders import MEMBERSHIP, NOW
from tests.faults.server import Act, Fault, FaultyServer, Step
from tests.mail.samples import LINKS, SENDER
from tests.pipeline.test_deliver import queue
from tests.transport.test_smtp_session import MAIL_STEPS, both_ways, outcome_of, sender

MAILS = 5
THIRD = 3
SENSELESS = {"garbage", ""}


class Marking(Composer):
    """Writes mails that a server can identify by their senders."""

    def message(self, delivery: Delivery) -> Message:
        return replace(super().message(delivery), sender=sender(delivery.id))


@cache
def writer() -> Marking:
    return Marking(SENDER, Templates(), LINKS)


@pytest.fixture(scope="module")
def queued(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with five mails."""
    file = tmp_path_factory.mktemp("queued") / "digest.db"
    with Store.open(file) as store:
        queue(store, *(f"r{i}@example.org" for i in range(1, MAILS + 1)))
    return file


@pytest.fixture
def five(queued: Path, tmp_path: Path) -> Iterator[Store]:
    """The same, to be used up."""
    shutil.copy(queued, tmp_path / "digest.db")
    with Store.open(tmp_path / "digest.db") as store:
        yield store


def run(store: Store, server: FaultyServer, doubt: DoubtPolicy, *, later: timedelta = timedelta(0)) -> DeliveryReport:
    with SmtpTransport("127.0.0.1", server.port, connections=1, timeout=5) as transport:
        return deliver(store, transport, writer(), MEMBERSHIP, now=NOW + later, group_size=2, doubt=doubt)


def outcomes(store: Store) -> dict[int, tuple[str, str]]:
    """Returns state and reply of each mail in the outbox."""
    with store.read() as tx:
        return {d.id: (d.state.value, d.reply) for d in deliveries.list_newest(tx)}


def state_of(outcome: Outcome, doubt: DoubtPolicy) -> str:
    if outcome is Outcome.UNKNOWN:
        return "in-doubt" if doubt is DoubtPolicy.PARK else "deferred"
    return outcome.value


@both_ways
@pytest.mark.parametrize("step", MAIL_STEPS)
@pytest.mark.parametrize(
    ("answer", "doubt"),
    [
        ("250-one\r\n250 two", DoubtPolicy.RESEND),
        ("354 what", DoubtPolicy.RESEND),
        ("354 what", DoubtPolicy.PARK),
        ("421 4.3.2 closing", DoubtPolicy.PARK),
        ("450 4.2.1 later", DoubtPolicy.PARK),
        ("550 5.1.1 never", DoubtPolicy.PARK),
        ("garbage", DoubtPolicy.RESEND),
        ("", DoubtPolicy.PARK),
    ],
)
def test_an_answer_is_recorded_for_its_own_mail(
    five: Store, answer: str, step: Step, doubt: DoubtPolicy, pipelining: bool
) -> None:
    if answer in SENSELESS:
        outcome = Outcome.UNKNOWN if step is Step.DOT else Outcome.DEFERRED
    elif step is Step.MAIL and answer.startswith("5"):
        outcome = Outcome.DEFERRED  # it refuses us, before it knows the reader
    else:
        outcome = outcome_of(answer, step)
    with FaultyServer([Fault(sender(THIRD), step, answer=answer)], pipelining=pipelining) as server:
        run(five, server, doubt)
        taken = Counter(mail.recipient for mail in server.mails)
    found = outcomes(five)
    assert {i: state for i, (state, _) in found.items()} == {
        i: state_of(outcome, doubt) if i == THIRD else "sent" for i in range(1, MAILS + 1)
    }
    assert taken == Counter(f"r{i}@example.org" for i in found if i != THIRD or outcome is Outcome.SENT)
    if answer[:1] in {"4", "5"}:
        assert found[THIRD][1] == answer

    with FaultyServer(pipelining=pipelining) as server:  # in its time, what was put off
        run(five, server, doubt, later=timedelta(hours=1))
        assert len(server.mails) == (found[THIRD][0] == "deferred")
    assert outcomes(five)[THIRD][0] == found[THIRD][0].replace("deferred", "sent")


@both_ways
@pytest.mark.parametrize("doubt", list(DoubtPolicy))
@pytest.mark.parametrize("act", [Act.DROP, Act.RESET, Act.TAKE_AND_DROP])
@pytest.mark.parametrize("step", MAIL_STEPS)
def test_a_lost_connection_affects_only_the_mail_in_flight(
    five: Store, step: Step, act: Act, doubt: DoubtPolicy, pipelining: bool
) -> None:
    with FaultyServer([Fault(sender(THIRD), step, act, times=1)], pipelining=pipelining) as server:
        run(five, server, doubt)
        taken = Counter(mail.recipient for mail in server.mails)
    outcome = Outcome.UNKNOWN if step is Step.DOT else Outcome.SENT
    assert outcomes(five)[THIRD][0] == state_of(outcome, doubt)
    assert {state for i, (state, _) in outcomes(five).items() if i != THIRD} == {"sent"}
    arrived = [i for i in range(1, MAILS + 1) if i != THIRD or outcome is Outcome.SENT or act is Act.TAKE_AND_DROP]
    assert taken == Counter(f"r{i}@example.org" for i in arrived)
