"""Which path is which page of where papers come from."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from starlette.routing import Route

from digest.app import App
from digest.web.admin.papers import sources, submission, submissions
from digest.web.admin_auth import Desk


def routes(app: App, desk: Desk, ask_sources: Callable[[], None] | None) -> list[Route]:
    """The pages of an installation. `ask_sources` has all sources asked soon."""
    timezone = ZoneInfo(app.config.newsletter.timezone)
    asking = sources.LookingAtSources(app.store, app.config.source, timezone, ask_sources)
    listing = submissions.ListingSubmissions(app.store, timezone)
    looking = submission.LookingAtSubmission(app.store, timezone, app.paper_lookups)
    return [
        desk.route("/admin/sources", asking.look, asking.ask),
        desk.route("/admin/submissions", listing.look),
        desk.route("/admin/submissions/{id}", looking.look, looking.act),
    ]
