"""What endpoints share: types of fields, pages of results, rules, and routes that read a request in time."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import APIRouter, Path
from fastapi.routing import APIRoute
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from digest.admin.profile_actions import compile_profile_rules
from digest.errors import RuleError
from digest.matching import MAX_WRITTEN, compile_rules
from digest.matching.language.hints import Meant, list_hints
from digest.models import CompiledRules
from digest.web.api.access import Call
from digest.web.api.problems import Refused, RuleMistake
from digest.web.forms import mistakes_in
from digest.web.security import CLOSE_CONNECTION

_SLOWEST_BODY = 10.0  # seconds
_MAX_DIGITS = 15  # databases count further, and every JSON parser keeps such a number exactly
NO_NUL = r"^[^\x00]*$"  # pydantic itself refuses lone surrogates

MAX_ID = 10**_MAX_DIGITS - 1
Id = Annotated[int, Path(ge=1, le=MAX_ID, description="Its number.")]
Ids = Annotated[list[Annotated[int, Field(ge=1, le=MAX_ID)]], Field(min_length=1, max_length=1000)]
Line = Annotated[str, StringConstraints(max_length=200, pattern=NO_NUL)]
Address = Annotated[str, StringConstraints(min_length=1, max_length=254, pattern=NO_NUL)]
# `compile_rules` refuses what is longer, and says so better.
Rules = Annotated[str, StringConstraints(pattern=NO_NUL), Field(json_schema_extra={"maxLength": MAX_WRITTEN})]

T = TypeVar("T")
R = TypeVar("R")
Score = Annotated[float, BeforeValidator(lambda score: round(float(score), 3))]


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


class RuleHint(Shown):
    """A phrase in the rules that may be meant as a list or as operators. It is a valid rule all the same."""

    line: int
    phrase: str = Field(examples=["cats, dogs"])
    meant: Meant = Field(description="What it may be meant as; `both` is AND and OR.")
    instead: list[str] = Field(description="The lines to write in its place, if so.", examples=[["cats", "dogs"]])


def hints_for(text: str) -> list[RuleHint]:
    """Return hints for rules."""
    return [RuleHint.model_validate(hint) for hint in list_hints(text)]


class Page(BaseModel, Generic[T]):
    """A page of results."""

    items: list[T]
    next: str | None = Field(description="The `cursor` of the next page; null on the last.")


def page_of(found: Sequence[R], limit: int, *, show: Callable[[R], T], cursor: Callable[[R], object]) -> Page[T]:
    """Return the first `limit` results as a page. `found` holds one more if there is a next page."""
    more = len(found) > limit
    return Page(items=[show(one) for one in found[:limit]], next=str(cursor(found[limit - 1])) if more else None)


def personal_rules(call: Call, text: str) -> CompiledRules:
    """Compile a subscriber's own keywords, which may be none. Raises Refused with the mistake of each line."""
    try:
        rules = compile_rules(text)
        call.app.check_cost(rules, now=call.now)
        return rules
    except RuleError as error:
        mistakes = [RuleMistake(line=m.line, column=m.column, reason=m.reason) for m in mistakes_in(text, error)]
        raise Refused(422, f"rules: {error}", errors=mistakes) from None


def profile_rules(call: Call, text: str) -> CompiledRules:
    """Compile the rules of a profile. Raises Refused, and UsageError if they could never find a paper."""
    personal_rules(call, text)
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


async def read_body(request: Request, *, seconds: float) -> bytes:
    """Return the body of a request. Raises HTTPException 408 if it takes longer, and 413."""
    try:
        async with asyncio.timeout(seconds):
            return await request.body()
    except TimeoutError:
        raise HTTPException(408, headers=CLOSE_CONNECTION) from None


class _BoundedRoute(APIRoute):
    """A route that reads the body first, within a time limit, and then waits for one of a few turns."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of requests."""
        answer = super().get_route_handler()

        async def answer_in_turn(request: Request) -> Response:
            if self.body_field is not None:
                await read_body(request, seconds=_SLOWEST_BODY)
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
