"""Hostile data for every page."""

from digest.app import App
from digest.models import Bounce, BounceKind, DeliveryState, Field, MailKind, Subscriber
from digest.store import audit, deliveries, digests, outbox, sources, submissions, subscribers
from digest.store.outbox import AttemptResult
from digest.store.sources import SourceState
from tests.builders import NOW, a_digest, an_item
from tests.web.papers import HOSTILE, publish_papers, share_profile
from tests.web.subscribers import add_subscriber

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>'\"{{ 7*7 }}\u202e\u2066\x1b"


def add_hostile_data(app: App) -> Subscriber:
    """Store hostile data for every page, and return the subscriber that most of it is about."""
    publish_papers(app, HOSTILE)
    share_profile(app, EVIL, f"alert # {EVIL}\ncats")
    share_profile(app, "Plain", "cats")
    reader = add_subscriber(app, name=EVIL, profiles=(EVIL,))
    evil = [an_item(HOSTILE, EVIL, 1.0, (Field.TITLE, "alert"))]
    with app.store.write() as tx:
        digests.freeze(tx, [a_digest(evil, subscriber=reader, slot_at=NOW, created_at=NOW)], now=NOW)
        outbox.queue_mail(tx, MailKind.SIGN_IN, reader, message_id="1@example.org", now=NOW)
        first, second = deliveries.list_by_subscriber(tx, reader.id)
        leased = outbox.lease(tx, [first.id, second.id], worker="w", clock=NOW)  # so that replies are recorded
        outbox.start_sending(tx, [d.id for d in leased], worker="w", clock=NOW)
        failed = AttemptResult(delivery_id=first.id, state=DeliveryState.FAILED, reply=f"550 5.1.1 {EVIL}")
        later = AttemptResult(delivery_id=second.id, state=DeliveryState.DEFERRED, reply=f"450 {EVIL}", next_at=NOW)
        outbox.record_results(tx, [failed, later], worker="w", now=NOW)
        bounce = Bounce(kind=BounceKind.SOFT, status="4.2.2", reply=EVIL, message_id="1@example.org")
        app.membership.record_bounce(tx, reader.email, bounce, delivery_id=first.id, fingerprint="1", now=NOW)
        suppressed = subscribers.add(tx, Subscriber(email="suppressed@example.org", name=EVIL), now=NOW)
        hard = Bounce(kind=BounceKind.HARD, status="5.1.1", reply=EVIL)
        app.membership.record_bounce(tx, suppressed.email, hard, delivery_id=None, fingerprint="2", now=NOW)
        submissions.add(tx, "https://example.org/%3Cscript%3E'", origin=f"page from {EVIL}", now=NOW)
        sources.save(tx, SourceState(name=EVIL, url="javascript:alert(1)", checked_at=NOW, failure=EVIL))
        audit.record(tx, EVIL, "outbox hold", EVIL, now=NOW)
        outbox.start_hold(tx, EVIL, now=NOW)
    return reader
