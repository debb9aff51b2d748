"""Tokens of the API. Editors see, create and revoke their own; admins see all."""

from dataclasses import dataclass, replace
from datetime import datetime

from starlette.responses import Response

from digest.admin import admin_actions
from digest.errors import NotFoundError, UsageError
from digest.models import Admin, Role, TokenScope
from digest.store import admins
from digest.web.auth import CurrentAdmin, admin_router
from digest.web.dependencies import Context, PathId, PostedForm, RequestContext
from digest.web.rendering import admin_template

_LIFETIMES = (30, 90, admin_actions.DEFAULT_TOKEN_DAYS)  # days, to choose from
_MAX_TYPED = 200  # characters of a name that the form shows again

router = admin_router("/admin/tokens", role=Role.EDITOR)


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


@router.get("")
def list_tokens(context: Context, admin: CurrentAdmin, done: str = "") -> Response:
    """The tokens that the admin may see, and the form for a new one."""
    return _show_list(context, admin, Tokens(revoked=done == "revoked"))


@router.post("")
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


@router.post("/{id}/revoke")
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
