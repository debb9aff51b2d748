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
from digest.store import Transaction, admins, audit, ended_sessions, subscribers
from digest.web.dependencies import (
    Context,
    Fields,
    PostedForm,
    PostedUpload,
    RequestContext,
    page_router,
    wake_delivery,
)
from digest.web.rendering import Question, SignedIn, admin_template, isolated, partly_shown
from digest.web.sessions import Session

SIGN_IN = "/admin/sign-in"
_MAX_EMAIL = 254  # characters (RFC 5321, 4.5.3.1.3)


# Subscribers


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that has not ended, and its subscriber."""

    session: Session
    reader: Subscriber


def find_live_session(tx: Transaction, context: RequestContext) -> LiveSession | None:
    """Return the session of the request's cookie, whose CSRF token the page's forms then have.

    None if there is none, and if cookies name the sessions of several readers: another host of our domain may have set
    some of them, and nothing tells which.
    """
    live = _find_live_sessions(tx, context)
    if len({each.reader.id for each in live}) != 1:
        return None
    context.csrf = live[0].session.csrf
    return live[0]


def find_replaced_session(tx: Transaction, context: RequestContext, reader: Subscriber) -> LiveSession | None:
    """Return the session of the request's cookie that signing in `reader` replaces: another reader's, if there is one.

    The page's forms then have its CSRF token.
    """
    live = _find_live_sessions(tx, context)
    replaced = next((each for each in live if each.reader.id != reader.id), live[0] if live else None)
    if replaced is not None:
        context.csrf = replaced.session.csrf
    return replaced


def _find_live_sessions(tx: Transaction, context: RequestContext) -> list[LiveSession]:
    live = []
    for session in context.services.sessions.find_all(context.request, now=context.now):
        reader = subscribers.find_by_id(tx, session.subscriber_id)
        if reader is not None and reader.epoch == session.epoch and not ended_sessions.contains(tx, session.id):
            live.append(LiveSession(session, reader))
    return live


def _live_session(context: Context) -> LiveSession:
    """Return the session of the signed-in subscriber. Raises HTTPException 303, which leads to the sign-in page."""
    sessions = context.services.sessions
    live = None
    if sessions.find_all(context.request, now=context.now):
        with context.store.read() as tx:
            live = find_live_session(tx, context)
        if live is None:
            raise context.redirection("/sign-in", cookie=sessions.cookie.delete())
    if live is None:
        raise context.redirection("/sign-in")
    context.language = live.reader.language
    return live


CurrentSession = Annotated[LiveSession, Depends(_live_session)]


def _signed_in_reader(session: CurrentSession) -> Subscriber:
    return session.reader


CurrentReader = Annotated[Subscriber, Depends(_signed_in_reader)]


# Routers list these two after the dependency that signs in: a form is read only once its sender is known.


async def _check_csrf(context: Context, form: PostedForm) -> None:
    if context.request.method == "POST" and not _has_csrf(context, form):
        raise HTTPException(403)


async def _check_csrf_of_upload(context: Context, form: PostedUpload) -> None:
    await _check_csrf(context, form.fields)


def _has_csrf(context: RequestContext, form: Fields) -> bool:
    return hmac.compare_digest(context.csrf.encode(), form.get("csrf", "").encode("utf-8", "replace"))


def reader_router(prefix: str = "") -> APIRouter:
    """Return a router of pages for signed-in subscribers. Their forms need the session's CSRF token."""
    return page_router(
        Depends(_live_session),
        Depends(_check_csrf),
        Depends(wake_delivery),
        prefix=prefix,
    )


def public_router(prefix: str = "", *, wakes_delivery: bool = True, from_anywhere: bool = False) -> APIRouter:
    """Return a router of pages for everyone, also behind signed links.

    `wakes_delivery`: its POSTs may queue mail. `from_anywhere`: forms of other sites are accepted.
    """
    dependencies = [Depends(wake_delivery)] if wakes_delivery else []
    return page_router(*dependencies, prefix=prefix, from_anywhere=from_anywhere)


def get_by_link(tx: Transaction, context: Context, scope: Scope, token: str) -> tuple[Subscriber, Token]:
    """Return the subscriber of a signed link, and its contents.

    Raises HTTPException 404 if we did not sign it, and 410 if it has expired or was revoked.
    """
    verified = verify_link(context, scope, token)
    reader = subscribers.find_by_id(tx, verified.subscriber_id)
    if reader is None or reader.epoch != verified.epoch or verified.has_expired(context.now):
        raise HTTPException(410)
    return reader, verified


