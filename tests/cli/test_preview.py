"""digest preview: what somebody would get, sent to nobody and recorded nowhere."""

from email import message_from_string, policy

import pytest

from tests.commandline import Cli

MORNING = "2026-06-03T07:00:00Z"


@pytest.fixture
def cats(cli: Cli) -> Cli:
    cli.ok("subscriber", "add", "reader@example.org", "--keywords", "cat", "--confirmed")
    cli.ok("ingest", "--now", MORNING)
    return cli


def preview(cli: Cli, form: str, now: str = MORNING) -> str:
    return cli.ok("preview", "reader@example.org", "--format", form, "--now", now).out


def test_it_is_the_mail_that_is_sent(cats: Cli) -> None:
    shown = preview(cats, "eml")
    assert message_from_string(shown, policy=policy.default)["To"] == "reader@example.org"
    cats.ok("run", "--now", MORNING)
    (file,) = (cats.folder / "outbox" / "new").iterdir()
    assert file.read_bytes() == shown.encode("ascii")


def test_html_and_text_show_the_paper(cats: Cli) -> None:
    html, text = preview(cats, "html"), preview(cats, "text")
    assert html.startswith("<!doctype html>")
    assert '<b class="hit"' in html
    assert "A study of cats" in text
    assert "<" not in text


def test_nothing_is_recorded(cats: Cli) -> None:
    assert preview(cats, "text") == preview(cats, "text")
    assert cats.ok("outbox", "list", "--json").records == []
    assert cats.ok("publish", "--now", MORNING, "--json").record["publish"]["digests"] == 1


def test_no_mail_says_why(cats: Cli) -> None:
    cats.ok("run", "--now", MORNING)
    ran = cats.ok("preview", "reader@example.org", "--now", "2026-06-04T07:00:00Z")
    assert (ran.out, ran.err) == ("", "no mail for reader@example.org: no new papers\n")


def test_somebody_unknown_is_refused_with_the_nearest(cats: Cli) -> None:
    ran = cats("preview", "raeder@example.org")
    assert ran.code == 2
    assert "no subscriber 'raeder@example.org'; did you mean 'reader@example.org'?" in ran.err
