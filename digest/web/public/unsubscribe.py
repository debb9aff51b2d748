"""Leaving: the page behind the link in every mail, and RFC 8058's one click, which mail programs send by themselves.

The link never expires, however often its reader left and came back, and opens nothing else.
"""

from dataclasses import dataclass

from starlette.exceptions import HTTPException

from digest.models import Subscriber, SubscriberState
from digest.security.links import Links, Scope
from digest.store import Store, Transaction, subscribers
from digest.subscribers.membership import Membership
from digest.web.context import Left, OneClick, Question, partly_shown
from digest.web.pages import Page, Visit

_ABSENT = Page(template="absent.html.j2")


@dataclass(frozen=True, slots=True)
class Unsubscribing:
    """The pages at /unsubscribe/TOKEN."""

    store: Store
    links: Links
    membership: Membership

    def look(self, visit: Visit) -> Page:
        """GET: asks, and changes nothing."""
        with self.store.read() as tx:
            reader = self._reader(tx, visit)
        if reader is None:
            return _ABSENT
        if reader.state is SubscriberState.UNSUBSCRIBED:
            return _left(reader, goodbye=False)
        return _page("unsubscribe.html.j2", reader, Question(partly_shown(reader.email)))

    def act(self, visit: Visit) -> Page:
        """POST: they are out, however often it comes.

        Whatever is posted counts: who holds the link may leave, and no mail program's odd form shall keep them. Who is
        not on the list any more has what they want, so that a mail program is not told of an error either.
        """
        one_click = visit.form.get("List-Unsubscribe") == "One-Click"
        way = "one-click" if one_click else "page"
        with self.store.write() as tx:
            reader = self._reader(tx, visit)
            goodbye = False
            if reader is not None:
                goodbye = self.membership.unsubscribe(tx, reader, origin=f"{way} from {visit.client}", now=visit.now)
        if one_click:
            language = reader.language if reader is not None else ""
            return Page(template="one-click.txt.j2", shows=OneClick(reader is not None), language=language)
        return _ABSENT if reader is None else _left(reader, goodbye=goodbye)

    def _reader(self, tx: Transaction, visit: Visit) -> Subscriber | None:
        """Whose link it is; None for who was removed or erased. Raises HTTPException 404 for what we did not sign.

        The token's epoch is not looked at: each time somebody leaves it rises, and this link outlives that. Numbers of
        subscribers are never used again, so that an old link cannot take anybody else off the list.
        """
        token = self.links.verify(Scope.UNSUBSCRIBE, visit.token)
        if token is None:
            raise HTTPException(404)
        return subscribers.find_by_id(tx, token.subscriber_id)


def _left(reader: Subscriber, *, goodbye: bool) -> Page:
    return _page("unsubscribed.html.j2", reader, Left(email=partly_shown(reader.email), goodbye=goodbye))


def _page(template: str, reader: Subscriber, shows: object) -> Page:
    return Page(template=template, shows=shows, language=reader.language)
