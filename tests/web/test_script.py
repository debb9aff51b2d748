"""What script.js adds, in a browser."""

from collections.abc import Iterator
from typing import Any

import pytest

from digest.app import App
from digest.web.app import create_app
from digest.web.server import listen, serving, url_of
from tests.browsing import LOWEST_CONTRAST, needs_chromium, serious_faults, stop_clock
from tests.builders import NOW
from tests.web.papers import add_papers, share_profile

pytestmark = needs_chromium

OPEN = """() => {
  const form = document.body.appendChild(document.createElement("form"));
  Object.assign(form, { method: "post", action: "/preview" });
  form.submit();
}"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a newsletter is really served, with some papers and a shared profile."""
    folder = tmp_path_factory.mktemp("site")
    listener = listen("127.0.0.1", 0)
    (folder / "config.toml").write_text(f'[newsletter]\nbase_url = "{url_of(listener)}"\n', encoding="utf-8")
    with App.open(folder / "config.toml") as app:
        add_papers(app, *(f"A paper on cats, number {n}" for n in range(12)), "A paper on dogs", "A bird")
        share_profile(app, "Birds", "bird")
        with serving(create_app(app, clock=lambda: NOW), listener, on_loss=lambda: None):
            yield url_of(listener)


@pytest.fixture
def page(browser: Any, base: str) -> Iterator[Any]:
    """The page that tries keywords, empty. It has no complaints, and counts what is asked of /preview."""
    context = browser.new_context(viewport={"width": 375, "height": 720}, timezone_id="Asia/Tokyo")
    opened = context.new_page()
    complaints: list[str] = []
    opened.asked = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(f"{base}/search")
    opened.evaluate(OPEN)
    opened.get_by_label("Keywords").wait_for()
    opened.on("request", lambda request: opened.asked.append(request.post_data or ""))
    yield opened
    context.close()
    assert [text for text in complaints if "Failed to load" not in text] == []


def test_typed_text_is_previewed_without_a_button(page: Any) -> None:
    stop_clock(page)
    page.get_by_label("Keywords").press_sequentially("cats")
    page.clock.run_for(250)
    page.get_by_text("12 papers in the last 7 days.").first.wait_for()
    assert page.locator("#preview mark").count() == 20  # title and abstract of ten
    assert page.locator("#preview-said").inner_text().startswith("12 papers")
    assert page.asked == ["rules=cats&days=7"]  # not a request a key


def test_a_tick_is_previewed_at_once(page: Any) -> None:
    page.get_by_label("Birds").check()
    page.get_by_text("1 paper in the last 7 days.").first.wait_for()
    page.get_by_label("Birds").uncheck()
    page.get_by_text("Enter a keyword or choose a profile").first.wait_for()
    assert page.asked == ["rules=&days=7&profile=Birds", "rules=&days=7"]


def test_text_typed_before_the_script_loaded_is_previewed(page: Any, base: str) -> None:
    page.add_init_script(
        """addEventListener("readystatechange", () => {
          const field = document.querySelector("textarea");
          if (field && document.readyState === "interactive") field.value = "dogs";
        }, true)"""
    )
    page.reload()
    page.get_by_text("1 paper in the last 7 days.").first.wait_for()


def test_nothing_is_sent_where_nothing_changed(page: Any) -> None:
    field = page.get_by_label("Keywords")
    field.fill("dogs")
    page.get_by_text("1 paper in the last 7 days.").first.wait_for()
    stop_clock(page)
    field.press_sequentially("x")
    field.press("Backspace")
    page.clock.run_for(1000)
    assert len(page.asked) == 1


def test_an_answer_that_is_overtaken_is_dropped(page: Any) -> None:
    def late(route: Any) -> None:
        answer = route.fetch()
        page.wait_for_timeout(500)
        route.fulfill(response=answer)

    page.route(
        "**/preview", lambda route: late(route) if "rules=cats" in route.request.post_data else route.continue_()
    )
    field = page.get_by_label("Keywords")
    field.fill("cats")
    page.wait_for_timeout(350)
    field.fill("dogs")
    page.get_by_text("1 paper in the last 7 days.").first.wait_for()
    page.wait_for_timeout(700)
    assert page.locator("#preview article").count() == 1


