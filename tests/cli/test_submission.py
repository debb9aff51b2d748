"""digest submission: approving and rejecting proposed papers."""

import pytest

from digest.app import App
from digest.store import submissions
from tests.builders import NOW
from tests.commandline import Cli
from tests.sources.test_fetch import say, serving

PAGE = (
    b'<meta name="citation_title" content="A paper that cats proposed"><meta name="citation_doi" content="10.1000/x">'
)
NO_TITLE = b"<title>Hello</title>"


def propose(cli: Cli, *urls: str) -> None:
    with App.open(cli.folder / "config.toml") as app, app.store.write() as tx:
        for url in urls:
            submissions.add(tx, url, origin="page", now=NOW)


@pytest.fixture
def open_cli(bare: Cli) -> Cli:
    """The command line of a newsletter that may ask servers on this machine."""
    bare.configure('[fetch]\nallow_private = ["127.0.0.1"]\n')
    return bare


def test_submissions_are_listed_by_state(open_cli: Cli) -> None:
    propose(open_cli, "https://example.org/1", "https://example.org/2")
    open_cli.ok("submission", "reject", "2", "--now", "2026-06-04T07:00:00Z")
    first, second = open_cli.ok("submission", "list", "--json").records
    assert first == {
        "id": 1,
        "state": "waiting",
        "url": "https://example.org/1",
        "submitted_at": "2026-06-03T07:00:00Z",
        "origin": "page",
        "decided_at": None,
        "paper": "",
    }
    assert (second["state"], second["decided_at"]) == ("rejected", "2026-06-04T07:00:00Z")
    assert [r["id"] for r in open_cli.ok("submission", "list", "--json", "--state", "waiting").records] == [1]
    assert "no submissions are approved" in open_cli.ok("submission", "list", "--state", "approved").err


def test_approving_adds_the_paper(open_cli: Cli) -> None:
    with serving(lambda handler: say(handler, 200, PAGE)) as url:
        propose(open_cli, url)
        said = open_cli.ok("submission", "approve", "1").err
    assert "doi:10.1000/x is in today's edition: A paper that cats proposed" in " ".join(said.split())
    assert open_cli.ok("submission", "list", "--json").record["paper"] == "doi:10.1000/x"
    assert "was already approved" in open_cli("submission", "approve", "1").err


def test_a_page_that_cannot_be_read_needs_a_title(open_cli: Cli) -> None:
    with serving(lambda handler: say(handler, 200, NO_TITLE)) as url:
        propose(open_cli, url)
        failed = open_cli("submission", "approve", "1")
        assert failed.code == 1
        assert "the page names no title" in failed.err
        assert "--title and --abstract give what is missing" in failed.err
        assert len(failed.err.splitlines()) == 1
    assert open_cli.ok("submission", "list", "--json").record["state"] == "waiting"
    said = open_cli.ok("submission", "approve", "1", "--title", "By hand, a paper on cats", "--abstract", "Cats.").err
    assert "By hand, a paper on cats" in said


def test_an_unknown_number_is_reported(open_cli: Cli) -> None:
    for command in ("approve", "reject"):
        ran = open_cli("submission", command, "7")
        assert ran.code == 2
        assert "no submission '7'; `digest submission list` shows them" in ran.err


def test_decisions_are_logged(open_cli: Cli) -> None:
    propose(open_cli, "https://example.org/1")
    open_cli.ok("submission", "reject", "1")
    line = open_cli.ok("admin", "log", "--json").record
    assert (line["who"], line["what"], line["subject"]) == ("command line", "submission reject", "1")
