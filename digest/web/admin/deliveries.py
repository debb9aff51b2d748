"""The list of deliveries, newest first, and the page of one with its papers, bounces and actions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Self

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from digest.admin import outbox_actions
from digest.admin.test_mail import copy_without_links
from digest.mail.encoding import clean
from digest.models import Delivery, DeliveryState, MailKind
from digest.store import Transaction, bounces, deliveries, outbox, subscriber_search
from digest.store.deliveries import DeliveryFilter
from digest.store.subscriber_search import PageCursor, SubscriberFilter
from digest.web.admin.subscribers.bounces_and_suppressions import ListedBounce
from digest.web.auth import CurrentAdmin, admin_router
from digest.web.dependencies import Context, Number, PathId, PostedForm, link, one_of, parse_number, search_text
from digest.web.papers import paper_path
from digest.web.rendering import Samples, admin_template
from digest.web.security import MAIL_POLICY

_PAGE_SIZE = 50
_MAX_FOUND = 50  # subscribers whose deliveries a search shows


router = admin_router("/admin/deliveries")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDelivery:
    """A line of the list."""

    id: int
    at: str  # when it was queued, as a local time
    to: str
    subscriber_id: int
    kind: MailKind
    state: DeliveryState
    attempts: int
    reply: str
    can_retry: bool
    in_doubt: bool

    @classmethod
    def of(cls, context: Context, delivery: Delivery, **more: Any) -> Self:
        """Return the fields of a stored delivery with `more` of a subclass."""
        return cls(
            id=delivery.id,
            at=context.local_time(delivery.queued_at),
            to=delivery.subscriber.email,
            subscriber_id=delivery.subscriber.id,
            kind=delivery.kind,
            state=delivery.state,
            attempts=delivery.attempts,
            reply=clean(delivery.reply),
            can_retry=delivery.state in {DeliveryState.DEFERRED, DeliveryState.FAILED},
            in_doubt=delivery.state is DeliveryState.IN_DOUBT,
            **more,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDeliveries:
    """A part of the list, and its filters."""

    states: tuple[DeliveryState, ...] = tuple(DeliveryState)
    kinds: tuple[MailKind, ...] = tuple(MailKind)
    state: str
    kind: str
    text: str
    deliveries: tuple[ListedDelivery, ...]
    older: str  # the path of the next page, or ""
    too_many: bool  # the search found more subscribers than are shown
    done: Annotated[str, Samples("", "retry", "arrived", "again", "none")]  # the action that was just done
    count: int  # to how many deliveries
    is_held: bool  # nothing is sent until an admin releases it


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPaper:
    """A paper of a digest."""

    title: str
    path: str
    profile: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDelivery(ListedDelivery):
    """The page of one delivery; times are local, "" for what has not happened."""

    queued_at: str
    sent_at: str
    next_at: str
    message_id: str
    papers: tuple[ListedPaper, ...]
    bounces: tuple[ListedBounce, ...]
    can_resend: bool
    has_mail: bool  # False: its papers were sent again, and belong to that delivery now
    done: Annotated[str, Samples("", "retry", "arrived", "again", "resend", "none")]  # the action that was just done


@router.get("")
def list_deliveries(
    context: Context,
    state: str = "",
    kind: str = "",
    q: str = "",
    before: Number = 0,
    done: str = "",
    count: Number = 0,
) -> Response:
    """A page of the list, filtered by state, kind and subscriber: a number, or a part of the address or name."""
    query = _filters(state, kind, q)
    too_many, subscriber_ids = False, None
    with context.store.read() as tx:
        if number := parse_number(query["q"]):
            subscriber_ids = [number]
        elif query["q"]:
            matches = subscriber_search.list_page(tx, SubscriberFilter(text=query["q"]), PageCursor(limit=_MAX_FOUND))
            subscriber_ids, too_many = [subscriber.id for subscriber in matches.people], bool(matches.after)
        sought = DeliveryFilter(
            state=one_of(DeliveryState, query["state"]),
            kind=one_of(MailKind, query["kind"]),
            subscriber_ids=subscriber_ids,
        )
        found = deliveries.list_page(tx, sought, before=before, limit=_PAGE_SIZE)
        is_held = outbox.find_hold(tx) is not None
    page = ShownDeliveries(
        state=query["state"],
        kind=query["kind"],
        text=query["q"],
        deliveries=tuple(ListedDelivery.of(context, delivery) for delivery in found.deliveries),
        older=link("/admin/deliveries", **query, before=found.before) if found.before else "",
        too_many=too_many,
        done=done,
        count=count,
        is_held=is_held,
    )
    return context.render(admin_template("deliveries"), page)


@router.post("")
def change_deliveries(context: Context, form: PostedForm, admin: CurrentAdmin) -> Response:
    """Retry or resolve the checked deliveries, except those that are in another state by now."""
    action = form.get("do", "")
    ids = [found for written in form.getlist("id") if (found := parse_number(written))]
    with context.store.write() as tx:
        changed = _settle(tx, action, ids, by=admin.email, now=context.now) if ids else []
    query = _filters(form.get("state", ""), form.get("kind", ""), form.get("q", ""))
    done = action if changed else "none"
    return context.redirect(link("/admin/deliveries", **query, done=done, count=len(changed)))


@router.get("/{id}")
def show_delivery(context: Context, delivery_id: PathId, done: str = "") -> Response:
    """One delivery. Raises NotFoundError."""
    with context.store.read() as tx:
        delivery = deliveries.get(tx, delivery_id)
        returned = bounces.list_by_delivery(tx, delivery.id)
        sent_at = deliveries.find_sent_at(tx, delivery.id)
        suppressed = context.membership.find_suppression(tx, delivery.subscriber.email) is not None
    items = delivery.digest.items if delivery.digest is not None else ()
    page = ShownDelivery.of(
        context,
        delivery,
        queued_at=context.local_time(delivery.queued_at),
        sent_at=context.local_time(sent_at),
        next_at=context.local_time(delivery.next_at) if delivery.state is DeliveryState.DEFERRED else "",
        message_id=delivery.message_id,
        papers=tuple(
            ListedPaper(title=clean(item.paper.title), path=paper_path(item.paper.id), profile=item.profile)
            for item in items
        ),
        bounces=tuple(ListedBounce.of(context, bounce, delivery.subscriber) for bounce in returned),
        can_resend=not suppressed and not outbox_actions.reason_not_to_resend(delivery),
        has_mail=_has_mail(delivery),
        done=done,
    )
    return context.render(admin_template("delivery"), page)


@router.post("/{id}")
def change_delivery(context: Context, delivery_id: PathId, form: PostedForm, admin: CurrentAdmin) -> Response:
    """Retry, resolve or resend one delivery. Raises UsageError, NotFoundError."""
    action, shown = form.get("do", ""), delivery_id
    with context.store.write() as tx:
        if action == "resend":
            shown = outbox_actions.resend(tx, context.membership, delivery_id, by=admin.email, now=context.now)
        elif not _settle(tx, action, [delivery_id], by=admin.email, now=context.now):
            action = "none"
    return context.redirect(f"/admin/deliveries/{shown}?done={action}")


@router.get("/{id}/mail")
def show_mail(context: Context, delivery_id: PathId) -> Response:
    """The mail as its reader sees it; its links do nothing. Raises NotFoundError, HTTPException 404."""
    with context.store.read() as tx:
        delivery = deliveries.get(tx, delivery_id)
    if not _has_mail(delivery):
        raise HTTPException(404)
    mail = context.app.composer.render(copy_without_links(delivery, delivery.subscriber.email))
    return HTMLResponse(mail.readable_html, headers={"Content-Security-Policy": MAIL_POLICY})


def _filters(state: str, kind: str, text: str) -> dict[str, str]:
    """Return the filters as addresses have them; "" for values that do not exist."""
    known_state, known_kind = one_of(DeliveryState, search_text(state)), one_of(MailKind, search_text(kind))
    return {"state": known_state or "", "kind": known_kind or "", "q": search_text(text)}


def _settle(tx: Transaction, action: str, ids: list[int], *, by: str, now: datetime) -> list[int]:
    """Retry deliveries, or resolve those in doubt as arrived or to be sent again. Return the ids that changed."""
    if action == "retry":
        return outbox_actions.retry(tx, ids, by=by, now=now)
    if action in {"arrived", "again"}:
        return outbox_actions.resolve(tx, ids, arrived=action == "arrived", by=by, now=now)
    return []


def _has_mail(delivery: Delivery) -> bool:
    return delivery.digest is not None or not delivery.kind.has_papers
