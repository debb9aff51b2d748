"""Suppressed addresses, which must not be mailed: the list, adding one and lifting one."""

from dataclasses import dataclass
from typing import Annotated

from starlette.responses import Response

from digest.admin import subscriber_actions
from digest.errors import AddressError, NotFoundError
from digest.models import Subscriber, Suppression, SuppressionReason
from digest.security import addresses
from digest.store import suppressions
from digest.subscribers.fields import one_line
from digest.web.admin.lists import MAX_REASON
from digest.web.admin_auth import CurrentAdmin, admin_router
from digest.web.dependencies import Context, Number, PostedForm
from digest.web.rendering import admin_template
from digest.web.template_samples import Samples

_PAGE_SIZE = 50
_TEMPLATE = admin_template("suppressions")

router = admin_router("/admin/suppressions")


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


@router.get("")
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
        suppression = context.membership.find_suppression(tx, address)
        owners = context.membership.find_by_pseudonyms(tx, [suppression.pseudonym]) if suppression else {}
    listed = (_listed(context, suppression, owners.get(suppression.pseudonym), address),) if suppression else ()
    return context.render(_TEMPLATE, SuppressionList(listed=listed, asked=address, done=done))


@router.post("")
def change_suppressions(context: Context, form: PostedForm, admin: CurrentAdmin) -> Response:
    """Suppress an address, or lift what an admin suppressed. Raises UsageError."""
    if form.get("do") == "lift":
        with context.store.write() as tx:
            remaining = subscriber_actions.lift(
                tx, context.membership, form.get("email", ""), by=admin.email, now=context.now
            )
        return context.redirect(f"/admin/suppressions?done={'stands' if remaining else 'lifted'}")
    typed, why = one_line(form.get("email", "")), one_line(form.get("reason", ""))[:MAX_REASON]
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
        listed=tuple(_listed(context, one, owners.get(one.pseudonym)) for one in found[:_PAGE_SIZE]),
        number=number,
        is_last=len(found) <= _PAGE_SIZE,
        **shown,
    )
    return context.render(_TEMPLATE, page, status=422 if page.wrong else 200)


def _listed(context: Context, suppression: Suppression, owner: Subscriber | None, asked: str = "") -> ListedSuppression:
    return ListedSuppression(
        email=owner.email if owner else asked,
        subscriber=owner.id if owner else 0,
        pseudonym=suppression.pseudonym,
        reason=suppression.reason,
        since=context.local_time(suppression.suppressed_at),
        evidence=suppression.evidence,
    )
