"""Worker names: which process has a lease, and whether it is alive."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from digest.store import outbox


def test_a_new_process_with_an_old_pid_is_not_mistaken_for_the_old_one() -> None:
    host, pid, *_ = outbox.new_worker_name().split("/")
    assert int(pid) == os.getpid()
    assert outbox.is_dead(f"{host}/{pid}/1")
    assert not outbox.is_dead(outbox.new_worker_name())
    assert not outbox.is_dead(f"elsewhere/{pid}/1")


def test_a_zombie_process_counts_as_dead() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from digest.store import outbox; print(outbox.new_worker_name(), flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    worker = process.stdout.readline().strip()
    assert not outbox.is_dead(worker)
    process.kill()
    deadline = time.monotonic() + 10
    while not outbox.is_dead(worker):  # the kernel takes a moment
        assert time.monotonic() < deadline
    process.communicate()
    assert outbox.is_dead(worker)


def test_without_proc_a_running_pid_counts_as_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_PROC", tmp_path / "proc")
    worker = outbox.new_worker_name()
    assert f"/{os.getpid()}/0/" in worker
    assert not outbox.is_dead(worker)
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert outbox.is_dead(worker.replace(f"/{os.getpid()}/", f"/{process.pid}/"))
