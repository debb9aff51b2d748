"""Error responses: application/problem+json (RFC 9457), with one line that says why."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import structlog
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from digest.errors import DigestError, NotFoundError, UsageError
from digest.web.security import BODY_LIMIT_KEY, MAX_BODY

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
_COMMON = (401, 403, 422, 429, 500, 503)
_BY_BODY = (400, 408, 413)


class RuleMistake(BaseModel):
    """A mistake in a rule."""

    line: int = Field(description="Line of the rules, from 1.")
    column: int = Field(description="Column of that line, from 1.")
    reason: str


class FieldMistake(BaseModel):
    """A mistake in one field of the request."""

    field: str = Field(examples=["body.email"])
    reason: str


class Problem(BaseModel):
    """Why a request failed (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(description="The name of the status.", examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(description="Why, in one line.", examples=["no profile '7'; `digest profile list` shows them"])
    errors: list[RuleMistake | FieldMistake] | None = Field(None, description="Each mistake, if there are several.")


class Refused(HTTPException):
    """A request that is answered with a problem."""

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
    """Return the error responses of an endpoint for the document: these and the common ones; `body` if it reads one."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    of = sorted({*statuses, *_COMMON, *(_BY_BODY if body else ())})
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in of}


@contextmanager
def as_problem(status: int) -> Iterator[None]:
    """Answer a UsageError raised in the block with this status, such as 409 for a conflict with the current state."""
    try:
        yield
    except UsageError as error:
        raise Refused(status, str(error)) from None


_DETAILS = {
    404: "there is nothing at this address",
    405: "this address does not support this method",
    408: "the request was sent too slowly",
    429: "too many requests at once, or too many wrong tokens; try again later",
}


def problem_of(request: Request, error: Exception) -> Response:
    """Return the response to an error. Only unexpected errors are logged elsewhere, with their traceback."""
    status, detail = 500, "internal error; the log of `digest serve` has the details"
    errors: Sequence[RuleMistake | FieldMistake] = ()
    headers: dict[str, str] = {}
    if isinstance(error, Refused):
        status, detail, errors, headers = error.status_code, error.detail, error.errors, dict(error.headers or {})
    elif isinstance(error, HTTPException):
        status, headers = error.status_code, dict(error.headers or {})
        most = request.scope.get(BODY_LIMIT_KEY, MAX_BODY) // 1024
        too_large = (
            f"the request is larger than {most} KiB" if most < 1024 else f"the file is larger than {most // 1024} MiB"
        )
        detail = too_large if status == 413 else _DETAILS.get(status, error.detail)
        if status == 405:  # each route only knows its own methods
            routes = [route for route in request.app.routes if isinstance(route, Route)]
            there = [route.methods or () for route in routes if route.matches(request.scope)[0] is not Match.NONE]
            headers["Allow"] = ", ".join(sorted({method for methods in there for method in methods}))
    elif isinstance(error, RequestValidationError):
        errors = mistakes = [
            FieldMistake(field=_readable(".".join(map(str, found["loc"]))), reason=_readable(found["msg"]))
            for found in error.errors()
        ]
        status, detail = 422, f"{mistakes[0].field}: {mistakes[0].reason}"
    elif isinstance(error, UsageError):
        status, detail = 404 if isinstance(error, NotFoundError) else 422, str(error)
    elif isinstance(error, DigestError):
        log.error("call failed", path=request.url.path, reason=str(error))
        status, detail, headers = 503, "not available now; try again later", {"Retry-After": "60"}
    title = HTTPStatus(status).phrase
    problem = Problem(title=title, status=status, detail=detail or title, errors=list(errors) or None)
    return Response(problem.model_dump_json(exclude_none=True), status, headers, MEDIA_TYPE)


def _readable(text: str) -> str:
    """Return a field's name that can be written as text: clients may send any characters, of any length."""
    return text[:200].encode("utf-8", "replace").decode()
