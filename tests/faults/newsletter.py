"""A newsletter on disk whose mails are decided and queued, and the real command line on it, in processes of its own."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from digest.installation import Installation
from digest.matching import compile_rules
from digest.models import Subscriber, SubscriberState
from digest.store import outbox, profiles, subscribers
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

# What `digest` runs in where files may not grow beyond a size: the disk is full for them.
_CONFINED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
runpy.run_module("digest", run_name="__main__")
"""


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
        with Installation.open(folder / "config.toml") as here:
            here.ingest(now=now)
            with here.store.write() as tx:
                profiles.add(tx, "Cats", compile_rules("cat"), now=now)
                for email in self.readers:
                    reader = Subscriber(email=email, profiles=("Cats",), state=SubscriberState.ACTIVE)
                    subscribers.add(tx, reader, now=now)
            here.publish(now=now, everyone=True)

    def start(self, *arguments: str, largest_file: int | None = None) -> subprocess.Popen[str]:
        """`digest …` on its way. No file that it writes may have more bytes than `largest_file`."""
        confined = ["-c", _CONFINED, str(largest_file)]
        program = ["-m", "digest"] if largest_file is None else confined
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

    def run(self, *arguments: str, largest_file: int | None = None) -> Ran:
        """`digest …` from its beginning to its end."""
        return ended(self.start(*arguments, largest_file=largest_file))

    def states(self) -> Counter[str]:
        """How many deliveries are in which state."""
        with Installation.open(self.folder / "config.toml") as here, here.store.read() as tx:
            return Counter(d.state.value for d in outbox.list_deliveries(tx, limit=len(self.readers) + 1))

    def list_in_doubt(self) -> dict[str, int]:
        """The numbers of the deliveries in doubt by reader, as the command line lists them."""
        listed = self.run("outbox", "list", "--state", "in-doubt", "--json", "--limit", str(len(self.readers)))
        return {record["to"]: record["id"] for record in listed.records}

    def resolve(self, numbers: Sequence[int], word: str) -> Ran:
        """An admin's word on deliveries in doubt."""
        return self.run("outbox", "resolve", word, *map(str, numbers))


def ended(process: subprocess.Popen[str], *, seconds: float = 120) -> Ran:
    """What came of a process that ends by itself."""
    out, err = process.communicate(timeout=seconds)
    assert "Traceback" not in err, err
    return Ran(code=process.returncode, out=out, err=err)