def verify_link(context: Context, scope: Scope, token: str) -> Token:
    """Return the contents of a signed link. Raises HTTPException 404 if we did not sign it."""
    verified = context.app.links.verify(scope, token)
    if verified is None:
        raise HTTPException(404)
    return verified


def sign_in_question(reader: Subscriber, email: str, before: LiveSession | None) -> Question:
    """Return what a page asks before its link signs in `reader`, shown as `email`, perhaps instead of another one.

    `before` is the session that the browser has.
    """
    other = before is not None and before.reader.id != reader.id
    return Question(partly_shown(email), instead_of=isolated(before.reader.email) if before and other else "")


def may_sign_in(context: RequestContext, form: Fields, reader: Subscriber, before: LiveSession | None) -> bool:
    """Return whether a posted form may sign in `reader`.

    In place of another reader only with the CSRF token of the other's session, which the page that asks has. Else a
    link, sent by someone who wants to read what is entered next, would do it unnoticed.
    """
    return before is None or before.reader.id == reader.id or _has_csrf(context, form)


def sign_in_reader(context: RequestContext, reader: Subscriber, before: LiveSession | None) -> list[str]:
    """Sign a subscriber in, and return the Set-Cookie headers.

    `before` is the session that the browser has. One of the same subscriber goes on, so that signing out ends all its
    cookies; that of another subscriber ends, which writes to the database.
    """
    sessions, now = context.services.sessions, context.now
    same = before is not None and before.reader.id == reader.id
    if before is not None and not same:
        with context.store.write() as tx:
            sessions.end(tx, before.session, now=now)
    context.services.limits.mails.remember(context.client)
    cookie = sessions.begin(reader, now=now, renewed=before.session if before and same else None)
    return [cookie, sessions.known_browsers.mark(reader.id, now=now)]


def find_still(tx: Transaction, reader: Subscriber) -> Subscriber | None:
    """Return the reader as stored now; None if they have left meanwhile, so that no write brings them back."""
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
    """Return the admin whose session cookie was sent. Raises HTTPException 303, which leads to the sign-in page."""
    session = context.services.admin_sessions.find(context.request, now=context.now)
    if session is None:
        raise context.redirection(SIGN_IN)
    context.csrf = session.csrf
    context.signed_in = SignedIn(session.admin.email, session.admin.role is Role.ADMIN)
    return session.admin


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
    """Return a router of pages for a role. Their forms need the session's CSRF token.

    `upload`: forms may bring a file, and are read only once the sender is known to have the role.
    `wakes_delivery`: POSTs may queue mail.
    """
    return page_router(
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


sign_in_router = page_router(prefix=SIGN_IN)
sign_out_router = admin_router("/admin/sign-out", role=Role.EDITOR)


@sign_in_router.get("")
def show_sign_in(context: Context) -> Response:
    """Show the sign-in form. Admins who are signed in are redirected to the first admin page."""
    if context.services.admin_sessions.find(context.request, now=context.now) is not None:
        return context.redirect("/admin")
    with context.store.read() as tx:
        nobody = not admins.list_all(tx)
    return context.render(admin_template("sign-in"), AdminSignInForm(nobody=nobody))


@sign_in_router.post("")
def sign_in(context: Context, form: PostedForm) -> Response:
    """Begin a session. A wrong address takes as long as a wrong password, and gets the same answer.

    Attempts are counted by network, and apart for browsers and networks from which an admin has signed in, so that
    attackers lock out only themselves. Raises HTTPException 429.
    """
    sessions, email = context.services.admin_sessions, form.get("email", "").strip()
    limit, browser = context.services.limits.admin_sign_in, sessions.known_browsers
    limit.check(context.client, browser.find(context.request, now=context.now), now=context.now)
    with context.store.read() as tx:
        admin = admins.find(tx, email)
    verified = passwords.verify(form.get("password", ""), admin.password if admin is not None else None)
    if admin is None or not verified:
        page = AdminSignInForm(email[:_MAX_EMAIL], wrong=True)
        return context.render(admin_template("sign-in"), page, status=422)
    with context.store.write() as tx:
        if admins.find(tx, email) != admin:  # changed or removed while the password was being verified
            return context.redirect(SIGN_IN)
        cookie = sessions.begin(tx, admin, context.request, now=context.now)
        audit.record(tx, admin.email, audit.SIGN_IN, context.client, now=context.now)
    limit.remember(context.client)
    return context.redirect("/admin", cookies=[cookie, browser.mark(admin.id, now=context.now)])


@sign_out_router.post("")
def sign_out(context: Context) -> Response:
    """End the session."""
    return context.redirect(SIGN_IN, cookies=[context.services.admin_sessions.end(context.request)])
