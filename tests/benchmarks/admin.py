"""How fast the editor shows a rule's effect: `python -m tests.benchmarks.admin [--quick] [--json]`.

Chromium types rules of about forty keys into the editor of a profile that has ten, over 15,000 papers of thirty days
(quick: 3,000), made as those of preview.py. The pages are served by a process of its own.

key      from the key to the frame that shows what the text with it would find, or a later text where it was overtaken:
         typed as people do, eight keys a second, and twenty
answer   the server's part alone: one HTTP request per text, one after another

Needs Debian's chromium, and playwright.
"""

import json
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from http.client import HTTPConnection
from itertools import accumulate
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from playwright.sync_api import sync_playwright

from digest.app import App
from digest.matching import compile_rules
from digest.models import Admin, Role
from digest.security import passwords
from digest.store import admins, profiles
from tests.benchmarks import harness
from tests.benchmarks.harness import Row
from tests.benchmarks.preview import PAPERS, add_papers
from tests.benchmarks.serving import server
from tests.browsing import launched

SPEEDS = (8, 20)  # keys a second
RULES = """quantiz* OR "low precision"
pruning ^2
diffusion model
image AND (editing OR inpainting)
title:"language model" AND reason*
speech NEAR/5 recognition
agent* AND tool*
retrieval AND generation
robot* AND (grasp* OR manipulation)
-title:survey
"""
TYPED = (
    "mixture AND (experts OR routing OR gat*)",
    'title:"long context" OR memory NEAR/3 use',
    "molecul* AND graph AND NOT protein ^2 # x",
)

_EMAIL, _PASSWORD = "admin@example.org", "four words make one"
_WATCHED = """() => {
  const keys = [], took = [];
  let pressed = 0;
  addEventListener("keydown", (event) => { pressed = event.timeStamp; }, true);
  addEventListener("input", (event) => keys.push([event.target.value.length, pressed]), true);
  const ask = window.fetch;
  window.fetch = async (...asked) => {
    const answer = await ask(...asked);
    const length = new URLSearchParams(asked[1].body).get("rules").length;
    const read = answer.text.bind(answer);
    answer.text = async () => {
      const text = await read();
      requestAnimationFrame(() => setTimeout(() => {  // when the frame with it is painted
        while (keys.length && keys[0][0] <= length) took.push(performance.now() - keys.shift()[1]);
      }));
      return text;
    };
    return answer;
  };
  window.tookSoFar = () => took;
}"""


def measure(*, papers: int, lines: Sequence[str] = TYPED) -> Iterator[Sequence[Row]]:
    """The rows of `key` and `answer`, over that many papers."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.toml")
        config.write_text("[newsletter]\n", encoding="ascii")
        path = _create_newsletter(config, papers)
        with server("ours", config) as ours, sync_playwright() as driver:
            page = _editor(driver, ours.url, path)
            cookie = "; ".join(f"{c['name']}={c['value']}" for c in page.context.cookies())
            for speed in SPEEDS:
                yield _rows(
                    f"key, {speed} a second", [took for line in lines for took in _type_line(page, line, speed)]
                )
            yield _rows("answer", _time_answers(ours.url, page, cookie, lines))


def _create_newsletter(config: Path, count: int) -> str:
    """Create a newsletter with papers, a profile and an editor. Returns the path of the profile's page."""
    now = datetime.now(UTC)
    with App.open(config) as app:
        add_papers(app, count, now=now)
        with app.store.write() as tx:
            new = Admin(email=_EMAIL, role=Role.EDITOR, password=passwords.hash_password(_PASSWORD))
            admins.add(tx, new, now=now)
            profile = profiles.add(tx, "Efficient models", compile_rules(RULES), by="tests", now=now)
    return f"/admin/profiles/{profile.id}"


def _editor(driver: Any, url: str, path: str) -> Any:
    page = launched(driver).new_page(viewport={"width": 1280, "height": 900})
    page.on("dialog", lambda dialog: dialog.accept())  # it has unsaved changes when it is closed
    page.add_init_script(f"({_WATCHED})()")
    page.goto(f"{url}/admin/sign-in")
    page.fill("#email", _EMAIL)
    page.fill("#password", _PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/admin/profiles")
    page.goto(f"{url}{path}")
    return page


def _type_line(page: Any, line: str, speed: int) -> list[float]:
    """Type a line below the rules and return the seconds that each key took."""
    page.reload()
    page.locator("#rules").evaluate("e => { e.focus(); e.setSelectionRange(e.value.length, e.value.length); }")
    page.keyboard.type(line, delay=1000 / speed)
    rule = re.sub(r" *(\^|#).*", "", line)
    page.locator("#judged").get_by_text(rule, exact=True).wait_for()
    page.wait_for_timeout(300)
    took: list[float] = page.evaluate("tookSoFar()")
    assert len(took) == len(line), (len(took), len(line))
    return [milliseconds / 1000 for milliseconds in took]


def _time_answers(url: str, page: Any, cookie: str, lines: Sequence[str]) -> list[float]:
    """Returns the seconds that the server takes for each of the same texts, one after another."""
    form = dict(json.loads(page.evaluate("JSON.stringify([...new FormData(document.getElementById('editor'))])")))
    connection = HTTPConnection(urlsplit(url).netloc)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie, "X-Fragment": "1"}
    took: list[float] = []
    for text in (RULES + so_far for line in lines for so_far in accumulate(line)):
        begin = time.perf_counter()
        connection.request("POST", "/admin/profiles/preview", urlencode(form | {"rules": text}), headers)
        answer = connection.getresponse()
        answer.read()
        took.append(time.perf_counter() - begin)
        if answer.status != 200:
            raise RuntimeError(f"HTTP {answer.status}")
    connection.close()
    return took


def _rows(case: str, took: Sequence[float]) -> list[Row]:
    parts = {"median": 0.5, "p95": 0.95, "slowest": 1.0}
    found = {name: sorted(took)[min(int(len(took) * part), len(took) - 1)] for name, part in parts.items()}
    return [
        Row(case=f"{case}, {name}", method="digest", n=1, measured=1, seconds=seconds, rate=1 / seconds, peak_mb=0.0)
        for name, seconds in found.items()
    ]


def main() -> None:
    """The command line."""
    harness.report(
        "tests.benchmarks.admin",
        lambda quick: measure(papers=PAPERS // 5, lines=TYPED[:1]) if quick else measure(papers=PAPERS),
    )


if __name__ == "__main__":
    main()
