"""digest profile."""

import sqlite3

import pytest

from tests.commandline import Cli


def test_a_profile_is_added_listed_and_shown(cli: Cli) -> None:
    cli.ok("profile", "add", "Cats", "--rules", "cat\nfeline ^2\n# a note")
    assert cli.ok("profile", "list", "--json").record == {"name": "Cats", "rules": 2, "followers": 0}
    assert cli.ok("profile", "show", "Cats").out == "cat\nfeline ^2\n# a note\n"
    assert cli.ok("profile", "show", "Cats", "--json").record == {"name": "Cats", "rules": "cat\nfeline ^2\n# a note"}


def test_no_profiles_says_how_to_add_one(cli: Cli) -> None:
    ran = cli.ok("profile", "list")
    assert (ran.out, ran.err) == ("", "no profiles yet; `digest profile add NAME --rules RULES` adds one\n")


def test_rules_come_from_a_file_or_from_stdin(cli: Cli) -> None:
    (cli.folder / "rules.txt").write_text("from a file")
    cli.ok("profile", "add", "A", "--rules", "@rules.txt")
    cli.ok("profile", "add", "B", "--rules", "-", stdin="from stdin")
    assert cli.ok("profile", "show", "A").out == "from a file\n"
    assert cli.ok("profile", "show", "B").out == "from stdin\n"


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("cat\ndog AND", "line 2, column 8: "),
        ("(cat", "line 1, column 5: "),
        ("titel:cat", "line 1, column 1: no field titel:; did you mean title:?"),
        ("cat NEAR dog", "line 1, column 5: expected a number of words after NEAR, as in a NEAR/3 b"),
        ("# only a note", "no rules; write one per line"),
        ("@nowhere.txt", "nowhere.txt: the rules cannot be read"),
    ],
)
def test_rules_that_cannot_be_read_are_refused(cli: Cli, rules: str, message: str) -> None:
    ran = cli("profile", "add", "Cats", "--rules", rules)
    assert ran.code == 2
    assert message in ran.err
    assert ran.err.count("\n") == 1
    assert cli.ok("profile", "list", "--json").records == []


def test_a_profile_needs_a_name_that_is_not_taken(cli: Cli) -> None:
    cli.ok("profile", "add", "Cats", "--rules", "cat")
    assert "there is a profile 'Cats' already" in cli("profile", "add", "Cats", "--rules", "cat").err
    assert cli("profile", "add", " ", "--rules", "cat").err == "error: a profile needs a name\n"


def test_an_edit_keeps_the_followers(cli: Cli) -> None:
    cli.ok("profile", "add", "Cats", "--rules", "cat")
    cli.ok("subscriber", "add", "reader@example.org", "--profile", "Cats", "--confirmed")
    cli.ok("profile", "edit", "Cats", "--name", "Felines", "--rules", "cat OR lion")
    assert cli.ok("profile", "list", "--json").record == {"name": "Felines", "rules": 1, "followers": 1}
    assert cli.ok("subscriber", "show", "reader@example.org", "--json").record["profiles"] == ["Felines"]


def test_an_edit_without_changes_is_refused(cli: Cli) -> None:
    cli.ok("profile", "add", "Cats", "--rules", "cat")
    assert cli("profile", "edit", "Cats").code == 2
    assert cli("profile", "edit", "Cats", "--rules", "cat AND").code == 2
    assert cli.ok("profile", "show", "Cats").out == "cat\n"


def test_a_profile_is_removed(cli: Cli) -> None:
    cli.ok("profile", "add", "Cats", "--rules", "cat")
    cli.ok("subscriber", "add", "reader@example.org", "--profile", "Cats", "--confirmed")
    cli.ok("profile", "remove", "Cats")
    assert cli.ok("subscriber", "show", "reader@example.org", "--json").record["profiles"] == []
    ran = cli("profile", "remove", "Cats")
    assert (ran.code, ran.err) == (2, "error: no profile 'Cats'; `digest profile list` shows them\n")


