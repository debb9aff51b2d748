"""A desk that has something of everything, all of it hostile, and people who sign in there."""

from dataclasses import dataclass
from typing import Any

from httpx2 import Response
from starlette.testclient import TestClient

from digest import passwords
from digest.installation import Installation
from digest.models import Admin, Bounce, BounceKind, DeliveryState, Field, MailKind, Role, Subscriber
from digest.store import admins, audit, digests, outbox, sources, submissions, subscribers
from digest.store.outbox import Settled
from digest.store.sources import SourceState
from digest.web.desk import Desk
from digest.web.door import Door
from tests.builders import NOW, a_digest, an_item
from tests.web.papers import HOSTILE, published, sharing
from tests.web.people import enrolled

WORDS = "four words make one"
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>'\"{{ 7*7 }}\u202e\u2066\x1b"


@dataclass(frozen=True)
class AtTheDesk:
    """Asks for pages of the desk in a session, and posts with its CSRF token."""

    client: TestClient
    cookie: str
    csrf: str

    def get(self, path: str, **rest: Any) -> Response:
        return self.client.get(path, headers={"Cookie": self.cookie}, **rest)

    def post(self, path: str, *, csrf: str | None = None, files: Any = None, **form: Any) -> Response:
        said = self.csrf if csrf is None else csrf
        return self.client.post(path, data={"csrf": said} | form, files=files, headers={"Cookie": self.cookie})


def admitted(here: Installation, email: str = "desk@example.org", role: Role = Role.ADMIN) -> Admin:
    """Somebody with the password WORDS."""
    with here.store.write() as tx:
        return admins.find(tx, email) or admins.add(
            tx, Admin(email=email, role=role, password=passwords.hashed(WORDS)), now=NOW
        )


def at_the_desk(site: TestClient, here: Installation, who: Admin) -> AtTheDesk:
    """They signed in, with their password."""
    entered = site.post("/admin/sign-in", data={"email": who.email, "password": WORDS})
    cookie = entered.headers["Set-Cookie"].partition(";")[0]
    door: Any = Door
    desk = Desk(store=here.store, secret=here.links.secret, path="", https=True, door=door)
    return AtTheDesk(site, cookie, desk._csrf(cookie.partition("=")[2], who))


def furnished(here: Installation) -> Subscriber:
    """Something of everything, written by somebody who means ill; whom most of it is about."""
    published(here, HOSTILE)
    sharing(here, EVIL, f"alert # {EVIL}\ncats")
    sharing(here, "Plain", "cats")
    reader = enrolled(here, name=EVIL, profiles=(EVIL,))
    evil = [an_item(HOSTILE, EVIL, 1.0, (Field.TITLE, "alert"))]
    with here.store.write() as tx:
        digests.freeze(tx, [a_digest(evil, subscriber=reader, slot_at=NOW, created_at=NOW)], now=NOW)
        outbox.queue_note(tx, MailKind.SIGN_IN, reader, message_id="1@example.org", now=NOW)
        first, second = outbox.list_of(tx, reader.id)
        leased = outbox.claim(
            tx, worker="w", now=NOW, clock=NOW, limit=9, pseudonyms=here.membership.pseudonyms
        )  # so that replies are written down
        outbox.begin(tx, [d.id for d in leased], worker="w", clock=NOW)
        failed = Settled(delivery_id=first.id, state=DeliveryState.FAILED, reply=f"550 5.1.1 {EVIL}")
        later = Settled(delivery_id=second.id, state=DeliveryState.DEFERRED, reply=f"450 {EVIL}", next_at=NOW)
        outbox.record(tx, [failed, later], worker="w", now=NOW)
        bounce = Bounce(kind=BounceKind.SOFT, status="4.2.2", reply=EVIL, message_id="1@example.org")
        here.membership.bounced(tx, reader.email, bounce, delivery_id=first.id, fingerprint="1", now=NOW)
        barred = subscribers.add(tx, Subscriber(email="barred@example.org", name=EVIL), now=NOW)
        hard = Bounce(kind=BounceKind.HARD, status="5.1.1", reply=EVIL)
        here.membership.bounced(tx, barred.email, hard, delivery_id=None, fingerprint="2", now=NOW)
        submissions.add(tx, "https://example.org/%3Cscript%3E'", origin=f"page from {EVIL}", now=NOW)
        sources.save(tx, SourceState(name=EVIL, url="javascript:alert(1)", checked_at=NOW, failure=EVIL))
        audit.record(tx, EVIL, "outbox hold", EVIL, now=NOW)
        outbox.hold(tx, EVIL, now=NOW)
    return reader
