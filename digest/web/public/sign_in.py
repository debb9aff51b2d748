"""Signing in and out, without a password: by a mailed link that is valid for an hour and leads to a button."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from digest.errors import AddressError
from digest.security import addresses
from digest.security.links import Scope
from digest.store import Transaction
from digest.subscribers import sign_up
from digest.web.auth import get_by_link, public_router, reader_router
from digest.web.dependencies import Context, PostedForm
from digest.web.rendering import Question, partly_shown

router = public_router()
sign_out_router = reader_router()


@dataclass(frozen=True, slots=True)
class SignInForm:
    """The sign-in form as it was filled in."""

    email: str = ""
    not_an_address: bool = False


@router.get("/sign-in")
def show_form(context: Context) -> Response:
    """Show the sign-in form, which asks for the address."""
    return context.render("sign-in.html.j2", SignInForm())


@router.post("/sign-in")
def request_link(context: Context, form: PostedForm) -> Response:
    """Mail a link to the address if it is a subscriber's. The response is the same for every address."""
    typed = form.get("email", "").strip()
    try:
        email = addresses.normalize(typed)
    except AddressError:
        return context.render("sign-in.html.j2", SignInForm(typed, not_an_address=True), status=422)

    def sign_in(tx: Transaction) -> None:
        sign_up.sign_in(tx, context.membership, email, origin=f"page from {context.client}", now=context.now)

    return answer_by_mail(context, sign_in)


@router.get("/sign-in/{token}")
def ask_to_sign_in(context: Context, token: str) -> Response:
    """A page with a button, since mail scanners follow links."""
    with context.store.read() as tx:
        reader, _ = get_by_link(tx, context, Scope.SIGN_IN, token)
    return context.render("enter.html.j2", Question(partly_shown(reader.email)), language=reader.language)


@router.post("/sign-in/{token}")
def sign_in(context: Context, token: str) -> Response:
    """Begin a session. The link stays valid until it expires."""
    with context.store.read() as tx:
        reader, _ = get_by_link(tx, context, Scope.SIGN_IN, token)
    return context.redirect("/settings", cookie=context.services.sessions.begin(reader, now=context.now))


@sign_out_router.post("/sign-out")
def sign_out(context: Context) -> Response:
    """Have the browser delete the session's cookie."""
    return context.redirect("/", cookie=context.services.sessions.end())


def answer_by_mail(context: Context, write: Callable[[Transaction], None]) -> Response:
    """Show "check your inbox", the same for every address; `write` does all that depends on it, after the response.

    Raises HTTPException 429 if the client asked for too many mails.
    """
    context.services.limits.mails.check(context.client, now=context.now)

    def run() -> None:
        with context.store.write() as tx:
            write(tx)

    context.run_after_response(run)
    return context.render("mailbox.html.j2")
