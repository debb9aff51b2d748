"""digest token: creating, listing and revoking API tokens."""

import pytest

from tests.commandline import Cli


@pytest.fixture
def admin_cli(cli: Cli) -> Cli:
    """With an admin and an editor."""
    for email, role in (("desk@example.org", "admin"), ("editor@example.org", "editor")):
        cli("admin", "add", email, "--role", role, stdin="four words make one\n")
    return cli


def test_a_token_is_printed_once_and_kept_as_a_hash(admin_cli: Cli) -> None:
    ran = admin_cli.ok(
        "token", "add", "website", "--admin", "desk@example.org", "--scope", "profiles:read", "--days", "30"
    )
    token = ran.out.strip()
    assert token.startswith("digest_")
    assert ran.out == f"{token}\n"
    assert 'made token "website" of desk@example.org, valid until ' in ran.err
    assert token not in ran.err
    record = admin_cli.ok("token", "list", "--json").record
    assert (record["id"], record["name"], record["admin"], record["opens"]) == (
        1,
        "website",
        "desk@example.org",
        ["profiles:read"],
    )
    assert token[7:].encode() not in (admin_cli.folder / "digest.db").read_bytes()


def test_adding_and_revoking_a_token_are_logged(admin_cli: Cli) -> None:
    admin_cli.ok("token", "add", "website", "--admin", "desk@example.org", "--scope", "operations:read")
    assert 'revoked token "website" of desk@example.org' in admin_cli.ok("token", "revoke", "1").err
    assert "no tokens; `digest token add` creates one" in admin_cli.ok("token", "list").err
    said = [(c["what"], c["subject"]) for c in admin_cli.ok("admin", "log", "--json").records][:2]
    assert said == [("token revoke", '"website" of desk@example.org'), ("token add", '"website" of desk@example.org')]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("add", "x", "--admin", "desc@example.org", "--scope", "profiles:read"), "did you mean 'desk@example.org'?"),
        (("add", "x", "--admin", "editor@example.org", "--scope", "profiles:write", "--scope", "operations:read"),
         "editor@example.org is editor and cannot have a token for operations:read"),
        (("add", "x", "--admin", "desk@example.org", "--scope", "everything"), "everything"),
        (("add", "x", "--admin", "desk@example.org"), "--scope"),
        (("add", "", "--admin", "desk@example.org", "--scope", "profiles:read"), "a token needs a name"),
        (("revoke", "7"), "no token '7'; `digest token list` shows them"),
    ],
)  # fmt: skip
def test_invalid_requests_for_a_token_are_refused(admin_cli: Cli, arguments: tuple[str, ...], says: str) -> None:
    ran = admin_cli("token", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert admin_cli.ok("token", "list", "--json").records == []