def test_an_export_can_be_imported(cli: Cli) -> None:
    cli.ok("profile", "add", "Cats", "--rules", 'cat\n"Schrödinger"')
    exported = cli.ok("profile", "export").out
    cli.ok("profile", "edit", "Cats", "--rules", "changed")
    assert cli.ok("profile", "import", "-", stdin=exported + "\n").err == "imported 1 profiles\n"
    assert cli.ok("profile", "export").out == exported
    cli.ok("profile", "remove", "Cats")
    (cli.folder / "all.jsonl").write_text(exported)
    cli.ok("profile", "import", "all.jsonl")
    assert cli.ok("profile", "export").out == exported


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Cats: cat", '-:2: expected {"name": …, "rules": …} on one line'),
        ('{"name": "B", "rules": "cat AND"}', "-:2: profile 'B': line 1, column 8"),
        ('{"name": "B", "rules": ""}', "-:2: profile 'B': no rules"),
        ('{"name": "", "rules": "cat"}', "-:2: profile '': a profile needs a name"),
    ],
)
def test_one_bad_line_imports_nothing(cli: Cli, line: str, message: str) -> None:
    ran = cli("profile", "import", "-", stdin='{"name": "A", "rules": "cat"}\n' + line)
    assert ran.code == 2
    assert message in ran.err
    assert cli.ok("profile", "list", "--json").records == []


def test_a_missing_file_is_reported(cli: Cli) -> None:
    assert cli("profile", "import", "nowhere").err.startswith("error: nowhere: cannot be read: ")


def test_any_exported_profile_can_be_imported(cli: Cli) -> None:
    rules = "cats\u2028dogs\n# nëkos 猫"
    cli.ok("profile", "add", "Odd", "--rules", rules)
    (cli.folder / "profiles.jsonl").write_text(cli.ok("profile", "export").out, encoding="utf-8")
    cli.ok("profile", "remove", "Odd")
    cli.ok("profile", "import", "profiles.jsonl")
    assert cli.ok("profile", "show", "Odd", "--json").record["rules"] == rules


@pytest.mark.parametrize("line", ['{"name": "x", "rules": null}', '{"name": "x", "rules": ["cats"]}', "[1]", "3"])
def test_invalid_profiles_are_not_imported(cli: Cli, line: str) -> None:
    ran = cli("profile", "import", "-", stdin=line)
    assert (ran.code, ran.err) == (2, 'error: -:1: expected {"name": …, "rules": …} on one line\n')


def test_rules_accepted_by_an_older_version_are_reported_and_can_be_fixed(cli: Cli) -> None:
    cli.ok("profile", "add", "Pets", "--rules", "cats")
    with sqlite3.connect(cli.folder / "digest.db") as db:
        db.execute("UPDATE profiles SET rules = 'cats ^1e1', compiled = NULL")
    db.close()
    said = "profile 'Pets': is invalid and finds nothing: line 1, column 6"
    assert said in cli.ok("db", "upgrade").err
    ran = cli.ok("profile", "list", "--json")
    assert said in ran.err
    assert ran.record["rules"] == 0
    assert said in cli.ok("profile", "backtest", "Pets", "--rules", "cats ^10").err
    assert cli("profile", "backtest", "Pets").code == 2
    cli.ok("profile", "edit", "Pets", "--rules", "cats ^10")
    assert cli.ok("profile", "list", "--json").record["rules"] == 1


def test_rules_that_are_not_text_are_refused(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    (cli.folder / "latin1.txt").write_bytes(b"caf\xe9")
    for written, reason in (("@latin1.txt", "the rules cannot be read"), ("caf\udce9", "is not UTF-8 text")):
        ran = cli("profile", "add", "Odd", "--rules", written)
        assert ran.code == 2
        assert reason in ran.err
