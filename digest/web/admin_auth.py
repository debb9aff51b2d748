"""Access to the admin pages: sessions, roles and CSRF tokens."""

import hmac
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.params import Depends as Dependency
from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.errors import NotFoundError, UsageError
from digest.models import Admin, Role
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


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request of an admin was refused."""

    reason: str = ""  # as the command line says it; "": only admins may do that
    gone: bool = False  # what the address names does not exist


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
