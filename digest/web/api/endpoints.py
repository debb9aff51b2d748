"""What endpoints share: authentication by token, types of fields, pages of results, rules, and routes."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import APIRouter, Depends, Path, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from digest.admin.admin_actions import token_hash
from digest.admin.profile_actions import compile_profile_rules
from digest.app import App
from digest.errors import RuleError
from digest.matching import compile_rules
from digest.models import CompiledRules, TokenScope
from digest.store import Store, Transaction, admins
from digest.web.api.problems import Refused, RuleMistake
from digest.web.forms import mistakes_in
from digest.web.rate_limits import ConcurrencyLimit, Networks, RateLimit, client_of
from digest.web.security import CLOSE_CONNECTION

PATH = "/api/v1"

_SLOWEST_BODY = 10.0  # seconds
_MAX_DIGITS = 15  # databases count further, and every JSON parser keeps such a number exactly

NO_NUL = r"^[^\x00]*$"  # pydantic itself refuses lone surrogates
MAX_ID = 10**_MAX_DIGITS - 1
Id = Annotated[int, Path(ge=1, le=MAX_ID, description="Its number.")]
Ids = Annotated[list[Annotated[int, Field(ge=1, le=MAX_ID)]], Field(min_length=1, max_length=1000)]
Line = Annotated[str, StringConstraints(max_length=200, pattern=NO_NUL)]
Address = Annotated[str, StringConstraints(min_length=1, max_length=254, pattern=NO_NUL)]
Rules = Annotated[str, StringConstraints(max_length=200_000, pattern=NO_NUL)]

T = TypeVar("T")
R = TypeVar("R")
Score = Annotated[float, BeforeValidator(lambda score: round(float(score), 3))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """What all calls share."""

    app: App
    clock: Callable[[], datetime]
    changed: Callable[[], None]  # called, in any thread, after a change
    afterwards: Callable[[Callable[[], None]], None]  # runs a function soon; the response does not wait for it
    trusted: Networks  # of proxies
    tries: RateLimit  # with wrong tokens
    at_once: ConcurrencyLimit  # slow calls, by token


@dataclass(frozen=True, slots=True)
class Call:
    """An authenticated request."""

    api: Api
    by: str  # for the audit log: `token "website" of admin@example.org`
    now: datetime

    @property
    def app(self) -> App:
        """The installation."""
        return self.api.app

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
        self.api.changed()


_bearer = HTTPBearer(
    scheme_name="token", auto_error=False, description="A token made by `digest token add` or at /admin/tokens."
)


def _call(
    request: Request, needed: SecurityScopes, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Call:
    """Authenticate a request. Raises Refused 401, 403 and, for many wrong tokens, 429."""
    api: Api = request.app.state.api
    (scope,) = needed.scopes
    now = api.clock()
    if given is None:
        raise _unauthenticated("this needs a token, as in: Authorization: Bearer digest_…")
    with api.app.store.read() as tx:
        token = admins.find_token(tx, token_hash(given.credentials), now=now)
    if token is None:
        api.tries.check(client_of(request, api.trusted), now=now)
        raise _unauthenticated("this token is wrong, expired or revoked", error="invalid_token")
    if TokenScope(scope) not in token.active_scopes:
        challenge = f'Bearer realm="digest", error="insufficient_scope", scope="{scope}"'
        raise Refused(403, f"this needs a token for {scope}", headers={"WWW-Authenticate": challenge})
    return Call(api, str(token), now)


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


class RequestBody(BaseModel):
    """A request body. Unknown fields and other types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class QueryFields(BaseModel):
    """Query parameters. Unknown ones are refused."""

    model_config = ConfigDict(extra="forbid")


class Shown(BaseModel):
    """A response that can be made from a record with the same attributes, by `model_validate`."""

    model_config = ConfigDict(from_attributes=True)


class PageQuery(QueryFields):
    """Which page of results."""

    limit: int = Field(50, ge=1, le=200, description="Maximum number of results.")


class NumberedPageQuery(PageQuery):
    """Which page of results that have numbers."""

    cursor: Annotated[str, StringConstraints(pattern=rf"^[1-9][0-9]{{0,{_MAX_DIGITS - 1}}}$")] | None = Field(
        None, description="The value of `next` on the page before."
    )

    @property
    def number(self) -> int:
        """The number of the last result before this page; 0 on the first page."""
        return int(self.cursor or 0)


class Page(BaseModel, Generic[T]):
    """A page of results."""

    items: list[T]
    next: str | None = Field(description="The `cursor` of the next page; null on the last.")


def page_of(found: Sequence[R], limit: int, *, show: Callable[[R], T], cursor: Callable[[R], object]) -> Page[T]:
    """Return the first `limit` results as a page. `found` holds one more if there is a next page."""
    more = len(found) > limit
    return Page(items=[show(one) for one in found[:limit]], next=str(cursor(found[limit - 1])) if more else None)


def personal_rules(text: str) -> CompiledRules:
    """Compile a subscriber's own keywords, which may be none. Raises Refused with the mistake of each line."""
    try:
        return compile_rules(text)
    except RuleError as error:
        mistakes = [RuleMistake(line=m.line, column=m.column, reason=m.reason) for m in mistakes_in(text, error)]
        raise Refused(422, f"rules: {error}", errors=mistakes) from None


def profile_rules(text: str) -> CompiledRules:
    """Compile the rules of a profile. Raises Refused, and UsageError if they could never find a paper."""
    personal_rules(text)
    return compile_profile_rules(text)


class _Number(Convertor[int]):
    regex = f"[1-9][0-9]{{0,{_MAX_DIGITS - 1}}}"

    def convert(self, value: str) -> int:
        """Return the number in a path."""
        return int(value)

    def to_string(self, value: int) -> str:
        """Return the text of a number in a path."""
        return str(value)


register_url_convertor("number", _Number())


class _BoundedRoute(APIRoute):
    """A route that reads the body first, within a time limit, and then waits for one of a few turns."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of requests."""
        answer = super().get_route_handler()

        async def answer_in_turn(request: Request) -> Response:
            if self.body_field is not None:
                try:
                    async with asyncio.timeout(_SLOWEST_BODY):
                        await request.body()
                except TimeoutError:
                    raise HTTPException(408, headers=CLOSE_CONNECTION) from None
            async with request.app.state.turns:
                return await answer(request)

        return answer_in_turn


def new_router(tag: str) -> APIRouter:
    """Return the router for the endpoints of one noun. An operation's id in the document is its function's name."""
    return APIRouter(
        route_class=_BoundedRoute,
        tags=[tag],
        redirect_slashes=False,
        generate_unique_id_function=lambda route: str(route.name),
    )
