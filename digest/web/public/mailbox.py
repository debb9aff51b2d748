"""What pages have in common that have a mail sent to an address: one answer, whoever the address belongs to."""

from collections.abc import Callable
from dataclasses import dataclass

from digest.store import Store, Transaction
from digest.web.pages import Page, Visit
from digest.web.rate_limits import RateLimit

_LOOK_THERE = Page(template="mailbox.html.j2")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Sends whoever gave an address to the mailbox there."""

    store: Store
    limits: RateLimit

    def answer(self, visit: Visit, act: Callable[[Transaction], None]) -> Page:
        """The same page for every address. `act` is all that depends on the address, and is done when it is out.

        Raises HTTPException 429 where too much was asked for, which depends on who asks only.
        """
        self.limits.check(visit.client, now=visit.now)

        def write() -> None:
            with self.store.write() as tx:
                act(tx)

        return Page(template=_LOOK_THERE.template, afterwards=write)
