"""The admin page of bounces, and reading the bounce mailbox from it."""

from pathlib import Path
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from digest.app import App
from digest.errors import TransportError
from digest.models import Bounce, BounceKind
from digest.pipeline.bounces import BounceReport
from tests.builders import NOW, an_item
from tests.web.admin_site import ADMIN_EMAIL, AdminBrowser, audit_log, signed_in
from tests.web.conftest import Opened
from tests.web.subscribers import EMAIL, add_subscriber
from tests.web.test_admin_subscriber import CATS
from tests.web.test_read import send

PAGE = "/admin/bounces"


@pytest.fixture
def admin(app: App, site: TestClient) -> AdminBrowser:
    return signed_in(app, site)


def came_back(app: App, kind: BounceKind, reply: str, delivery_id: int | None = None) -> None:
    with app.store.write() as tx:
        bounce = Bounce(kind=kind, status="4.2.2", reply=reply)
        app.membership.record_bounce(tx, EMAIL, bounce, delivery_id=delivery_id, fingerprint=reply, now=NOW)


def test_the_newest_bounce_is_first_with_its_subscriber_and_mail(app: App, admin: AdminBrowser) -> None:
    one = add_subscriber(app)
    send(app, one, an_item(CATS))
    came_back(app, BounceKind.SOFT, "450 first")
    came_back(app, BounceKind.HARD, "550 <script>alert(1)</script> \"'\u202e", 1)
    text = admin.read(PAGE)
    assert text.index("550 &lt;script&gt;alert(1)&lt;/script&gt;") < text.index("450 first")
    assert text.count(f'<a href="/admin/subscribers/{one.id}"><bdi>{EMAIL}</bdi></a>') == 2
    assert text.count('<a href="/admin/deliveries/1">1</a>') == 1
    assert "Check the mailbox now" not in text
    assert admin.post(PAGE).status_code == 422


def test_a_kind_is_shown_by_itself_and_pages_follow(app: App, admin: AdminBrowser) -> None:
    add_subscriber(app)
    came_back(app, BounceKind.COMPLAINT, "spam")
    for number in range(51):
        came_back(app, BounceKind.SOFT, f"450 no. {number}.")
    first = admin.read(f"{PAGE}?kind=soft")
    assert ("no. 50." in first, "no. 1." in first, "no. 0." in first) == (True, True, False)
    assert f'href="{PAGE}?kind=soft&amp;before=3" rel="next"' in first
    assert "no. 0." in admin.read(f"{PAGE}?kind=soft&before=3")
    assert "spam" in admin.read(f"{PAGE}?kind=complaint")
    for odd in ("kind=%00&before=x", "before=-1", f"before={'9' * 40}"):
        assert "no. 50." in admin.read(f"{PAGE}?{odd}")


@pytest.fixture
def with_mailbox(open_site: Opened, monkeypatch: pytest.MonkeyPatch) -> tuple[AdminBrowser, list[Any], App]:
    """A site with a mailbox in which is what the list says: reports, or errors."""
    opened: list[App] = []
    open_one = App.open

    def noted(file: Path) -> App:
        opened.append(open_one(file))
        return opened[-1]

    monkeypatch.setattr(App, "open", noted)
    site = open_site(
        '[newsletter]\nbase_url = "https://digest.example.org"\n[bounces]\ndomain = "example.org"\nmaildir = "mails"\n'
    )
    held: list[Any] = []

    def poll(_app: App, **_: Any) -> BounceReport:
        one = held.pop(0)
        if isinstance(one, Exception):
            raise one
        return cast(BounceReport, one)

    monkeypatch.setattr(App, "process_inbox", poll)
    return signed_in(opened[0], site), held, opened[0]


def waited(admin: AdminBrowser) -> None:
    assert cast(Starlette, admin.client.app).state.services.long_background.finish(20)


def test_the_mailbox_is_read_on_request_and_the_result_is_shown(
    with_mailbox: tuple[AdminBrowser, list[Any], App],
) -> None:
    admin, held, app = with_mailbox
    assert "Check the mailbox now" in admin.read(PAGE)
    held.append(BounceReport(read=3, suppressed=[("a@example.org", "550"), ("b@example.org", "550")]))
    assert admin.post(PAGE).headers["Location"] == PAGE
    waited(admin)
    text = admin.read(PAGE)
    assert "3 emails read, 2 addresses suppressed." in text
    assert audit_log(app)[0] == (ADMIN_EMAIL, "bounce", "3 read, 2 suppressed")


@pytest.mark.parametrize("error", [TransportError("<script>alert(1)</script> no answer"), ValueError("secret")])
def test_an_unreadable_mailbox_is_reported_and_can_be_retried(
    with_mailbox: tuple[AdminBrowser, list[Any], App], error: Exception
) -> None:
    admin, held, app = with_mailbox
    held += [error, BounceReport(read=1)]
    admin.post(PAGE)
    waited(admin)
    text = admin.read(PAGE)
    assert ("couldn’t be read" in text, "secret" in text) == (True, False)
    admin.post(PAGE)
    waited(admin)
    assert "1 email read," in admin.read(PAGE)
    assert [what for _, what, _ in audit_log(app)] == ["bounce"]
