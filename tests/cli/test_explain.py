"""digest explain: the answer first, then the facts."""

import json

from tests.commandline import Cli

MORNING = "2026-06-03T07:00:00Z"


def paper_id(cli: Cli, keyword: str) -> str:
    found: str = cli.ok("match", keyword, "--json", "--now", MORNING, "--days", "1").record["id"]
    return found


def mailed(cli: Cli) -> None:
    cli.ok("subscriber", "add", "reader@example.org", "--keywords", "cat", "--confirmed")
    cli.ok("run", "--now", MORNING)


def test_the_first_line_is_the_answer(cli: Cli) -> None:
    mailed(cli)
    cats = paper_id(cli, "cat")
    answer, paper, *facts = cli.ok("explain", "reader@example.org", cats, "--now", MORNING).out.splitlines()
    assert answer == "Yes: it was in their digest."
    assert paper == f"{cats}: A study of cats"
    assert "rule 'cat' matched in title ('cats'), abstract ('cats')" in facts


def test_json_is_one_object_with_the_verdict_and_the_papers_place(cli: Cli) -> None:
    mailed(cli)
    found = cli.ok("explain", "reader@example.org", paper_id(cli, "cat"), "--json").record
    assert (found["verdict"], found["answer"]) == ("shown", "Yes: it was in their digest.")
    assert (found["place"]["slot_at"], found["place"]["state"]) == (MORNING, "sent")
    assert found["place"]["rules"] == ["cat"]


def test_a_paper_that_they_did_not_get_has_no_place(cli: Cli) -> None:
    mailed(cli)
    found = cli.ok("explain", "reader@example.org", paper_id(cli, "dog"), "--json", "--now", MORNING).record
    assert (found["verdict"], found["place"]) == ("no-match", None)


def test_an_unknown_address_is_a_usage_error(cli: Cli) -> None:
    ran = cli("explain", "nobody@example.org", "arxiv:2504.17830")
    assert (ran.code, ran.out) == (2, "")
    assert "no subscriber 'nobody@example.org'" in ran.err


def test_nothing_is_recorded(cli: Cli) -> None:
    cli.ok("subscriber", "add", "reader@example.org", "--keywords", "cat", "--confirmed")
    cli.ok("ingest", "--now", MORNING)
    asked = ("explain", "reader@example.org", paper_id(cli, "cat"), "--json", "--now", MORNING)
    first = cli.ok(*asked).out
    assert json.loads(first)["verdict"] == "next"
    assert cli.ok(*asked).out == first
    assert cli.ok("outbox", "list", "--json").records == []
