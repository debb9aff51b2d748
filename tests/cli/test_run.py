"""digest run and its stages."""

from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from digest.app import App
from digest.errors import StoreError
from digest.models import StageState
from digest.store import Store
from digest.store.daily_status import DailyStatus, Trouble
from digest.transport.smtp_server import SmtpServer
from tests.builders import at
from tests.commandline import Cli
from tests.smtp import Postbox

MORNING = "2026-06-03T07:00:00Z"
NEXT_MORNING = "2026-06-04T07:00:00Z"


@pytest.fixture
def cats(cli: Cli) -> Cli:
    """With a subscriber who follows cats."""
    cli.ok("profile", "add", "Cats", "--rules", "cat")
    cli.ok("subscriber", "add", "reader@example.org", "--profile", "Cats", "--confirmed")
    return cli


def mails(folder: Path) -> list[EmailMessage]:
    return [
        message_from_bytes(file.read_bytes(), policy=policy.default)
        for file in sorted((folder / "outbox" / "new").iterdir())
    ]


def smtp(cli: Cli, port: int) -> None:
    cli.configure(f"[delivery]\ntransport = 'smtp'\n[delivery.smtp]\nhost = '127.0.0.1'\nport = {port}\n")


def test_one_run_runs_all_stages(cats: Cli) -> None:
    ran = cats.ok("run", "--now", MORNING, "--json")
    assert ran.record == {
        "ingest": {"sources": 1, "entries": 2, "papers_new": 2, "failed": 0, "failures": []},
        "publish": {"digests": 1, "empty": 0, "reasons": []},
        "deliver": {"sent": 1, "deferred": 0, "failed": 0},
    }
    (mail,) = mails(cats.folder)
    assert mail["To"] == "reader@example.org"
    assert "1 new paper" in mail["Subject"]


def test_the_stages_one_by_one_do_the_same(cats: Cli) -> None:
    assert cats.ok("ingest", "--now", MORNING, "--json").record["ingest"]["papers_new"] == 2
    assert cats.ok("publish", "--now", MORNING, "--json").record["publish"]["digests"] == 1
    assert cats.ok("deliver", "--now", MORNING, "--json").record["deliver"]["sent"] == 1
    assert len(mails(cats.folder)) == 1


def test_a_second_run_sends_nothing_and_says_when_the_next_is_due(cats: Cli) -> None:
    cats.ok("run", "--now", MORNING)
    ran = cats.ok("run", "--now", MORNING)
    assert ran.out == (
        "ingest: 1 sources, 0 entries, 0 papers new, 0 failed\n"
        "publish: 0 digests, 0 empty\n"
        "deliver: 0 sent, 0 deferred, 0 failed\n"
    )
    assert ran.err == "no digests are due; the next digest is due at 2026-06-04 07:00 UTC\n"
    assert len(mails(cats.folder)) == 1


def test_the_next_day_sends_only_what_is_new(cats: Cli) -> None:
    cats.ok("run", "--now", MORNING)
    cats.write_papers("A study of cats", "Cats, a second look")
    cats.ok("run", "--now", NEXT_MORNING)
    second = str(mails(cats.folder)[1].get_body(("plain",)))
    assert "Cats, a second look" in second
    assert "A study of cats" not in second


def test_everyone_includes_subscribers_who_are_not_due(cats: Cli) -> None:
    cats.ok("run", "--now", MORNING)
    cats.write_papers("Cats, a second look")
    assert cats.ok("run", "--everyone", "--now", "2026-06-03T09:00:00Z", "--json").record["publish"]["digests"] == 1


def test_missing_subscribers_are_reported(cli: Cli) -> None:
    assert cli.ok("publish", "--now", MORNING).err == "no digests are due; there are no active subscribers\n"


def test_subscribers_without_a_mail_are_reported_with_the_reason(cats: Cli) -> None:
    cats.ok("subscriber", "add", "other@example.org", "--keywords", "horse", "--confirmed")
    ran = cats.ok("run", "--now", MORNING)
    assert "no email for other@example.org: no keyword matched any of 2 new papers\n" in ran.err


