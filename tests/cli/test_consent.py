"""digest subscriber confirm, ask, unsubscribe, erase, export: giving and withdrawing consent."""

import json

import pytest

from tests.commandline import Cli

EMAIL = "reader@example.org"


@pytest.fixture
def reading(cli: Cli) -> Cli:
    """A reader who was sent a digest."""
    cli.ok("subscriber", "add", EMAIL, "--keywords", "cat", "--confirmed")
    cli.ok("run", "--everyone")
    return cli


def mails(cli: Cli) -> int:
    return len(list((cli.folder / "outbox" / "new").iterdir()))


def test_an_unsubscribed_reader_gets_a_goodbye_and_nothing_after_it(reading: Cli) -> None:
    assert reading.ok("subscriber", "unsubscribe", EMAIL).err == f"unsubscribed {EMAIL}\n"
    reading.write_papers("Another study of cats")
    reading.ok("run", "--everyone")
    assert mails(reading) == 2
    refused = reading("subscriber", "confirm", EMAIL)
    assert (refused.code, "only they can come back" in refused.err) == (2, True)
    refused = reading("subscriber", "ask", EMAIL)
    assert (refused.code, "only they can come back" in refused.err) == (2, True)


def test_a_pending_subscriber_can_be_asked_again_but_not_at_once(cli: Cli) -> None:
    cli.ok("subscriber", "add", EMAIL)
    ran = cli("subscriber", "ask", EMAIL)
    assert (ran.code, "try again after a day" in ran.err) == (2, True)


def test_all_data_about_a_subscriber_can_be_exported(reading: Cli) -> None:
    reading.ok("subscriber", "unsubscribe", EMAIL)
    kept = json.loads(reading.ok("subscriber", "export", EMAIL).out)
    assert kept["subscriber"]["email"] == EMAIL
    assert kept["subscriber"]["keywords"] == "cat"
    assert kept["subscriber"]["confirmed_at"]
    assert [c["event"] for c in kept["consents"]] == ["vouched", "unsubscribed"]
    assert kept["suppression"]["reason"] == "unsubscribed"
    assert [len(d["papers"]) for d in kept["digests"]] == [1]
    assert [(d["kind"], d["state"]) for d in kept["deliveries"]] == [("digest", "sent"), ("goodbye", "queued")]


def test_the_wording_that_a_subscriber_agreed_to_is_exported(cli: Cli) -> None:
    cli.ok("subscriber", "add", EMAIL, "--language", "de")
    kept = json.loads(cli.ok("subscriber", "export", EMAIL).out)
    (asked,) = kept["consents"]
    words = kept["wordings"][asked["wording"]]
    assert words.startswith("Bitte bestätigen Sie")
    assert EMAIL not in words
    assert "/confirm/" not in words


def test_a_removed_subscribers_data_can_be_exported_and_erased(reading: Cli) -> None:
    reading.ok("subscriber", "remove", EMAIL)
    kept = json.loads(reading.ok("subscriber", "export", EMAIL).out)
    assert (kept["subscriber"], [c["event"] for c in kept["consents"]]) == (None, ["vouched", "removed"])
    reading.ok("subscriber", "erase", EMAIL)
    assert reading.ok("suppression", "list", "--json").record["reason"] == "erased"
    for command in ("export", "erase"):
        ran = reading("subscriber", command, "stranger@example.org")
        assert (ran.code, "no subscriber 'stranger@example.org'" in ran.err) == (2, True)


def test_unsubscribed_readers_are_left_out_of_the_export(reading: Cli) -> None:
    reading.ok("subscriber", "add", "another@example.org", "--confirmed")
    reading.ok("subscriber", "unsubscribe", EMAIL)
    ran = reading.ok("subscriber", "export")
    assert EMAIL not in ran.out
    assert "another@example.org" in ran.out
    assert "1 are left out" in ran.err


def test_a_subscriber_confirmed_by_an_admin_gets_no_confirmation_mail(cli: Cli) -> None:
    cli.ok("subscriber", "add", EMAIL)
    cli.ok("subscriber", "confirm", EMAIL)
    assert cli.ok("deliver", "--json").record["deliver"]["sent"] == 0


def test_an_erased_address_cannot_be_imported_again(reading: Cli) -> None:
    assert reading.ok("subscriber", "erase", EMAIL).err.startswith(f"erased {EMAIL}")
    assert reading("subscriber", "show", EMAIL).code == 2
    for file in reading.folder.glob("digest.db*"):
        assert b"reader@" not in file.read_bytes()
    (reading.folder / "old.csv").write_text(f"email\n{EMAIL}\n")
    ran = reading("subscriber", "import", "old.csv", "--confirmed")
    assert (ran.code, "(erased)" in ran.err) == (1, True)
