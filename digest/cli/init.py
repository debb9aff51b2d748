"""digest init: a first config.toml."""

from pathlib import Path
from typing import Annotated

import typer

from digest.app import App
from digest.cli.output import say
from digest.config import DEFAULT_FILE
from digest.errors import UsageError

_FIRST = """\
# Every key and its default: config.example.toml in the project.

[newsletter]
name = "Daily Papers"
from = "Daily Papers <digest@example.org>"        # the sender of all mails
postal_address = "Your institute, its street, its city"

[[source]]
name = "arxiv-ml"
kind = "feed"
url = "https://rss.arxiv.org/atom/cs.LG+cs.CL"

[delivery]
transport = "maildir"                             # mails are written to the folder outbox/; "smtp" sends them
"""


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder; it is created if missing.")] = Path(),
) -> None:
    """Write a config.toml, create the database, and print the next steps."""
    file = folder / DEFAULT_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as config:
            config.write(_FIRST)
    except FileExistsError:
        raise UsageError(f"{file} already exists; edit it, or name another folder") from None
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}") from None
    with App.open(file) as app:
        app.config.secret_key()
    say(
        f"wrote {file}. Next:\n"
        f"  1. edit it: your name, your sources\n"
        f"  2. digest profile add 'My field' --rules 'diffusion model'\n"
        f"  3. digest subscriber add you@example.org --profile 'My field' --confirmed\n"
        f"  4. digest run --everyone\n"
        f"  5. digest admin add you@example.org, to sign in on the web, at /admin\n"
        f"  6. digest serve, to send digests every day and serve the web pages\n"
        + ("" if folder == Path() else f"from inside {folder}, or with --config {file}\n")
    )
