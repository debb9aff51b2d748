"""Who calls: whoever has a token, for what that is good for. And what endpoints work on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from digest.admin.token_actions import token_hash
from digest.app import App
from digest.models import TokenScope
from digest.store import Store, Transaction, tokens
from digest.web.api.problems import Refused
from digest.web.client_address import Networks, asking
from digest.web.rate_limits import ConcurrencyLimit, RateLimit

PATH = "/api/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, by somebody who may make it."""

    app: App
    by: str  # for the audit log: `token "website" of desk@example.org`
    now: datetime
    changed: Callable[[], None]
    afterwards: Callable[[Callable[[], None]], None]  # does something soon, for which the answer does not wait
    at_once: ConcurrencyLimit  # by `by`, of what may take long

    @property
    def store(self) -> Store:
        """The database."""
        return self.app.store

    def url(self, path: str) -> str:
        """Where something is that was made."""
        return f"{self.app.config.newsletter.base_url}{PATH}{path}"

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """A transaction that changes something; afterwards there may be mail to deliver."""
        with self.store.write() as tx:
            yield tx
        self.changed()


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Lets in who has a token."""

    app: App
    clock: Callable[[], datetime]
    changed: Callable[[], None]
    afterwards: Callable[[Callable[[], None]], None]
    trusted: Networks  # proxies
    tries: RateLimit  # with what is no token
    at_once: ConcurrencyLimit

    def call(self, request: Request, token: str | None, needed: TokenScope) -> Call:
        """The call, where its token is good for it. Raises Refused 401, 403 and, for who guesses, 429."""
        now = self.clock()
        if token is None:
            raise _unknown("this needs a token, as in: Authorization: Bearer digest_…")
        with self.app.store.read() as tx:
            found = tokens.find_by_hash(tx, token_hash(token), now=now)
        if found is None:
            self.tries.check(asking(request, self.trusted), now=now)
            raise _unknown("this is no token, or one that has expired or was revoked", error="invalid_token")
        if needed not in found.active_scopes:
            challenge = f'Bearer realm="digest", error="insufficient_scope", scope="{needed.value}"'
            raise Refused(403, f"this needs a token for {needed.value}", headers={"WWW-Authenticate": challenge})
        return Call(
            app=self.app,
            by=str(found),
            now=now,
            changed=self.changed,
            afterwards=self.afterwards,
            at_once=self.at_once,
        )


def _unknown(detail: str, *, error: str = "") -> Refused:
    challenge = 'Bearer realm="digest"' + (f', error="{error}"' if error else "")
    return Refused(401, detail, headers={"WWW-Authenticate": challenge})


_bearer = HTTPBearer(
    scheme_name="token", auto_error=False, description="A token that `digest token add` or /admin/tokens made."
)


def _call(
    request: Request, needed: SecurityScopes, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Call:
    access: Access = request.app.state.access
    (scope,) = needed.scopes
    return access.call(request, None if given is None else given.credentials, TokenScope(scope))


ReadsProfiles = Annotated[Call, Security(_call, scopes=[TokenScope.PROFILES_READ.value])]
WritesProfiles = Annotated[Call, Security(_call, scopes=[TokenScope.PROFILES_WRITE.value])]
ReadsSubscribers = Annotated[Call, Security(_call, scopes=[TokenScope.SUBSCRIBERS_READ.value])]
WritesSubscribers = Annotated[Call, Security(_call, scopes=[TokenScope.SUBSCRIBERS_WRITE.value])]
ReadsDeliveries = Annotated[Call, Security(_call, scopes=[TokenScope.DELIVERIES_READ.value])]
WritesDeliveries = Annotated[Call, Security(_call, scopes=[TokenScope.DELIVERIES_WRITE.value])]
ReadsSubmissions = Annotated[Call, Security(_call, scopes=[TokenScope.SUBMISSIONS_READ.value])]
WritesSubmissions = Annotated[Call, Security(_call, scopes=[TokenScope.SUBMISSIONS_WRITE.value])]
ReadsOperations = Annotated[Call, Security(_call, scopes=[TokenScope.OPERATIONS_READ.value])]