def test_if_the_server_does_not_answer_the_last_preview_stays(page: Any) -> None:
    field = page.get_by_label("Keywords")
    field.fill("dogs")
    page.get_by_text("1 paper in the last 7 days.").first.wait_for()
    for failing in (lambda route: route.abort(), lambda route: route.fulfill(status=503, body="<h1>No</h1>")):
        page.route("**/preview", failing)
        field.press_sequentially("s")
        page.wait_for_timeout(400)
        assert page.locator("#preview article").count() == 1
    assert page.locator("h1").count() == 1


def test_text_of_papers_and_rules_is_never_run(page: Any) -> None:
    page.get_by_label("Keywords").fill('"<img src=x onerror=alert>"')
    page.locator("#preview .judged").wait_for()
    assert page.locator("#preview img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_preview_fits_and_has_contrast(page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.get_by_label("Keywords").fill("cats\nunheard of")
    page.get_by_text("12 papers in the last 7 days.").first.wait_for()
    page.get_by_text("Day by day").click()
    for width in (320, 375, 1280):
        page.set_viewport_size({"width": width, "height": 720})
        assert page.evaluate("document.documentElement.scrollWidth") == width
    contrast, text = page.evaluate(LOWEST_CONTRAST)
    assert contrast >= 4.5, text
    assert serious_faults(page) == []


@pytest.mark.parametrize("scripts", [True, False])
def test_the_button_works_with_scripts_and_without(browser: Any, base: str, scripts: bool) -> None:
    context = browser.new_context(java_script_enabled=scripts)
    opened = context.new_page()
    opened.goto(f"{base}/search")
    opened.set_content(f'<form method="post" action="{base}/preview"><button>Go</button></form>')
    opened.get_by_role("button").click()
    opened.get_by_label("Keywords").fill("dogs")
    opened.get_by_role("button", name="Try these keywords").click()
    opened.get_by_text("1 paper in the last 7 days.").first.wait_for()
    context.close()


def test_the_subscribe_form_shows_a_preview_and_the_browsers_time_zone(page: Any, base: str) -> None:
    page.goto(f"{base}/subscribe")
    assert page.get_by_label("Time zone").input_value() == "Asia/Tokyo"
    page.get_by_label("Keywords").press_sequentially("dogs")
    page.locator("#preview-said").get_by_text("1 paper in the last 7 days.").wait_for()
    assert page.get_by_text("1 paper in the last 7 days.").count() == 1  # said once


def test_the_button_stays_where_it_is_however_many_papers_appear(page: Any, base: str) -> None:
    page.goto(f"{base}/subscribe")
    field, button = page.get_by_label("Keywords"), page.get_by_role("button", name="Subscribe")
    before = button.bounding_box()["y"]
    field.fill("cats")
    page.locator("#preview article").nth(9).wait_for()
    two_lines_of_text = 60
    assert button.bounding_box()["y"] - before <= two_lines_of_text


@pytest.mark.parametrize(
    ("field", "becomes"),
    [
        ('<input id="timezone" data-default value="UTC">', "Asia/Tokyo"),
        ('<input id="timezone" value="UTC">', "UTC"),
        ('<select id="timezone" data-default><option>UTC</option><option>Asia/Tokyo</option></select>', "Asia/Tokyo"),
        ('<select id="timezone" data-default><option>UTC</option></select>', "UTC"),
    ],
)
def test_the_time_zone_is_the_browsers_where_none_was_chosen(page: Any, base: str, field: str, becomes: str) -> None:
    html = f'<!doctype html><title>T</title><script src="{base}/static/script.js" defer></script>{field}'
    page.route("**/made-up", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto(f"{base}/made-up")
    assert page.locator("#timezone").input_value() == becomes
