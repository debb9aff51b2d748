"""The address of the pages, the client addresses, and replaced page templates."""

from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.errors import ConfigError, TemplateError
from digest.mail import Templates
from digest.web.app import create_app
from digest.web.rate_limits import client_address
from digest.web.rendering import partly_shown
from tests.web.conftest import browser
from tests.web.subscribers import add_subscriber, history, state, unsubscribe_path

SUBPATHS = ["/digest", "/a/b", "/d%C3%A4ily"]


@pytest.fixture
def below(tmp_path: Path) -> Callable[[str], App]:
    """A newsletter whose pages are below a path."""

    def opened(path: str) -> App:
        file = tmp_path / "config.toml"
        file.write_text(f'[newsletter]\nbase_url = "https://example.org{path}"\n', encoding="utf-8")
        return App.open(file)

    return opened


@pytest.mark.parametrize("subpath", SUBPATHS)
@pytest.mark.parametrize("stripped", [True, False])
def test_pages_work_below_a_path_whether_the_proxy_strips_it_or_not(
    below: Callable[[str], App], subpath: str, stripped: bool
) -> None:
    with below(subpath) as app:
        site = browser(app)
        before = "" if stripped else subpath
        link = before + unsubscribe_path(app, add_subscriber(app))
        page = site.get(link).text
        assert f'href="{subpath}/static/style.css?' in page
        assert f'href="{subpath}/"' in page
        assert '<form method="post">' in page  # to where it is, which the browser knows best
        for path in (f"{before}/", f"{before}/static/style.css", f"{before}/health"):
            assert site.get(path).status_code == 200
        assert site.post(link).status_code == 200
        assert state(app) == "unsubscribed"


def test_the_path_itself_is_the_front_page(below: Callable[[str], App]) -> None:
    with below("/digest") as app:
        assert "emails you those that match your keywords" in browser(app).get("/digest").text


TRUSTED = "trusted_proxies = ['127.0.0.1', '10.0.0.0/8', '::1']"


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "client"),
    [
        ("", "192.0.2.7", "198.51.100.9", "192.0.2.7"),
        ("", "127.0.0.1", "198.51.100.9", "127.0.0.1"),
        (TRUSTED, "192.0.2.7", "198.51.100.9", "192.0.2.7"),
        (TRUSTED, "127.0.0.1", "198.51.100.9", "198.51.100.9"),
        (TRUSTED, "127.0.0.1", "203.0.113.1, 198.51.100.9, 10.1.2.3", "198.51.100.9"),
        (TRUSTED, "127.0.0.1", "10.0.0.1, 10.0.0.2", "10.0.0.1"),
        (TRUSTED, "::1", "2001:DB8::0:1", "2001:db8::1"),
        (TRUSTED, "::ffff:127.0.0.1", "198.51.100.9", "198.51.100.9"),
        (TRUSTED, "127.0.0.1", "<script>", "127.0.0.1"),
        (TRUSTED, "127.0.0.1", "198.51.100.9, nonsense", "127.0.0.1"),
        (TRUSTED, "127.0.0.1", "", "127.0.0.1"),
    ],
)
def test_only_trusted_proxies_may_name_the_client(
    open_site: Callable[..., TestClient], tmp_path: Path, trusted: str, peer: str, forwarded: str, client: str
) -> None:
    site = open_site(f"[web]\n{trusted}\n", client=peer)
    with App.open(tmp_path / "config.toml") as app:
        link = unsubscribe_path(app, add_subscriber(app))
        site.post(link, headers={"X-Forwarded-For": forwarded})
        assert history(app)[-1] == ("unsubscribed", f"page from {client}")


def test_several_headers_are_one_list() -> None:
    assert client_address("127.0.0.1", ["1.1.1.1, 2.2.2.2", "3.3.3.3"], []) == "127.0.0.1"


def test_a_client_without_an_address_is_unknown() -> None:
    assert client_address("", [], []) == "an unknown address"
    assert client_address("", ["192.0.2.1"], [ip_network("0.0.0.0/0")]) == "an unknown address"


def test_a_trusted_proxy_is_an_address(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[web]\ntrusted_proxies = ['127.0.0.1', '*']\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"web\.trusted_proxies\[2\]: '\*' is not an IP address or network"):
        App.open(tmp_path / "config.toml")


@pytest.mark.parametrize(
    ("email", "shown"),
    [
        ("reader@example.org", "r•••@example.org"),
        ("x@example.org", "x•••@example.org"),
        ('"a@b"@example.org', '"•••@example.org'),
    ],
)
def test_an_address_is_shown_partly(email: str, shown: str) -> None:
    assert partly_shown(email).strip("\u2068\u2069") == shown


def own_template(tmp_path: Path, name: str, text: str) -> Path:
    (tmp_path / "mine" / "web").mkdir(parents=True)
    (tmp_path / "mine" / "web" / name).write_text(text, encoding="utf-8")
    (tmp_path / "config.toml").write_text("[templates]\npath = 'mine'\n", encoding="utf-8")
    return tmp_path / "config.toml"


def test_an_admins_template_replaces_ours(tmp_path: Path) -> None:
    config = own_template(
        tmp_path,
        "front.html.j2",
        '{% extends "web/base.html.j2" %}{% set title = "Hello" %}{% block main %}Mine <3{% endblock %}',
    )
    with App.open(config) as app:
        page = browser(app).get("/").text
        assert "<h1>Hello</h1>" in page
        assert "Mine" in page
        assert app.templates.unused_files() == {}


def test_a_faulty_template_is_found_before_any_page_is_asked_for(tmp_path: Path) -> None:
    config = own_template(tmp_path, "unsubscribed.html.j2", "Goodbye\n{{ page.emial }}\n")
    with App.open(config) as app, pytest.raises(TemplateError) as caught:
        create_app(app)
    assert caught.value.file == str(tmp_path / "mine" / "web" / "unsubscribed.html.j2")
    assert caught.value.line == 2
    assert "emial" in caught.value.reason


def test_a_template_that_replaces_nothing_is_told(tmp_path: Path) -> None:
    own_template(tmp_path, "unsubscibe.html.j2", "Goodbye")
    strays = Templates(tmp_path / "mine").unused_files()
    assert strays == {str(tmp_path / "mine" / "web" / "unsubscibe.html.j2"): "web/unsubscribe.html.j2"}
