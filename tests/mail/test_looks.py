"""How a mail looks in a browser: phone and desktop, light and dark."""

import email
from email import policy
from pathlib import Path

import pytest

from tests.mail.samples import composer, two_papers

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs Debian's chromium at {CHROMIUM}")

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


@pytest.mark.parametrize("kind", ["digest", "confirmation"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 600])
def test_a_mail_fits_its_window_and_every_text_stands_out(tmp_path: Path, kind: str, scheme: str, width: int) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    page_file = tmp_path / "mail.html"
    page_file.write_text(html_of(kind), encoding="utf-8")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.goto(page_file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == width
        contrast, text = page.evaluate(LOWEST_CONTRAST)
        browser.close()
    assert contrast >= 4.5, text


def html_of(kind: str) -> str:
    made = composer()
    if kind == "digest":
        return made.render(two_papers()).html
    subscriber = two_papers().subscriber
    content = made.confirmation(subscriber, message_id="c@x", created_at=two_papers().created_at).content
    mail = email.message_from_bytes(content, policy=policy.default)
    part = mail.get_body(("html",))
    assert part is not None
    return str(part.get_content())
