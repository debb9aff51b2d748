"""Authentication by token, and what endpoints work with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from digest.admin.admin_actions import token_hash
from digest.app import App
from digest.models import TokenScope
from digest.store import Store, Transaction, admins
from digest.web.api.problems import Refused
from digest.web.dependencies import Services
from digest.web.rate_limits import client_of

PATH = "/api/v1"


@dataclass(frozen=True, slots=True)
class Call:
    """An authenticated request."""

    services: Services
    by: str  # for the audit log: `token "website" of admin@example.org`
    now: datetime

    @property
    def app(self) -> App:
        """The installation."""
        return self.services.app

    @property
    def store(self) -> Store:
        """The database."""
        return self.app.store

    @property
    def signed(self) -> dict[str, Any]:
        """Who acts and when, as the actions of admins take it."""
        return {"by": self.by, "now": self.now}

    def url(self, path: str) -> str:
        """Return the URL of something that was added."""
        return f"{self.app.config.newsletter.base_url}{PATH}{path}"

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Open a transaction that changes something; afterwards there may be mail to deliver."""
        with self.store.write() as tx:
            yield tx
        self.services.wake_delivery()


_bearer = HTTPBearer(
    scheme_name="token", auto_error=False, description="A token made by `digest token add` or at /admin/tokens."
)


def _call(
    request: Request, needed: SecurityScopes, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Call:
    """Authenticate a request. Raises Refused 401, 403 and, for many wrong tokens, 429."""
    services: Services = request.app.state.services
    (scope,) = needed.scopes
    now = services.clock()
    if given is None:
        raise _unauthenticated("this needs a token, as in: Authorization: Bearer digest_…")
    with services.app.store.read() as tx:
        token = admins.find_token(tx, token_hash(given.credentials), now=now)
    if token is None:
        services.limits.api_tokens.check(client_of(request, services.trusted_proxies), now=now)
        raise _unauthenticated("this token is wrong, expired or revoked", error="invalid_token")
    if TokenScope(scope) not in token.active_scopes:
        challenge = f'Bearer realm="digest", error="insufficient_scope", scope="{scope}"'
        raise Refused(403, f"this needs a token for {scope}", headers={"WWW-Authenticate": challenge})
    return Call(services, str(token), now)


def _unauthenticated(detail: str, *, error: str = "") -> Refused:
    challenge = 'Bearer realm="digest"' + (f', error="{error}"' if error else "")
    return Refused(401, detail, headers={"WWW-Authenticate": challenge})


ReadsProfiles = Annotated[Call, Security(_call, scopes=[TokenScope.PROFILES_READ.value])]
WritesProfiles = Annotated[Call, Security(_call, scopes=[TokenScope.PROFILES_WRITE.value])]
ReadsSubscribers = Annotated[Call, Security(_call, scopes=[TokenScope.SUBSCRIBERS_READ.value])]
WritesSubscribers = Annotated[Call, Security(_call, scopes=[TokenScope.SUBSCRIBERS_WRITE.value])]
ReadsDeliveries = Annotated[Call, Security(_call, scopes=[TokenScope.DELIVERIES_READ.value])]
WritesDeliveries = Annotated[Call, Security(_call, scopes=[TokenScope.DELIVERIES_WRITE.value])]
ReadsSubmissions = Annotated[Call, Security(_call, scopes=[TokenScope.SUBMISSIONS_READ.value])]
WritesSubmissions = Annotated[Call, Security(_call, scopes=[TokenScope.SUBMISSIONS_WRITE.value])]
ReadsOperations = Annotated[Call, Security(_call, scopes=[TokenScope.OPERATIONS_READ.value])]
