"""digest profile history and restore."""

import sqlalchemy as sa
from alembic import command

from digest.store import Store
from digest.store.database import alembic_config
from tests.commandline import Cli


def changes(cli: Cli, name: str) -> list[tuple[int, str, str]]:
    records = cli.ok("profile", "history", name, "--json").records
    return [(r["version"], r["saved_by"], r["change"]) for r in records]


def test_adding_editing_renaming_and_importing_are_listed_newest_first(cli: Cli) -> None:
    cli.ok("profile", "add", "Cats", "--rules", "cat")
    cli.ok("profile", "edit", "Cats", "--rules", "cat\nlion", "--name", "Felines")
    cli.ok("profile", "edit", "Felines", "--rules", "cat\nlion")
    lines = '{"name": "Felines", "rules": "lion"}\n{"name": "Dogs", "rules": "dog"}'
    cli.ok("profile", "import", "-", stdin=lines)
    cli.ok("profile", "import", "-", stdin=lines)
    assert changes(cli, "Felines") == [
        (3, "command line", "1 line removed"),
        (2, "command line", "1 line added, renamed from 'Cats'"),
        (1, "command line", "first version with 1 line"),
    ]
    assert changes(cli, "Dogs") == [(1, "command line", "first version with 1 line")]
    newest = cli.ok("profile", "history", "Felines", "--json").records[0]
    assert (newest["name"], newest["rules"], newest["saved_at"][-1]) == ("Felines", "lion", "Z")
    shown = cli.ok("profile", "history", "Felines").out.splitlines()
    assert shown[0].split() == ["version", "saved", "at", "saved", "by", "change"]
    assert shown[1].endswith("command line  1 line removed")
    assert len(shown) == 4


def test_a_diff_shows_what_one_version_changed(cli: Cli) -> None:
    cli.ok("profile", "add", "Cats", "--rules", "cat\nlion")
    cli.ok("profile", "edit", "Cats", "--rules", "cat\n[tiger]")
    ran = cli.ok("profile", "history", "Cats", "--diff", "2")
    assert ran.out.splitlines()[2:] == ["@@ -1,2 +1,2 @@", " cat", "-lion", "+[tiger]"]
    assert ran.err == "1 line added, 1 line removed\n"
    record = cli.ok("profile", "history", "Cats", "--diff", "2", "--json").record
    assert (record["version"], record["diff"]) == (2, ran.out.splitlines())
    cli.ok("profile", "edit", "Cats", "--name", "Felines")
    ran = cli.ok("profile", "history", "Felines", "--diff", "3")
    assert (ran.out, ran.err) == ("", "renamed from 'Cats'\n")


def test_earlier_rules_are_restored_as_a_new_version_and_followers_stay(cli: Cli) -> None:
    cli.ok("profile", "add", "Cats", "--rules", "cat")
    cli.ok("subscriber", "add", "reader@example.org", "--profile", "Cats", "--confirmed")
    cli.ok("profile", "edit", "Cats", "--rules", "cat\nlion")
    ran = cli.ok("profile", "restore", "Cats", "1")
    assert ran.err == "profile 'Cats' has the rules of version 1 again, as version 3\n"
    assert cli.ok("profile", "list", "--json").record == {"name": "Cats", "rules": 1, "followers": 1}
    assert [number for number, _, _ in changes(cli, "Cats")] == [3, 2, 1]
    assert cli.ok("profile", "restore", "Cats", "1").err == "profile 'Cats' has these rules already\n"
    assert [number for number, _, _ in changes(cli, "Cats")] == [3, 2, 1]


def test_a_removed_profile_is_listed_and_restored_by_its_name(cli: Cli) -> None:
    cli.ok("profile", "add", "Cats", "--rules", "cat")
    cli.ok("subscriber", "add", "reader@example.org", "--profile", "Cats", "--confirmed")
    cli.ok("profile", "remove", "Cats")
    ran = cli.ok("profile", "history", "Cats")
    assert ran.err == "profile 'Cats' was removed; `digest profile restore` brings it back\n"
    ran = cli.ok("profile", "restore", "Cats", "1")
    assert ran.err == "profile 'Cats' has the rules of version 1 again, as version 2; it has no followers\n"
    assert cli.ok("profile", "list", "--json").record == {"name": "Cats", "rules": 1, "followers": 0}
    assert changes(cli, "Cats")[0] == (2, "command line", "restored after it was removed")


def test_an_unknown_profile_or_version_is_reported(cli: Cli) -> None:
    cli.ok("profile", "add", "Cats", "--rules", "cat")
    for written in ("history Cast", "restore Cast 1"):
        ran = cli("profile", *written.split())
        assert (ran.code, ran.err) == (2, "error: no profile 'Cast'; did you mean 'Cats'?\n")
    for written in ("history Cats --diff 2", "restore Cats 2"):
        ran = cli("profile", *written.split())
        assert (ran.code, ran.err) == (2, "error: no version '2'; `digest profile history 'Cats'` shows them\n")


def test_profiles_older_than_the_history_start_it_with_their_rules(cli: Cli) -> None:
    old = Store(cli.folder / "digest.db")
    with old.write() as tx:
        command.upgrade(alembic_config(tx), "0006")
        reader = {"id": 7, "email": "r@example.org", "email_key": "r@example.org", "name": "", "timezone": "UTC"}
        reader |= {"send_at": "07:00", "days": "mon", "state": "active", "epoch": 0, "created_at": "2026-06-01"}
        reader |= {"language": "en", "max_papers": 9}
        columns, values = ", ".join(reader), ", ".join(f":{name}" for name in reader)
        tx.execute(sa.text(f"INSERT INTO subscribers ({columns}) VALUES ({values})"), reader)
        for row in ("4, 'Pets', NULL, 'cats ^1e1'", "5, 'Your keywords', 7, 'own'", "6, 'Dogs', NULL, 'dog'"):
            tx.execute(
                sa.text(f"INSERT INTO profiles (id, name, owner_id, rules, updated_at) VALUES ({row}, '2026-06-01')")
            )
    old.close()
    cli.ok("db", "upgrade")
    record = cli.ok("profile", "history", "Pets", "--json").record
    assert (record["saved_at"], record["saved_by"], record["rules"]) == ("2026-06-01T00:00:00Z", "", "cats ^1e1")
    assert cli("profile", "history", "Your keywords").code == 2
    cli.ok("profile", "edit", "Pets", "--rules", "cats ^10")
    ran = cli("profile", "restore", "Pets", "1")
    assert ran.code == 2
    assert ran.err.startswith("error: version 1 of profile 'Pets': line 1, column 6: ")
    assert cli.ok("profile", "show", "Pets").out == "cats ^10\n"
    cli.ok("profile", "edit", "Dogs", "--rules", "wolf")
    cli.ok("profile", "restore", "Dogs", "1")
    assert [change for _, _, change in changes(cli, "Dogs")] == ["1 line added, 1 line removed"] * 2 + [
        "first version with 1 line"
    ]
