"""Where papers come from, and how each place does."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException

from digest.mail.encoding import clean
from digest.models import Admin
from digest.pipeline.ingest import ConfiguredSource
from digest.store import Store, sources
from digest.store.sources import SourceState
from digest.web.pages import Answer, Page, Redirect, Visit
from digest.web.rendering import local

_LATELY = timedelta(days=30)
_PASSWORD = re.compile(r"^([a-z]+://)[^/?#]*@", re.IGNORECASE)
_KEY = re.compile(r"([?&][^=&#]*(?:key|token|secret|pass|pwd|auth(?!or)|signature|cred)[^=&#]*=)[^&#]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSource:
    """A source; times are local, "" for never."""

    name: str
    kind: str
    url: str
    checked_at: str
    succeeded_at: str
    entries: int | None  # when it was last read
    papers: int  # new ones that it had lately
    failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSources:
    """All that are configured, as they stand there."""

    sources: tuple[ShownSource, ...]
    can_ask: bool
    asked: bool  # just now


@dataclass(frozen=True, slots=True)
class LookingAtSources:
    """The page at /admin/sources, and the button that asks them all."""

    store: Store
    configured: Sequence[ConfiguredSource]
    timezone: ZoneInfo
    ask_soon: Callable[[], None] | None

    def look(self, visit: Visit, _admin: Admin) -> Answer:
        """GET"""
        with self.store.read() as tx:
            states = sources.list_states(tx)
            papers = sources.count_papers(tx, since=visit.now - _LATELY)
        shown = tuple(_shown(source, states, papers, self.timezone) for source in self.configured)
        return _page(*shown, can_ask=self.ask_soon is not None, asked=visit.query.get("done") == "asked")

    def ask(self, _visit: Visit, _admin: Admin) -> Answer:
        """POST: they are asked beside the pages, never twice at once. Raises HTTPException 404 where nobody can."""
        if self.ask_soon is None:
            raise HTTPException(404)
        self.ask_soon()
        return Redirect(path="/admin/sources?done=asked")


def _shown(
    source: ConfiguredSource, states: Mapping[str, SourceState], papers: Mapping[str, int], timezone: ZoneInfo
) -> ShownSource:
    state = states.get(source.name)
    return ShownSource(
        name=source.name,
        kind=source.kind,
        url=_without_secrets(source.url),
        checked_at=local(state.checked_at, timezone) if state else "",
        succeeded_at=local(state.succeeded_at, timezone) if state and state.succeeded_at else "",
        entries=state.entries if state else None,
        papers=papers.get(source.name, 0),
        failure=clean(state.failure) if state else "",
    )


def _without_secrets(url: str) -> str:
    """An address as it may be shown: without the password or the key that it may hold."""
    return clean(_KEY.sub(r"\1…", _PASSWORD.sub(r"\1…@", url)))


def _page(*shown: ShownSource, can_ask: bool = True, asked: bool = False) -> Page:
    return Page(template="desk-sources.html.j2", shows=ShownSources(sources=shown, can_ask=can_ask, asked=asked))
