"""A newsletter on disk with queued mails, and its command line in separate processes."""

import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from digest.app import App
from digest.matching import compile_rules
from digest.models import DeliveryState, Subscriber, SubscriberState
from digest.store import deliveries, profiles, subscribers
from tests.commandline import ABSTRACT, CONFIG, Ran

CONNECTIONS = 4
_PAPERS = 3

_DELIVERY = """
[delivery]
transport = "smtp"
in_doubt = "{doubt}"

[delivery.smtp]
host = "127.0.0.1"
port = {port}
connections = {connections}
"""

_DIGEST = 'import runpy; runpy.run_module("digest", run_name="__main__")'


class Newsletter:
    """In `folder`, with a digest each for reader0@example.org and so on."""

    def __init__(self, folder: Path, *, port: int, readers: int, doubt: str = "resend") -> None:
        self.folder = folder
        (folder / "config.toml").write_text(
            CONFIG + _DELIVERY.format(doubt=doubt, port=port, connections=CONNECTIONS), encoding="utf-8"
        )
        titles = [f"A study of cats, part {i}" for i in range(_PAPERS)]
        text = "\n".join(f"{title}\n{ABSTRACT}{title}." for title in titles)
        (folder / "papers.txt").write_text(text, encoding="utf-8")
        self.readers = [f"reader{i}@example.org" for i in range(readers)]
        now = datetime.now(UTC)
        with App.open(folder / "config.toml") as app:
            app.ingest(now=now)
            with app.store.write() as tx:
                profiles.add(tx, "Cats", compile_rules("cat"), by="tests", now=now)
                for email in self.readers:
                    reader = Subscriber(email=email, profiles=("Cats",), state=SubscriberState.ACTIVE)
                    subscribers.add(tx, reader, now=now)
            app.publish(now=now, everyone=True)

    def start(self, *arguments: str, under: str = "") -> subprocess.Popen[str]:
        """`digest …` on its way; `under` is Python that changes the world for it beforehand."""
        program = ["-c", f"{under}\n{_DIGEST}"] if under else ["-m", "digest"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
        return subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=self.folder,
            env=kept,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, under: str = "") -> Ran:
        """`digest …` from its beginning to its end."""
        return ended(self.start(*arguments, under=under))

    def states(self) -> Counter[str]:
        """How many deliveries are in which state."""
        with App.open(self.folder / "config.toml") as app, app.store.read() as tx:
            return Counter(d.state.value for d in deliveries.list_newest(tx, limit=len(self.readers) + 1))

    def list_in_doubt(self) -> set[str]:
        """The readers whose mails are in doubt."""
        with App.open(self.folder / "config.toml") as app, app.store.read() as tx:
            found = deliveries.list_newest(tx, state=DeliveryState.IN_DOUBT, limit=len(self.readers) + 1)
        return {delivery.subscriber.email for delivery in found}


def ended(process: subprocess.Popen[str], *, seconds: float = 120) -> Ran:
    """What came of a process that ends by itself."""
    out, err = process.communicate(timeout=seconds)
    assert "Traceback" not in err, err
    return Ran(code=process.returncode, out=out, err=err)
