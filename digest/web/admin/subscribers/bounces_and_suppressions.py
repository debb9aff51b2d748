"""Suppressed addresses, which must not be mailed; and the bounces that suppress them, read from their mailbox."""

import threading
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from starlette.responses import Response

from digest.admin import subscriber_actions
from digest.admin.outbox_actions import poll_bounces
from digest.app import App
from digest.errors import AddressError, DigestError, NotFoundError, UsageError
from digest.mail.encoding import clean
from digest.models import BounceKind, Subscriber, Suppression, SuppressionReason
from digest.security import addresses
from digest.store import bounces, suppressions
from digest.store.bounces import StoredBounce
from digest.subscribers.fields import one_line
from digest.web.auth import CurrentAdmin, admin_router
from digest.web.background import Background
from digest.web.dependencies import Context, Number, PostedForm, one_of, shared
from digest.web.rendering import Samples, admin_template, local

_PAGE_SIZE = 50
_TEMPLATE = admin_template("suppressions")

suppressions_router = admin_router("/admin/suppressions")
bounces_router = admin_router("/admin/bounces")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSuppression:
    """A line of the list."""

    email: str  # "" if it cannot be told from the pseudonym
    subscriber: int  # 0 if the address is no subscriber's
    pseudonym: str
    reason: SuppressionReason
    since: str  # a local time
    evidence: str

    @property
    def is_an_admins(self) -> bool:
        """True if an admin may lift it."""
        return self.reason is SuppressionReason.ADMIN


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionList:
    """The page: a part of the list, or the suppression of one address."""

    listed: tuple[ListedSuppression, ...] = ()
    number: int = 1
    is_last: bool = True
    asked: str = ""  # an address that was looked for
    typed: str = ""  # one that was to be added
    why: str = ""
    wrong: Annotated[str, Samples("", "asked", "typed")] = ""  # the field whose address is invalid
    done: Annotated[str, Samples("", "added", "lifted", "stands")] = ""


@suppressions_router.get("")
def list_suppressions(context: Context, email: str = "", page: Number = 1, done: str = "") -> Response:
    """A page of the list, newest first, or the suppression of one address."""
    asked = one_line(email)
    if not asked:
        return _show_list(context, page, done=done)
    try:
        address = addresses.normalize(asked)
    except AddressError:
        return _show_list(context, asked=asked, wrong="asked")
    with context.store.read() as tx:
        found = context.membership.find_suppression(tx, address)
        owners = context.membership.find_by_pseudonyms(tx, [found.pseudonym]) if found else {}
    listed = (shown_suppression(context, found, owners.get(found.pseudonym), address),) if found else ()
    return context.render(_TEMPLATE, SuppressionList(listed=listed, asked=address, done=done))


@suppressions_router.post("")
def change_suppressions(context: Context, form: PostedForm, admin: CurrentAdmin) -> Response:
    """Suppress an address, or lift what an admin suppressed. Raises UsageError."""
    if form.get("do") == "lift":
        with context.store.write() as tx:
            remaining = subscriber_actions.lift(
                tx, context.membership, form.get("email", ""), by=admin.email, now=context.now
            )
        return context.redirect(f"/admin/suppressions?done={'stands' if remaining else 'lifted'}")
    typed, why = one_line(form.get("email", "")), one_line(form.get("reason", ""))
    try:
        email = addresses.normalize(typed)
    except AddressError:
        return _show_list(context, typed=typed, why=why, wrong="typed")
    with context.store.write() as tx:
        subscriber_actions.suppress(tx, context.membership, email, why, by=admin.email, now=context.now)
    return context.redirect("/admin/suppressions?done=added")


def _show_list(context: Context, number: int = 1, **shown: str) -> Response:
    """Page `number` of the list; `shown` are further fields of SuppressionList. Raises NotFoundError."""
    number = max(1, number)
    with context.store.read() as tx:
        found = suppressions.list_all(tx, skip=(number - 1) * _PAGE_SIZE, limit=_PAGE_SIZE + 1)
        owners = context.membership.find_by_pseudonyms(tx, [suppression.pseudonym for suppression in found])
    if number > 1 and not found:
        raise NotFoundError("page", str(number))
    page = SuppressionList(
        listed=tuple(shown_suppression(context, one, owners.get(one.pseudonym)) for one in found[:_PAGE_SIZE]),
        number=number,
        is_last=len(found) <= _PAGE_SIZE,
        **shown,
    )
    return context.render(_TEMPLATE, page, status=422 if page.wrong else 200)


