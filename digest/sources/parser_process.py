"""Parses what sources serve, in a child process that has limits on processor time and memory.

The parsers that we use take time quadratic in the length of some texts (feedparser, 51 s for a name of 100 KB), and a
regular expression keeps all other threads of its process waiting. No bound on the size of an answer prevents both.

The child is a fresh interpreter, not a fork, as a fork of a process with threads may deadlock. It gets requests on its
standard input, each a line of JSON and a body, and answers with lines of JSON: one for each entry, so that reading them
holds up other threads for a moment only, and a last one.
"""

import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from digest.closing import Closable
from digest.errors import SourceError, StoppedError
from digest.models import AnnounceType, Entry
from digest.sources.kinds import parse, parse_page

# Fetching and storing an answer cost the rest of the 20 s that it may cost altogether.
MAX_CPU_SECONDS = 17
MAX_MEMORY = 1024 * 2**20  # bytes; a real feed of 32 MB needs 600 MB
_MAX_SECONDS = 180.0  # by the clock, for a busy machine
_MAX_ANSWER = 64 * 2**20  # bytes
_MAX_LINE = 8 * 2**20
_LARGE = 2 * 2**20  # a body after which a new child is started, which does not hold its memory
_POLL_SECONDS = 0.2
_CHUNK = 256 * 1024
_PACKAGES = Path(__file__).resolve().parents[2]  # the folder that has the package `digest`
_PROGRAM = "from digest.sources.parser_process import answer_requests; answer_requests()"


@dataclass(frozen=True, slots=True)
class _Limits:
    """What parsing one answer may need."""

    cpu_seconds: int
    memory: int  # bytes

    @property
    def too_slow(self) -> str:
        return f"the answer takes more than {self.cpu_seconds} s of processor time to be parsed"

    @property
    def too_large(self) -> str:
        return f"the answer needs more than {self.memory // 2**20} MB of memory to be parsed"


class ParserError(Exception):
    """An unforeseen error in the child. `stack` is the child's."""

    def __init__(self, reason: str, stack: str) -> None:
        super().__init__(reason)
        self.stack = stack