def test_many_subscribers_without_a_mail_for_the_same_reason_are_one_line(cats: Cli) -> None:
    for i in range(5):
        cats.ok("subscriber", "add", f"{i}@example.org", "--confirmed")
    said = cats.ok("run", "--now", MORNING).err
    line = "no email for 0@example.org, 1@example.org, 2@example.org and 2 more: follows no profile and has no keywords"
    assert said == f"{line}\n"


def test_missing_sources_are_reported(cats: Cli) -> None:
    (cats.folder / "config.toml").write_text("")
    assert "no sources; add a [[source]] to" in cats.ok("run", "--now", MORNING).err


def test_one_source_of_two_that_fails_is_a_warning(cats: Cli) -> None:
    cats.configure("[[source]]\nname = 'gone'\nkind = 'feed'\nurl = 'gone.xml'\n")
    ran = cats.ok("run", "--now", MORNING, "--json")
    reason = f"{cats.folder}/gone.xml: No such file or directory"
    assert ran.record["ingest"]["failures"] == [{"source": "gone", "reason": reason}]
    assert f"warning: source gone: {reason}\n" in ran.err
    assert ran.record["deliver"]["sent"] == 1


@pytest.mark.parametrize("command", ["run", "ingest"])
def test_every_source_failing_is_a_failure(cats: Cli, command: str) -> None:
    (cats.folder / "papers.txt").unlink()
    ran = cats(command, "--now", MORNING)
    assert ran.code == 1
    assert "No such file" in ran.err


def test_when_smtp_is_down_the_mail_waits_for_the_next_run(cats: Cli) -> None:
    smtp(cats, port=1)
    ran = cats("run", "--now", MORNING)
    assert ran.code == 1
    assert "1 emails stay queued" in ran.err
    assert cats.ok("outbox", "list", "--json").record["state"] == "queued"
    postbox = Postbox()
    with SmtpServer(postbox) as server:
        text = (cats.folder / "config.toml").read_text()
        (cats.folder / "config.toml").write_text(text.replace("port = 1\n", f"port = {server.port}\n"))
        assert cats.ok("deliver", "--now", MORNING, "--json").record["deliver"]["sent"] == 1
    assert postbox.recipients == ["reader@example.org"]


def test_a_missing_folder_of_templates_is_named_with_its_key(cats: Cli) -> None:
    cats.configure('[templates]\npath = "nowhere"\n')
    ran = cats("deliver")
    where = f"{cats.folder}/config.toml: templates.path: {cats.folder}/nowhere"
    assert (ran.code, ran.err) == (2, f"error: {where} is not a folder; name one, or leave the key empty\n")


@pytest.mark.parametrize("command", [("run", "--everyone"), ("deliver",), ("serve",)])
def test_with_the_sender_of_a_new_installation_nothing_is_done_by_smtp(bare: Cli, command: tuple[str, ...]) -> None:
    bare.ok("init")
    config = bare.folder / "config.toml"
    config.write_text(config.read_text().replace('transport = "maildir"', 'transport = "smtp"'))
    ran = bare(*command)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        f"error: {config}: newsletter.from, newsletter.postal_address, newsletter.base_url: still an example, so "
        'nothing is sent by SMTP; write the sender of all emails, such as "Daily Papers <papers@your-institute.org>"; '
        "your postal address, which the law requires in every email; "
        "the address of your pages, such as https://papers.your-institute.org\n"
    )
    assert bare.ok("source", "list", "--json").record["state"] == "never asked"


def test_a_refused_mail_is_reported_with_the_servers_reply(cats: Cli) -> None:
    with SmtpServer(Postbox(at_rcpt={"reader@example.org": "550 nobody here"})) as server:
        smtp(cats, server.port)
        ran = cats.ok("run", "--now", MORNING)
    assert "warning: not delivered to reader@example.org: 550 nobody here\n" in ran.err
    delivery = cats.ok("outbox", "list", "--state", "failed", "--json").record
    assert (delivery["to"], delivery["attempts"], delivery["reply"]) == ("reader@example.org", 1, "550 nobody here")


