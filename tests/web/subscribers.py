"""Subscribers in every state, the paths of their links, and what is stored about them."""

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


def add_subscriber(app: App, email: str = EMAIL, **rest: Any) -> Subscriber:
    """Store a subscriber, active by default."""
    with app.store.write() as tx:
        return app.membership.add(tx, a_subscriber(email, **rest), origin="command line", now=NOW)


# The states that an address can be in.
ADDRESS_STATES = ["unknown", "pending", "active", "paused", "unsubscribed", "erased", "hard", "complaint", "admin"]


def put_into_state(app: App, known: str, email: str = EMAIL) -> None:
    """Bring an address into one of ADDRESS_STATES."""
    if known == "unknown":
        return
    if known == "admin":
        with app.store.write() as tx:
            app.membership.suppress(tx, email, SuppressionReason.ADMIN, "", now=NOW)
        return
    reader = add_subscriber(app, email)
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
    return add_subscriber(app, state=SubscriberState.PENDING, **rest)


def changed(app: App, reader: Subscriber, **values: Any) -> Subscriber:
    with app.store.write() as tx:
        return subscribers.save(tx, replace(reader, **values))


def removed(app: App, reader: Subscriber) -> None:
    with app.store.write() as tx:
        subscribers.remove(tx, reader.email)


def path(app: App, scope: Scope, reader: Subscriber) -> str:
    """Return the path of a link in a mail to the subscriber."""
    url = app.links.url(scope, reader.id, reader.epoch, written_at=NOW)
    return url.removeprefix(app.config.newsletter.base_url)


def void_token(app: App, scope: Scope, reader: Subscriber, how: str) -> str:
    """Return a token that is "old", or was written before the subscriber "left" or was "removed"."""
    written_at = NOW - TOKEN_LIFETIMES[scope] if how == "old" else NOW
    if how == "left":
        changed(app, reader, epoch=reader.epoch + 1)
    elif how == "removed":
        removed(app, reader)
    return app.links.token(scope, reader.id, reader.epoch, written_at=written_at)


def unsubscribe_path(app: App, reader: Subscriber) -> str:
    return path(app, Scope.UNSUBSCRIBE, reader)


def confirm_path(app: App, reader: Subscriber) -> str:
    return path(app, Scope.CONFIRM, reader)


def mute_path(app: App, reader: Subscriber, keyword: str) -> str:
    """Return the path of the link in a mail that mutes a keyword."""
    url = app.links.mute_links(reader.id, reader.epoch, written_at=NOW)(keyword)
    return url.removeprefix(app.config.newsletter.base_url)


def state(app: App, email: str = EMAIL) -> str:
    with app.store.read() as tx:
        return subscribers.get(tx, email).state.value


def history(app: App, email: str = EMAIL) -> list[tuple[str, str]]:
    """Return (event, origin) of the consents of an address."""
    with app.store.read() as tx:
        return [(consent.event.value, consent.origin) for consent in app.membership.list_consents(tx, email)]


def queued(app: App) -> list[MailKind]:
    with app.store.read() as tx:
        return [delivery.kind for delivery in deliveries.list_queued(tx)]


def finish_background(site: TestClient) -> None:
    """Wait until the work that runs after responses is done."""
    assert cast(Starlette, site.app).state.services.background.finish(20)
