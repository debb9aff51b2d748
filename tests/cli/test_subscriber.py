"""digest subscriber."""

from email import message_from_bytes

import pytest

from tests.commandline import Cli


def test_a_subscriber_is_added_with_the_defaults(cli: Cli) -> None:
    cli.ok("subscriber", "add", "reader@example.org", "--confirmed")
    assert cli.ok("subscriber", "list", "--json").record == {
        "email": "reader@example.org",
        "name": "",
        "state": "active",
        "timezone": "UTC",
        "send_at": "07:00",
        "days": "daily",
        "language": "en",
        "max_papers": 25,
        "announce": "all",
        "trending": True,
        "resumes_at": None,
        "profiles": [],
        "problem": "",
    }
    assert cli.ok("outbox", "list", "--json").records == []


def test_a_subscriber_is_added_with_every_option(cli: Cli) -> None:
    cli.ok("profile", "add", "Cats", "--rules", "cat")
    options = "--profile Cats --name Reader --timezone Asia/Tokyo --send-at 6:30 --days weekdays --max-papers 5".split()
    options += ["--announce", "new,updates", "--no-trending"]
    cli.ok("subscriber", "add", "reader@example.org", *options, "--keywords", "dog\n-survey", "--confirmed")
    shown = cli.ok("subscriber", "show", "READER@example.org", "--json").record
    assert shown.pop("next_slot_at").endswith(":30:00Z")
    assert shown == {
        "email": "reader@example.org",
        "name": "Reader",
        "state": "active",
        "timezone": "Asia/Tokyo",
        "send_at": "06:30",
        "days": "weekdays",
        "language": "en",
        "max_papers": 5,
        "announce": "new,updates",
        "trending": False,
        "resumes_at": None,
        "profiles": ["Cats"],
        "keywords": "dog\n-survey",
        "suppression": "",
        "last_digest_at": None,
        "problem": "",
    }
    assert "Asia/Tokyo" in cli.ok("subscriber", "show", "reader@example.org").out


def test_without_confirmed_they_get_a_confirmation_mail_and_no_digest(cli: Cli) -> None:
    ran = cli.ok("subscriber", "add", "reader@example.org", "--keywords", "cat")
    assert ran.err == "added reader@example.org; a confirmation email is queued, `digest deliver` sends it\n"
    assert cli.ok("run", "--everyone", "--json").record["publish"]["digests"] == 0
    (file,) = (cli.folder / "outbox" / "new").iterdir()
    mail = message_from_bytes(file.read_bytes())
    assert "confirm" in mail["Subject"].lower()
    assert "https://digest.example.org/confirm/" in mail.as_string().replace("=\n", "")
    cli.ok("subscriber", "confirm", "reader@example.org")
    assert cli.ok("run", "--everyone", "--json").record["publish"]["digests"] == 1
    assert (
        cli("subscriber", "confirm", "reader@example.org").err
        == "error: reader@example.org is active: there is nothing to confirm\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["reader"], "'reader' is not an email address: "),
        (["reader@example.org\nBcc: x@example.org"], "is not an email address"),
        (["r@example.org", "--profile", "Cats"], "no profile 'Cats'; `digest profile list` shows them"),
        (["r@example.org", "--timezone", "Europe/Berln"], "no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?"),
        (["r@example.org", "--send-at", "25:00"], "'25:00' is not a time; write HH:MM, such as 07:30"),
        (["r@example.org", "--days", "someday"], "'someday' is not a list of days; write daily, weekdays or some"),
        (["r@example.org", "--keywords", "cat AND"], "line 1, column 8"),
        (["r@example.org", "--max-papers", "0"], "--max-papers"),
    ],
)
def test_invalid_options_are_refused_with_the_reason(cli: Cli, arguments: list[str], message: str) -> None:
    ran = cli("subscriber", "add", *arguments, "--confirmed")
    assert ran.code == 2
    assert message in " ".join(ran.err.split())
    assert cli.ok("subscriber", "list", "--json").records == []


def test_an_address_is_added_once(cli: Cli) -> None:
    cli.ok("subscriber", "add", "reader@example.org", "--confirmed")
    ran = cli("subscriber", "add", "Reader@Example.org", "--confirmed")
    assert ran.code == 2
    assert "already" in ran.err


