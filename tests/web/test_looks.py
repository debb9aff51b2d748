"""How the pages of papers and readers' own pages look in a browser: narrow and wide, light and dark."""

from collections.abc import Iterator
from typing import Any

import pytest

from digest.installation import Installation
from digest.links import Scope, moment
from digest.models import Subscriber
from digest.web import create_app, listen, serving, url_of
from digest.web.sessions import Sessions
from tests.browsing import LOWEST_CONTRAST, needs_chromium, serious_faults
from tests.builders import NOW, a_paper
from tests.web.papers import printed, sharing
from tests.web.people import enrolled
from tests.web.test_read import cats, send

pytestmark = needs_chromium

LONG_WORD = "Donaudampfschifffahrtsforschungsgesellschaftsneuigkeiten"
LONG = f"{LONG_WORD} of cats"
PAPER = a_paper(LONG, f"{LONG_WORD}, at length.", id="test:long", authors=(LONG_WORD,), categories=("cs.LG",))
OWN = ["settings", "pause", "digests", "digest", "feed", "address", "data", "leave"]
PAGES = ["day", "month", "paper", "profiles", "profile", "preview", "mute", "muted wrongly", "paused by link", "read"]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A newsletter that is really served, and has papers."""
    folder = tmp_path_factory.mktemp("site")
    listener = listen("127.0.0.1", 0)
    (folder / "config.toml").write_text(f'[newsletter]\nbase_url = "{url_of(listener)}"\n', encoding="utf-8")
    with (
        Installation.open(folder / "config.toml") as opened,
        serving(create_app(opened, clock=lambda: NOW), listener, on_loss=lambda: None),
    ):
        printed(opened, PAPER, *(f"{LONG_WORD}, number {n}" for n in range(60)))
        sharing(opened, LONG_WORD, f"cats\n{LONG_WORD}")
        yield opened


@pytest.fixture(scope="module")
def reader(here: Installation) -> Subscriber:
    """Has a digest of more papers than fit."""
    reader = enrolled(here, f"{LONG_WORD}@example.org".lower(), feed="0123456789abcdef", profiles=(LONG_WORD,))
    send(here, reader, cats(paper=PAPER, profile=LONG_WORD), more=tuple(f"test:{LONG_WORD}{n}" for n in range(60)))
    return reader


@pytest.fixture(scope="module")
def places(here: Installation, reader: Subscriber) -> dict[str, str]:
    def by_link(scope: Scope, about: str = "") -> str:
        return f"/{scope.value}/{here.links.token(scope, reader.id, reader.epoch, about=about, written_at=NOW)}"

    return {
        "day": f"/papers/{NOW:%Y-%m-%d}",
        "month": f"/papers/{NOW:%Y-%m}?page=2",
        "paper": "/paper/test:long",
        "profiles": "/profiles",
        "profile": f"/profile/{LONG_WORD}",
        "preview": "/subscribe",
        "mute": f"{by_link(Scope.MUTE)}?keyword={LONG_WORD}",
        "muted wrongly": f"{by_link(Scope.MUTE)}?keyword=({LONG_WORD}",
        "paused by link": by_link(Scope.PAUSE),
        "read": by_link(Scope.READ, moment(NOW)),
        "settings": "/settings",
        "digest": f"/settings/digests/{moment(NOW)}",
        **{name: f"/settings/{name}" for name in ("pause", "digests", "feed", "address", "data", "leave")},
    }


@pytest.mark.parametrize("name", [*PAGES, *OWN])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_fits_its_window_and_axe_finds_nothing_serious(
    browser: Any, here: Installation, reader: Subscriber, places: dict[str, str], name: str, scheme: str
) -> None:
    url = here.config.newsletter.base_url
    context = browser.new_context(viewport={"width": 320, "height": 720}, color_scheme=scheme)
    if name in OWN:
        cookie = Sessions(links=here.links, path="", https=False).begin(reader, now=NOW).partition(";")[0]
        context.add_cookies([{"name": "digest", "value": cookie.partition("=")[2], "url": url}])
    page = context.new_page()
    answer = page.goto(url + places[name])
    if name == "preview":
        page.fill("#rules", f"{LONG_WORD}\nnever")
        page.get_by_role("button", name="Try").click()
    assert answer.status == (422 if name == "muted wrongly" else 200)
    assert "/sign-in" not in page.url
    for width in (320, 375, 1280):
        page.set_viewport_size({"width": width, "height": 720})
        assert page.evaluate("document.documentElement.scrollWidth") == width
    contrast, text = page.evaluate(LOWEST_CONTRAST)
    assert contrast >= 4.5, text
    assert serious_faults(page) == []
    context.close()
