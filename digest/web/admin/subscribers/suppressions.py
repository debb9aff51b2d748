"""Who must not be mailed, and why."""

from dataclasses import dataclass, replace
from typing import Annotated
from zoneinfo import ZoneInfo

from digest.admin import subscriber_actions
from digest.errors import AddressError, NotFoundError
from digest.models import Admin, Subscriber, Suppression, SuppressionReason
from digest.security import addresses
from digest.store import Store, suppressions
from digest.subscribers.fields import one_line
from digest.subscribers.membership import Membership
from digest.web.admin.lists import local
from digest.web.pages import Answer, Page, Redirect, Visit
from digest.web.template_samples import Samples

_A_PAGE = 50
_MOST_REASON = 200  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSuppression:
    """A line of the list."""

    email: str  # "" where nobody can tell any more
    subscriber: int  # their number, 0 for who is none
    pseudonym: str
    reason: SuppressionReason
    since: str  # a local time
    evidence: str

    @property
    def is_an_admins(self) -> bool:
        """Whether an admin may take it back."""
        return self.reason is SuppressionReason.ADMIN


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionList:
    """What the page shows: a page of the list, or what stands against one address."""

    listed: tuple[ListedSuppression, ...] = ()
    number: int = 1
    is_last: bool = True
    asked: str = ""  # an address that was looked for
    typed: str = ""  # one that was to be added
    why: str = ""
    wrong: Annotated[str, Samples("", "asked", "typed")] = ""  # with which address something is
    done: Annotated[str, Samples("", "added", "lifted", "stands")] = ""


@dataclass(frozen=True, slots=True)
class Suppressing:
    """The page at /admin/suppressions."""

    store: Store
    membership: Membership
    timezone: ZoneInfo

    def look(self, visit: Visit, _admin: Admin) -> Answer:
        """GET: newest first, or those of an address: `?email=`. Raises NotFoundError."""
        asked, done = one_line(visit.query.get("email", "")), visit.query.get("done", "")
        return self._of_one(asked, done) if asked else self._list(max(1, visit.number), SuppressionList(done=done))

    def act(self, visit: Visit, admin: Admin) -> Answer:
        """POST: adds an address, or lifts what an admin added. Raises UsageError."""
        return self._lift(visit, admin) if visit.form.get("do") == "lift" else self._add(visit, admin)

    def _add(self, visit: Visit, admin: Admin) -> Answer:
        typed, why = one_line(visit.form.get("email", "")), one_line(visit.form.get("reason", ""))[:_MOST_REASON]
        try:
            email = addresses.normalize(typed)
        except AddressError:
            return self._list(1, SuppressionList(typed=typed, why=why, wrong="typed"))
        with self.store.write() as tx:
            subscriber_actions.suppress(tx, self.membership, email, why, by=admin.email, now=visit.now)
        return Redirect(path="/admin/suppressions?done=added")

    def _lift(self, visit: Visit, admin: Admin) -> Answer:
        with self.store.write() as tx:
            stands = subscriber_actions.lift(
                tx, self.membership, visit.form.get("email", ""), by=admin.email, now=visit.now
            )
        return Redirect(path=f"/admin/suppressions?done={'stands' if stands else 'lifted'}")

    def _of_one(self, asked: str, done: str) -> Page:
        try:
            email = addresses.normalize(asked)
        except AddressError:
            return self._list(1, SuppressionList(asked=asked, wrong="asked"))
        with self.store.read() as tx:
            stands = self.membership.find_suppression(tx, email)
            owners = self.membership.find_by_pseudonyms(tx, [stands.pseudonym]) if stands else {}
        found = () if stands is None else (self._listed(stands, owners.get(stands.pseudonym), email),)
        return _page(SuppressionList(listed=found, asked=email, done=done))

    def _list(self, number: int, shows: SuppressionList) -> Page:
        with self.store.read() as tx:
            found = suppressions.list_all(tx, skip=(number - 1) * _A_PAGE, limit=_A_PAGE + 1)
            owners = self.membership.find_by_pseudonyms(tx, [one.pseudonym for one in found])
        if number > 1 and not found:
            raise NotFoundError("page", str(number))
        listed = tuple(self._listed(one, owners.get(one.pseudonym)) for one in found[:_A_PAGE])
        return _page(replace(shows, listed=listed, number=number, is_last=len(found) <= _A_PAGE))

    def _listed(self, one: Suppression, owner: Subscriber | None, asked: str = "") -> ListedSuppression:
        return ListedSuppression(
            email=owner.email if owner else asked,
            subscriber=owner.id if owner else 0,
            pseudonym=one.pseudonym,
            reason=one.reason,
            since=local(one.suppressed_at, self.timezone),
            evidence=one.evidence,
        )


def _page(shows: SuppressionList) -> Page:
    status = 422 if shows.wrong else 200
    return Page(template="desk-suppressions.html.j2", shows=shows, status=status)
