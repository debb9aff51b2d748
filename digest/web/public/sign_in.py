"""Signing in and out, without a password: by a mailed link that is valid for an hour and leads to a button."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from digest.errors import AddressError
from digest.models import Subscriber
from digest.security import addresses
from digest.security.links import Scope
from digest.store import Transaction
from digest.subscribers import sign_up
from digest.web.auth import (
    CurrentSession,
    LiveSession,
    find_replaced_session,
    get_by_link,
    may_sign_in,
    public_router,
    reader_router,
    sign_in_question,
    sign_in_reader,
)
from digest.web.dependencies import Context, Fields, PostedForm, RequestContext

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
    return _ask(context, *_find_readers(context, Scope.SIGN_IN, token))


@router.post("/sign-in/{token}")
def sign_in(context: Context, token: str, form: PostedForm) -> Response:
    """Begin a session. The link stays valid until it expires."""
    return _sign_in(context, form, *_find_readers(context, Scope.SIGN_IN, token))


@router.get("/preferences/{token}")
def open_settings(context: Context, token: str) -> Response:
    """Sign in the subscriber of a settings link, and go on to the settings. Stores nothing.

    Where another subscriber is signed in, a page asks first.
    """
    reader, before = _find_readers(context, Scope.PREFERENCES, token)
    if before is not None and before.reader.id != reader.id:
        return _ask(context, reader, before)
    return context.redirect("/settings", cookies=sign_in_reader(context, reader, before))


@router.post("/preferences/{token}")
def sign_in_instead(context: Context, token: str, form: PostedForm) -> Response:
    """Sign in the subscriber of a settings link instead of another."""
    return _sign_in(context, form, *_find_readers(context, Scope.PREFERENCES, token))


def _find_readers(context: RequestContext, scope: Scope, token: str) -> tuple[Subscriber, LiveSession | None]:
    """Return (the subscriber of a link, the session that the browser has)."""
    with context.store.read() as tx:
        reader, _ = get_by_link(tx, context, scope, token)
        return reader, find_replaced_session(tx, context, reader)


def _ask(context: RequestContext, reader: Subscriber, before: LiveSession | None, *, status: int = 200) -> Response:
    question = sign_in_question(reader, reader.email, before)
    return context.render("enter.html.j2", question, status=status, language=reader.language)


def _sign_in(context: RequestContext, form: Fields, reader: Subscriber, before: LiveSession | None) -> Response:
    if not may_sign_in(context, form, reader, before):
        return _ask(context, reader, before, status=409)
    return context.redirect("/settings", cookies=sign_in_reader(context, reader, before))


@sign_out_router.post("/sign-out")
def sign_out(context: Context, session: CurrentSession) -> Response:
    """End the session, and have the browser delete its cookie."""
    with context.store.write() as tx:
        cookie = context.services.sessions.end(tx, session.session, now=context.now)
    return context.redirect("/", cookies=[cookie])


def answer_by_mail(context: Context, write: Callable[[Transaction], None]) -> Response:
    """Show "check your inbox", the same for every address; `write` does all that depends on it, after the response.

    Raises HTTPException 429 if the client asked for too many mails.
    """
    context.check_mail_limit()

    def run() -> None:
        with context.store.write() as tx:
            write(tx)

    context.run_after_response(run)
    return context.render("mailbox.html.j2")