def test_a_subscriber_is_changed(cli: Cli) -> None:
    cli.ok("profile", "add", "Cats", "--rules", "cat")
    cli.ok("subscriber", "add", "reader@example.org", "--profile", "Cats", "--keywords", "dog", "--confirmed")
    cli.ok("subscriber", "edit", "reader@example.org", "--name", "R", "--send-at", "09:15", "--days", "mon,thu")
    options = ["--timezone", "Europe/Paris", "--language", "de", "--max-papers", "7", "--profile", "", "--keywords", ""]
    cli.ok("subscriber", "edit", "reader@example.org", *options, "--announce", "cross, new", "--no-trending")
    shown = cli.ok("subscriber", "show", "reader@example.org", "--json").record
    del shown["next_slot_at"]
    assert shown == {
        "email": "reader@example.org",
        "name": "R",
        "state": "active",
        "timezone": "Europe/Paris",
        "send_at": "09:15",
        "days": "mon,thu",
        "language": "de",
        "max_papers": 7,
        "announce": "new,cross",
        "trending": False,
        "resumes_at": None,
        "profiles": [],
        "keywords": "",
        "suppression": "",
        "last_digest_at": None,
        "problem": "",
    }


def test_a_change_of_nothing_and_a_bad_change_change_nothing(cli: Cli) -> None:
    cli.ok("subscriber", "add", "reader@example.org", "--confirmed")
    before = cli.ok("subscriber", "list", "--json").out
    assert "nothing to change" in cli("subscriber", "edit", "reader@example.org").err
    assert cli("subscriber", "edit", "reader@example.org", "--profile", "Cats").code == 2
    assert cli("subscriber", "edit", "reader@example.org", "--days", "never").code == 2
    assert "'old' is not a kind" in cli("subscriber", "edit", "reader@example.org", "--announce", "old").err
    assert cli.ok("subscriber", "list", "--json").out == before


@pytest.mark.parametrize("command", ["show", "edit", "confirm", "remove", "pause", "resume"])
def test_an_unknown_subscriber_is_reported(cli: Cli, command: str) -> None:
    ran = cli("subscriber", command, "nobody@example.org")
    assert ran.code == 2
    assert "no subscriber 'nobody@example.org'" in ran.err


def test_a_removed_subscriber_is_gone_with_their_mail(cli: Cli) -> None:
    cli.ok("subscriber", "add", "reader@example.org")
    cli.ok("subscriber", "remove", "reader@example.org")
    assert cli.ok("subscriber", "list").err == "no subscribers yet\n"
    assert cli.ok("outbox", "list").err == "no deliveries\n"


def test_a_csv_file_is_imported_and_its_bad_rows_are_reported(cli: Cli) -> None:
    cli.ok("profile", "add", "Cats", "--rules", "cat")
    cli.ok("profile", "add", "Dogs", "--rules", "dog")
    cli.ok("subscriber", "add", "known@example.org", "--name", "As it was", "--confirmed")
    (cli.folder / "people.csv").write_text(
        "email,name,timezone,send_at,days,profiles\n"
        "a@example.org,A,Asia/Tokyo,06:30,weekdays,Cats;Dogs\n"
        "nonsense,,,,,\n"
        "known@example.org,Another name,,,,\n"
        "b@example.org,,,,,Horses\n"
        "c@example.org,,,,,\n",
        encoding="utf-8-sig",
    )
    ran = cli("subscriber", "import", "people.csv", "--confirmed")
    assert ran.code == 1
    assert "warning: line 3, email: 'nonsense' is not an email address" in ran.err
    assert "warning: line 5, profiles: no profile 'Horses'" in ran.err
    assert ran.err.endswith("added 2, 1 already subscribed, 2 bad rows\n")
    assert cli.ok("subscriber", "export").out == (
        "email,name,timezone,send_at,days,profiles,language,max_papers,announce,trending,paused\n"
        "a@example.org,A,Asia/Tokyo,06:30,weekdays,Cats;Dogs,en,25,all,yes,\n"
        "c@example.org,,UTC,07:00,daily,,en,25,all,yes,\n"
        "known@example.org,As it was,UTC,07:00,daily,,en,25,all,yes,\n"
    )


