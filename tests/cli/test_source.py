"""digest source: the result of the last check of each source."""

from tests.commandline import Cli


def test_a_source_is_listed_with_its_last_check(cli: Cli) -> None:
    cli.ok("ingest", "--now", "2026-06-03T07:00:00Z")
    (cli.folder / "papers.txt").unlink()
    cli("ingest", "--now", "2026-06-03T08:00:00Z")
    assert cli.ok("source", "list", "--json").record == {
        "name": "list",
        "kind": "text",
        "state": f"{cli.folder}/papers.txt: No such file or directory",
        "entries": 2,
        "checked_at": "2026-06-03T08:00:00Z",
        "succeeded_at": "2026-06-03T07:00:00Z",
        "url": "papers.txt",
    }


def test_people_get_a_table(cli: Cli) -> None:
    cli.ok("ingest", "--now", "2026-06-03T07:00:00Z")
    columns, row = cli.ok("source", "list").out.splitlines()
    assert columns.split() == "name kind state entries checked at succeeded at url".split()
    assert row.split() == "list text ok 2 2026-06-03 07:00 2026-06-03 07:00 papers.txt".split()


def test_no_sources_says_what_to_add(cli: Cli) -> None:
    (cli.folder / "config.toml").write_text("")
    assert "no sources; add a [[source]] to" in cli.ok("source", "list").err
