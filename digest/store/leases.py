"""The names of workers, which tell whether the process that holds a lease is still alive.

A process of this host that died is recognised at once, also if another one has its number by now. A process of another
host keeps its lease until it expires. Each run of a process has a name of its own: what one run could not record at its
end is not released by the next, but waits until the lease expires.
"""

import itertools
import os
import socket
from datetime import timedelta
from pathlib import Path

LEASE = timedelta(minutes=5)

# A mail is handed over within the lease, and the server may take ten minutes to answer (RFC 5321, 4.5.3.2.6).
SENDING_LEASE = LEASE + timedelta(minutes=11)

# A lease that ends later than this was taken by a process with a wrong clock.
MAX_LEASE = SENDING_LEASE + timedelta(hours=1)

_PROC = Path("/proc")
_RUNS = itertools.count(1)


def new_worker_name() -> str:
    """Return a name for a run of this process: "host/pid/start/run"."""
    return f"{socket.gethostname()}/{os.getpid()}/{_started(os.getpid())}/{next(_RUNS)}"


def is_local(worker: str) -> bool:
    """Return True if `worker` is, or was, a process of this host."""
    return worker.partition("/")[0] == socket.gethostname()


def is_dead(worker: str) -> bool:
    """Return True if `worker` is a process of this host that no longer runs."""
    _, pid, started, *_ = worker.split("/")
    return is_local(worker) and _started(int(pid)) != started


def _started(pid: int) -> str:
    """Return when a process started, in clock ticks since boot, or "" if it does not run.

    Without /proc, all running processes seem to have started at 0: a new process with an old number then keeps the old
    one's lease alive until it expires.
    """
    if not _PROC.is_dir():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return ""
        except PermissionError:  # it runs under another user
            pass
        return "0"
    try:
        state, *rest = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if state == "Z" else rest[18]  # proc(5), fields 3 and 22; a zombie has ended
