"""digest demo."""

from pathlib import Path
from typing import Annotated

import typer

from digest.cli.options import moment
from digest.cli.output import print_table, say
from digest.config import DEFAULT_FILE
from digest.demo import demo as run_demo
from digest.errors import DigestError


def demo(
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="Where everything is left.")] = Path(
        "digest-demo"
    ),
) -> None:
    """Do the whole job with nothing configured and no network: sample papers, real mails."""
    report = run_demo(output, now=moment(None))
    if report.deliver.failure:
        raise DigestError(report.deliver.failure)
    print_table(("subscriber", "papers", "first of them"), report.rows)
    say(
        f"\n{report.ingest.papers_new} papers, {report.deliver.sent} mails: {report.mail}/*.eml"
        f"\nOpen {report.mail}/*.html in a browser to see them. Then try, on the same papers:"
        f"\n  digest match 'diffusion model' --config {output / DEFAULT_FILE}"
    )