def test_a_dry_run_shows_each_row_and_writes_nothing(cli: Cli) -> None:
    cli.ok("subscriber", "add", "known@example.org", "--confirmed")
    cli.ok("suppression", "add", "suppressed@example.org")
    (cli.folder / "people.csv").write_text(
        "email,timezone\na@example.org,\nknown@example.org,\nb@example.org,Mars/Base\nsuppressed@example.org,\n"
    )
    before = cli.ok("subscriber", "list", "--json").out
    ran = cli("subscriber", "import", "people.csv", "--dry-run", "--json")
    assert [(r["line"], r["email"], r["fate"], r["column"]) for r in ran.records] == [
        (2, "a@example.org", "asked", ""),
        (3, "known@example.org", "known", ""),
        (4, "b@example.org", "bad", "timezone"),
        (5, "suppressed@example.org", "suppressed", ""),
    ]
    assert ran.records[2]["reason"].startswith("no time zone 'Mars/Base'")
    assert (ran.code, ran.err) == (1, "would add 1, 1 already subscribed, 2 bad rows; nothing was written\n")
    table = cli("subscriber", "import", "people.csv", "--dry-run", "--confirmed").out
    assert table.splitlines()[1].split() == ["2", "a@example.org", "added"]
    assert cli.ok("subscriber", "list", "--json").out == before
    assert cli.ok("outbox", "list", "--json").records == []


def test_a_file_as_excel_saves_it_is_imported_and_what_is_left_out_is_told(cli: Cli) -> None:
    cli.ok("profile", "add", "Cats", "--rules", "cat")
    text = "sep=;\r\nE-MAIL;Send At;Time zone;Phone;Profile\r\n;;;;\r\na@example.org;07:00:00;europe/berlin;1;Cats\r\n"
    (cli.folder / "people.csv").write_bytes(f"{text}A@example.org;;;;\r\n".encode("utf-16"))
    ran = cli.ok("subscriber", "import", "people.csv", "--confirmed")
    assert ran.err == (
        "warning: people.csv: columns that are not known are ignored: 'Phone', 'Profile'; did you mean 'profiles'?\n"
        "warning: line 5: already in line 4\n"
        "added 1, 0 already subscribed, 1 duplicates in the file, 0 bad rows\n"
    )
    added = cli.ok("subscriber", "list", "--json").record
    assert (added["email"], added["send_at"], added["timezone"]) == ("a@example.org", "07:00", "Europe/Berlin")


@pytest.mark.parametrize(
    "options", [["--keywords", "-review"], ["--keywords", ""], ["--profile", ""], ["--trending"], []]
)
def test_a_subscriber_whom_nothing_can_match_is_added_and_said_to_get_nothing(cli: Cli, options: list[str]) -> None:
    ran = cli.ok("subscriber", "add", "r@example.org", "--confirmed", *options)
    assert ran.err == (
        "added r@example.org\n"
        "they follow no profile and have no keywords that find papers, so they get no digests; `digest subscriber edit "
        "r@example.org --profile NAME` or --keywords RULES changes that, or they do in their settings\n"
    )
    published = cli.ok("run", "--everyone", "--json").record["publish"]
    assert published["digests"] == 0


def test_a_subscriber_with_keywords_or_a_profile_is_only_added(cli: Cli) -> None:
    cli.ok("profile", "add", "Cats", "--rules", "cat")
    assert (
        cli.ok("subscriber", "add", "a@example.org", "--confirmed", "--profile", "Cats").err == "added a@example.org\n"
    )
    assert (
        cli.ok("subscriber", "add", "b@example.org", "--confirmed", "--keywords", "cat").err == "added b@example.org\n"
    )


def test_an_export_can_be_imported(cli: Cli) -> None:
    cli.ok("subscriber", "add", "reader@example.org", "--name", 'R, "the reader"', "--confirmed")
    cli.ok("subscriber", "pause", "reader@example.org")
    (cli.folder / "people.csv").write_text(cli.ok("subscriber", "export").out)
    cli.ok("subscriber", "remove", "reader@example.org")
    assert (
        "added 1, 0 already subscribed, 0 bad rows" in cli.ok("subscriber", "import", "people.csv", "--confirmed").err
    )
    imported = cli.ok("subscriber", "list", "--json").record
    assert (imported["name"], imported["state"]) == ('R, "the reader"', "paused")


