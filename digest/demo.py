"""`digest demo`: all stages on sample papers and subscribers, without configuration or network.

Uses a real database, and a real SMTP server on a free loopback port. Everything is in one folder afterwards, with a
config.toml, so that every other command can be tried on it. It can also be served, with a page that shows the mails.
"""

import secrets
import socket
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from pathlib import Path

from digest.admin import admin_actions
from digest.app import App
from digest.config import DEFAULT_FILE, DeliveryConfig, SmtpConfig, load
from digest.errors import UsageError
from digest.mail.languages import DEFAULT_LANGUAGE
from digest.matching import compile_rules
from digest.models import Role
from digest.pipeline.deliver import DeliveryReport
from digest.pipeline.ingest import IngestReport
from digest.pipeline.publish import PublishReport
from digest.security import passwords
from digest.security.files import create_folder, open_file
from digest.service import serve
from digest.store import Store, deliveries, profiles, subscribers
from digest.subscribers import fields
from digest.transport.smtp_server import FolderHandler, SmtpServer
from digest.web.server import url_of

_SAMPLES = Path(__file__).with_name("samples")
PAPERS = _SAMPLES / "papers.atom.xml"  # an Atom feed as rss.arxiv.org/atom serves it
SUBSCRIBERS = _SAMPLES / "subscribers.toml"  # [[profile]] and [[subscriber]] tables
ADMIN = "admin@example.org"  # of a served demo
_MAIL = "mail"  # the folder of received mails
_URL = "http://localhost:8000"  # where `digest serve` would listen
_MARK = "# Written by `digest demo`, which may write it again."
_CONFIG = """\
{mark}
[newsletter]
name = "Daily Papers"
base_url = "{base_url}"
from = "Daily Papers <demo@example.org>"
postal_address = "Daily Papers, 2 Example Street, Example City"

[[source]]
name = "samples"
kind = "feed"
url = "{papers}"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoReport:
    """The reports of the stages, and one row for each subscriber."""

    ingest: IngestReport
    publish: PublishReport
    deliver: DeliveryReport
    rows: tuple[tuple[str, int, str], ...]  # address, papers, first title or why there is no mail
    mail: Path


def demo(folder: Path, *, now: datetime) -> DemoReport:
    """Run all stages in `folder`. Raises UsageError if it holds something else."""
    with _opened(folder, base_url=_URL) as app:
        return _run(app, folder / _MAIL, now=now)


def serve_demo(
    folder: Path,
    listener: socket.socket,
    *,
    now: datetime,
    done: Callable[[DemoReport, str], None],
    stop: threading.Event,
) -> None:
    """Run the demo and serve it until `stop` is set, with a page that shows the mails.

    Before serving, calls `done` with the report and the password of `ADMIN`. Raises UsageError as `demo` does.
    """
    with _opened(folder, base_url=url_of(listener)) as app:
        report, password = _run(app, folder / _MAIL, now=now), secrets.token_urlsafe(9)
        with app.store.write() as tx:
            admin_actions.add(tx, ADMIN, Role.ADMIN, passwords.hash_password(password), by="demo", now=now)
        done(report, password)
        serve(app, stop=stop, listener=listener, inbox=folder / _MAIL)


@contextmanager
def _opened(folder: Path, *, base_url: str) -> Iterator[App]:
    """Open the demo's installation in `folder`, with the SMTP server that receives its mail.

    Creates the folder, or clears what an earlier demo left in it.
    """
    config_file, mail = folder / DEFAULT_FILE, folder / _MAIL
    try:
        ours = config_file.exists() and config_file.read_text(encoding="utf-8").startswith(_MARK)
        if folder.exists() and any(folder.iterdir()) and not ours:
            raise UsageError(f"{folder} is not empty; name another folder with --output")
        create_folder(mail)
        for old in [*folder.glob("digest.db*"), *mail.glob("*.eml"), *mail.glob("*.html")]:
            old.unlink()
        written = _CONFIG.format(mark=_MARK, base_url=base_url, papers=PAPERS.name)
        for file, content in ((folder / PAPERS.name, PAPERS.read_bytes()), (config_file, written.encode())):
            with open_file(file) as opened:
                opened.write(content)
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}; name another folder with --output") from None
    with SmtpServer(FolderHandler(mail)) as server:
        delivery = DeliveryConfig(transport="smtp", smtp=SmtpConfig(host="127.0.0.1", port=server.port, connections=1))
        config = load(config_file).model_copy(update={"delivery": delivery})
        with App(config, Store.open(config.database_file)) as app:
            yield app


def _run(app: App, mail: Path, *, now: datetime) -> DemoReport:
    """Add the sample subscribers and run all stages once."""
    people = tomllib.loads(SUBSCRIBERS.read_text(encoding="utf-8"))
    with app.store.write() as tx:
        for profile in people["profile"]:
            profiles.add(tx, profile["name"], compile_rules(profile["rules"].strip()), by="demo", now=now)
        for person in people["subscriber"]:
            new = fields.new_subscriber(person["email"], timezone="UTC", language=DEFAULT_LANGUAGE, confirmed=True)
            chosen = {name: value for name, value in person.items() if name in fields.FIELDS}
            added = subscribers.add(tx, fields.change(new, chosen, app.subscriber_options(tx)), now=now)
            profiles.set_personal(tx, added.id, compile_rules(person.get("rules", "").strip()), now=now)
    ingested = app.ingest(now=now)
    published = app.publish(now=now, everyone=True)
    with app.store.read() as tx:
        queued = deliveries.list_queued(tx)
    shown = [(d.subscriber.email, d.digest.items) for d in queued if d.digest is not None]
    rows = (
        *((email, len(items), items[0].paper.title) for email, items in shown),
        *((email, 0, f"no email: {reason}") for email, reason in published.empty_reasons),
    )
    delivered = app.deliver(now=now)
    for file in mail.glob("*.eml"):  # each mail's HTML beside it, for a browser
        html = message_from_bytes(file.read_bytes(), policy=policy.default).get_body(("html",))
        if html is not None:
            with open_file(file.with_suffix(".html")) as opened:
                opened.write(html.get_content().replace("\r\n", "\n").encode())
    return DemoReport(ingest=ingested, publish=published, deliver=delivered, rows=rows, mail=mail)
