"""Tokens of the API: whoever is at the desk sees their own, and makes and revokes them; admins see all."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from digest.admin import token_actions
from digest.errors import NotFoundError, UsageError
from digest.models import Admin, ApiToken, Role, TokenScope
from digest.store import Store, tokens
from digest.web.pages import Answer, Page, Redirect, Visit

_LASTING = (30, 90, token_actions.DEFAULT_DAYS)  # days, to choose from


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedToken:
    """A line of the list."""

    id: int
    name: str
    owner: str
    opens: tuple[str, ...]  # scopes, as far as its owner may do that now
    expires_at: datetime
    expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What the page shows: the list, and the form as it was sent."""

    tokens: tuple[ListedToken, ...]
    scopes: tuple[TokenScope, ...]  # that may be ticked
    lasting: tuple[int, ...] = _LASTING  # days
    name: str = ""
    ticked: tuple[str, ...] = ()
    days: int = token_actions.DEFAULT_DAYS
    wrong: str = ""  # what the name is no good for
    unticked: bool = False  # it would be good for nothing
    revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """The one time that a token is shown."""

    name: str
    token: str
    expires_at: datetime
    api_url: str


@dataclass(frozen=True, slots=True)
class KeepingTokens:
    """The pages at /admin/tokens and /admin/tokens/ID/revoke."""

    store: Store
    api_url: str

    def look(self, visit: Visit, admin: Admin) -> Answer:
        """GET"""
        return _page(self._shown(visit, admin, revoked=visit.query.get("done") == "revoked"))

    def make(self, visit: Visit, admin: Admin) -> Answer:
        """POST: a new one, which this answer alone shows: no address, no log and no other page has it."""
        name = visit.form.get("name", "")
        scopes = [scope for scope in TokenScope if scope in visit.form.getlist("scope")]
        days = next((days for days in _LASTING if visit.form.get("days") == str(days)), token_actions.DEFAULT_DAYS)
        if not scopes:
            return _page(self._shown(visit, admin, name=name[:200], days=days, unticked=True), 422)
        try:
            with self.store.write() as tx:
                made, token = token_actions.add(tx, admin, name, scopes, days=days, by=admin.email, now=visit.now)
        except UsageError as error:
            return _page(self._shown(visit, admin, name=name[:200], ticked=scopes, days=days, wrong=str(error)), 422)
        return _shown_once(NewToken(name=made.name, token=token, expires_at=made.expires_at, api_url=self.api_url))

    def revoke(self, visit: Visit, admin: Admin) -> Answer:
        """POST. Raises NotFoundError, also for who may not see it."""
        with self.store.write() as tx:
            token = tokens.get(tx, visit.id)
            if admin.role is not Role.ADMIN and token.owner.id != admin.id:
                raise NotFoundError("token", str(visit.id))
            token_actions.revoke(tx, visit.id, by=admin.email, now=visit.now)
        return Redirect(path="/admin/tokens?done=revoked")

    def _shown(
        self,
        visit: Visit,
        admin: Admin,
        *,
        name: str = "",
        ticked: Collection[TokenScope] = (),
        days: int = token_actions.DEFAULT_DAYS,
        wrong: str = "",
        unticked: bool = False,
        revoked: bool = False,
    ) -> Tokens:
        with self.store.read() as tx:
            found = tokens.list_all(tx, owner=None if admin.role is Role.ADMIN else admin)
        return Tokens(
            tokens=tuple(_listed(token, visit.now) for token in found),
            scopes=tuple(scope for scope in TokenScope if admin.role.allows(scope.required_role)),
            name=name,
            ticked=tuple(scope.value for scope in ticked),
            days=days,
            wrong=wrong,
            unticked=unticked,
            revoked=revoked,
        )


def _listed(token: ApiToken, now: datetime) -> ListedToken:
    return ListedToken(
        id=token.id,
        name=token.name,
        owner=token.owner.email,
        opens=tuple(scope.value for scope in TokenScope if scope in token.active_scopes),
        expires_at=token.expires_at,
        expired=token.expires_at <= now,
    )


def _page(shows: Tokens, status: int = 200) -> Page:
    return Page(template="desk-tokens.html.j2", shows=shows, status=status)


def _shown_once(new: NewToken) -> Page:
    return Page(template="desk-token.html.j2", shows=new)
