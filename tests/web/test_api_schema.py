"""The API does what its OpenAPI document says, and nothing that it does not: schemathesis tries, at length.

All its checks are on: no server errors, documented statuses, answers that conform to their schemas, what is wrong
refused and what is right accepted, methods and authentication as documented.
"""

from collections import Counter
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import settings

from digest.app import App
from digest.errors import SourceError
from digest.sources.fetch import Fetcher
from digest.web.app import create_app
from tests.builders import NOW
from tests.web.admin_site import an_admin
from tests.web.api import filled, token_of

schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis")
engine = pytest.importorskip("schemathesis.engine", reason="needs schemathesis")
events = pytest.importorskip("schemathesis.engine.events", reason="needs schemathesis")

# What no schema can say is refused with 422 (keywords that are no rules, a time zone that is none), and 412 is the
# answer that a program asks for with If-Match.
_MAY_ANSWER = ["2xx", "401", "403", "404", "409", "412", "422"]

# What is wrong may be so long that it is not read.
_REFUSED = ["400", "401", "403", "404", "405", "409", "413", "415", "422", "429"]


def _config(token: str) -> Any:
    return schemathesis.Config.from_dict(
        {
            "seed": 1,
            "headers": {"Authorization": f"Bearer {token}"},
            "generation": {"deterministic": True, "max-examples": settings().max_examples // 5, "database": "none"},
            "phases": {"stateful": {"generation": {"max-examples": 10}}},
            "checks": {
                "positive_data_acceptance": {"expected-statuses": _MAY_ANSWER},
                "negative_data_rejection": {"expected-statuses": _REFUSED},
            },
        }
    )


def _tried(schema: Any) -> tuple[list[str], Counter[int], set[str]]:
    """(what does not hold, with a request that shows it; how often each status was answered; what was checked)"""
    found: list[str] = []
    statuses: Counter[int] = Counter()
    checked: set[str] = set()
    for event in engine.from_schema(schema).execute():
        if isinstance(event, events.NonFatalError):
            found.append(str(event.value))
        elif isinstance(event, events.FatalError):
            found.append(str(event.exception))
        elif isinstance(event, events.ScenarioFinished):
            statuses.update(i.response.status_code for i in event.recorder.interactions.values() if i.response)
            for check in (check for checks in event.recorder.checks.values() for check in checks):
                checked.add(check.name)
                if check.failure_info is not None:
                    found.append(f"{check.name}: {check.failure_info.failure}\n{check.failure_info.code_sample}")
    return found, statuses, checked


def test_it_answers_as_the_document_says(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_: Fetcher, source: str, url: str) -> Any:
        raise SourceError(source, f"cannot reach {url}")

    monkeypatch.setattr(Fetcher, "fetch", nothing)
    filled(app)
    minutes = count()  # a minute from call to call: tokens that are none are tried, and must not be too many at once
    asgi = create_app(app, clock=lambda: NOW + timedelta(minutes=next(minutes)), lag=0)
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", asgi, config=_config(token_of(app, an_admin(app))))
    found, statuses, checked = _tried(schema)
    assert found == []
    assert set(statuses) >= {200, 201, 204, 400, 401, 404, 405, 409, 412, 422}
    assert {status for status in statuses if status >= 500} == set()
    assert checked >= {"not_a_server_error", "status_code_conformance", "response_schema_conformance"}
    assert checked >= {"ignored_auth", "negative_data_rejection", "unsupported_method", "positive_data_acceptance"}
