"""What came back last, and reading the mailbox now."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from digest.admin.outbox_actions import poll_bounces
from digest.errors import DigestError, UsageError
from digest.models import Admin, BounceKind, Subscriber
from digest.pipeline.bounces import BounceReport
from digest.store import Store, bounces
from digest.store.bounces import StoredBounce
from digest.subscribers.membership import Membership
from digest.web.admin.lists import local
from digest.web.background import Afterwards
from digest.web.pages import Answer, Page, Redirect, Visit

_A_PAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedBounce:
    """A line of the list."""

    at: str  # a local time
    kind: BounceKind
    status: str
    reply: str
    delivery: int  # 0 where none is told
    subscriber: int
    email: str  # "" where nobody can tell any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How reading the mailbox went, or goes."""

    under_way: bool = False
    ended_at: str = ""  # a local time
    read: int = 0
    suppressed: int = 0
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceList:
    """What the page shows."""

    bounces: tuple[ListedBounce, ...]
    kind: str
    kinds: tuple[BounceKind, ...]
    next: int  # where the page behind this one begins, 0 where there is none
    has_mailbox: bool
    reading: Reading | None  # None where nobody asked for it yet


class ListingBounces:
    """The page at /admin/bounces."""

    def __init__(
        self,
        store: Store,
        membership: Membership,
        timezone: ZoneInfo,
        at_length: Afterwards,
        read: Callable[[datetime], BounceReport] | None,
    ) -> None:
        """`read` deals with what is in the mailbox; None where none is configured."""
        self._store = store
        self._membership = membership
        self._timezone = timezone
        self._at_length = at_length
        self._read = read
        self._reading: Reading | None = None
        self._lock = threading.Lock()

    def look(self, visit: Visit, _admin: Admin) -> Answer:
        """GET: the newest, of a kind (`?kind=`), behind one (`?before=`)."""
        kind = next((kind for kind in BounceKind if kind.value == visit.query.get("kind")), None)
        with self._store.read() as tx:
            found = bounces.list_newest(tx, kind=kind, before=visit.number_in("before"), limit=_A_PAGE + 1)
            owners = self._membership.find_by_pseudonyms(tx, [kept.pseudonym for kept in found])
        shown = found[:_A_PAGE]
        return _page(
            BounceList(
                bounces=tuple(self._listed(kept, owners.get(kept.pseudonym)) for kept in shown),
                kind=kind.value if kind else "",
                kinds=tuple(BounceKind),
                next=shown[-1].id if len(found) > _A_PAGE else 0,
                has_mailbox=self._read is not None,
                reading=self._reading,
            )
        )

    def poll(self, visit: Visit, admin: Admin) -> Answer:
        """POST: reads the mailbox beside the pages, which may take its time. Raises UsageError where there is none."""
        read = self._read
        if read is None:
            raise UsageError("no mailbox is configured under [bounces]")
        with self._lock:
            begins = self._reading is None or not self._reading.under_way
            self._reading = Reading(under_way=True)
        if begins:
            self._at_length.begin(
                lambda: self._poll(lambda: read(visit.now), admin.email, visit.now), page="/admin/bounces"
            )
        return Redirect(path="/admin/bounces")

    def _poll(self, read: Callable[[], BounceReport], by: str, now: datetime) -> None:
        done = Reading(failure="it broke off; the log says where")
        try:
            report = poll_bounces(self._store, read, by=by, now=now)
            done = Reading(read=report.read, suppressed=len(report.suppressed))
        except DigestError as error:
            done = Reading(failure=str(error))
            raise
        finally:
            self._reading = replace(done, ended_at=local(now, self._timezone))

    def _listed(self, kept: StoredBounce, owner: Subscriber | None) -> ListedBounce:
        return ListedBounce(
            at=local(kept.bounced_at, self._timezone),
            kind=kept.kind,
            status=kept.status,
            reply=kept.reply,
            delivery=kept.delivery_id or 0,
            subscriber=owner.id if owner else 0,
            email=owner.email if owner else "",
        )


def _page(shows: BounceList) -> Page:
    return Page(template="desk-bounces.html.j2", shows=shows)