def test_an_error_in_a_custom_template_is_located_and_loses_no_mail(cats: Cli) -> None:
    (cats.folder / "mine" / "email").mkdir(parents=True)
    (cats.folder / "mine" / "email" / "digest.txt.j2").write_text("Hello\n{{ mail.typo }}")
    cats.configure("[templates]\npath = 'mine'\n")
    ran = cats("run", "--now", MORNING)
    assert ran.code == 2
    assert f"{cats.folder}/mine/email/digest.txt.j2:2: " in ran.err
    assert "a DigestMail has no 'typo'" in ran.err
    assert cats.ok("outbox", "list", "--json").record["state"] == "queued"


def today(cli: Cli) -> DailyStatus:
    """What the page of today and the API say."""
    with App.open(cli.folder / "config.toml") as app, app.store.read() as tx:
        return app.daily_status(tx, now=at("2026-06-03 07:01"))


@pytest.mark.parametrize(
    ("command", "stage"),
    [("ingest", "ingest"), ("publish", "publish"), ("deliver", "deliver"), ("bounce", "bounce"), ("run", "publish")],
)
def test_a_stage_that_fails_is_an_exit_code_a_log_line_with_the_stack_and_red_until_it_succeeds(
    cats: Cli, monkeypatch: pytest.MonkeyPatch, command: str, stage: str
) -> None:
    cats.configure("[bounces]\ndomain = 'bounces.example.org'\nmaildir = 'bounces'\n")
    for folder in ("tmp", "new", "cur"):
        (cats.folder / "bounces" / folder).mkdir(parents=True)
    options = () if command == "bounce" else ("--now", MORNING)
    cats.ok("run", "--now", MORNING)
    assert today(cats).trouble is None

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by zero")

    with monkeypatch.context() as fault:
        fault.setattr(f"digest.app.{'process_bounces' if stage == 'bounce' else stage}", broken)
        ran = cats(command, *options)
    assert ran.code == 1
    assert ran.err.splitlines()[-1] == f"error: {stage}: internal error: ZeroDivisionError: by zero"
    assert "in broken" in ran.err
    assert today(cats).trouble is Trouble.STAGE
    (failing,) = (status.record for status in today(cats).stages if status.state is StageState.FAILING)
    assert (failing.stage, failing.failure) == (stage, "ZeroDivisionError: by zero")
    cats.ok(command, *options)
    assert today(cats).trouble is None


def test_a_run_goes_on_after_a_stage_that_failed(cats: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cats.ok("ingest", "--now", MORNING)
    cats.ok("publish", "--now", MORNING)

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("digest.app.publish", broken)
    ran = cats("run", "--now", MORNING, "--json")
    assert ran.code == 1
    assert ran.record["deliver"]["sent"] == 1
    assert "publish" not in ran.record


def test_smtp_being_down_is_red_until_it_is_back(cats: Cli) -> None:
    smtp(cats, port=1)
    assert cats("run", "--now", MORNING).code == 1
    assert today(cats).trouble is Trouble.STAGE
    (cats.folder / "config.toml").write_text(
        (cats.folder / "config.toml").read_text().replace("transport = 'smtp'", "transport = 'maildir'")
    )
    cats.ok("run", "--now", MORNING)
    assert today(cats).trouble is None


def test_a_source_that_fails_is_no_failure_of_the_stage_and_forgotten_when_it_is_removed(cats: Cli) -> None:
    before = (cats.folder / "config.toml").read_text()
    cats.configure("[[source]]\nname = 'gone'\nkind = 'feed'\nurl = 'gone.xml'\n")
    cats.ok("run", "--now", MORNING)
    assert {status.state for status in today(cats).stages} == {StageState.WORKING}
    assert today(cats).trouble is Trouble.SOURCE  # it was never readable
    (cats.folder / "config.toml").write_text(before)
    cats.ok("run", "--now", MORNING)
    assert today(cats).trouble is None


def test_while_the_database_cannot_be_written_the_exit_code_and_the_message_say_so(
    cats: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def full(_: Store) -> Iterator[None]:
        raise StoreError("digest.db: the disk is full")
        yield

    monkeypatch.setattr(Store, "write", full)
    ran = cats("run", "--now", MORNING)
    assert ran.code == 1
    assert [line for line in ran.err.splitlines() if line.startswith("error:")] == [
        "error: digest.db: the disk is full"
    ]
