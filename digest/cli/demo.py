"""digest demo."""

import threading
from pathlib import Path
from typing import Annotated

import typer

from digest.cli.options import moment
from digest.cli.output import print_table, print_text, say
from digest.config import DEFAULT_FILE
from digest.demo import ADMIN, DemoReport, serve_demo
from digest.demo import demo as run_demo
from digest.errors import DigestError
from digest.service import stop_on_signals
from digest.web.server import listen, url_of


def demo(
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="The folder for all files.")] = Path(
        "digest-demo"
    ),
    serve: Annotated[
        bool, typer.Option("--serve", help="Then serve the web pages, with the mails that arrive, until Ctrl-C.")
    ] = False,
) -> None:
    """Try everything with nothing configured and no network: sample papers, real mails."""
    if not serve:
        _report(run_demo(output, now=moment(None)), output)
        say("  digest demo --serve    the web pages, with these mails, in a browser")
        return
    stop = threading.Event()
    stop_on_signals(stop)
    listener = listen("127.0.0.1", 0)
    print_text(f"{url_of(listener)}\n")

    def done(report: DemoReport, password: str) -> None:
        url = url_of(listener)
        _report(report, output)
        say(f"\nThe pages: {url}   the mails that arrive: {url}/inbox")
        say(f"Admin pages: {url}/admin   with {ADMIN} and the password {password}   Ctrl-C stops it.")

    serve_demo(output, listener, now=moment(None), done=done, stop=stop)


def _report(report: DemoReport, output: Path) -> None:
    if report.deliver.failure:
        raise DigestError(report.deliver.failure)
    print_table(("subscriber", "papers", "first of them"), report.rows)
    say(
        f"\n{report.ingest.papers_new} papers, {report.deliver.sent} mails: {report.mail}/*.eml"
        f"\nOpen {report.mail}/*.html in a browser to see them. Then try, on the same papers:"
        f"\n  digest match 'diffusion model' --config {output / DEFAULT_FILE}"
    )
