"""Changing the address, which a mailed link confirms; unsubscribing; and the export and the erasure of data."""

from dataclasses import dataclass
from hmac import compare_digest

from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.errors import AddressError
from digest.models import Subscriber
from digest.security import addresses
from digest.security.links import Scope
from digest.store import Transaction
from digest.subscribers import address_change
from digest.subscribers.data_export import export_personal_data
from digest.web.auth import (
    CurrentReader,
    find_replaced_session,
    find_still,
    get_by_link,
    may_sign_in,
    public_router,
    reader_router,
    sign_in_question,
    sign_in_reader,
)
from digest.web.dependencies import Context, PostedForm
from digest.web.rendering import Left, attachment, partly_shown

router = reader_router("/settings")
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


@router.get("/address")
def show_address(context: Context, reader: CurrentReader, moved: str | None = None) -> Response:
    """The current address, and the form to change it."""
    page = Address(email=reader.email, new_email=reader.new_email, moved=moved is not None, typed="")
    return context.render("address.html.j2", page)


@router.post("/address")
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
    context.check_mail_limit()
    with context.store.write() as tx:
        still = find_still(tx, reader)
        if still is not None:
            address_change.request_address_change(tx, still, new_email, now=context.now)

    def queue_confirmation() -> None:
        with context.store.write() as tx:
            still = find_still(tx, reader)
            if still is not None:
                origin = f"page from {context.client}"
                address_change.queue_address_confirmation(
                    tx, context.membership, still, new_email, origin=origin, now=context.now
                )

    context.run_after_response(queue_confirmation)
    return context.redirect("/settings/address")


@link_router.get("")
def ask_to_confirm(context: Context, token: str) -> Response:
    """Ask whether mail is to go to the new address. Changes nothing."""
    with context.store.read() as tx:
        reader = _get_reader(tx, context, token)
        question = sign_in_question(reader, reader.new_email, find_replaced_session(tx, context, reader))
    return context.render("move.html.j2", question, language=reader.language)


@link_router.post("")
def change_address(context: Context, token: str, form: PostedForm) -> Response:
    """Send mail to the new address from now on, and sign in."""
    with context.store.write() as tx:
        reader = _get_reader(tx, context, token)
        before = find_replaced_session(tx, context, reader)
        if not may_sign_in(context, form, reader, before):
            question = sign_in_question(reader, reader.new_email, before)
            return context.render("move.html.j2", question, status=409, language=reader.language)
        origin = f"page from {context.client}"
        moved = address_change.change_address(tx, context.membership, reader, origin=origin, now=context.now)
    if moved is None:
        return context.render("not-moved.html.j2", status=409, language=reader.language)
    context.run_after_response(context.store.erase_deleted_rows)  # no trace of the old address stays in the file
    return context.redirect("/settings/address?moved=1", cookies=sign_in_reader(context, moved, before))


def _get_reader(tx: Transaction, context: Context, token: str) -> Subscriber:
    """Return the subscriber of the link. Raises HTTPException 410 if they no longer ask for its address."""
    reader, link = get_by_link(tx, context, Scope.ADDRESS, token)
    about = context.app.links.text_hash(addresses.key(reader.new_email)) if reader.new_email else ""
    if not reader.new_email or not compare_digest(about, link.about):
        raise HTTPException(410)
    return reader


@dataclass(frozen=True, slots=True)
class MyData:
    """What the page shows."""

    unsure: bool  # the checkbox was not ticked


@router.get("/data")
def show_data(context: Context) -> Response:
    """The page with the button for each."""
    return context.render("data.html.j2", MyData(unsure=False))


@router.get("/data/export")
def export_data(context: Context, reader: CurrentReader) -> Response:
    """Everything that is stored about the subscriber, as JSON."""
    with context.store.read() as tx:
        still = find_still(tx, reader)
        if still is None:
            return context.redirect("/sign-in")
        data = export_personal_data(tx, context.membership, still.email)
    return attachment(to_json(data, indent=2) + b"\n", "application/json", "digest.json")


@router.post("/data")
def erase_data(context: Context, form: PostedForm, reader: CurrentReader) -> Response:
    """Erase the subscriber's data and sign them out, if the checkbox was ticked."""
    if "sure" not in form:
        return context.render("data.html.j2", MyData(unsure=True), status=422)
    signed_out = context.services.sessions.cookie.delete()  # the session ends with the subscriber
    with context.store.write() as tx:
        still = find_still(tx, reader)
        if still is None:
            return context.redirect("/sign-in", cookies=[signed_out])
        context.membership.erase(tx, still.email, origin=f"page from {context.client}", now=context.now)
    context.app.forget_deleted(context.run_after_response)
    return context.render("erased.html.j2", headers={"Set-Cookie": signed_out})


@router.get("/leave")
def ask_to_leave(context: Context) -> Response:
    """Ask whether to unsubscribe."""
    return context.render("leave.html.j2")


@router.post("/leave")
def leave(context: Context, reader: CurrentReader) -> Response:
    """Unsubscribe the subscriber and sign them out. (The link in every mail works without signing in.)"""
    signed_out = context.services.sessions.cookie.delete()  # the session ends with the subscriber's epoch
    with context.store.write() as tx:
        still = find_still(tx, reader)
        if still is None:
            return context.redirect("/sign-in", cookies=[signed_out])
        goodbye = context.membership.unsubscribe(tx, still, origin=f"page from {context.client}", now=context.now)
    page = Left(email=partly_shown(reader.email), goodbye=goodbye)
    return context.render("unsubscribed.html.j2", page, headers={"Set-Cookie": signed_out})
