"""The list of bounces, and reading the bounce mailbox now."""

import threading
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from starlette.responses import Response

from digest.admin.outbox_actions import poll_bounces
from digest.app import App
from digest.errors import DigestError, UsageError
from digest.models import BounceKind
from digest.pipeline.bounces import BounceReport
from digest.store import bounces
from digest.web.admin.lists import one_of
from digest.web.admin_auth import CurrentAdmin, admin_router
from digest.web.background import Background
from digest.web.dependencies import Context, Number, shared
from digest.web.rendering import admin_template, local

_PAGE_SIZE = 50

router = admin_router("/admin/bounces")


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

    @property
    def is_configured(self) -> bool:
        """True if there is a mailbox to read."""
        return self._app.config.bounces.has_inbox

    def start_reading(self, *, by: str, now: datetime) -> None:
        """Start to read the mailbox, unless that is under way."""
        with self._lock:
            if self.reading is not None and self.reading.under_way:
                return
            self.reading = Reading(under_way=True)
        self._background.submit(lambda: self._read(by, now), page="/admin/bounces")

    def _read(self, by: str, now: datetime) -> None:
        def process_inbox() -> BounceReport:
            return self._app.process_inbox(now=now, stopping=self._background.stopping.is_set)

        result = Reading(failure="it broke off; the log says where")
        try:
            report = poll_bounces(self._app.store, process_inbox, by=by, now=now)
            result = Reading(read=report.read, suppressed=len(report.suppressed))
        except DigestError as error:
            result = Reading(failure=str(error))
            raise
        finally:
            self.reading = replace(result, ended_at=local(now, ZoneInfo(self._app.config.newsletter.timezone)))


CurrentMailbox = Annotated[BounceMailbox, shared(BounceMailbox)]


@router.get("")
def list_bounces(context: Context, mailbox: CurrentMailbox, kind: str = "", before: Number = 0) -> Response:
    """The newest bounces, of one kind, older than the bounce `before`."""
    chosen = one_of(BounceKind, kind)
    with context.store.read() as tx:
        found = bounces.list_newest(tx, kind=chosen, before=before, limit=_PAGE_SIZE + 1)
        owners = context.membership.find_by_pseudonyms(tx, [bounce.pseudonym for bounce in found])
    shown = found[:_PAGE_SIZE]
    page = BounceList(
        bounces=tuple(
            ListedBounce(
                at=context.local_time(bounce.bounced_at),
                kind=bounce.kind,
                status=bounce.status,
                reply=bounce.reply,
                delivery=bounce.delivery_id or 0,
                subscriber=owner.id if (owner := owners.get(bounce.pseudonym)) else 0,
                email=owner.email if owner else "",
            )
            for bounce in shown
        ),
        kind=chosen or "",
        kinds=tuple(BounceKind),
        next=shown[-1].id if len(found) > _PAGE_SIZE else 0,
        has_mailbox=mailbox.is_configured,
        reading=mailbox.reading,
    )
    return context.render(admin_template("bounces"), page)


@router.post("")
def read_mailbox(context: Context, admin: CurrentAdmin, mailbox: CurrentMailbox) -> Response:
    """Read the bounce mailbox now. Raises UsageError if there is none."""
    if not mailbox.is_configured:
        raise UsageError("no mailbox is configured under [bounces]")
    mailbox.start_reading(by=admin.email, now=context.now)
    return context.redirect("/admin/bounces")
