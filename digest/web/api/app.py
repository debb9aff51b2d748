"""The API as an application of its own, mounted at /api/v1, with its OpenAPI document.

Endpoints call the functions of digest/admin, as commands and pages do, so each change is in the audit log. There are no
cookies, and so nothing that another site could forge.
"""

from anyio import CapacityLimiter
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from digest import __version__
from digest.errors import DigestError, UsageError
from digest.web.api import deliveries, profiles, submissions_and_operations, subscriber_import, subscribers
from digest.web.api.access import PATH
from digest.web.api.problems import Problem, problem_of
from digest.web.dependencies import Services

_AT_ONCE = 8  # calls that are answered at the same time: more would only wait for each other
_ROUTERS = (
    *(profiles.router, subscribers.router, subscriber_import.router, subscribers.suppressions_router),
    *(deliveries.router, submissions_and_operations.submissions_router, submissions_and_operations.operations_router),
)
_DESCRIPTION = """
The admin functions of Digest, for programs. Each call sends a token, made by `digest token add` or at /admin/tokens, as
`Authorization: Bearer digest_…`. A token gives access to its scopes, as far as its owner's role allows them. Lists are
paged: `next` is the `cursor` of the next page. Errors are application/problem+json, with one line that says why. Times
are UTC.
""".strip()
_TAGS = {
    "profiles": "Named sets of rules that subscribers follow.",
    "subscribers": "Who gets digests, about what, and when.",
    "suppressions": "Addresses that must not get email.",
    "deliveries": "The outbox: every email and its state.",
    "submissions": "Papers that readers propose.",
    "operations": "The state of the newsletter.",
}


def mounted(services: Services) -> Mount:
    """Return the mounted API of an installation."""
    # FastAPI's own pages for the document would load scripts from elsewhere.
    asgi = FastAPI(title="Digest", version=__version__, openapi_url=None, docs_url=None, redoc_url=None)
    asgi.router.redirect_slashes = False  # it would redirect to the host that the request names
    asgi.state.turns = CapacityLimiter(_AT_ONCE)
    asgi.state.services = services
    kinds = (HTTPException, RequestValidationError, UsageError, DigestError, Exception)
    asgi.exception_handlers |= dict.fromkeys(kinds, problem_of)
    # include_router would wrap the routes; the Allow header of a 405 needs all routes in one list.
    asgi.router.routes.extend(route for router in _ROUTERS for route in router.routes)

    def openapi(_request: Request) -> JSONResponse:
        if asgi.openapi_schema is None:
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            asgi.openapi_schema = get_openapi(
                title=asgi.title,
                version=asgi.version,
                openapi_version=asgi.openapi_version,
                description=_DESCRIPTION,
                routes=asgi.routes,
                tags=[{"name": name, "description": description} for name, description in _TAGS.items()],
                servers=[{"url": f"{services.app.config.newsletter.base_url}{PATH}"}],
            )
            asgi.openapi_schema["components"]["schemas"] |= problem.pop("$defs") | {"Problem": problem}
        return JSONResponse(asgi.openapi_schema)

    asgi.router.routes.append(Route("/openapi.json", openapi, methods=["GET"]))  # for everyone, without a token
    return Mount(PATH, app=asgi)
