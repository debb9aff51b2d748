"""Chromium, in which tests open mails and pages."""

from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync "
    "--renderer-process-limit=1 --disable-site-isolation-trials"
).split()

needs_chromium = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs Debian's chromium at {CHROMIUM}")

# WCAG 2.1, 1.4.3: the contrast of every text with the first opaque background behind it.
LOWEST_CONTRAST = """() => {
  const rgba = (css) => css.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = rgba(getComputedStyle(e).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let lowest = [99, ''];
  while (texts.nextNode()) {
    const text = texts.currentNode.textContent.trim();
    const element = texts.currentNode.parentElement;
    if (!text || element.closest('style') || !element.checkVisibility()) continue;
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(behind(element))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < lowest[0]) lowest = [contrast, text];
  }
  return lowest;
}"""


def launched(driver: Any) -> Any:
    """A browser."""
    return driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)


def stop_clock(page: Any) -> None:
    """Let a page's timers run only when `page.clock.run_for` is called, however slow the machine is."""
    page.clock.install(time=0)
    page.clock.pause_at(60)


def serious_faults(page: Any, *rules: str) -> list[tuple[str, str]]:
    """What axe-core finds serious or worse on a page, by all rules or by some: the rule, and where."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
    if not page.evaluate("'axe' in window"):  # half a megabyte
        page.evaluate(axe.Axe().axe_script)
    violations = page.evaluate("options => axe.run(options).then((found) => found.violations)", options)
    serious = [v for v in violations if v["impact"] in {"serious", "critical"}]
    return [(v["id"], v["nodes"][0]["html"][:200]) for v in serious]
