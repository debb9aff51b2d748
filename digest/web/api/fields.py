"""What endpoints have in common: texts, numbers, pages of results, and how a request is read."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import APIRouter, Path
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from digest.web.security import HANG_UP

_SLOWEST_BODY = 10.0  # seconds
_MOST_DIGITS = 15  # no more than a database counts, and than every JSON reader keeps exactly
NO_NUL = r"^[^\x00]*$"  # lone surrogates are refused as it is

MOST_ID = 10**_MOST_DIGITS - 1
Id = Annotated[int, Path(ge=1, le=MOST_ID, description="Its number.")]
Ids = Annotated[list[Annotated[int, Field(ge=1, le=MOST_ID)]], Field(min_length=1, max_length=1000)]
Line = Annotated[str, StringConstraints(max_length=200, pattern=NO_NUL)]
Address = Annotated[str, StringConstraints(min_length=1, max_length=254, pattern=NO_NUL)]
Rules = Annotated[str, StringConstraints(max_length=200_000, pattern=NO_NUL)]

T = TypeVar("T")
R = TypeVar("R")


class Wanted(BaseModel):
    """What somebody sends: nothing but what is asked for, and of no other type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Paging(BaseModel):
    """Which page of results."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=200, description="How many at most.")


class Numbered(Paging):
    """The same of what has numbers."""

    cursor: Annotated[str, StringConstraints(pattern=rf"^[1-9][0-9]{{0,{_MOST_DIGITS - 1}}}$")] | None = Field(
        None, description="What `next` was on the page before."
    )

    @property
    def number(self) -> int:
        """The last one that was shown; 0 on the first page."""
        return int(self.cursor or 0)


class Page(BaseModel, Generic[T]):
    """A page of results."""

    items: list[T]
    next: str | None = Field(description="The `cursor` of the next page; null on the last.")


def page_of(found: Sequence[R], limit: int, *, shown: Callable[[R], T], cursor: Callable[[R], object]) -> Page[T]:
    """A page, where one more than `limit` was asked for to see whether there are more."""
    more = len(found) > limit
    return Page(items=[shown(one) for one in found[:limit]], next=str(cursor(found[limit - 1])) if more else None)


class _Number(Convertor[int]):
    regex = f"[1-9][0-9]{{0,{_MOST_DIGITS - 1}}}"

    def convert(self, value: str) -> int:
        """Of a path."""
        return int(value)

    def to_string(self, value: int) -> str:
        """For a path."""
        return str(value)


register_url_convertor("number", _Number())


class _Bounded(APIRoute):
    """Reads what is sent first, and in time; then waits for its turn: as many are answered at once as pages are."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        answer = super().get_route_handler()

        async def answer_in_turn(request: Request) -> Response:
            if self.body_field is not None:
                await _read(request)
            async with request.app.state.turns:
                return await answer(request)

        return answer_in_turn


async def _read(request: Request) -> None:
    try:
        async with asyncio.timeout(_SLOWEST_BODY):
            await request.body()
    except TimeoutError:
        raise HTTPException(408, headers=HANG_UP) from None


def a_router(tag: str) -> APIRouter:
    """Where the endpoints of a noun are written down. Each is called in the document as its function is."""
    return APIRouter(
        route_class=_Bounded,
        tags=[tag],
        redirect_slashes=False,
        generate_unique_id_function=lambda route: str(route.name),
    )
