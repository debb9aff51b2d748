"""Subscribers whose links are followed."""

from dataclasses import replace
from typing import Any, cast

from starlette.applications import Starlette
from starlette.testclient import TestClient

from digest.app import App
from digest.models import Bounce, BounceKind, MailKind, Subscriber, SubscriberState, SuppressionReason
from digest.security.links import TOKEN_LIFETIMES, Scope
from digest.store import deliveries, subscribers
from tests.builders import NOW, a_subscriber

EMAIL = "reader@example.org"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def enrolled(app: App, email: str = EMAIL, **rest: Any) -> Subscriber:
    """A subscriber, active if nothing else is said."""
    with app.store.write() as tx:
        return app.membership.add(tx, a_subscriber(email, **rest), origin="command line", now=NOW)


# All that may be known of an address.
KNOWN = ["nobody", "pending", "active", "paused", "unsubscribed", "erased", "hard", "complaint", "admin"]


def known_as(app: App, known: str, email: str = EMAIL) -> None:
    """Make an address known so."""
    if known == "nobody":
        return
    if known == "admin":
        with app.store.write() as tx:
            app.membership.suppress(tx, email, SuppressionReason.ADMIN, "", now=NOW)
        return
    reader = enrolled(app, email)
    if known in {"pending", "paused"}:
        changed(app, reader, state=SubscriberState(known))
    with app.store.write() as tx:
        if known in {"hard", "complaint"}:
            bounce = Bounce(kind=BounceKind(known), reply="550 5.1.1 no such user")
            app.membership.record_bounce(tx, email, bounce, delivery_id=None, fingerprint=email, now=NOW)
        if known == "unsubscribed":
            app.membership.unsubscribe(tx, reader, origin="page", now=NOW)
        if known == "erased":
            app.membership.erase(tx, email, origin="page", now=NOW)


def pending(app: App, **rest: Any) -> Subscriber:
    return enrolled(app, state=SubscriberState.PENDING, **rest)


def changed(app: App, reader: Subscriber, **values: Any) -> Subscriber:
    with app.store.write() as tx:
        return subscribers.save(tx, replace(reader, **values))


def removed(app: App, reader: Subscriber) -> None:
    with app.store.write() as tx:
        subscribers.remove(tx, reader.email)


def path(app: App, scope: Scope, reader: Subscriber) -> str:
    """The path of a link, as it stands in a mail to them."""
    url = app.links.url(scope, reader.id, reader.epoch, written_at=NOW)
    return url.removeprefix(app.config.newsletter.base_url)


def outdated(app: App, scope: Scope, reader: Subscriber, how: str) -> str:
    """A token of theirs that is void: "old", or written before they "left" or were "removed"."""
    written_at = NOW - TOKEN_LIFETIMES[scope] if how == "old" else NOW
    if how == "left":
        changed(app, reader, epoch=reader.epoch + 1)
    elif how == "removed":
        removed(app, reader)
    return app.links.token(scope, reader.id, reader.epoch, written_at=written_at)


def way_out(app: App, reader: Subscriber) -> str:
    return path(app, Scope.UNSUBSCRIBE, reader)


def way_in(app: App, reader: Subscriber) -> str:
    return path(app, Scope.CONFIRM, reader)


def state(app: App, email: str = EMAIL) -> str:
    with app.store.read() as tx:
        return subscribers.get(tx, email).state.value


def history(app: App, email: str = EMAIL) -> list[tuple[str, str]]:
    """What happened, and from where."""
    with app.store.read() as tx:
        return [(consent.event.value, consent.origin) for consent in app.membership.list_consents(tx, email)]


def queued(app: App) -> list[MailKind]:
    with app.store.read() as tx:
        return [delivery.kind for delivery in deliveries.list_queued(tx)]


def settled(site: TestClient) -> None:
    """Wait until what the pages began beside their answers is done."""
    assert cast(Starlette, site.app).state.services.background.finish(20)
