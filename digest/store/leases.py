"""Who holds a lease: host, process, the moment the process started, and which of its runs it is.

A process that died on this host is known to be dead at once, and a new one that got its number is not mistaken for it.
A process on another host is believed until its lease runs out. What a run could not write down at its end is not for
the next run of the same process to let go of: it waits for the lease to run out, like anybody's.
"""

import itertools
import os
import socket
from datetime import timedelta
from pathlib import Path

LEASE = timedelta(minutes=5)

# A mail that was begun is handed over within the lease, and its answer may take ten minutes (RFC 5321, 4.5.3.2.6).
SENDING_LEASE = LEASE + timedelta(minutes=11)

# A lease that ends later than this from now was taken by a clock that was wrong.
MAX_LEASE = SENDING_LEASE + timedelta(hours=1)

_PROC = Path("/proc")
_RUNS = itertools.count(1)


def new_worker_name() -> str:
    """ "host/pid/start/run": a run of this process, as leases name it."""
    return f"{socket.gethostname()}/{os.getpid()}/{_started(os.getpid())}/{next(_RUNS)}"


def is_local(worker: str) -> bool:
    """Whether `worker` is, or was, a process of this host."""
    return worker.partition("/")[0] == socket.gethostname()


def is_dead(worker: str) -> bool:
    """Whether `worker` is a process of this host that runs no longer."""
    host, pid, started, *_ = worker.split("/")
    return host == socket.gethostname() and _started(int(pid)) != started


def _started(pid: int) -> str:
    """When a process started, in clock ticks since boot; "" if it does not run.

    Where there is no /proc every running process is said to have started at 0: a number used anew then keeps its
    predecessor's lease until it runs out.
    """
    if not _PROC.is_dir():
        return "0" if _runs(pid) else ""
    try:
        state, *rest = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if state == "Z" else rest[18]  # proc(5), fields 3 and 22: a zombie is dead, only not yet buried


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
