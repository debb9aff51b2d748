"""Access to the admin pages: signing in and out, sessions, roles and CSRF tokens."""

import hmac
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.params import Depends as Dependency
from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.errors import NotFoundError, UsageError
from digest.models import Admin, Role
from digest.security import passwords
from digest.store import admins, audit
from digest.web.dependencies import (
    Context,
    PostedForm,
    PostedUpload,
    RequestContext,
    page_router,
    refuse_posts_from,
    wake_delivery,
)
from digest.web.rendering import admin_template
from digest.web.template_data import SignedIn

SIGN_IN = "/admin/sign-in"
_MAX_EMAIL = 254  # characters (RFC 5321, 4.5.3.1.3)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request of an admin was refused."""

    reason: str = ""  # as the command line says it; "": only admins may do that
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


async def _check_csrf(context: Context, _admin: CurrentAdmin, form: PostedForm) -> None:
    _compare_csrf(context, form.get("csrf", ""))


async def _check_csrf_of_upload(context: Context, _admin: CurrentAdmin, form: PostedUpload) -> None:
    _compare_csrf(context, form.fields.get("csrf", ""))


def _compare_csrf(context: RequestContext, posted: str) -> None:
    if context.request.method == "POST" and not hmac.compare_digest(
        context.csrf.encode(), posted.encode("utf-8", "replace")
    ):
        raise HTTPException(403)


def require_role(role: Role) -> Dependency:
    """Let only admins of this role, or one that includes it, use a router or a route."""

    async def check(admin: CurrentAdmin) -> None:
        if not admin.role.allows(role):
            raise RoleError("only admins may do that")

    dependency: Dependency = Depends(check)
    return dependency


def admin_router(
    prefix: str = "/admin", *, role: Role = Role.ADMIN, upload: bool = False, wakes_delivery: bool = True
) -> APIRouter:
    """A router of pages for a role. Their forms need the session's CSRF token.

    Forms from another host of our own domain are refused as well: it may be somebody else's.

    `upload`: forms may bring a file, and are read only once the sender is known to have the role.
    `wakes_delivery`: POSTs may queue mail.
    """
    return page_router(
        refuse_posts_from("cross-site", "same-site"),
        Depends(_signed_in_admin),
        require_role(role),
        Depends(_check_csrf_of_upload if upload else _check_csrf),
        *([Depends(wake_delivery)] if wakes_delivery else []),
        prefix=prefix,
    )


def refuse(context: RequestContext, error: UsageError) -> Response:
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
