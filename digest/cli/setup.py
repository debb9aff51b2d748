"""digest init, demo, db … and dkim …: what sets up an installation, or tries one out."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from digest.app import App, prepare_database
from digest.cli.options import ConfigOption, JsonOption, moment, new_group, open_app
from digest.cli.output import print_json, print_table, program, say, warn_of_unreadable
from digest.config import DEFAULT_FILE, INITIAL_BASE_URL, INITIAL_POSTAL_ADDRESS, INITIAL_SENDER, load
from digest.demo import ADMIN, DemoReport, serve_demo
from digest.demo import demo as run_demo
from digest.errors import DigestError, UsageError
from digest.mail.dkim import MAKE_KEY
from digest.pipeline.compiled_profiles import compile_outdated
from digest.security.files import create_folder, open_file
from digest.service import stop_on_first_signal
from digest.store import Store, subscribers
from digest.web.server import listen, url_of

DEMO_FOLDER = Path("digest-demo")
_STRING = 255  # bytes in one string of a TXT record (RFC 1035, 3.3)
_FIRST = f"""\
# Every key and its default: config.example.toml in the project.

[newsletter]
name = "Daily Papers"
# Write your own values for these three: emails are not sent by SMTP with the examples.
from = "{INITIAL_SENDER}"        # the sender of all emails
postal_address = "{INITIAL_POSTAL_ADDRESS}"  # the law requires one in every email
base_url = "{INITIAL_BASE_URL}"                # where readers reach the pages

[[source]]
name = "arxiv-ml"
kind = "feed"
url = "https://rss.arxiv.org/atom/cs.LG+cs.CL"

[delivery]
transport = "maildir"                             # emails are written to the folder outbox/; "smtp" sends them
"""


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder; it is created if missing.")] = Path(),
) -> None:
    """Write a config.toml, create the database, and print the next steps."""
    file = folder / DEFAULT_FILE
    try:
        create_folder(folder)
        if file.exists():
            raise FileExistsError
        with open_file(file) as config:
            config.write(_FIRST.encode())
    except FileExistsError:
        raise UsageError(f"{file} already exists; edit it, or name another folder") from None
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}") from None
    with App.open(file) as app:
        app.config.secret_key()
    digest = program()
    say(
        f"wrote {file}. Next:\n"
        f"  1. edit it: the sender, your postal address, the address of your pages, your sources\n"
        f"  2. {digest} profile add 'My field' --rules 'diffusion model'\n"
        f"  3. {digest} subscriber add you@example.org --profile 'My field' --confirmed\n"
        f"  4. {digest} run --everyone\n"
        f"  5. {digest} admin add you@example.org, to sign in on the web, at /admin\n"
        f"  6. {digest} serve, to send digests every day and serve the web pages\n"
        + ("" if folder == Path() else f"from inside {folder}, or with --config {shlex.quote(str(file))}\n")
    )


def demo(
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="The folder for all files.")] = DEMO_FOLDER,
    serve: Annotated[
        bool, typer.Option("--serve", help="Then serve the web pages and an inbox with the emails, until Ctrl-C.")
    ] = False,
) -> None:
    """Try everything with sample papers and real emails, without configuration or network."""
    if not serve:
        _report(run_demo(output, now=moment(None)), output)
        at = "" if output == DEMO_FOLDER else f" --output {shlex.quote(str(output))}"
        say(f"  {program()} demo --serve{at}    the web pages, with these emails, in a browser")
        return
    listener = listen("127.0.0.1", 0)
    print(f"{url_of(listener)}\n")

    def done(report: DemoReport, password: str) -> None:
        url = url_of(listener)
        _report(report, output)
        say(f"\nThe pages: {url}   the emails: {url}/inbox")
        say(f"Admin pages: {url}/admin   with {ADMIN} and the password {password}   Ctrl-C stops it.")

    with stop_on_first_signal() as stop:
        serve_demo(output, listener, now=moment(None), done=done, stop=stop)


def _report(report: DemoReport, output: Path) -> None:
    if report.deliver.failure:
        raise DigestError(report.deliver.failure)
    print_table(("subscriber", "papers", "first of them"), report.rows)
    say(
        f"\n{report.ingest.papers_new} papers, {report.deliver.sent} emails: {report.mail}/*.eml"
        f"\nOpen {report.mail}/*.html in a browser to see them. Then try, on the same papers:"
        f"\n  {program()} match 'diffusion model' --config {shlex.quote(str(output / DEFAULT_FILE))}"
    )


db_commands = new_group("The database.")


@db_commands.command()
def upgrade(config: ConfigOption = None) -> None:
    """Bring an older database up to date."""
    loaded = load(config or Path(DEFAULT_FILE))
    file = loaded.database_file
    prepare_database(loaded)
    with Store(file) as store:
        before = store.version()
        store.upgrade()
        say(f"{file}: from {before or 'nothing'} to {store.version()}")
        unreadable = compile_outdated(store)
        with store.read() as tx:
            people = subscribers.find_by_ids(tx, [p.owner_id for p, _ in unreadable if p.owner_id is not None])
    warn_of_unreadable(
        (f"the keywords of {people[p.owner_id].email}" if p.owner_id else f"profile {p.name!r}", str(error))
        for p, error in unreadable
    )


dkim_commands = new_group("DKIM: a signature that proves an email's domain.")


@dkim_commands.command()
def show(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Print the DNS record that receivers use to check the signature, as a line of a zone file."""
    with open_app(config) as app:
        signer = app.signer
    if signer is None:
        raise UsageError(
            f"emails are not signed; set dkim.domain and dkim.selector in {app.config.file}, "
            f"and DIGEST_DKIM_KEY_FILE to the file of a private key ({MAKE_KEY})"
        )
    name, value = signer.dns_name, signer.dns_record()
    if as_json:
        print_json({"name": name, "type": "TXT", "value": value})
    else:
        strings = [f'"{value[i : i + _STRING]}"' for i in range(0, len(value), _STRING)]
        print(f"{name}. IN TXT ( {' '.join(strings)} )")
