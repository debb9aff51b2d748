"""The OpenAPI document: what the API can do, for people and for programs that make clients of it."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from digest.web.api.problems import Problem

_DESCRIPTION = """
What admins and editors do at the desk, for programs. Each call brings a token, made by `digest token add` or at
/admin/tokens, as `Authorization: Bearer digest_…`; a token is good for its scopes, as far as its owner's role allows
them. Lists come in pages: `next` is the `cursor` of the next one. What cannot be done is answered as
application/problem+json, with one line that says why. Times are UTC.
""".strip()

_TAGS = {
    "profiles": "Named sets of rules that subscribers follow.",
    "subscribers": "Who gets digests, of what, and when.",
    "suppressions": "Who must not be mailed.",
    "deliveries": "Mails that were decided, and what became of them.",
    "submissions": "Papers that readers propose.",
    "operations": "How it goes.",
}


def document(app: FastAPI, *, url: str) -> dict[str, Any]:
    """The document of an app that is served at `url`."""
    made = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version=app.openapi_version,
        description=_DESCRIPTION,
        routes=app.routes,
        tags=[{"name": name, "description": said} for name, said in _TAGS.items()],
        servers=[{"url": url}],
    )
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    made["components"]["schemas"] |= problem.pop("$defs") | {"Problem": problem}
    return made
