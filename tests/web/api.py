"""The API as a program calls it, and a newsletter that has data for every call."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from starlette.testclient import TestClient

from digest.admin import admin_actions
from digest.app import App
from digest.models import Admin, Bounce, BounceKind, DeliveryState, MailKind, SuppressionReason, TokenScope
from digest.store import deliveries, digests, outbox, submissions
from digest.store.outbox import AttemptResult
from tests.builders import NOW, a_digest, a_paper, an_item
from tests.web.papers import publish_papers, share_profile
from tests.web.subscribers import add_subscriber, pending

PAPER = a_paper("A study of cats", "Of cats.", id="arxiv:2606.00001")


@dataclass(frozen=True)
class Client:
    """A program that calls the API with a token, or without one."""

    site: TestClient
    token: str = ""

    def __call__(self, method: str, path: str, *, base: str = "/api/v1", **rest: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return self.site.request(method, f"{base}{path}", headers=headers | rest.pop("headers", {}), **rest)

    def ok(self, method: str, path: str, **rest: Any) -> Any:
        """Call the API, check that the call succeeded, and return its answer."""
        answer = self(method, path, **rest)
        assert answer.status_code in {200, 201, 204}, answer.text
        return answer.json() if answer.content else None


def token_of(
    app: App,
    owner: Admin,
    scopes: Collection[TokenScope] = tuple(TokenScope),
    *,
    name: str = "website",
    days: int = 365,
) -> str:
    """Create a token of the owner and return it."""
    with app.store.write() as tx:
        return admin_actions.add_token(tx, owner, name, scopes, days=days, by="tests", now=NOW)[1]


def filled(app: App) -> None:
    """Store profiles, papers, subscribers, mails in every state that needs an action, and bounces."""
    publish_papers(app, PAPER, a_paper("A study of dogs", "Of dogs.", id="doi:10.1/dogs"))
    for name, rules in (("Cats", "cat"), ("Dogs", "dog ^2\n-cat")):
        share_profile(app, name, rules)
    reader = add_subscriber(app, profiles=("Cats",), name="Ren\N{LATIN SMALL LETTER E WITH ACUTE}e")
    pending(app, email="asking@example.org")
    add_subscriber(app, "gone@example.org")
    with app.store.write() as tx:
        digests.freeze(tx, [a_digest([an_item(PAPER, "Cats")], subscriber=reader)], now=NOW)
        outbox.queue_mail(tx, MailKind.SIGN_IN, reader, message_id="s@example.org", now=NOW)
        for delivery, state in zip(deliveries.list_by_subscriber(tx, reader.id), ("in-doubt", "failed"), strict=True):
            outbox.record_results(
                tx,
                [AttemptResult(delivery_id=delivery.id, state=DeliveryState.SENT, reply="250 ok")],
                worker="",
                now=NOW,
            )
            tx.exec_driver_sql(f"update deliveries set state = '{state}' where id = {delivery.id}")
        bounce = Bounce(kind=BounceKind.SOFT, status="4.2.2", reply="452 4.2.2 <full>")
        app.membership.record_bounce(tx, reader.email, bounce, delivery_id=1, fingerprint="f", now=NOW)
        app.membership.suppress(tx, "gone@example.org", SuppressionReason.ADMIN, "asked", now=NOW)
        for number in (1, 2):
            submissions.add(tx, f"https://arxiv.org/abs/2606.0000{number}", origin="page", now=NOW)
