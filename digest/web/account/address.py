"""Changing the address: a signed-in subscriber asks for it, and the link in a mail to the new address confirms it."""

from dataclasses import dataclass
from hmac import compare_digest

from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.errors import AddressError
from digest.models import Subscriber
from digest.security import addresses
from digest.security.links import Scope
from digest.store import Transaction
from digest.web.auth import CurrentReader, find_still, get_by_link, public_router, reader_router
from digest.web.dependencies import Context, PostedForm
from digest.web.rendering import Question, partly_shown

router = reader_router("/settings/address")
link_router = public_router("/address/{token}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What the page shows."""

    email: str
    new_email: str  # not confirmed yet; "" if there is none
    moved: bool
    typed: str
    wrong: bool = False  # `typed` is no address, or the current one
    elsewhere: tuple[str, ...] = ()  # the domains that addresses must be at, if `typed` is at none of them


@router.get("")
def show_address(context: Context, reader: CurrentReader, moved: str | None = None) -> Response:
    """The current address, and the form to change it."""
    page = Address(email=reader.email, new_email=reader.new_email, moved=moved is not None, typed="")
    return context.render("address.html.j2", page)


@router.post("")
def request_change(context: Context, form: PostedForm, reader: CurrentReader) -> Response:
    """Mail a link to the new address.

    The answer is the same, and as fast, if that address belongs to another subscriber. Raises HTTPException 429.
    """
    typed, signup = form.get("email", ""), context.app.config.signup
    try:
        new_email = addresses.normalize(typed)
    except AddressError:
        new_email = reader.email
    wrong = new_email == reader.email
    if wrong or not signup.accepts(new_email):
        elsewhere = () if wrong else signup.domains
        page = Address(
            email=reader.email, new_email=reader.new_email, moved=False, typed=typed, wrong=wrong, elsewhere=elsewhere
        )
        return context.render("address.html.j2", page, status=422)
    context.services.limits.mails.check(context.client, now=context.now)
    with context.store.write() as tx:
        still = find_still(tx, reader)
        if still is not None:
            context.membership.request_address_change(tx, still, new_email, now=context.now)

    def queue_confirmation() -> None:
        with context.store.write() as tx:
            still = find_still(tx, reader)
            if still is not None:
                origin = f"page from {context.client}"
                context.membership.queue_address_confirmation(tx, still, new_email, origin=origin, now=context.now)

    context.run_after_response(queue_confirmation)
    return context.redirect("/settings/address")


@link_router.get("")
def ask_to_confirm(context: Context, token: str) -> Response:
    """Ask whether mail is to go to the new address. Changes nothing."""
    with context.store.read() as tx:
        reader = _get_reader(tx, context, token)
    return context.render("move.html.j2", Question(partly_shown(reader.new_email)), language=reader.language)


@link_router.post("")
def change_address(context: Context, token: str) -> Response:
    """Send mail to the new address from now on, and sign in."""
    with context.store.write() as tx:
        reader = _get_reader(tx, context, token)
        moved = context.membership.change_address(tx, reader, origin=f"page from {context.client}", now=context.now)
    if moved is None:
        return context.render("not-moved.html.j2", status=409, language=reader.language)
    context.run_after_response(context.store.erase_deleted_rows)  # no trace of the old address stays in the file
    return context.redirect("/settings/address?moved=1", cookie=context.services.sessions.begin(moved, now=context.now))


def _get_reader(tx: Transaction, context: Context, token: str) -> Subscriber:
    """The subscriber of the link. Raises HTTPException 410 if they no longer ask for the address that it confirms."""
    reader, link = get_by_link(tx, context, Scope.ADDRESS, token)
    about = context.app.links.text_hash(addresses.key(reader.new_email)) if reader.new_email else ""
    if not reader.new_email or not compare_digest(about, link.about):
        raise HTTPException(410)
    return reader
