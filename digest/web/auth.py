"""Who a request is from: a subscriber, by a session or a signed link, or an admin, and how admins sign in."""

import hmac
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.params import Depends as Dependency
from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.errors import NotFoundError, UsageError
from digest.models import Admin, Role, Subscriber
from digest.security import passwords
from digest.security.links import Scope, Token
from digest.store import Transaction, admins, audit, subscribers
from digest.web.dependencies import Context, PostedForm, PostedUpload, page_router, refuse_posts_from, wake_delivery
from digest.web.rendering import SignedIn, admin_template
from digest.web.sessions import Session

SIGN_IN = "/admin/sign-in"
_MAX_EMAIL = 254  # characters (RFC 5321, 4.5.3.1.3)


# Subscribers


async def _session(context: Context) -> Session | None:
    """The session that the reader's cookie names, if it is valid. Their epoch is not compared."""
    sessions = context.services.sessions
    session = sessions.find(context.request.cookies.get(sessions.cookie, ""), now=context.now)
    if session is not None:
        context.csrf = session.csrf
    return session


CurrentSession = Annotated[Session | None, Depends(_session)]


def _signed_in_reader(context: Context, session: CurrentSession) -> Subscriber:
    """The subscriber who is signed in. Raises HTTPException 303, which leads to the sign-in page."""
    if session is None:
        raise context.redirection("/sign-in")
    with context.store.read() as tx:
        reader = subscribers.find_by_id(tx, session.subscriber_id)
    if reader is None or reader.epoch != session.epoch:
        raise context.redirection("/sign-in", cookie=context.services.sessions.end())
    context.language = reader.language
    return reader


CurrentReader = Annotated[Subscriber, Depends(_signed_in_reader)]


# Routers list these two after the dependency that signs in: a form is read only once its sender is known.


async def _check_csrf(context: Context, form: PostedForm) -> None:
    posted = form.get("csrf", "").encode("utf-8", "replace")
    if context.request.method == "POST" and not hmac.compare_digest(context.csrf.encode(), posted):
        raise HTTPException(403)


async def _check_csrf_of_upload(context: Context, form: PostedUpload) -> None:
    await _check_csrf(context, form.fields)


def reader_router(prefix: str = "") -> APIRouter:
    """A router of pages for signed-in subscribers. Their forms need the session's CSRF token."""
    return page_router(
        refuse_posts_from("cross-site"),
        Depends(_signed_in_reader),
        Depends(_check_csrf),
        Depends(wake_delivery),
        prefix=prefix,
    )


def public_router(prefix: str = "", *, wakes_delivery: bool = True, from_anywhere: bool = False) -> APIRouter:
    """A router of pages for everyone, also behind signed links.

    `wakes_delivery`: its POSTs may queue mail. `from_anywhere`: forms of other sites are accepted.
    """
    dependencies = [Depends(_session)]
    if not from_anywhere:
        dependencies.insert(0, refuse_posts_from("cross-site"))
    if wakes_delivery:
        dependencies.append(Depends(wake_delivery))
    return page_router(*dependencies, prefix=prefix)


def get_by_link(tx: Transaction, context: Context, scope: Scope, token: str) -> tuple[Subscriber, Token]:
    """The subscriber of a signed link, and its contents.

    Raises HTTPException 404 if we did not sign it, and 410 if it has expired or was revoked.
    """
    verified = verify_link(context, scope, token)
    reader = subscribers.find_by_id(tx, verified.subscriber_id)
    if reader is None or reader.epoch != verified.epoch or verified.has_expired(context.now):
        raise HTTPException(410)
    return reader, verified


def verify_link(context: Context, scope: Scope, token: str) -> Token:
    """The contents of a signed link. Raises HTTPException 404 if we did not sign it."""
    verified = context.app.links.verify(scope, token)
    if verified is None:
        raise HTTPException(404)
    return verified


def find_still(tx: Transaction, reader: Subscriber) -> Subscriber | None:
    """The reader as stored now; None if they have left meanwhile, so that no write brings them back."""
    still = subscribers.find_by_id(tx, reader.id)
    return still if still is not None and still.epoch == reader.epoch else None


