"""Hostile input is read quickly and without an error."""

import random
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.models import Bounce
from digest.transport.bounces import parse
from digest.transport.bounces.classification import judge
from tests.builders import RECORDINGS, needs_recordings

MEGA = 1 << 20
HEAD = b"Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nSubject: failure notice\n"
MULTIPART = HEAD + b"Content-Type: multipart/report; boundary=b\n\n"
BLOCK = b"Final-Recipient: rfc822; a%d@example.org\nAction: failed\n\n"
KNOWN_TO_FLUFL = (
    b"\nfailed addresses follow:\nthe following addresses had\nYour message could not be delivered to\n"
    b"Hi. This is the\n\nA message that you sent could not be delivered\n"
)

HOSTILE: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "a long nothing": lambda: b"\0" * (10 * MEGA),
    "a long word": lambda: b"x" * (100 * MEGA),
    "empty lines": lambda: b"\n" * (10 * MEGA),
    "blank lines": lambda: HEAD + b"\n" + b" \n" * (5 * MEGA),
    "a long line": lambda: HEAD + KNOWN_TO_FLUFL + b"a" * (10 * MEGA),
    "many fields": lambda: b"".join(b"x%d: 1\n" % n for n in range(500_000)),
    "a long field": lambda: HEAD + b"X-Failed-Recipients: " + b"a@b.example," * MEGA + b"\n\n",
    "open brackets": lambda: HEAD + b"X-Failed-Recipients: " + b"(" * MEGA + KNOWN_TO_FLUFL + b"<" * (9 * MEGA),
    "half addresses": lambda: HEAD + KNOWN_TO_FLUFL + b"a@" * (5 * MEGA),
    "half domains": lambda: HEAD + KNOWN_TO_FLUFL + b"a@" + b"a." * (5 * MEGA),
    "many addresses": lambda: HEAD + KNOWN_TO_FLUFL + b"<a@b.example>:\n" * (MEGA // 2),
    "many refusals": lambda: HEAD + b"\n" + b"".join(b"550 <a%d@example.org>... no\n" % n for n in range(300_000)),
    "many codes": lambda: HEAD + b"\n" + b"550 5.1.1." * MEGA,
    "many recipients": lambda: (
        MULTIPART
        + b"--b\n\n"
        + b"a user who is unknown, or not\n" * 3000
        + b"--b\nContent-Type: message/delivery-status\n\n"
        + b"".join(BLOCK % n for n in range(100_000))
    ),
    "many parts": lambda: MULTIPART + (b"--b\n\n" + b"x" * 20_000 + b"\n") * 500,
    "many boundaries": lambda: MULTIPART + b"--b\n" * (2 * MEGA),
    "deep multiparts": lambda: (
        HEAD + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(100_000))
    ),
    "deep messages": lambda: HEAD + b"Content-Type: message/rfc822\n\n" * 100_000,
    "deep messages in parts": lambda: MULTIPART + b"--b\nContent-Type: message/rfc822\n\n" * 100_000,
    "a slow codec": lambda: HEAD + b"Content-Type: text/plain; charset=punycode\n\n" + b"a-" * (5 * MEGA),
    "no codec": lambda: HEAD + b"Content-Type: text/plain; charset=iso-nonsense\n\nno\n",
    "base64 that is none": lambda: HEAD + b"Content-Transfer-Encoding: base64\n\n" + b"A" * (5 * MEGA + 1),
    "quoted nothing": lambda: HEAD + b"Content-Transfer-Encoding: quoted-printable\n\n" + b"=" * (5 * MEGA),
    "open tags": lambda: HEAD + b"Content-Type: text/html\n\n" + b"<br " * (2 * MEGA),
    "many copies": lambda: HEAD + b"\n" + b"copy of the original message -" * (MEGA // 3),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_ten_megabytes_of_hostile_input_are_parsed_in_about_a_second(name: str) -> None:
    message = HOSTILE[name]()
    begun = time.process_time()
    assert parse(message)
    assert time.process_time() - begun < 1.5


@given(st.binary(max_size=2000), st.booleans())
def test_any_bytes_are_read(message: bytes, as_bounce: bool) -> None:
    found = parse(HEAD + message if as_bounce else message)
    assert found
    assert all(isinstance(bounce, Bounce) for bounce in found)


@given(
    st.lists(
        st.sampled_from(
            [
                *HEAD.splitlines(),
                *MULTIPART.splitlines(),
                *BLOCK.splitlines(),
                b"--b",
                b"--b--",
                b"",
                b"Status: 5.1.1",
                b"550 user unknown",
                b"<a@example.org>:",
                b"\xff\x1b$B",
                b"Content-Type: message/delivery-status",
                b"Content-Type: message/rfc822",
                b"Feedback-Type: abuse",
                b"Content-Type: message/feedback-report",
            ]
        ),
        max_size=60,
    )
)
def test_any_lines_of_bounces_are_read(lines: list[bytes]) -> None:
    assert parse(b"\n".join(lines))


@given(st.text(max_size=50), st.text(max_size=500))
def test_any_status_and_reply_have_a_kind(status: str, reply: str) -> None:
    assert judge(reply, status=status).kind


@needs_recordings
@given(st.integers(0, 1 << 32))
def test_damaged_bounces_are_parsed(seed: int) -> None:
    chance = random.Random(seed)
    message = bytearray(chance.choice(sorted((RECORDINGS / "bounces").glob("*.eml"))).read_bytes())
    for _ in range(chance.randrange(1, 30)):
        at, length = chance.randrange(len(message)), chance.randrange(200)
        other = chance.randrange(len(message))
        message[at : at + chance.randrange(50)] = chance.choice(
            [chance.randbytes(length), message[other : other + length], b"", b"\n", b":", b"\n\n", b"\0"]
        )
        message = message or bytearray(b"x")
    assert parse(bytes(message))
