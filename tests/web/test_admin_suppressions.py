"""Who must not be mailed, at the desk."""

from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.models import Bounce, BounceKind, SuppressionReason
from tests.builders import NOW
from tests.web.admin_site import DESK, AtDesk, logged, signed_in
from tests.web.people import EMAIL, enrolled, known_as, removed, state

HOSTILE = "550 <script>alert(1)</script> \"'\u202e"
PAGE = "/admin/suppressions"


@pytest.fixture
def desk(app: App, site: TestClient) -> AtDesk:
    return signed_in(app, site)


def test_the_address_is_shown_where_it_is_still_known_and_the_evidence_is_text(app: App, desk: AtDesk) -> None:
    one = enrolled(app)
    gone = enrolled(app, "gone@example.org")
    with app.store.write() as tx:
        for email in (EMAIL, gone.email):
            bounce = Bounce(kind=BounceKind.HARD, reply=HOSTILE)
            app.membership.record_bounce(tx, email, bounce, delivery_id=None, fingerprint=email, now=NOW)
    removed(app, gone)
    text = desk.read(PAGE)
    assert f'<a href="/admin/subscribers/{one.id}"><bdi>{EMAIL}</bdi></a>' in text
    assert text.count("550 &lt;script&gt;alert(1)&lt;/script&gt;") == 2
    assert "gone@example.org" not in text
    assert app.membership.pseudonyms.of("gone@example.org")[:12] in text
    assert 'value="lift"' not in text


def test_a_newer_one_stands_first_and_pages_follow(app: App, desk: AtDesk) -> None:
    with app.store.write() as tx:
        for number in range(51):
            at = NOW + timedelta(minutes=number)
            app.membership.suppress(tx, f"r{number}@example.org", SuppressionReason.ADMIN, f"no. {number}.", now=at)
    first, second = desk.read(PAGE), desk.read(f"{PAGE}?page=2")
    assert first.index("no. 50.") < first.index("no. 49.")
    assert ("no. 0." in first, "no. 0." in second, "no. 1." in second) == (False, True, False)
    assert f'href="{PAGE}?page=2" rel="next"' in first
    assert 'rel="next"' not in second
    for beyond in ("3", "9" * 15):
        assert desk.get(f"{PAGE}?page={beyond}").status_code == 404
    assert desk.read(f"{PAGE}?page=x") == first


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ("nobody", "This address is not suppressed."),
        ("active", "This address is not suppressed."),
        ("unsubscribed", "unsubscribed"),
        ("erased", "erased at their request"),
        ("hard", "the address rejects emails"),
        ("complaint", "reported as spam"),
        ("admin", "suppressed by an admin"),
    ],
)
def test_an_address_finds_what_stands_against_it_and_only_an_admins_word_is_lifted(
    app: App, desk: AtDesk, known: str, says: str
) -> None:
    known_as(app, known)
    text = desk.read(f"{PAGE}?email=READER@Example.org")
    assert says in text
    assert ('value="lift"' in text) == (known == "admin")
    answer = desk.post(PAGE, do="lift", email=EMAIL)
    assert answer.status_code == (303 if known == "admin" else 422)
    if known == "admin":
        assert "Suppression lifted" in desk.read(answer.headers["Location"])
        assert logged(app)[0][1] == "suppression lift"


def test_an_address_is_barred_with_a_reason(app: App, desk: AtDesk) -> None:
    enrolled(app)
    answer = desk.post(PAGE, email=EMAIL.upper(), reason=f"{HOSTILE}\n{EMAIL} asked")
    assert "Address suppressed" in desk.read(answer.headers["Location"])
    assert state(app) == "suppressed"
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &#34;&#39; … asked" in desk.read(PAGE)
    who, what, subject = logged(app)[0]
    assert (who, what, EMAIL in subject.lower()) == (DESK, "suppression add", False)


def test_who_left_before_an_admin_barred_them_is_not_mailed_when_that_is_lifted(app: App, desk: AtDesk) -> None:
    known_as(app, "unsubscribed")
    desk.post(PAGE, email=EMAIL)
    answer = desk.post(PAGE, do="lift", email=EMAIL)
    assert "the subscriber unsubscribed themselves" in desk.read(answer.headers["Location"])
    assert state(app) == "unsubscribed"


@pytest.mark.parametrize("email", ["me", "", "<script>alert(1)</script>@x", "a@b\r\nBcc: c@d", "\x00"])
def test_what_is_no_address_is_said_so(app: App, desk: AtDesk, email: str) -> None:
    answer = desk.post(PAGE, email=email, reason=HOSTILE)
    assert (answer.status_code, 'id="email-mistake"' in answer.text) == (422, True)
    assert "<script>alert" not in answer.text
    with app.store.read() as tx:
        assert app.membership.find_suppression(tx, email) is None
    assert desk.post(PAGE, do="lift", email=email).status_code == 422
    if email.strip("\x00"):
        assert (
            'id="asked-mistake"' in desk.client.get(PAGE, params={"email": email}, headers={"Cookie": desk.cookie}).text
        )
