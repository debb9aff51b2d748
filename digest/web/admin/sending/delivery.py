"""One mail: what it holds, what became of it, and what can be done about that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException

from digest.admin import outbox_actions
from digest.admin.test_mail import copy_without_links
from digest.mail import Composer
from digest.mail.encoding import clean
from digest.models import Admin, BounceKind, Delivery, DeliveryState, MailKind
from digest.store import Store, bounces, deliveries
from digest.subscribers.membership import Membership
from digest.web.admin.sending.deliveries import TO_RETRY, settle
from digest.web.pages import Answer, Document, Page, Redirect, Visit
from digest.web.papers import paper_path
from digest.web.rendering import local
from digest.web.security import OF_MAILS
from digest.web.template_samples import Samples

_WITH_PAPERS = {MailKind.DIGEST, MailKind.WELCOME}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPaper:
    """A paper of a digest."""

    title: str
    path: str
    profile: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedBounce:
    """What came back; `at` is a local time."""

    at: str
    kind: BounceKind
    status: str
    reply: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDelivery:
    """What the page shows; times are local, "" for what has not been."""

    id: int
    to: str
    subscriber_id: int
    kind: MailKind
    state: DeliveryState
    queued_at: str
    sent_at: str
    next_at: str
    attempts: int
    reply: str
    message_id: str
    papers: tuple[ListedPaper, ...]
    bounces: tuple[ListedBounce, ...]
    can_retry: bool
    in_doubt: bool
    can_resend: bool
    has_mail: bool  # else its papers were sent again, in another mail that has them now
    done: Annotated[str, Samples("", "retry", "arrived", "again", "resend", "none")]  # what was done just now


@dataclass(frozen=True, slots=True)
class LookingAtDelivery:
    """The pages at /admin/deliveries/ID, and at /mail there."""

    store: Store
    membership: Membership
    composer: Composer
    timezone: ZoneInfo

    def look(self, visit: Visit, _admin: Admin) -> Answer:
        """GET. Raises NotFoundError."""
        with self.store.read() as tx:
            delivery = deliveries.get(tx, visit.id)
            came_back = bounces.list_by_delivery(tx, delivery.id)
            sent_at = deliveries.find_sent_at(tx, delivery.id)
            barred = self.membership.find_suppression(tx, delivery.subscriber.email) is not None
        shown = _shown(delivery, came_back, self.timezone, sent_at=sent_at, done=visit.query.get("done", ""))
        return _page(replace(shown, can_resend=shown.can_resend and not barred))

    def act(self, visit: Visit, admin: Admin) -> Answer:
        """POST: tries it again, settles it, or sends it once more. Raises UsageError, NotFoundError."""
        done, shown = visit.form.get("do", ""), visit.id
        with self.store.write() as tx:
            if done == "resend":
                shown = outbox_actions.resend(tx, self.membership, visit.id, by=admin.email, now=visit.now)
            elif not settle(tx, done, [visit.id], by=admin.email, now=visit.now):
                done = "none"
        return Redirect(path=f"/admin/deliveries/{shown}?done={done}")

    def look_at_mail(self, visit: Visit, _admin: Admin) -> Answer:
        """GET: the mail as its reader sees it, its links nobody's. Raises NotFoundError, HTTPException 404."""
        with self.store.read() as tx:
            delivery = deliveries.get(tx, visit.id)
        if not _has_mail(delivery):
            raise HTTPException(404)
        mail = self.composer.render(copy_without_links(delivery, delivery.subscriber.email))
        return Document(content=mail.readable_html, media_type="text/html", policy=OF_MAILS)


def _has_mail(delivery: Delivery) -> bool:
    return delivery.digest is not None or delivery.kind not in _WITH_PAPERS


def _shown(
    delivery: Delivery,
    came_back: Sequence[Mapping[str, Any]],
    timezone: ZoneInfo,
    *,
    sent_at: datetime | None = None,
    done: str = "",
) -> ShownDelivery:
    return ShownDelivery(
        id=delivery.id,
        to=delivery.subscriber.email,
        subscriber_id=delivery.subscriber.id,
        kind=delivery.kind,
        state=delivery.state,
        queued_at=local(delivery.queued_at, timezone),
        sent_at=local(sent_at, timezone) if sent_at else "",
        next_at=local(delivery.next_at, timezone) if delivery.state is DeliveryState.DEFERRED else "",
        attempts=delivery.attempts,
        reply=clean(delivery.reply),
        message_id=delivery.message_id,
        papers=_papers(delivery),
        bounces=tuple(_listed_bounce(bounce, timezone) for bounce in came_back),
        can_retry=delivery.state in TO_RETRY,
        in_doubt=delivery.state is DeliveryState.IN_DOUBT,
        can_resend=not outbox_actions.reason_not_to_resend(delivery),
        has_mail=_has_mail(delivery),
        done=done,
    )


def _papers(delivery: Delivery) -> tuple[ListedPaper, ...]:
    items = delivery.digest.items if delivery.digest is not None else ()
    return tuple(
        ListedPaper(title=clean(item.paper.title), path=paper_path(item.paper.id), profile=item.profile)
        for item in items
    )


def _listed_bounce(bounce: Mapping[str, Any], timezone: ZoneInfo) -> ListedBounce:
    at = local(bounce["bounced_at"], timezone)
    return ListedBounce(at=at, kind=BounceKind(bounce["kind"]), status=bounce["status"], reply=clean(bounce["reply"]))


def _page(shown: ShownDelivery) -> Page:
    return Page(template="desk-delivery.html.j2", shows=shown)
