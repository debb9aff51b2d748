"""The configured sources, how each is doing, and the button that reads them all now."""

import re
from dataclasses import dataclass
from datetime import timedelta

from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.mail.encoding import clean
from digest.store import sources
from digest.web.admin_auth import admin_router
from digest.web.dependencies import Context
from digest.web.rendering import admin_template

_COUNTED_FOR = timedelta(days=30)
_PASSWORD = re.compile(r"^([a-z]+://)[^/?#]*@", re.IGNORECASE)
_KEY = re.compile(r"([?&][^=&#]*(?:key|token|secret|pass|pwd|auth(?!or)|signature|cred)[^=&#]*=)[^&#]+", re.IGNORECASE)

router = admin_router("/admin/sources")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSource:
    """A source. Times are local, "" for never."""

    name: str
    kind: str
    url: str
    checked_at: str
    succeeded_at: str
    entries: int | None  # when it was last read
    papers: int  # new ones of the last thirty days
    failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSources:
    """All sources, in the order of the configuration."""

    sources: tuple[ShownSource, ...]
    can_ask: bool
    asked: bool  # just now


@router.get("")
def list_sources(context: Context, done: str = "") -> Response:
    """All configured sources, without the passwords and keys of their addresses."""
    with context.store.read() as tx:
        states = sources.list_states(tx)
        papers = sources.count_papers(tx, since=context.now - _COUNTED_FOR)
    shown = tuple(
        ShownSource(
            name=source.name,
            kind=source.kind,
            url=clean(_KEY.sub(r"\1…", _PASSWORD.sub(r"\1…@", source.url))),
            checked_at=context.local_time(state.checked_at if state else None),
            succeeded_at=context.local_time(state.succeeded_at if state else None),
            entries=state.entries if state else None,
            papers=papers.get(source.name, 0),
            failure=clean(state.failure) if state else "",
        )
        for source in context.app.config.source
        for state in [states.get(source.name)]
    )
    can_ask = context.services.ask_sources is not None
    page = ShownSources(sources=shown, can_ask=can_ask, asked=done == "asked")
    return context.render(admin_template("sources"), page)


@router.post("")
def read_sources(context: Context) -> Response:
    """Have all sources read soon, beside the pages and never twice at once. Raises HTTPException 404 if impossible."""
    if context.services.ask_sources is None:
        raise HTTPException(404)
    context.services.ask_sources()
    return context.redirect("/admin/sources?done=asked")
