"""The link to their preferences that stands in every digest: it signs its reader in."""

from dataclasses import dataclass

from digest.security.links import Links, Scope
from digest.store import Store
from digest.web.pages import Answer, Redirect, Visit
from digest.web.reader_auth import TOO_OLD, find_holder
from digest.web.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Entering:
    """The page at /preferences/TOKEN."""

    store: Store
    links: Links
    sessions: Sessions

    def look(self, visit: Visit) -> Answer:
        """GET: begins a session, of which nothing is kept here, and goes on to the settings."""
        with self.store.read() as tx:
            reader = find_holder(tx, self.links, Scope.PREFERENCES, visit)
        if reader is None:
            return TOO_OLD
        return Redirect(path="/settings", cookie=self.sessions.begin(reader, now=visit.now))
