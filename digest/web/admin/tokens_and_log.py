"""Tokens of the API, of which editors see, create and revoke their own and admins all; and the audit log."""

import re
from dataclasses import dataclass, replace
from datetime import datetime

from starlette.responses import Response

from digest.admin import admin_actions
from digest.errors import NotFoundError, UsageError
from digest.mail.encoding import clean
from digest.models import Admin, Change, Role, TokenScope
from digest.store import admins, audit
from digest.store.audit import AuditFilter
from digest.web.auth import CurrentAdmin, admin_router
from digest.web.dependencies import Context, Number, PathId, PostedForm, RequestContext, link, search_text
from digest.web.rendering import admin_template

_LIFETIMES = (30, 90, admin_actions.DEFAULT_TOKEN_DAYS)  # days, to choose from
_MAX_TYPED = 200  # characters of a name that the form shows again
_PAGE_SIZE = 100  # lines of the log
_SUBSCRIBER = re.compile(r"subscriber (\d{1,15})", re.ASCII)
_SUBMISSION = re.compile(r"(\d{1,15})\b", re.ASCII)

tokens_router = admin_router("/admin/tokens", role=Role.EDITOR)
log_router = admin_router("/admin/log")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedToken:
    """A line of the list."""

    id: int
    name: str
    owner: str
    opens: tuple[TokenScope, ...]  # its scopes that its owner's role still allows
    expires_at: datetime
    expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The list of tokens, and the form for a new one as it was posted."""

    tokens: tuple[ListedToken, ...] = ()
    scopes: tuple[TokenScope, ...] = ()  # that may be checked
    lasting: tuple[int, ...] = _LIFETIMES
    name: str = ""
    ticked: tuple[str, ...] = ()
    days: int = admin_actions.DEFAULT_TOKEN_DAYS
    wrong: str = ""  # why the name is invalid
    unticked: bool = False  # no scope was checked
    revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """The only page that shows a token."""

    name: str
    token: str
    expires_at: datetime
    api_url: str


@tokens_router.get("")
def list_tokens(context: Context, admin: CurrentAdmin, done: str = "") -> Response:
    """The tokens that the admin may see, and the form for a new one."""
    return _show_list(context, admin, Tokens(revoked=done == "revoked"))


@tokens_router.post("")
def create_token(context: Context, form: PostedForm, admin: CurrentAdmin) -> Response:
    """Create a token and show it, once: it is in no address, no log and on no other page."""
    name = form.get("name", "")
    scopes = [scope for scope in TokenScope if scope in form.getlist("scope")]
    days = next((days for days in _LIFETIMES if form.get("days") == str(days)), admin_actions.DEFAULT_TOKEN_DAYS)
    if not scopes:
        return _show_list(context, admin, Tokens(name=name[:_MAX_TYPED], days=days, unticked=True))
    try:
        with context.store.write() as tx:
            made, token = admin_actions.add_token(tx, admin, name, scopes, days=days, by=admin.email, now=context.now)
    except UsageError as error:
        ticked = tuple(scope.value for scope in scopes)
        return _show_list(context, admin, Tokens(name=name[:_MAX_TYPED], ticked=ticked, days=days, wrong=str(error)))
    api_url = f"{context.app.config.newsletter.base_url}/api/v1"
    page = NewToken(name=made.name, token=token, expires_at=made.expires_at, api_url=api_url)
    return context.render(admin_template("token"), page)


@tokens_router.post("/{id}/revoke")
def revoke_token(context: Context, token_id: PathId, admin: CurrentAdmin) -> Response:
    """Revoke a token. Raises NotFoundError, also for tokens that an editor may not see."""
    with context.store.write() as tx:
        token = admins.get_token(tx, token_id)
        if admin.role is not Role.ADMIN and token.owner.id != admin.id:
            raise NotFoundError("token", str(token_id))
        admin_actions.revoke_token(tx, token_id, by=admin.email, now=context.now)
    return context.redirect("/admin/tokens?done=revoked")


def _show_list(context: RequestContext, admin: Admin, form: Tokens) -> Response:
    with context.store.read() as tx:
        found = admins.list_tokens(tx, owner=None if admin.role is Role.ADMIN else admin)
    listed = tuple(
        ListedToken(
            id=token.id,
            name=token.name,
            owner=token.owner.email,
            opens=token.active_scopes,
            expires_at=token.expires_at,
            expired=token.expires_at <= context.now,
        )
        for token in found
    )
    scopes = tuple(scope for scope in TokenScope if admin.role.allows(scope.required_role))
    page = replace(form, tokens=listed, scopes=scopes)
    return context.render(admin_template("tokens"), page, status=422 if form.wrong or form.unticked else 200)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownChange:
    """A line of the log; `at` is a local time."""

    at: str  # "2026-06-03 07:00"
    who: str
    what: str
    subject: str
    path: str  # of the page about what was changed, or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A part of the log, newest first."""

    sought: AuditFilter
    changes: tuple[ShownChange, ...]
    older: str  # the path of the next page, or ""
    is_first: bool


@log_router.get("")
def show_log(context: Context, who: str = "", what: str = "", q: str = "", before: Number = 0) -> Response:
    """A page of the log, filtered by who, what and a text."""
    sought = AuditFilter(who=search_text(who), what=search_text(what), text=search_text(q))
    with context.store.read() as tx:
        found = audit.list_changes(tx, sought, before=before, limit=_PAGE_SIZE + 1)
    changes, query = found[:_PAGE_SIZE], {"who": sought.who, "what": sought.what, "q": sought.text}
    page = Log(
        sought=sought,
        changes=tuple(
            ShownChange(
                at=context.local_time(change.at),
                who=clean(change.who),
                what=clean(change.what),
                subject=clean(change.subject),
                path=_path(change),
            )
            for change in changes
        ),
        older=link("/admin/log", **query, before=changes[-1].id) if len(found) > _PAGE_SIZE else "",
        is_first=not before,
    )
    return context.render("log.html.j2", page)


def _path(change: Change) -> str:
    """Return the admin page about the subject. The log names subscribers and submissions by number."""
    if subscriber := _SUBSCRIBER.fullmatch(change.subject):
        return f"/admin/subscribers/{subscriber[1]}"
    if change.what.startswith("submission ") and (submission := _SUBMISSION.match(change.subject)):
        return f"/admin/submissions/{submission[1]}"
    return ""
