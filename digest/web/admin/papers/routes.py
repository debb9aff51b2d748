"""Which path is which page of where papers come from."""

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from starlette.routing import Route

from digest.installation import Installation
from digest.web.admin.papers import sources, submission, submissions
from digest.web.desk import Desk

WITH_SAMPLES: tuple[Any, ...] = (sources, submissions, submission)


def routes(here: Installation, desk: Desk, ask_sources: Callable[[], None] | None) -> list[Route]:
    """The pages of an installation. `ask_sources` has all sources asked soon."""
    timezone = ZoneInfo(here.config.newsletter.timezone)
    asking = sources.LookingAtSources(here.store, here.config.source, timezone, ask_sources)
    listing = submissions.ListingSubmissions(here.store, timezone)
    looking = submission.LookingAtSubmission(here.store, timezone, here.look_ups)
    return [
        desk.route("/admin/sources", asking.look, asking.ask),
        desk.route("/admin/submissions", listing.look),
        desk.route("/admin/submissions/{id}", looking.look, looking.act),
    ]