# Admins


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request of an admin was refused."""

    reason: str = ""  # as the command line says it; "": only admins can do that
    gone: bool = False  # what the address names does not exist


@dataclass(frozen=True, slots=True)
class AdminSignInForm:
    """The sign-in form of admins, as it was submitted."""

    email: str = ""
    wrong: bool = False  # no admin has this address and password
    nobody: bool = False  # there is no admin yet


class RoleError(UsageError):
    """The admin's role does not allow the request."""


def _signed_in_admin(context: Context) -> Admin:
    """The admin whose session cookie was sent. Raises HTTPException 303, which leads to the sign-in page."""
    request, sessions = context.request, context.services.admin_sessions
    cookie = request.cookies.get(sessions.cookie, "")
    admin = sessions.find(cookie, now=context.now)
    if admin is None:
        raise context.redirection(SIGN_IN)
    context.csrf = sessions.csrf(cookie, admin)
    context.signed_in = SignedIn(admin.email, admin.role is Role.ADMIN)
    return admin


CurrentAdmin = Annotated[Admin, Depends(_signed_in_admin)]


def require_role(role: Role) -> Dependency:
    """Let only admins of this role, or one that includes it, use a router or a route."""

    async def check(admin: CurrentAdmin) -> None:
        if not admin.role.allows(role):
            raise RoleError("only admins can do that")

    return Dependency(check)


def admin_router(
    prefix: str = "/admin", *, role: Role = Role.ADMIN, upload: bool = False, wakes_delivery: bool = True
) -> APIRouter:
    """A router of pages for a role. Their forms need the session's CSRF token.

    Forms from another host of our own domain are refused as well: that host may belong to others.

    `upload`: forms may bring a file, and are read only once the sender is known to have the role.
    `wakes_delivery`: POSTs may queue mail.
    """
    return page_router(
        refuse_posts_from("cross-site", "same-site"),
        require_role(role),
        Depends(_check_csrf_of_upload if upload else _check_csrf),
        *([Depends(wake_delivery)] if wakes_delivery else []),
        prefix=prefix,
    )


def refuse(context: Context, error: UsageError) -> Response:
    """The page that tells an admin why a request was refused."""
    match error:
        case RoleError():
            refusal, status = Refusal(), 403
        case NotFoundError():
            refusal, status = Refusal(f"no {error.kind} {error.name!r}", gone=True), 404
        case _:
            refusal, status = Refusal(str(error)), 422
    return context.render(admin_template("refused"), refusal, status=status)


sign_in_router = page_router(refuse_posts_from("cross-site", "same-site"), prefix=SIGN_IN)
sign_out_router = admin_router("/admin/sign-out", role=Role.EDITOR)


@sign_in_router.get("")
def show_sign_in(context: Context) -> Response:
    """Show the sign-in form. Admins who are signed in are redirected to the first admin page."""
    sessions = context.services.admin_sessions
    if sessions.find(context.request.cookies.get(sessions.cookie, ""), now=context.now) is not None:
        return context.redirect("/admin")
    with context.store.read() as tx:
        nobody = not admins.list_all(tx)
    return context.render(admin_template("sign-in"), AdminSignInForm(nobody=nobody))


@sign_in_router.post("")
def sign_in(context: Context, form: PostedForm) -> Response:
    """Begin a session. A wrong address takes as long as a wrong password, and gets the same answer.

    Attempts are counted by network address, so an attacker locks out only themselves. Raises HTTPException 429.
    """
    context.services.limits.admin_sign_in.check(context.client, now=context.now)
    sessions, email = context.services.admin_sessions, form.get("email", "").strip()
    with context.store.read() as tx:
        admin = admins.find(tx, email)
    verified = passwords.verify(form.get("password", ""), admin.password if admin is not None else None)
    if admin is None or not verified:
        page = AdminSignInForm(email[:_MAX_EMAIL], wrong=True)
        return context.render(admin_template("sign-in"), page, status=422)
    with context.store.write() as tx:
        if admins.find(tx, email) != admin:  # changed or removed while the password was being verified
            return context.redirect(SIGN_IN)
        previous = context.request.cookies.get(sessions.cookie, "")
        cookie = sessions.begin(tx, admin, previous, now=context.now)
        audit.record(tx, admin.email, "sign in", context.client, now=context.now)
    return context.redirect("/admin", cookie=cookie)


@sign_out_router.post("")
def sign_out(context: Context) -> Response:
    """End the session."""
    sessions = context.services.admin_sessions
    return context.redirect(SIGN_IN, cookie=sessions.end(context.request.cookies.get(sessions.cookie, "")))
