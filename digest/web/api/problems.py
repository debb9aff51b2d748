"""What is answered where something cannot be done: application/problem+json (RFC 9457), in one line that says why."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from digest.errors import DigestError, NotFoundError, UsageError
from digest.web.security import MAX_BODY

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
_COMMON = (401, 403, 422, 429, 500, 503)
_BY_BODY = (400, 408, 413)


class RuleMistake(BaseModel):
    """What is wrong with a rule, and where."""

    line: int = Field(description="Of the rules, from 1.")
    column: int = Field(description="In that line, from 1.")
    reason: str


class FieldMistake(BaseModel):
    """What is wrong with a part of the request."""

    field: str = Field(examples=["body.email"])
    reason: str


class Problem(BaseModel):
    """Why something cannot be done (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(description="What the status is called.", examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(description="Why, in one line.", examples=["no profile '7'; `digest profile list` shows them"])
    errors: list[RuleMistake | FieldMistake] | None = Field(None, description="Each mistake, where there are several.")


class Refused(HTTPException):
    """The answer is a problem."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[RuleMistake | FieldMistake] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, headers)
        self.errors = list(errors)


def responses(*statuses: int, body: bool = False) -> dict[int | str, dict[str, Any]]:
    """For the document: that an endpoint may answer these, and what any may. `body`: it reads what is sent."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    of = sorted({*statuses, *_COMMON, *(_BY_BODY if body else ())})
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in of}


@contextmanager
def told_as(status: int) -> Iterator[None]:
    """Whatever cannot be done in here is answered with this status, such as 409 for what is not the time for it."""
    try:
        yield
    except UsageError as error:
        raise Refused(status, str(error)) from None


def answer_problems(app: FastAPI) -> None:
    """Let an app answer every problem so."""
    app.exception_handlers |= {
        HTTPException: _of_http,
        RequestValidationError: _of_fields,
        UsageError: _of_usage,
        DigestError: _of_failure,
        Exception: _of_fault,
    }


def _response(
    status: int, detail: str = "", *, errors: Sequence[Any] = (), headers: Mapping[str, str] | None = None
) -> Response:
    title = HTTPStatus(status).phrase
    problem = Problem(title=title, status=status, detail=detail or title, errors=list(errors) or None)
    return Response(problem.model_dump_json(exclude_none=True), status, headers, MEDIA_TYPE)


_WORDS = {
    404: "there is nothing at this address",
    405: "this address has other methods",
    408: "what was sent came too slowly",
    413: f"more than {MAX_BODY // 1024} KiB were sent",
    429: "too much at once, or too many wrong tokens; try again later",
}


def _of_http(request: Request, error: HTTPException) -> Response:
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_allowed(request))
    errors = error.errors if isinstance(error, Refused) else ()
    detail = error.detail if isinstance(error, Refused) else _WORDS.get(error.status_code, error.detail)
    return _response(error.status_code, detail, errors=errors, headers=headers)


def _allowed(request: Request) -> list[str]:
    """The methods of every route at this address: each route knows its own only."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    there = [route.methods or () for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for methods in there for method in methods})


def _of_fields(_request: Request, error: RequestValidationError) -> Response:
    errors = [
        FieldMistake(field=_readable(".".join(map(str, found["loc"]))), reason=_readable(found["msg"]))
        for found in error.errors()
    ]
    return _response(422, f"{errors[0].field}: {errors[0].reason}", errors=errors)


def _readable(said: str) -> str:
    """What a client called a field may be no text at all, and without an end."""
    return said[:200].encode("utf-8", "replace").decode()


def _of_usage(_request: Request, error: Exception) -> Response:
    return _response(404 if isinstance(error, NotFoundError) else 422, str(error))


def _of_failure(request: Request, error: Exception) -> Response:
    log.error("call failed", path=request.url.path, reason=str(error))
    return _response(503, "not just now; try again later", headers={"Retry-After": "60"})


def _of_fault(_request: Request, _error: Exception) -> Response:
    """What nobody foresaw; `Faults` logs it."""
    return _response(500, "this should not have happened; the log of `digest serve` says more")
