"""Forms filled to their size limit: in each field each kind of text. A page is shown, and costs little."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from urllib.parse import quote

from starlette.testclient import TestClient

from digest.app import App
from digest.web.app import create_app
from digest.web.security import MAX_BODY
from tests.builders import NOW
from tests.faults.gallery import Attack
from tests.web.admin_site import ADMIN_EMAIL, signed_in
from tests.web.reader_site import sign_in_reader
from tests.web.subscribers import add_subscriber

_UNITS = (
    *("(\n", "x", "@", ".", "a@", "/", "a/", "<", "&#", "%", "  ", "\t", "-", "1", ", ", '"', "\0"),
    *("٣", "é\u0301", "ﷺ", "中", "😀"),
)
_FORMS = {  # the fields of public forms; each is tried filled, the others as they are here
    "/subscribe": {"email": "new@example.org", "rules": "cat", "timezone": "UTC", "profile": "Cats"},
    "/preview": {"rules": "cat", "profile": "Cats", "days": "30", "back": "settings", "split": "1"},
    "/sign-in": {"email": "reader@example.org"},
    "/propose": {"url": "https://arxiv.org/abs/2606.00001"},
    "/admin/sign-in": {"email": ADMIN_EMAIL, "password": "x"},
}
_OF_READERS = {
    "/settings": {
        "part": "mails", "name": "Name", "send_at": "07:00", "timezone": "UTC", "day": "mon", "language": "en",
        "max_papers": "5", "announce": "new",
    },
    "/settings/pause": {"until": "2026-07-01"},
    "/settings/address": {"email": "other@example.org"},
}  # fmt: skip
_OF_ADMINS = {
    "/admin/profiles/new": {"name": "Cats", "rules": "cat"},
    "/admin/profiles/preview": {"rules": "cat", "split": "1", "use": "1"},
    "/admin/profiles/query": {"query": "cat"},
    "/admin/profiles/import": {"text": '{"name": "Cats", "rules": "cat"}'},
    "/admin/subscribers/new": {"email": "new@example.org", "rules": "cat", "name": "Name", "timezone": "UTC"},
}
_SEARCHES = ("/search?q=", "/search?in=", "/papers/", "/paper/", "/profile/", "/settings/mute?keyword=")
_LONGEST_ADDRESS = 8000  # characters; servers take no longer ones


def attacks(random: Random, count: int, folder: Path) -> Iterator[Attack]:
    """Fill each field with each unit up to the limit of forms; then random mixtures."""
    (folder / "config.toml").write_text('[newsletter]\nbase_url = "https://digest.example.org"\n', encoding="utf-8")
    with App.open(folder / "config.toml") as app:
        site = TestClient(create_app(app, clock=lambda: NOW), follow_redirects=False)
        own, admin = sign_in_reader(app, site, add_subscriber(app)), signed_in(app, site)
        cookies = {"/admin": (admin.cookie, admin.csrf), "/settings": (own.cookie, own.csrf)}
        fields = [(path, form, name) for path, form in (_FORMS | _OF_READERS | _OF_ADMINS).items() for name in form]
        tried = [(*field, unit) for field in fields for unit in random.sample(_UNITS, 4)]
        tried += [(*random.choice(fields), "".join(random.choices(_UNITS, k=3))) for _ in range(count)]
        for path, form, name, unit in tried:
            text = unit * (MAX_BODY // (5 * len(unit.encode())))
            yield _posting(site, path, {**form, name: text}, cookies, f"{path} {name} of {unit!r}")
        for path in _SEARCHES:
            for unit in _UNITS:
                yield Attack(f"{path} of {unit!r}", lambda path=path, unit=unit: _get(site, path, unit), seconds=4)  # type: ignore[misc]


def _posting(
    site: TestClient, path: str, form: dict[str, str], cookies: dict[str, tuple[str, str]], name: str
) -> Attack:
    cookie, csrf = next((each for start, each in cookies.items() if path.startswith(start)), ("", ""))

    def post() -> None:
        answer = site.post(path, data={"csrf": csrf} | form, headers={"Cookie": cookie})
        _check(answer.status_code)

    return Attack(name, post, seconds=4)


def _get(site: TestClient, path: str, unit: str) -> None:
    text = quote((unit * _LONGEST_ADDRESS)[: _LONGEST_ADDRESS // 12], safe="")
    _check(site.get(path + text).status_code)


def _check(status: int) -> None:
    if status >= 500:
        raise AssertionError(f"HTTP {status}")
