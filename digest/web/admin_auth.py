"""Access to the admin pages: sessions, roles and CSRF tokens."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.params import Depends as Dependency
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from digest.errors import NotFoundError, UsageError
from digest.models import Admin, Role
from digest.store import Transaction
from digest.web.context import SignedIn
from digest.web.dependencies import (
    Context,
    PostedForm,
    PostedUpload,
    RequestContext,
    page_router,
    refuse_posts_from,
    wake_delivery,
)
from digest.web.handlers import Answering, Door
from digest.web.pages import Answer, Page, Redirect, Visit, problem
from digest.web.rendering import admin_template
from digest.web.sessions import AdminSessions

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
    if context.request.method == "POST" and not hmac.compare_digest(context.csrf.encode(), posted.encode()):
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


ForAdmin = Callable[[Visit, Admin], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Makes pages of the older style for admins."""

    sessions: AdminSessions
    door: Door

    def route(
        self,
        path: str,
        look: ForAdmin | None = None,
        act: ForAdmin | None = None,
        *,
        needs: Role = Role.ADMIN,
        changes: bool = True,
    ) -> Route:
        """A page for who has a role. Others are asked to sign in; what is posted needs their session's CSRF token.

        `changes`: to act may leave mail to deliver.
        """
        looking, acting = look and self._for(look, needs), act and self._for(act, needs)
        return self.door.route(path, looking, acting, changes=changes, from_here=True)

    def begin(self, tx: Transaction, admin: Admin, visit: Visit) -> str:
        """The Set-Cookie header of a new session; one that the browser had before is over."""
        return self.sessions.begin(tx, admin, visit.cookies.get(self.sessions.cookie, ""), now=visit.now)

    def end(self, visit: Visit) -> str:
        """End a session; the Set-Cookie header that makes the browser forget it."""
        return self.sessions.end(visit.cookies.get(self.sessions.cookie, ""))

    def find(self, visit: Visit) -> Admin | None:
        """Who is signed in, or None."""
        return self.sessions.find(visit.cookies.get(self.sessions.cookie, ""), now=visit.now)

    def _for(self, answering: ForAdmin, needs: Role) -> Answering:
        def answer(visit: Visit) -> Answer:
            admin = self.find(visit)
            if admin is None:
                return Redirect(path=SIGN_IN)
            csrf = self.sessions.csrf(visit.cookies[self.sessions.cookie], admin)
            posted = visit.form.get("csrf", "")
            if visit.posted and not hmac.compare_digest(csrf.encode(), posted.encode("utf-8", "replace")):
                return problem(403)
            allowed = admin.role.allows(needs)
            answered = _answered(answering, visit, admin) if allowed else _refusal(Refusal(), 403)
            if not isinstance(answered, Page):
                return answered
            return replace(answered, csrf=csrf, signed_in=SignedIn(admin.email, admin.role is Role.ADMIN))

        return answer


def _answered(answering: ForAdmin, visit: Visit, admin: Admin) -> Answer:
    """What cannot be done is said on a page, where the page that was asked does not say it itself."""
    try:
        return answering(visit, admin)
    except NotFoundError as error:
        return _refusal(Refusal(f"no {error.kind} {error.name!r}", gone=True), 404)
    except UsageError as error:
        return _refusal(Refusal(str(error)), 422)


def _refusal(shows: Refusal, status: int) -> Page:
    return Page(template="desk-refused.html.j2", shows=shows, status=status)
