"""Subscribers whose links are followed."""

from dataclasses import replace
from typing import Any, cast

from starlette.applications import Starlette
from starlette.testclient import TestClient

from digest.installation import Installation
from digest.links import LASTS, Scope
from digest.models import Bounce, BounceKind, MailKind, Subscriber, SubscriberState, SuppressionReason
from digest.store import deliveries, subscribers
from tests.builders import NOW, a_subscriber

EMAIL = "reader@example.org"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def enrolled(here: Installation, email: str = EMAIL, **rest: Any) -> Subscriber:
    """A subscriber, active if nothing else is said."""
    with here.store.write() as tx:
        return here.membership.enrol(tx, a_subscriber(email, **rest), origin="command line", now=NOW)


# All that may be known of an address.
KNOWN = ["nobody", "pending", "active", "paused", "unsubscribed", "erased", "hard", "complaint", "admin"]


def known_as(here: Installation, known: str, email: str = EMAIL) -> None:
    """Make an address known so."""
    if known == "nobody":
        return
    if known == "admin":
        with here.store.write() as tx:
            here.membership.suppress(tx, email, SuppressionReason.ADMIN, "", now=NOW)
        return
    reader = enrolled(here, email)
    if known in {"pending", "paused"}:
        changed(here, reader, state=SubscriberState(known))
    with here.store.write() as tx:
        if known in {"hard", "complaint"}:
            bounce = Bounce(kind=BounceKind(known), reply="550 5.1.1 no such user")
            here.membership.bounced(tx, email, bounce, delivery_id=None, fingerprint=email, now=NOW)
        if known == "unsubscribed":
            here.membership.leave(tx, reader, origin="page", now=NOW)
        if known == "erased":
            here.membership.erase(tx, email, origin="page", now=NOW)


def pending(here: Installation, **rest: Any) -> Subscriber:
    return enrolled(here, state=SubscriberState.PENDING, **rest)


def changed(here: Installation, reader: Subscriber, **values: Any) -> Subscriber:
    with here.store.write() as tx:
        return subscribers.save(tx, replace(reader, **values))


def removed(here: Installation, reader: Subscriber) -> None:
    with here.store.write() as tx:
        subscribers.remove(tx, reader.email)


def path(here: Installation, scope: Scope, reader: Subscriber) -> str:
    """The path of a link, as it stands in a mail to them."""
    url = here.links.url(scope, reader.id, reader.epoch, written_at=NOW)
    return url.removeprefix(here.config.newsletter.base_url)


def outdated(here: Installation, scope: Scope, reader: Subscriber, how: str) -> str:
    """A token of theirs that is void: "old", or written before they "left" or were "removed"."""
    written_at = NOW - LASTS[scope] if how == "old" else NOW
    if how == "left":
        changed(here, reader, epoch=reader.epoch + 1)
    elif how == "removed":
        removed(here, reader)
    return here.links.token(scope, reader.id, reader.epoch, written_at=written_at)


def way_out(here: Installation, reader: Subscriber) -> str:
    return path(here, Scope.UNSUBSCRIBE, reader)


def way_in(here: Installation, reader: Subscriber) -> str:
    return path(here, Scope.CONFIRM, reader)


def state(here: Installation, email: str = EMAIL) -> str:
    with here.store.read() as tx:
        return subscribers.get(tx, email).state.value


def history(here: Installation, email: str = EMAIL) -> list[tuple[str, str]]:
    """What happened, and from where."""
    with here.store.read() as tx:
        return [(consent.event.value, consent.origin) for consent in here.membership.history(tx, email)]


def queued(here: Installation) -> list[MailKind]:
    with here.store.read() as tx:
        return [delivery.kind for delivery in deliveries.list_queued(tx)]


def settled(site: TestClient) -> None:
    """Wait until what the pages began beside their answers is done."""
    assert cast(Starlette, site.app).state.afterwards.finish(20)
