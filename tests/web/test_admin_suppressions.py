"""The admin page of suppressed addresses."""

from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.models import Bounce, BounceKind, SuppressionReason
from tests.builders import NOW
from tests.web.admin_site import ADMIN_EMAIL, AdminBrowser, audit_log, signed_in
from tests.web.subscribers import EMAIL, add_subscriber, put_into_state, removed, state

HOSTILE = "550 <script>alert(1)</script> \"'\u202e"
PAGE = "/admin/suppressions"


@pytest.fixture
def admin(app: App, site: TestClient) -> AdminBrowser:
    return signed_in(app, site)


def test_the_address_is_shown_where_it_is_still_known_and_the_evidence_is_text(app: App, admin: AdminBrowser) -> None:
    one = add_subscriber(app)
    gone = add_subscriber(app, "gone@example.org")
    with app.store.write() as tx:
        for email in (EMAIL, gone.email):
            bounce = Bounce(kind=BounceKind.HARD, reply=HOSTILE)
            app.membership.record_bounce(tx, email, bounce, delivery_id=None, fingerprint=email, now=NOW)
    removed(app, gone)
    text = admin.read(PAGE)
    assert f'<a href="/admin/subscribers/{one.id}"><bdi>{EMAIL}</bdi></a>' in text
    assert text.count("550 &lt;script&gt;alert(1)&lt;/script&gt;") == 2
    assert "gone@example.org" not in text
    assert app.membership.pseudonyms.of("gone@example.org")[:12] in text
    assert 'value="lift"' not in text


def test_the_newest_suppression_is_first_and_pages_follow(app: App, admin: AdminBrowser) -> None:
    with app.store.write() as tx:
        for number in range(51):
            at = NOW + timedelta(minutes=number)
            app.membership.suppress(tx, f"r{number}@example.org", SuppressionReason.ADMIN, f"no. {number}.", now=at)
    first, second = admin.read(PAGE), admin.read(f"{PAGE}?page=2")
    assert first.index("no. 50.") < first.index("no. 49.")
    assert ("no. 0." in first, "no. 0." in second, "no. 1." in second) == (False, True, False)
    assert f'href="{PAGE}?page=2" rel="next"' in first
    assert 'rel="next"' not in second
    for beyond in ("3", "9" * 15):
        assert admin.get(f"{PAGE}?page={beyond}").status_code == 404
    assert admin.read(f"{PAGE}?page=x") == first


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ("unknown", "This address is not suppressed."),
        ("active", "This address is not suppressed."),
        ("unsubscribed", "unsubscribed"),
        ("erased", "erased at their request"),
        ("hard", "the address rejects emails"),
        ("complaint", "reported as spam"),
        ("admin", "suppressed by an admin"),
    ],
)
def test_an_address_finds_its_suppression_and_only_an_admins_is_lifted(
    app: App, admin: AdminBrowser, known: str, says: str
) -> None:
    put_into_state(app, known)
    text = admin.read(f"{PAGE}?email=READER@Example.org")
    assert says in text
    assert ('value="lift"' in text) == (known == "admin")
    answer = admin.post(PAGE, do="lift", email=EMAIL)
    assert answer.status_code == (303 if known == "admin" else 422)
    if known == "admin":
        assert "Suppression lifted" in admin.read(answer.headers["Location"])
        assert audit_log(app)[0][1] == "suppression lift"


def test_an_address_is_suppressed_with_a_reason(app: App, admin: AdminBrowser) -> None:
    add_subscriber(app)
    answer = admin.post(PAGE, email=EMAIL.upper(), reason=f"{HOSTILE}\n{EMAIL} asked")
    assert "Address suppressed" in admin.read(answer.headers["Location"])
    assert state(app) == "suppressed"
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &#34;&#39; … asked" in admin.read(PAGE)
    who, what, subject = audit_log(app)[0]
    assert (who, what, EMAIL in subject.lower()) == (ADMIN_EMAIL, "suppression add", False)


def test_an_unsubscribed_address_stays_suppressed_when_the_admins_suppression_is_lifted(
    app: App, admin: AdminBrowser
) -> None:
    put_into_state(app, "unsubscribed")
    admin.post(PAGE, email=EMAIL)
    answer = admin.post(PAGE, do="lift", email=EMAIL)
    assert "the subscriber had unsubscribed themselves" in admin.read(answer.headers["Location"])
    assert state(app) == "unsubscribed"


@pytest.mark.parametrize("email", ["me", "", "<script>alert(1)</script>@x", "a@b\r\nBcc: c@d", "\x00"])
def test_an_invalid_address_is_reported(app: App, admin: AdminBrowser, email: str) -> None:
    answer = admin.post(PAGE, email=email, reason=HOSTILE)
    assert (answer.status_code, 'id="email-mistake"' in answer.text) == (422, True)
    assert "<script>alert" not in answer.text
    with app.store.read() as tx:
        assert app.membership.find_suppression(tx, email) is None
    assert admin.post(PAGE, do="lift", email=email).status_code == 422
    if email.strip("\x00"):
        assert (
            'id="asked-mistake"'
            in admin.client.get(PAGE, params={"email": email}, headers={"Cookie": admin.cookie}).text
        )
