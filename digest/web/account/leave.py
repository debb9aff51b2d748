"""Leaving, for who is signed in. (The link in every mail does without that: public/unsubscribe.py.)"""

from dataclasses import dataclass

from digest.models import Subscriber
from digest.store import Store
from digest.subscribers.membership import Membership
from digest.web.context import Left, partly_shown
from digest.web.pages import Answer, Page, Redirect, Visit
from digest.web.reader_auth import find_still
from digest.web.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Leaving:
    """The page at /settings/leave."""

    store: Store
    membership: Membership
    sessions: Sessions

    def look(self, _visit: Visit, reader: Subscriber) -> Answer:
        """GET: asks."""
        return Page(template="leave.html.j2", language=reader.language)

    def act(self, visit: Visit, reader: Subscriber) -> Answer:
        """POST: they are out, and signed out."""
        with self.store.write() as tx:
            still = find_still(tx, reader)
            if still is None:
                return Redirect(path="/sign-in", cookie=self.sessions.end())
            goodbye = self.membership.unsubscribe(tx, still, origin=f"page from {visit.client}", now=visit.now)
        shows = Left(email=partly_shown(reader.email), goodbye=goodbye)
        return Page(template="unsubscribed.html.j2", shows=shows, language=reader.language, cookie=self.sessions.end())