def shown_suppression(
    context: Context, suppression: Suppression, owner: Subscriber | None, asked: str = ""
) -> ListedSuppression:
    """Return a suppression as pages show it: of a subscriber, or of the address that was `asked` for."""
    return ListedSuppression(
        email=owner.email if owner else asked,
        subscriber=owner.id if owner else 0,
        pseudonym=suppression.pseudonym,
        reason=suppression.reason,
        since=context.local_time(suppression.suppressed_at),
        evidence=suppression.evidence,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedBounce:
    """A line of the list."""

    at: str  # a local time
    kind: BounceKind
    status: str
    reply: str
    delivery: int  # 0 if the bounce names none
    subscriber: int
    email: str  # "" if it cannot be told from the pseudonym

    @classmethod
    def of(cls, context: Context, bounce: StoredBounce, owner: Subscriber | None) -> Self:
        """Return a bounce as pages show it. `owner` has the address that it is about."""
        return cls(
            at=context.local_time(bounce.bounced_at),
            kind=bounce.kind,
            status=bounce.status,
            reply=clean(bounce.reply),
            delivery=bounce.delivery_id or 0,
            subscriber=owner.id if owner else 0,
            email=owner.email if owner else "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The state of reading the mailbox, and its outcome."""

    under_way: bool = False
    ended_at: str = ""  # a local time
    read: int = 0
    suppressed: int = 0
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceList:
    """A page of the list of bounces, and the state of the mailbox."""

    bounces: tuple[ListedBounce, ...]
    kind: str
    kinds: tuple[BounceKind, ...]
    next: int  # where the next page begins, 0 if this is the last
    has_mailbox: bool
    reading: Reading | None  # None if it was not started since the program began


class BounceMailbox:
    """Reads the bounce mailbox in the background, and keeps the outcome. Safe to share between threads."""

    def __init__(self, app: App, background: Background) -> None:
        self._app = app
        self._background = background
        self._lock = threading.Lock()
        self.reading: Reading | None = None

    def start_reading(self, *, by: str, now: datetime) -> None:
        """Start to read the mailbox, unless that is under way."""
        with self._lock:
            if self.reading is not None and self.reading.under_way:
                return
            self.reading = Reading(under_way=True)
        app, stopping = self._app, self._background.stopping.is_set

        def read() -> None:
            result = Reading(failure="it stopped unexpectedly; see the log")
            try:
                report = poll_bounces(app.store, partial(app.process_inbox, now=now, stopping=stopping), by=by, now=now)
                result = Reading(read=report.read, suppressed=len(report.suppressed))
            except DigestError as error:
                result = Reading(failure=str(error))
                raise
            finally:
                self.reading = replace(result, ended_at=local(now, ZoneInfo(app.config.newsletter.timezone)))

        self._background.submit(read, page="/admin/bounces")


CurrentMailbox = Annotated[BounceMailbox, shared(BounceMailbox)]


@bounces_router.get("")
def list_bounces(context: Context, mailbox: CurrentMailbox, kind: str = "", before: Number = 0) -> Response:
    """The newest bounces, of one kind, older than the bounce `before`."""
    chosen = one_of(BounceKind, kind)
    with context.store.read() as tx:
        found = bounces.list_newest(tx, kind=chosen, before=before, limit=_PAGE_SIZE + 1)
        owners = context.membership.find_by_pseudonyms(tx, [bounce.pseudonym for bounce in found])
    shown = found[:_PAGE_SIZE]
    page = BounceList(
        bounces=tuple(ListedBounce.of(context, bounce, owners.get(bounce.pseudonym)) for bounce in shown),
        kind=chosen or "",
        kinds=tuple(BounceKind),
        next=shown[-1].id if len(found) > _PAGE_SIZE else 0,
        has_mailbox=context.app.config.bounces.has_inbox,
        reading=mailbox.reading,
    )
    return context.render(admin_template("bounces"), page)


@bounces_router.post("")
def read_mailbox(context: Context, admin: CurrentAdmin, mailbox: CurrentMailbox) -> Response:
    """Read the bounce mailbox now. Raises UsageError if there is none."""
    if not context.app.config.bounces.has_inbox:
        raise UsageError("no mailbox is configured under [bounces]")
    mailbox.start_reading(by=admin.email, now=context.now)
    return context.redirect("/admin/bounces")