class Parser(Closable):
    """Parses answers in a child process. Close it. For one thread at a time.

    The child is started when it is needed, and used again. It does not outlive this process, nor the thread that
    started it. Parsing ends with StoppedError as soon as `stopping` returns True.
    """

    def __init__(
        self,
        *,
        stopping: Callable[[], bool] = lambda: False,
        cpu_seconds: int = MAX_CPU_SECONDS,
        memory: int = MAX_MEMORY,
    ) -> None:
        self._stopping = stopping
        self._limits = _Limits(cpu_seconds, memory)
        self._child: _Child | None = None

    def parse(self, kind: str, body: bytes, *, source: str, url: str = "") -> list[Entry]:
        """Return the entries in `body`, as `kinds.parse` does. Raises SourceError, also at a limit."""
        return self._ask({"kind": kind, "source": source, "url": url}, body)

    def parse_page(self, body: bytes, *, source: str, url: str) -> Entry:
        """Return the paper that a web page describes, as `kinds.parse_page` does. Raises SourceError."""
        (entry,) = self._ask({"kind": "", "source": source, "url": url}, body)
        return entry

    def _ask(self, request: dict[str, str], body: bytes) -> list[Entry]:
        source = request["source"]
        child = self._child = self._child or _Child(self._limits)
        complete = False
        try:
            found: list[Entry] = []
            for line in child.exchange(request, body, self._stopping):
                answer: dict[str, Any] = json.loads(line)
                if "entry" in answer:
                    found.append(_entry_of(answer["entry"]))
                elif "reason" in answer:
                    complete = True
                    raise SourceError(source, answer["reason"])
                elif "stack" in answer:
                    raise ParserError(answer["error"], answer["stack"])
                else:
                    complete = True
                    return found
            raise SourceError(source, child.why_ended())
        finally:
            if not complete or len(body) > _LARGE:
                self.close()

    def close(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is not None:
            child.close()


class _Child:
    """A child process."""

    def __init__(self, limits: _Limits) -> None:
        """Start a child that sees the modules that this process sees, and none of its secrets."""
        self._limits = limits
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
        environment["PYTHONPATH"] = os.pathsep.join((*filter(None, sys.path), str(_PACKAGES)))
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        try:
            self.process = subprocess.Popen(  # noqa: S603 (nothing in it is from outside)
                # -P: no modules from the working directory
                [sys.executable, "-P", "-c", _PROGRAM, str(limits.cpu_seconds), str(limits.memory)],
                stdin=requests,
                stdout=answers,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the parent
            )
        except OSError:  # no more processes
            os.close(self._requests)
            os.close(self._answers)
            raise
        finally:
            os.close(requests)
            os.close(answers)
        os.set_blocking(self._requests, False)

    def exchange(self, request: dict[str, str], body: bytes, stopping: Callable[[], bool]) -> Iterator[bytes]:
        """Send a request, and yield the lines of the answer until the child ends. Raises StoppedError, SourceError."""
        head = json.dumps(request | {"length": len(body)}).encode() + b"\n"
        to_send = [memoryview(body), memoryview(head)]  # the last first
        received, line = 0, bytearray()
        give_up_at = time.monotonic() + _MAX_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(self._answers, selectors.EVENT_READ)
            selector.register(self._requests, selectors.EVENT_WRITE)
            while True:
                ready = {key.fd for key, _ in selector.select(_POLL_SECONDS)}
                if stopping():
                    raise StoppedError
                if time.monotonic() > give_up_at:
                    raise SourceError(request["source"], f"parsing the answer takes more than {_MAX_SECONDS:.0f} s")
                if self._requests in ready and not self._send(to_send):
                    selector.unregister(self._requests)
                if self._answers not in ready:
                    continue
                chunk = os.read(self._answers, _CHUNK)
                if not chunk:
                    return
                received += len(chunk)
                *lines, rest = chunk.split(b"\n")
                for part in lines:
                    yield bytes(line + part)
                    line.clear()
                line += rest
                if received > _MAX_ANSWER or len(line) > _MAX_LINE:
                    raise SourceError(request["source"], f"its entries are larger than {_MAX_ANSWER // 2**20} MB")

    def _send(self, to_send: list[memoryview]) -> bool:
        """Send what the pipe takes now. Returns False if nothing is left to send."""
        try:
            sent = os.write(self._requests, to_send[-1][:_CHUNK])
        except BrokenPipeError:  # the child has ended, which reading its answer will show
            return False
        to_send[-1] = to_send[-1][sent:]
        if not to_send[-1]:
            to_send.pop()
        return bool(to_send)

    def why_ended(self) -> str:
        """Return why the child ended without an answer."""
        status = self.process.wait()
        if -status == signal.SIGXCPU:
            return self._limits.too_slow
        if -status in {signal.SIGABRT, signal.SIGSEGV}:  # a library written in C or Rust got no memory
            return self._limits.too_large
        return f"parsing the answer ended with {f'signal {-status}' if status < 0 else f'status {status}'}"

    def close(self) -> None:
        """End the child, and wait until it has ended."""
        self.process.kill()
        os.close(self._requests)
        os.close(self._answers)
        self.process.wait()


def _entry_of(record: dict[str, Any]) -> Entry:
    """Return the entry that the child wrote."""
    published = record["published_at"]
    return Entry(
        **record
        | {
            "authors": tuple(record["authors"]),
            "categories": tuple(record["categories"]),
            "announce_type": AnnounceType(record["announce_type"]),
            "published_at": datetime.fromisoformat(published) if published else None,
        }
    )


def answer_requests() -> None:
    """Answer the requests on standard input until it ends: the child's main function."""
    limits = _Limits(*map(int, sys.argv[1:]))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # systemd sends it to both; the parent decides
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError, OSError):  # a lower limit is set already, or the system has none (macOS)
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415  (only the child needs it)

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG; elsewhere its requests end with the parent
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # a library that prints must not spoil the answers
    while head := requests.readline():
        request: dict[str, Any] = json.loads(head)
        body = requests.read(request.pop("length"))
        # The system ends this process (SIGXCPU) after so much more processor time.
        used = resource.getrusage(resource.RUSAGE_SELF)
        soft = int(used.ru_utime + used.ru_stime) + 1 + limits.cpu_seconds
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
        for record in _answer(limits, body=body, **request):
            answers.write(json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        answers.flush()


def _answer(limits: _Limits, *, kind: str, body: bytes, source: str, url: str) -> Iterator[dict[str, Any]]:
    """Yield the records of an answer."""
    try:
        found = parse(kind, body, source=source, url=url) if kind else [parse_page(body, url=url, source=source)]
        for entry in found:
            published = entry.published_at
            yield {"entry": asdict(entry) | {"published_at": published.isoformat() if published else None}}
        yield {"entries": len(found)}
    except SourceError as error:
        yield {"reason": error.reason}
    except MemoryError:
        yield {"reason": limits.too_large}
    except Exception as error:  # noqa: BLE001 (the parent reports it)
        yield {"error": f"{type(error).__name__}: {error}", "stack": traceback.format_exc()}
