"""The whole job on real input: a feed over HTTP, a list in a file, a real SMTP server."""

import html
import os
import re
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from digest.models import Digest
from digest.store import Store, deliveries, papers
from digest.transport.smtp_server import SmtpServer
from tests.builders import RECORDINGS, at, needs_recordings
from tests.commandline import NEWSLETTER, Cli
from tests.smtp import Postbox

pytestmark = needs_recordings

RSS = RECORDINGS / "arxiv" / "rss" / "quant-ph_2025-04-28.rss.xml"
SEED = RECORDINGS / "seed" / "daily-papers-sep-11.txt"
MORNING = "2025-04-28T07:00:00Z"
NEXT_MORNING = "2025-04-29T07:00:00Z"
RULES = {
    "theorist@example.org": "quantum error correct*\nsurface code ^2\n-title:survey",
    "engineer@example.org": 'quantiz* OR "low precision"\nmixture of experts',
    "librarian@example.org": "title:quantum AND (machine learning OR neural network)\ntitle:language model",
}
NEW_ITEM = """<item><title>A decoder that nobody had yet</title><link>https://arxiv.org/abs/2504.99999</link>
<description>arXiv:2504.99999v1 Announce Type: new
Abstract: We decode the surface code faster than anybody.</description>
<guid isPermaLink="false">oai:arXiv.org:2504.99999v1</guid><category>quant-ph</category>
<arxiv:announce_type>new</arxiv:announce_type></item>"""


class Site(ThreadingHTTPServer):
    """http.server on loopback, with one file; remembers its answers."""

    file: Path

    def __init__(self) -> None:
        self.answers: list[int] = []
        super().__init__(("127.0.0.1", 0), Page)


class Page(SimpleHTTPRequestHandler):
    server: Site

    def translate_path(self, _path: str) -> str:
        return str(self.server.file)

    def log_request(self, code: Any = "-", _size: Any = "-") -> None:
        self.server.answers.append(int(code))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site() as server:
        server.file = tmp_path / "quant-ph.rss"
        server.file.write_bytes(RSS.read_bytes())
        os.utime(server.file, (0, 0))  # Last-Modified has whole seconds: tomorrow's file must not share them
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def postbox() -> Iterator[tuple[Postbox, int]]:
    kept = Postbox()
    with SmtpServer(kept) as server:
        yield kept, server.port


@pytest.fixture
def newsletter(bare: Cli, site: Site, postbox: tuple[Postbox, int]) -> Cli:
    """Two sources and three confirmed subscribers."""
    bare.configure(f"""
{NEWSLETTER}
[[source]]
name = "quant-ph"
kind = "arxiv"
url = "http://127.0.0.1:{site.server_address[1]}/quant-ph.rss"
[[source]]
name = "daily"
kind = "text"
url = "{SEED}"
[fetch]
allow_private = ["127.0.0.1"]
[delivery]
transport = "smtp"
[delivery.smtp]
host = "127.0.0.1"
port = {postbox[1]}
""")
    for email, rules in RULES.items():
        bare.ok("subscriber", "add", email, "--keywords", rules, "--confirmed")
    return bare


def test_a_day_and_the_next(newsletter: Cli, site: Site, postbox: tuple[Postbox, int]) -> None:
    kept, _ = postbox
    first = newsletter.ok("run", "--now", MORNING, "--json").record
    assert first["ingest"] == {"sources": 2, "entries": 172, "papers_new": 172, "failed": 0, "failures": []}
    assert first["publish"] == {"digests": 3, "empty": 0, "reasons": []}
    assert first["deliver"] == {"sent": 3, "deferred": 0, "failed": 0}
    assert kept.recipients == sorted(RULES)
    with Store.open(newsletter.folder / "digest.db") as store, store.read() as tx:
        assert len(papers.list_first_seen(tx, after=at("2025-04-28"), until=at("2025-04-28 07:00"))) == 81 + 91

    again = newsletter.ok("run", "--now", MORNING, "--json").record
    assert (again["ingest"]["entries"], again["publish"]["digests"], again["deliver"]["sent"]) == (0, 0, 0)
    assert site.answers == [200, 304]

    site.file.write_text(RSS.read_text(encoding="utf-8").replace("</channel>", f"{NEW_ITEM}</channel>"))
    kept.mails.clear()
    next_day = newsletter.ok("run", "--now", NEXT_MORNING, "--json").record
    assert (next_day["ingest"]["entries"], next_day["ingest"]["papers_new"]) == (82, 1)
    assert next_day["publish"] == {
        "digests": 1,
        "empty": 2,
        "reasons": [
            {"email": "engineer@example.org", "reason": "no keyword matched any of 1 new papers"},
            {"email": "librarian@example.org", "reason": "no keyword matched any of 1 new papers"},
        ],
    }
    ((recipient, raw),) = kept.mails
    assert recipient == "theorist@example.org"
    mail = message_from_bytes(raw, policy=policy.default)
    for part in (body(mail, "html"), body(mail, "plain")):
        assert set(re.findall(r"arxiv\.org/abs/([\d.]+)", part)) == {"2504.99999"}


def test_every_mail_is_sound_and_says_the_same_twice(newsletter: Cli, postbox: tuple[Postbox, int]) -> None:
    newsletter.ok("ingest", "--now", MORNING)
    newsletter.ok("publish", "--now", MORNING)
    with Store.open(newsletter.folder / "digest.db") as store, store.read() as tx:
        decided = {d.subscriber.email: d.digest for d in deliveries.list_queued(tx)}
    newsletter.ok("deliver", "--now", MORNING)
    assert len(postbox[0].mails) == 3
    for recipient, raw in postbox[0].mails:
        digest = decided[recipient]
        assert digest is not None
        check(raw, digest)


def check(raw: bytes, digest: Digest) -> None:
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    mail = message_from_bytes(raw, policy=policy.default)
    assert [part.defects for part in mail.walk() if part.defects] == []
    assert [name for name, value in mail.items() if value.defects] == []
    page, text = body(mail, "html"), body(mail, "plain")
    assert len(page.encode()) < 95_000
    titles = [words(item.paper.title) for item in digest.items]
    shown = words(html.unescape(re.sub(r"<[^>]*>", "", page.partition("<body")[2])))
    for where in (shown, words(text)):
        assert sorted(titles, key=where.rindex) == titles


def body(mail: EmailMessage, subtype: str) -> str:
    part = mail.get_body((subtype,))
    assert part is not None
    return str(part.get_content())


def words(text: str) -> str:
    """The text without what lines and soft breaks add."""
    return "".join(c for c in text if c.isprintable() and not c.isspace())
