"""digest outbox: the state of every mail, and how an admin changes it."""

import sqlite3

import pytest

from tests.commandline import Cli


@pytest.fixture
def queued(cli: Cli) -> Cli:
    """Two readers' digests, decided and not sent."""
    for name in ("a", "b"):
        cli.ok("subscriber", "add", f"{name}@example.org", "--keywords", "cat", "--confirmed")
    cli.ok("ingest")
    cli.ok("publish", "--everyone")
    return cli


def states(cli: Cli) -> dict[str, str]:
    return {r["to"]: r["state"] for r in cli.ok("outbox", "list", "--json").records}


def put(cli: Cli, state: str) -> None:
    """The first reader's mail, as if that had become of it."""
    with sqlite3.connect(cli.folder / "digest.db") as db:
        db.execute("UPDATE deliveries SET state = ? WHERE id = 1", (state,))
    db.close()


def test_a_hold_stops_all_sending_until_it_is_released(queued: Cli) -> None:
    ran = queued.ok("outbox", "hold", "--reason", "wrong template")
    assert "sending is on hold since " in ran.err
    ran = queued.ok("deliver", "--json")
    assert ran.record["deliver"] == {"sent": 0, "deferred": 0, "failed": 0}
    assert "(wrong template); `digest outbox release` resumes it; 2 emails are waiting" in ran.err
    assert queued.ok("outbox", "release").err == "sending resumes; 2 emails are waiting\n"
    assert queued.ok("deliver", "--json").record["deliver"]["sent"] == 2
    assert queued.ok("outbox", "release").err == "sending was not on hold\n"


def test_a_failed_mail_can_be_tried_again(queued: Cli) -> None:
    put(queued, "failed")
    queued.ok("deliver")
    assert states(queued) == {"a@example.org": "failed", "b@example.org": "sent"}
    ran = queued.ok("outbox", "retry", "1", "2")
    assert ran.err == "warning: unchanged, because not deferred or failed: 2\nqueued again: 1\n"
    queued.ok("deliver")
    assert states(queued) == {"a@example.org": "sent", "b@example.org": "sent"}
    assert queued.ok("outbox", "retry", "--all").err == "queued again: 0\n"


def test_retry_needs_numbers_or_all(queued: Cli) -> None:
    for arguments in ((), ("1", "--all")):
        assert "give numbers of deliveries, or --all" in queued("outbox", "retry", *arguments).err


@pytest.mark.parametrize(("word", "state"), [("--arrived", "sent"), ("--again", "queued")])
def test_a_mail_in_doubt_waits_for_an_admins_decision(queued: Cli, word: str, state: str) -> None:
    put(queued, "in-doubt")
    ran = queued.ok("deliver")
    assert "1 emails are in doubt" in ran.err
    assert [r["id"] for r in queued.ok("outbox", "list", "--state", "in-doubt", "--json").records] == [1]
    queued.ok("outbox", "resolve", "1", word)
    assert states(queued)["a@example.org"] == state
    assert "because not in doubt: 1" in queued.ok("outbox", "resolve", "1", word).err
    assert queued("outbox", "resolve", "1").code == 2


def test_a_mail_that_never_arrived_is_sent_again_as_a_new_one(queued: Cli) -> None:
    queued.ok("deliver")
    ran = queued.ok("outbox", "resend", "1", "1", "7")
    assert "warning: not sent again: delivery 1 was already sent again, as another email" in ran.err
    assert "warning: not sent again: no delivery '7'" in ran.err
    assert ran.err.endswith("queued as new emails: 1\n")
    assert queued.ok("deliver", "--json").record["deliver"]["sent"] == 1
    mails = list(queued.folder.glob("outbox/new/*.eml"))
    assert len(mails) == 3
    assert (
        len({line for mail in mails for line in mail.read_text().splitlines() if line.startswith("Message-ID:")}) == 3
    )
    (line, *_) = queued.ok("admin", "log", "--what", "outbox resend", "--json").records
    assert (line["who"], line["subject"]) == ("command line", "1, as 3")
