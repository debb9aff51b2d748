"""Whose page it is: told by a signed link, or by a session, and looked up anew before anything of theirs is changed."""

from starlette.exceptions import HTTPException

from digest.models import Subscriber
from digest.security.links import Links, Scope, Token
from digest.store import Transaction, subscribers
from digest.web.pages import Page, Visit

TOO_OLD = Page(template="too-old.html.j2", status=410)


def find_holder(tx: Transaction, links: Links, scope: Scope, visit: Visit) -> Subscriber | None:
    """Whose link a page was asked with; None where it has expired or is revoked.

    Raises HTTPException 404 for what we did not sign.
    """
    held = find_held(tx, links, scope, visit)
    return None if held is None else held[0]


def find_held(tx: Transaction, links: Links, scope: Scope, visit: Visit) -> tuple[Subscriber, Token] | None:
    """The same, and what the link says."""
    token = links.verify(scope, visit.token)
    if token is None:
        raise HTTPException(404)
    reader = subscribers.find_by_id(tx, token.subscriber_id)
    good = reader is not None and reader.epoch == token.epoch and not token.has_expired(visit.now)
    return (reader, token) if good and reader is not None else None


def find_still(tx: Transaction, reader: Subscriber) -> Subscriber | None:
    """The same reader as they are now; None for who has left meanwhile, so that nothing brings them back."""
    still = subscribers.find_by_id(tx, reader.id)
    return still if still is not None and still.epoch == reader.epoch else None
