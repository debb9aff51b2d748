"""digest subscriber pause, resume."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.commandline import Cli


@pytest.fixture
def reader(cli: Cli) -> Cli:
    """The command line of a newsletter with one active subscriber."""
    cli.ok("subscriber", "add", "reader@example.org", "--keywords", "cat", "--timezone", "Asia/Tokyo", "--confirmed")
    return cli


def test_a_paused_subscriber_gets_no_digest_until_they_resume(reader: Cli) -> None:
    assert reader.ok("subscriber", "pause", "reader@example.org").err == "reader@example.org is paused until resumed\n"
    assert reader.ok("run", "--everyone", "--json").record["publish"]["digests"] == 0
    reader.ok("subscriber", "resume", "reader@example.org")
    assert reader.ok("run", "--everyone", "--json").record["publish"]["digests"] == 1


def test_a_pause_ends_at_midnight_in_the_subscribers_time_zone(reader: Cli) -> None:
    day = (datetime.now(UTC) + timedelta(days=10)).date()
    reader.ok("subscriber", "pause", "reader@example.org", "--until", day.isoformat())
    shown = reader.ok("subscriber", "show", "reader@example.org", "--json").record
    assert (shown["state"], shown["resumes_at"]) == ("paused", f"{day - timedelta(days=1)}T15:00:00Z")


@pytest.mark.parametrize(
    ("until", "reason"),
    [
        ("0001-01-01", "0001-01-01 has already begun"),
        ("2020-01-01", "2020-01-01 has already begun"),
        ("2999-01-01", "2999-01-01 is too far away"),
        ("9999-12-31", "9999-12-31 is too far away"),
        ("tomorrow", "'tomorrow' is not a date"),
    ],
)
def test_a_date_that_is_not_in_the_future_is_refused(reader: Cli, until: str, reason: str) -> None:
    ran = reader("subscriber", "pause", "reader@example.org", "--until", until)
    assert (ran.code, reason in ran.err) == (2, True)
    assert reader.ok("subscriber", "list", "--json").record["state"] == "active"


def test_only_subscribers_with_digests_can_pause_and_only_paused_ones_resume(reader: Cli) -> None:
    assert "reader@example.org is active, not paused" in reader("subscriber", "resume", "reader@example.org").err
    reader.ok("subscriber", "unsubscribe", "reader@example.org")
    for command in ("pause", "resume"):
        assert "is unsubscribed" in reader("subscriber", command, "reader@example.org").err
