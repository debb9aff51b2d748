"""Another address: asked for by who is signed in, confirmed by who reads the mail there."""

from dataclasses import dataclass
from hmac import compare_digest

from digest.config import SignupConfig
from digest.errors import AddressError
from digest.models import Subscriber
from digest.security import addresses
from digest.security.links import Links, Scope
from digest.store import Store, Transaction
from digest.subscribers.membership import Membership
from digest.web.context import Question, partly_shown
from digest.web.pages import Answer, Page, Redirect, Visit
from digest.web.rate_limits import RateLimit
from digest.web.reader_auth import TOO_OLD, find_held, find_still
from digest.web.sessions import Sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What the page shows."""

    email: str
    new_email: str  # that has not been confirmed yet, or ""
    moved: bool
    typed: str
    wrong: bool = False  # `typed` is no address, or the one they have
    elsewhere: tuple[str, ...] = ()  # `typed` is at none of these domains, where all addresses have to be


@dataclass(frozen=True, slots=True)
class Moving:
    """The pages at /settings/address and /address/TOKEN."""

    store: Store
    links: Links
    membership: Membership
    sessions: Sessions
    limits: RateLimit  # of mails that somebody has us send to an address
    signup: SignupConfig

    def look(self, visit: Visit, reader: Subscriber) -> Answer:
        """GET: asks for the new address."""
        return _page(visit, reader)

    def ask(self, visit: Visit, reader: Subscriber) -> Answer:
        """POST: has a mail sent to the new address, and says the same, as soon, whoever that belongs to.

        Raises HTTPException 429 where too much was asked for.
        """
        typed = visit.form.get("email", "")
        try:
            new_email = addresses.normalize(typed)
        except AddressError:
            return _page(visit, reader, typed=typed, wrong=True)
        if new_email == reader.email:
            return _page(visit, reader, typed=typed, wrong=True)
        if not self.signup.accepts(new_email):
            return _page(visit, reader, typed=typed, elsewhere=self.signup.domains)
        self.limits.check(visit.client, now=visit.now)
        with self.store.write() as tx:
            still = find_still(tx, reader)
            if still is not None:
                self.membership.request_address_change(tx, still, new_email, now=visit.now)

        def ask() -> None:
            with self.store.write() as tx:
                still = find_still(tx, reader)
                if still is not None:
                    self.membership.queue_address_confirmation(
                        tx, still, new_email, origin=f"page from {visit.client}", now=visit.now
                    )

        return Redirect(path="/settings/address", afterwards=ask)

    def look_by_link(self, visit: Visit) -> Answer:
        """GET: asks, and changes nothing."""
        with self.store.read() as tx:
            reader = self._holder(tx, visit)
        if reader is None:
            return TOO_OLD
        return Page(template="move.html.j2", shows=Question(partly_shown(reader.new_email)), language=reader.language)

    def act_by_link(self, visit: Visit) -> Answer:
        """POST: mail goes to the new address from now on; who says so there is signed in."""
        with self.store.write() as tx:
            reader = self._holder(tx, visit)
            if reader is None:
                return TOO_OLD
            moved = self.membership.change_address(tx, reader, origin=f"page from {visit.client}", now=visit.now)
        if moved is None:
            return Page(template="not-moved.html.j2", language=reader.language, status=409)
        return Redirect(
            path="/settings/address?moved=1",
            cookie=self.sessions.begin(moved, now=visit.now),
            afterwards=self.store.erase_deleted_rows,  # the old address is to be found nowhere in the file
        )

    def _holder(self, tx: Transaction, visit: Visit) -> Subscriber | None:
        """Whose link it is, provided that the address it is about is still the one they want."""
        held = find_held(tx, self.links, Scope.ADDRESS, visit)
        if held is None or not held[0].new_email:
            return None
        reader, token = held
        return reader if compare_digest(self.links.text_hash(addresses.key(reader.new_email)), token.about) else None


def _page(
    visit: Visit, reader: Subscriber, *, typed: str = "", wrong: bool = False, elsewhere: tuple[str, ...] = ()
) -> Page:
    shows = Address(
        email=reader.email,
        new_email=reader.new_email,
        moved="moved" in visit.query,
        typed=typed,
        wrong=wrong,
        elsewhere=elsewhere,
    )
    status = 422 if wrong or elsewhere else 200
    return Page(template="address.html.j2", shows=shows, language=reader.language, status=status)
