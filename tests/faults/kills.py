"""What kill -9 costs: `python -m tests.faults.kills [--mails 4000] [--kills 50] [--park] [--json]`.

`digest deliver`, the real command line with four connections, is killed in the middle of sending and started again,
until everything is settled. The server is in this process and outlives them all; every other process finds one that
offers PIPELINING. Each kill comes after a number of accepted mails drawn at random: at the very moment when the
server took the last of them and has not said so yet, or up to 20 ms later.

lost        mails that the server never took, and that no error reports
duplicated  mails that it took again, and the most of them after one kill; `bound` is what the README promises for all
            kills together: for each connection the ten that were begun together, and three in flight
parked      mails that wait for an admin's word (with --park)
"""

import argparse
import hashlib
import json
import random
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from email import message_from_bytes
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from tests.faults.newsletter import CONNECTIONS, Newsletter, ended
from tests.faults.server import AcceptedMail, FaultyServer

PER_CONNECTION = 3 + 10  # in flight, and begun together
_LATEST = 0.02  # seconds between the last mail that a process hands over and its end
_PATIENCE = 60.0  # seconds until a process has to have done something


class Mail(NamedTuple):
    """One mail as the server accepted it. Equal mails compare equal, whichever process sent them."""

    message_id: str
    recipient: str
    sha: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of it all."""

    doubt: str
    mails: int
    kills: int
    lost: int
    duplicated: int
    most_in_one_kill: int
    bound: int
    parked: int


class KillSchedule:
    """The mails that the server accepted, by process, and when to kill which process."""

    def __init__(self) -> None:
        self.lives: list[list[Mail]] = []  # a process's mails each
        self.reached = threading.Event()  # the number of mails after which this process is to end
        self.kill: Callable[[], object] = lambda: None  # called at that moment
        self._after = 0
        self._lock = threading.Lock()

    def begin(self, after: int = 0) -> None:
        """A new process, which is to end after that many mails; 0: by itself."""
        self.reached.clear()
        self.kill = lambda: None
        self._after = after
        self.lives.append([])

    def take(self, _connection: int, taken: AcceptedMail) -> None:
        """The server answers for one more mail."""
        message_id = message_from_bytes(taken.content)["Message-ID"]
        mail = Mail(message_id, taken.recipient, hashlib.sha256(taken.content).hexdigest())
        with self._lock:
            self.lives[-1].append(mail)
            if len(self.lives[-1]) == self._after:
                self.reached.set()
                self.kill()

    @property
    def mails(self) -> list[Mail]:
        """Everything, over all processes."""
        return [mail for life in self.lives for mail in life]

    def count_duplicates(self) -> Counter[int]:
        """Returns how many mails were sent again after each process was killed."""
        last: dict[str, int] = {}  # recipient -> the process that handed it over last
        blamed: Counter[int] = Counter()
        for number, life in enumerate(self.lives):
            for mail in life:
                if mail.recipient in last:
                    blamed[last[mail.recipient]] += 1
                last[mail.recipient] = number
        return blamed


class Trial:
    """A newsletter and the server that receives its mails."""

    def __init__(self, newsletter: Newsletter, server: FaultyServer, ledger: KillSchedule, *, seed: int) -> None:
        self.newsletter = newsletter
        self.ledger = ledger
        self.kills = 0
        self._server = server
        self._random = random.Random(seed)

    def kill(self, wanted: int) -> None:
        """Kill `wanted` processes, each in the middle of sending; fewer if nothing is left to send."""
        while self.kills < wanted and (left := self._left()):
            self._start_and_kill(after=self._random.randint(1, max(1, 2 * left // (wanted - self.kills + 1))))

    def finish(self) -> None:
        """Let a last process send what is left."""
        self.ledger.begin()
        ran = self.newsletter.run("deliver")
        assert ran.code == 0, ran

    def figures(self, doubt: str) -> Figures:
        """What came of it so far."""
        parked = self.newsletter.list_in_doubt()
        arrived = {mail.recipient for mail in self.ledger.mails}
        doubled = self.ledger.count_duplicates()
        return Figures(
            doubt=doubt,
            mails=len(self.newsletter.readers),
            kills=self.kills,
            lost=len(set(self.newsletter.readers) - arrived - parked),
            duplicated=doubled.total(),
            most_in_one_kill=max(doubled.values(), default=0),
            bound=self.kills * CONNECTIONS * PER_CONNECTION,
            parked=len(parked),
        )

    def _left(self) -> int:
        states = self.newsletter.states()
        return states.total() - states["sent"] - states["in-doubt"]

    def _start_and_kill(self, *, after: int) -> None:
        self._server.pipelining = self.kills % 2 == 0
        self.ledger.begin(after)
        process = self.newsletter.start("deliver")
        if self._random.random() < 0.5:
            self.ledger.kill = process.kill
        if self._reached(process):
            time.sleep(self._random.uniform(0, _LATEST))
            process.kill()
        ran = ended(process)
        assert ran.code in {0, -9}, ran
        self.kills += ran.code == -9
        self._server.wait_until_idle()  # what was on its way is taken before the next process begins

    def _reached(self, process: subprocess.Popen[str]) -> bool:
        """Whether a process has sent its number of mails; the others may leave too few for it."""
        for _ in range(int(_PATIENCE / 0.05)):
            if self.ledger.reached.wait(0.05):
                return True
            if process.poll() is not None:
                return False
        process.kill()
        raise TimeoutError("digest deliver sends nothing")


@contextmanager
def trial(folder: Path, *, mails: int, doubt: str, seed: int = 0) -> Iterator[Trial]:
    """A newsletter in an empty folder with `mails` queued, and its server."""
    ledger = KillSchedule()
    with FaultyServer(taking=ledger.take) as server:
        yield Trial(Newsletter(folder, port=server.port, readers=mails, doubt=doubt), server, ledger, seed=seed)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kills")
    parser.add_argument("--mails", type=int, default=4000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--park", action="store_true", help="with delivery.in_doubt = park")
    parser.add_argument("--seed", type=int, default=0, help="of the moments that are drawn")
    parser.add_argument("--json", action="store_true", help="one object a line")
    options = parser.parse_args()
    doubt = "park" if options.park else "resend"
    with (
        tempfile.TemporaryDirectory() as folder,
        trial(Path(folder), mails=options.mails, doubt=doubt, seed=options.seed) as tried,
    ):
        tried.kill(options.kills)
        tried.finish()
        figures = tried.figures(doubt)
    if options.json:
        print(json.dumps(asdict(figures)))
    else:
        Console().print(_table(figures))


def _table(figures: Figures) -> Table:
    table = Table(*(name.replace("_", " ") for name in asdict(figures)), box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    table.add_row(*(value if isinstance(value, str) else f"{value:,}" for value in asdict(figures).values()))
    return table


if __name__ == "__main__":
    main()
