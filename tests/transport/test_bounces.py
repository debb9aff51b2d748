"""Real bounces are read as a person would. `python -m tests.transport.test_bounces` prints how well."""

import csv
from collections import Counter
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path
from typing import NamedTuple

from flufl.bounce import all_failures

from digest.models import Bounce, BounceKind
from digest.transport.bounces import parse
from tests.builders import RECORDINGS, needs_recordings

BOUNCES = RECORDINGS / "bounces"
EXPECTED = Path(__file__).with_name("bounces_expected.csv")  # judged by reading each mail

pytestmark = needs_recordings


class Told(NamedTuple):
    """What a mail says of one recipient."""

    kind: str
    recipient: str
    status: str


class Recording(NamedTuple):
    name: str
    message: bytes
    expected: tuple[Told, ...]

    @property
    def has_report(self) -> bool:
        lowered = self.message.lower()
        return b"message/delivery-status" in lowered or b"message/global-delivery-status" in lowered

    @property
    def read(self) -> tuple[Bounce, ...]:
        return parse(self.message)

    @property
    def told(self) -> tuple[Told, ...]:
        return tuple(Told(bounce.kind.value, bounce.recipient, bounce.status) for bounce in self.read)


def recordings() -> Iterator[Recording]:
    expected: dict[str, list[Told]] = {}
    with EXPECTED.open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            expected.setdefault(row["file"], []).append(Told(row["kind"], row["recipient"], row["status"]))
    for name, told in expected.items():
        yield Recording(name, (BOUNCES / f"{name}.eml").read_bytes(), tuple(told))


def test_every_recording_has_an_expected_result() -> None:
    assert {recording.name for recording in recordings()} == {file.stem for file in BOUNCES.glob("*.eml")}


def test_delivery_reports_are_read_right() -> None:
    reports = [recording for recording in recordings() if recording.has_report]
    wrong = {r.name: r.told for r in reports if sorted(r.told) != sorted(r.expected)}
    assert len(wrong) <= 0.05 * len(reports), wrong


def test_nearly_all_that_comes_back_is_read_right() -> None:
    everything = list(recordings())
    wrong = {r.name: r.told for r in everything if sorted(r.told) != sorted(r.expected)}
    assert len(wrong) <= 0.05 * len(everything), wrong


def test_no_existing_address_is_classified_as_hard() -> None:
    """The one mistake that cannot be made good: HARD for an address that did not fail for good."""
    hard = {(r.name, told.recipient) for r in recordings() for told in r.told if told.kind == BounceKind.HARD}
    assert hard <= {
        (r.name, told.recipient) for r in recordings() for told in r.expected if told.kind == BounceKind.HARD
    }


def test_no_automatic_reply_is_taken_for_a_bounce() -> None:
    answers = [r for r in recordings() if {told.kind for told in r.expected} == {BounceKind.AUTO_REPLY}]
    assert answers
    assert {told.kind for r in answers for told in r.told} == {BounceKind.AUTO_REPLY.value}


def test_replies_are_one_short_line_and_message_ids_bare() -> None:
    for recording in recordings():
        for bounce in recording.read:
            assert bounce.reply == " ".join(bounce.reply.split())
            assert len(bounce.reply) <= 500
            assert not set("<> ") & set(bounce.message_id), recording.name


def found_by_flufl(message: bytes) -> set[str]:
    """The addresses that flufl.bounce alone finds, failed or delayed."""
    try:
        temporary, permanent = all_failures(message_from_bytes(message))
    except IndexError:  # it stumbles over an empty From
        return set()
    return {address.decode("ascii") for address in temporary | permanent}


def table() -> str:
    """By kind: how many recipients, and of how many of them each field is right. Then what is missed."""
    counts: Counter[tuple[str, str]] = Counter()
    missed = []
    for recording in recordings():
        got = {told.recipient: told for told in recording.told}
        theirs = found_by_flufl(recording.message)
        for told in recording.expected:
            read_as = got.get(told.recipient)
            for group in (told.kind, "with a report" if recording.has_report else "without one", "all"):
                counts[group, "number"] += 1
                counts[group, "recipient"] += read_as is not None
                counts[group, "status"] += read_as is not None and read_as.status == told.status
                counts[group, "kind"] += read_as is not None and read_as.kind == told.kind
                counts[group, "flufl"] += told.recipient in theirs
        if sorted(recording.told) != sorted(recording.expected):
            missed.append(f"{recording.name}: expected {recording.expected}, read {recording.told}")
    columns = ("number", "recipient", "status", "kind", "flufl")
    lines = [f"{'':14}{'number':>8}{'recipient':>11}{'status':>8}{'kind':>6}{'flufl.bounce alone: recipient':>31}"]
    for group in (*BounceKind, "with a report", "without one", "all"):
        number, recipient, status, kind, flufl = (counts[str(group), column] for column in columns)
        lines.append(f"{group:14}{number:8}{recipient:11}{status:8}{kind:6}{flufl:31}")
    return "\n".join([*lines, *missed])


if __name__ == "__main__":
    print(table())
