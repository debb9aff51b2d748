"""Signing in and out, without a password: by a link that is mailed, works for an hour, and asks with a button."""

from dataclasses import dataclass

from digest.errors import AddressError
from digest.models import Subscriber
from digest.security import addresses
from digest.security.links import Links, Scope
from digest.store import Store, Transaction
from digest.subscribers.sign_up import SignUp
from digest.web.context import Question, partly_shown
from digest.web.pages import Answer, Page, Redirect, Visit
from digest.web.public.mailbox import Mailbox
from digest.web.reader_auth import TOO_OLD, find_holder
from digest.web.sessions import Sessions


@dataclass(frozen=True, slots=True)
class SignInForm:
    """The form as it was typed."""

    email: str = ""
    not_an_address: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningIn:
    """The pages at /sign-in, /sign-in/TOKEN and /sign-out."""

    store: Store
    links: Links
    sessions: Sessions
    joining: SignUp
    mailbox: Mailbox

    def look(self, _visit: Visit) -> Page:
        """GET /sign-in: asks for the address."""
        return Page(template="sign-in.html.j2", shows=SignInForm())

    def ask(self, visit: Visit) -> Page:
        """POST /sign-in: to the mailbox, whoever the address belongs to."""
        typed = visit.form.get("email", "").strip()
        try:
            email = addresses.normalize(typed)
        except AddressError:
            return Page(template="sign-in.html.j2", shows=SignInForm(typed, not_an_address=True), status=422)

        def sign_in(tx: Transaction) -> None:
            self.joining.sign_in(tx, email, origin=f"page from {visit.client}", now=visit.now)

        return self.mailbox.answer(visit, sign_in)

    def look_in(self, visit: Visit) -> Page:
        """GET /sign-in/TOKEN: a button, since mail scanners follow links."""
        reader = self._reader(visit)
        if reader is None:
            return TOO_OLD
        return Page(template="enter.html.j2", shows=Question(partly_shown(reader.email)), language=reader.language)

    def enter(self, visit: Visit) -> Answer:
        """POST /sign-in/TOKEN: a session, and to their pages. The link works on until it expires."""
        reader = self._reader(visit)
        if reader is None:
            return TOO_OLD
        return Redirect(path="/settings", cookie=self.sessions.begin(reader, now=visit.now))

    def leave(self, _visit: Visit, _reader: Subscriber) -> Answer:
        """POST /sign-out: the browser forgets the session."""
        return Redirect(path="/", cookie=self.sessions.end())

    def _reader(self, visit: Visit) -> Subscriber | None:
        with self.store.read() as tx:
            return find_holder(tx, self.links, Scope.SIGN_IN, visit)
