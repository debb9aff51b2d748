"""digest admin: who can sign in on the web, and with which role."""

import pytest

from tests.commandline import Cli

PASSWORD = "four words make one\n"


def test_an_admin_is_added_with_a_password_that_is_stored_as_a_hash_only(cli: Cli) -> None:
    ran = cli("admin", "add", "desk@example.org", stdin=PASSWORD)
    assert ran.code == 0
    assert "added desk@example.org as admin; they sign in at https://digest.example.org/admin" in ran.err
    record = cli.ok("admin", "list", "--json").record
    assert (record["email"], record["role"]) == ("desk@example.org", "admin")
    assert b"four words" not in (cli.folder / "digest.db").read_bytes()
    assert "password" not in record


@pytest.mark.parametrize(
    ("arguments", "stdin", "says"),
    [
        (("desk@example.org",), "short\n", "the password has 5 characters; write at least 12, such as four words"),
        (("desk@example.org",), "", "the password has 0 characters; write at least 12, such as four words"),
        (("nobody",), PASSWORD, "'nobody' is not an email address"),
    ],
)
def test_an_invalid_admin_is_refused_with_the_reason(
    cli: Cli, arguments: tuple[str, ...], stdin: str, says: str
) -> None:
    ran = cli("admin", "add", *arguments, stdin=stdin)
    assert ran.code == 2
    assert says in ran.err
    assert cli.ok("admin", "list", "--json").records == []


def test_an_admin_is_added_once_and_a_wrong_name_gets_a_suggestion(cli: Cli) -> None:
    cli("admin", "add", "desk@example.org", stdin=PASSWORD)
    assert "is already an admin; `digest admin edit`" in cli("admin", "add", "Desk@example.org", stdin=PASSWORD).err
    assert "desk@example.org" in cli("admin", "remove", "desc@example.org").err


def test_role_and_password_are_changed_and_everything_is_logged(cli: Cli) -> None:
    cli("admin", "add", "desk@example.org", stdin=PASSWORD)
    cli("admin", "edit", "desk@example.org", "--role", "editor", "--password", stdin="another four words\n")
    assert cli.ok("admin", "list", "--json").record["role"] == "editor"
    cli.ok("admin", "remove", "desk@example.org")
    said = [(c["who"], c["what"], c["subject"]) for c in cli.ok("admin", "log", "--json").records]
    whom = "desk@example.org"
    assert said == [("command line", f"admin {did}", whom) for did in ("remove", "edit", "add")]


def test_a_new_password_revokes_the_api_tokens_and_says_so(cli: Cli) -> None:
    whom = "desk@example.org"
    cli("admin", "add", whom, stdin=PASSWORD)
    for name in ("website", "backup"):
        cli.ok("token", "add", name, "--admin", whom, "--scope", "profiles:read")
    assert "revoked" not in cli("admin", "edit", whom, "--role", "editor").err
    assert len(cli.ok("token", "list", "--json").records) == 2
    said = cli("admin", "edit", whom, "--password", stdin="another four words\n").err
    assert "revoked their API tokens: backup, website; make new ones with `digest token add`" in said
    assert cli.ok("token", "list", "--json").records == []
    revoked = [c["subject"] for c in cli.ok("admin", "log", "--what", "token revoke", "--json").records]
    assert sorted(revoked) == [f'"{name}" of {whom}' for name in ("backup", "website")]


def test_the_log_is_filtered_by_who_and_by_what(cli: Cli) -> None:
    cli("admin", "add", "desk@example.org", stdin=PASSWORD)
    cli.ok("profile", "add", "Cats", "--rules", "cat")

    def said(*arguments: str) -> list[str]:
        return [c["what"] for c in cli.ok("admin", "log", "--json", *arguments).records]

    assert said("--what", "profile") == ["profile add"]
    assert said("--who", "COMMAND") == ["profile add", "admin add"]
    assert said("--who", "desk@") == []
    assert "no matching changes" in cli.ok("admin", "log", "--what", "outbox").err
