"""The process that parses what strangers serve: its limits, and that it holds up nothing else."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from digest.errors import SourceError, StoppedError
from digest.sources import Parser, detect_kind, parse, parse_page
from digest.sources.parser_process import ParserError
from tests.faults.gallery.feeds import SAMPLES

SLOW = b"<rss version='2.0'><channel>" + b"<item><title>a</title></item>" * 300_000 + b"</channel></rss>"
SMALL = b"<rss version='2.0'><channel><title>T</title><item><title>Cats</title></item></channel></rss>"
PAGE = b'<!doctype html><meta name="citation_title" content="Cats">'


def reason(parser: Parser, body: bytes, kind: str = "feed") -> str:
    with pytest.raises(SourceError) as caught:
        parser.parse(kind, body, source="src")
    assert caught.value.source == "src"
    return caught.value.reason


def test_a_child_gives_the_same_entries_and_is_used_again() -> None:
    with Parser() as parser:
        for body in SAMPLES:
            kind = detect_kind(body)
            assert parser.parse(kind, body, source="src") == parse(kind, body, source="src")
        url = "https://example.org/1"
        assert parser.parse_page(PAGE, url=url, source="src") == parse_page(PAGE, url=url, source="src")
        assert parser._child is not None
        assert reason(parser, b"just words") == "the answer is not a feed"
        assert parser.parse("feed", SMALL, source="src")[0].title == "Cats"


def test_a_feed_that_takes_too_long_is_given_up_and_the_next_is_read() -> None:
    with Parser(cpu_seconds=1) as parser:
        assert reason(parser, SLOW) == "the answer takes more than 1 s of processor time to be parsed"
        assert parser.parse("feed", SMALL, source="src")[0].title == "Cats"


def test_a_feed_that_needs_too_much_memory_is_given_up() -> None:
    body = b"<rss version='2.0'><channel><item><title>" + b"long " * 5_000_000 + b"</title></item></channel></rss>"
    with Parser(memory=140 * 2**20) as parser:
        assert reason(parser, body) == "the answer needs more than 140 MB of memory to be parsed"
        assert parser.parse("feed", SMALL, source="src")[0].title == "Cats"


def test_more_entries_than_a_feed_has_are_refused() -> None:
    body = b"<rss version='2.0'><channel>" + b"<item><title>a</title></item>" * 10_001 + b"</channel></rss>"
    with Parser() as parser:
        assert reason(parser, body) == "the answer has 10001 entries, and 10000 are the most that are read"


def test_parsing_ends_when_the_program_stops() -> None:
    begun = time.monotonic()
    with Parser(stopping=lambda: time.monotonic() > begun + 0.5) as parser, pytest.raises(StoppedError):
        parser.parse("feed", SLOW, source="src")
    assert time.monotonic() < begun + 10
    assert parser._child is None


def test_a_signal_for_all_processes_of_a_service_is_the_parents() -> None:
    with Parser() as parser:
        parser.parse("feed", SMALL, source="src")
        assert parser._child is not None
        parser._child.process.terminate()
        assert parser.parse("feed", SMALL, source="src")[0].title == "Cats"


def test_thousands_of_authors_of_any_script_are_returned() -> None:
    author = "<dc:creator>" + "著者" * 20 + "</dc:creator>"
    item = f"<item xmlns:dc='http://purl.org/dc/elements/1.1/'><title>Cats</title>{author * 8_000}</item>"
    with Parser() as parser:
        (entry,) = parser.parse("feed", f"<rss version='2.0'><channel>{item}</channel></rss>".encode(), source="src")
    assert len(entry.authors) == 8_000


def test_other_threads_go_on_while_a_slow_feed_is_parsed() -> None:
    longest, done = 0.0, threading.Event()

    def tick() -> None:
        nonlocal longest
        last = time.monotonic()
        while not done.wait(0.01):
            longest, last = max(longest, time.monotonic() - last), time.monotonic()

    ticking = threading.Thread(target=tick)
    ticking.start()
    begun = time.monotonic()
    with Parser(cpu_seconds=1) as parser:
        reason(parser, SLOW)
    took = time.monotonic() - begun
    done.set()
    ticking.join()
    assert longest < took / 2


def test_a_fault_of_the_parser_is_told_with_its_stack() -> None:
    with Parser() as parser, pytest.raises(ParserError, match="NotFoundError: no kind of source 'fed'") as caught:
        parser.parse("fed", SMALL, source="src")
    assert "in parse\n" in caught.value.stack


def test_a_child_sees_no_secrets_and_no_modules_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIGEST_SMTP_PASSWORD", "secret-word")
    with Parser() as parser:
        assert parser.parse("feed", SMALL, source="src")[0].title == "Cats"
        assert parser._child is not None
        if sys.platform == "linux":
            assert b"secret-word" not in Path(f"/proc/{parser._child.process.pid}/environ").read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_child_ends_with_its_parent() -> None:
    program = """
from digest.sources import Parser
from tests.sources.test_parser_process import SMALL, SLOW
parser = Parser()
parser.parse("feed", SMALL, source="src")
print(parser._child.process.pid, flush=True)
parser.parse("feed", SLOW, source="src")
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(0.2)
        os.kill(child, 0)  # it is there
        parent.kill()
        parent.wait()
        give_up_at = time.monotonic() + 3
        while _runs(child) and time.monotonic() < give_up_at:
            time.sleep(0.02)
        assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