def test_without_confirmed_imported_subscribers_get_a_confirmation_mail(cli: Cli) -> None:
    (cli.folder / "people.csv").write_text("email\na@example.org\nb@example.org\n")
    cli.ok("subscriber", "import", "people.csv")
    assert [d["kind"] for d in cli.ok("outbox", "list", "--json").records] == ["confirmation"] * 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"mail\na@example.org\n", "people.csv: line 1: no column 'email' among 'mail'"),
        (b"", "people.csv: line 1: no column 'email'"),
        (b"email;E-Mail\na@example.org;A\n", "people.csv: line 1: two columns have the same name"),
        (b"%PDF-1.7\n\xff\xfe", "people.csv: line 2: the byte 0xFF ('ÿ' in Windows-1252) is not UTF-8"),
    ],
)
def test_a_file_that_is_not_csv_of_subscribers_is_refused(cli: Cli, content: bytes, message: str) -> None:
    (cli.folder / "people.csv").write_bytes(content)
    ran = cli("subscriber", "import", "people.csv")
    assert ran.code == 2
    assert message in ran.err


def test_an_unknown_language_is_refused_with_the_known_ones(cli: Cli) -> None:
    ran = cli("subscriber", "add", "reader@example.org", "--language", "tlh", "--confirmed")
    assert (ran.code, ran.out) == (2, "")
    assert "no language 'tlh'; there are en, de (locale/FILE.po adds one)" in ran.err
    assert cli.ok("subscriber", "list", "--json").records == []


def test_without_a_language_a_subscriber_gets_the_newsletters(cli: Cli) -> None:
    config = cli.folder / "config.toml"
    config.write_text(config.read_text().replace("[newsletter]", '[newsletter]\nlanguage = "de"'))
    cli.ok("subscriber", "add", "reader@example.org", "--confirmed")
    assert cli.ok("subscriber", "show", "reader@example.org", "--json").record["language"] == "de"


def test_subscribers_can_be_filtered_and_paged(cli: Cli) -> None:
    for name in ("ann", "bob", "zoe"):
        cli.ok("subscriber", "add", f"{name}@example.org", "--name", f"{name.title()} Smith", "--confirmed")
    cli.ok("subscriber", "pause", "zoe@example.org")

    def listed(*options: str) -> list[str]:
        return [s["email"] for s in cli.ok("subscriber", "list", "--json", *options).records]

    assert listed("--search", "smith") == ["ann@example.org", "bob@example.org", "zoe@example.org"]
    assert listed("--search", "Bob S") == ["bob@example.org"]
    assert listed("--state", "paused") == ["zoe@example.org"]
    assert listed("--after", "ann@example.org") == ["bob@example.org", "zoe@example.org"]
    assert listed("--limit", "1", "--after", "ann@example.org") == ["bob@example.org"]
    ran = cli.ok("subscriber", "list", "--limit", "2")
    assert ran.err == "there are more; use --after bob@example.org for the next ones\n"
    assert cli.ok("subscriber", "list", "--search", "nobody").err == "no matching subscribers\n"


def test_an_address_that_is_not_ascii_is_taken_from_the_command_and_from_a_file(cli: Cli) -> None:
    cli.ok("subscriber", "add", "jürgen@Bücher.example", "--keywords", "cat", "--confirmed")
    (cli.folder / "people.csv").write_text("email\n用户@example.org\nJÜRGEN@bücher.example\n", encoding="utf-8")
    assert "1 already subscribed" in cli.ok("subscriber", "import", "people.csv", "--confirmed").err
    listed = [record["email"] for record in cli.ok("subscriber", "list", "--json").records]
    assert listed == ["jürgen@xn--bcher-kva.example", "用户@example.org"]
    assert cli.ok("run", "--everyone", "--json").record["deliver"]["sent"] == 1  # the other has no keywords
    mails = [file.read_bytes() for file in (cli.folder / "outbox" / "new").iterdir()]
    assert sum("\r\nTo: <jürgen@xn--bcher-kva.example>\r\n".encode() in mail for mail in mails) == 1
