"""Saying yes: the page behind the link in a confirmation mail, and in a goodbye, where it is the way back."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from digest.errors import DigestError, SuppressedError
from digest.models import Subscriber
from digest.security.links import Links, Scope
from digest.store import Store
from digest.subscribers.membership import Membership
from digest.web.context import Joined, Question, partly_shown
from digest.web.pages import Page, Visit, problem
from digest.web.reader_auth import TOO_OLD, find_holder
from digest.web.sessions import Sessions

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Confirming:
    """The pages at /confirm/TOKEN."""

    store: Store
    links: Links
    membership: Membership
    sessions: Sessions
    welcome: Callable[[Subscriber, datetime], object]  # queues the first mail of who has just come

    def look(self, visit: Visit) -> Page:
        """GET: asks, and changes nothing."""
        with self.store.read() as tx:
            reader = find_holder(tx, self.links, Scope.CONFIRM, visit)
        if reader is None:
            return TOO_OLD
        if reader.state.is_subscribed:
            return _joined(reader, welcome=False)
        question = Question(partly_shown(reader.email))
        return Page(template="confirm.html.j2", shows=question, language=reader.language)

    def act(self, visit: Visit) -> Page:
        """POST: they are in, and welcomed if they were not before.

        Then they are signed in, too: the link proves their mailbox as that of a sign-in mail does. It lasts for longer,
        so it does that once.
        """
        with self.store.write() as tx:
            reader = find_holder(tx, self.links, Scope.CONFIRM, visit)
            if reader is None:
                return TOO_OLD
            new = not reader.state.is_subscribed
            try:
                reader = self.membership.confirm(tx, reader, origin=f"page from {visit.client}", now=visit.now)
            except SuppressedError:
                return problem(403)
        if not new:
            return _joined(reader, welcome=False)
        welcomed = self._welcomed(reader, visit.now)
        return replace(_joined(reader, welcome=welcomed), cookie=self.sessions.begin(reader, now=visit.now))

    def _welcomed(self, reader: Subscriber, now: datetime) -> bool:
        """Queue the first mail. Where that fails they are in all the same, and get the next digest at their hour."""
        try:
            self.welcome(reader, now)
        except DigestError as error:
            log.error("nobody welcomes a new subscriber", subscriber=reader.email, reason=str(error))
            return False
        return True


def _joined(reader: Subscriber, *, welcome: bool) -> Page:
    shows = Joined(email=partly_shown(reader.email), welcome=welcome)
    return Page(template="confirmed.html.j2", shows=shows, language=reader.language)
