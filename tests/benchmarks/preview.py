"""The cases `preview` of web.py: how long a live preview takes, over 15,000 papers of thirty days (quick: 3,000).

Requested over HTTP after every key. Papers are put together from sentences of the recorded ones where
these are there, else from made-up words. The pages are served by a process of its own. No request asks what another one
asked. The second round is typed while the server reads all papers again and again, because one of them has
changed.

digest       our page, the papers kept in memory
no cache     the papers are read from the database for each preview, and no page is rendered
"""

import re
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from itertools import accumulate
from pathlib import Path
from random import Random
from urllib.parse import urlencode, urlsplit

from digest.app import App
from digest.matching import ProfileIndex, compile_rules
from digest.models import Paper, Profile
from digest.pipeline.selection import search_since
from digest.store import papers, profiles
from tests.benchmarks.harness import Row, resident_mb
from tests.benchmarks.serving import server
from tests.builders import RECORDINGS
from tests.recordings import DAYS, papers_of

PAPERS = 15_000
PER_DAY = 500
TYPED = (
    "diffusion model\nimage AND (editing OR inpainting)\n-survey\n",
    'title:"language model" AND reason*\nchain of thought^2\nauthor:Smith\n',
    "quantiz* AND audio\nlow precision\nspeech NEAR/5 recognition\n",
    "graph neural network\nmolecul* AND NOT protein\ncategory:q-bio.*\n",
    "federated learning\nprivacy OR private\n-title:benchmark\n",
    "robot* AND (grasp* OR manipulation)\nreinforcement learning\nvision-language-action\n",
    "black hole\ngravitational wave\ncategory:astro-ph.*\nlens*\n",
    "retrieval AND generation\nlong context\nmemory\nagent* AND tool*\n",
)
_WORDS_A_SENTENCE, _SENTENCES = 18, 7


def texts() -> Iterator[str]:
    """Yields the distinct texts that result from typing, one per key."""
    typed = (so_far for text in TYPED for so_far in accumulate(text))
    yield from dict.fromkeys(so_far for so_far in typed if len(so_far.strip()) > 1)


def add_papers(app: App, count: int, *, now: datetime) -> None:
    """Store `count` papers first seen in the thirty days before `now`, and a shared profile."""
    made = some_papers(count)
    with app.store.write() as tx:
        for day, begin in enumerate(range(0, count, PER_DAY)):
            seen_at = now - timedelta(days=day, hours=1)
            papers.add(tx, made[begin : begin + PER_DAY], first_seen_at=seen_at, edition_on=seen_at.date())
        profiles.add(
            tx, "Vision", compile_rules("segmentation\nobject detection\nvideo AND understanding"), by="tests", now=now
        )


def some_papers(count: int) -> list[Paper]:
    """Returns papers as long as real ones."""
    random = Random(1)
    patterns = _recorded() if RECORDINGS.is_dir() else [_random_paper(random) for _ in range(2000)]
    sentences = [s for paper in patterns for s in re.split(r"(?<=[.!?]) +", paper.abstract)]
    return [
        Paper(
            id=f"arxiv:26{number // 10_000:02}.{number % 10_000:05}",
            title=(pattern := random.choice(patterns)).title,
            abstract=" ".join(random.choices(sentences, k=_SENTENCES)),
            authors=pattern.authors,
            categories=pattern.categories,
            url=pattern.url,
            pdf_url=pattern.pdf_url,
        )
        for number in range(count)
    ]


def _recorded() -> list[Paper]:
    return [paper for day in DAYS for paper in papers_of(day)]


def _random_paper(random: Random) -> Paper:
    """Returns a paper with the words that are typed above, and other words, few of which are frequent."""
    typed = sorted({word.lower() for text in TYPED for word in re.findall(r"[A-Za-z]{4,}", text)})
    words = typed + [f"{a}{b}{c}" for a in ("ba", "lo", "mi", "su") for b in "dklmnrst" for c in ("an", "er", "ion")]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    drawn = random.choices(words, weights, k=_WORDS_A_SENTENCE * (_SENTENCES + 1))
    lines = [" ".join(drawn[i : i + _WORDS_A_SENTENCE]) for i in range(0, len(drawn), _WORDS_A_SENTENCE)]
    return Paper(id="", title=lines[0], abstract=". ".join(lines[1:]) + ".", categories=("cs.LG",))


def ask_all(url: str, wanted: Sequence[str]) -> list[float]:
    """Request the preview of each text, one after another, and return the seconds that each took.

    As a proxy would, for many clients: one alone may not ask as often as that.
    """
    connection = HTTPConnection(urlsplit(url).netloc)
    took: list[float] = []
    for number, text in enumerate(wanted):
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Forwarded-For": f"192.0.2.{number % 250}",
            "X-Fragment": "1",
        }
        fields = urlencode([("rules", text), ("days", "30"), ("profile", "Vision")])
        begin = time.perf_counter()
        connection.request("POST", "/preview", fields, headers)
        answer = connection.getresponse()
        answer.read()
        took.append(time.perf_counter() - begin)
        if answer.status != 200:
            raise RuntimeError(f"HTTP {answer.status}")
    connection.close()
    return took


@contextmanager
def _change_papers(app: App) -> Iterator[None]:
    """Change one paper every second during the block, so that the cache is never up to date."""
    stopping = threading.Event()

    def change() -> None:
        with app.store.read() as tx:
            paper = papers.list_first_seen(tx, after=datetime.min.replace(tzinfo=UTC), until=datetime.now(UTC))[-1]
        while not stopping.wait(1):
            with app.store.write() as tx:
                papers.set_popularity(tx, [paper])

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def measure(*, count: int, every: int = 1) -> Iterator[Sequence[Row]]:
    """Rows of previews over `count` papers, for each `every`-th text: the median and the 95th percentile."""
    wanted = list(texts())[::every]
    half = len(wanted) // 2
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.toml")
        config.write_text('[web]\ntrusted_proxies = ["127.0.0.1"]\n', encoding="ascii")
        with App.open(config) as app:
            add_papers(app, count, now=datetime.now(UTC))
            uncached = [_preview_without_cache(app, text) for text in wanted[:3]]
            with server("ours", config) as served:
                before = resident_mb("VmRSS", served.pid)
                first = ask_all(served.url, ["a first one"])
                took = ask_all(served.url, wanted[:half])
                memory = max(0.0, resident_mb("VmRSS", served.pid) - before)
                with _change_papers(app):
                    meanwhile = ask_all(served.url, wanted[half:])
    yield [_row("preview, the first", "digest", first, 0.5, memory)]
    yield [
        _row("preview, median", "digest", took, 0.5, memory),
        _row("preview, median", "no cache", uncached, 0.5, 0.0),
    ]
    yield [_row("preview, p95", "digest", took, 0.95, memory)]
    yield [_row("preview, p95 while reading", "digest", meanwhile, 0.95, memory)]


def _preview_without_cache(app: App, text: str) -> float:
    """Returns the seconds for a preview that reads all papers from the database, without rendering a page."""
    now = datetime.now(UTC)
    profile = Profile(name="tried", rules=text)
    begin = time.perf_counter()
    with app.store.read() as tx:
        search_since(tx, now - timedelta(days=30), until=now).matches(ProfileIndex.build([profile])).without_evidence(
            0, profile
        )
    return time.perf_counter() - begin


def _row(case: str, method: str, took: Sequence[float], part: float, memory: float) -> Row:
    seconds = sorted(took)[int(len(took) * part)]
    return Row(case=case, method=method, n=1, measured=1, seconds=seconds, rate=1 / seconds, peak_mb=memory)
