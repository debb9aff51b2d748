"""Signing in at the desk, with a password, and out."""

from dataclasses import dataclass

from digest.models import Admin
from digest.security import passwords
from digest.store import Store, admins, audit
from digest.web.admin_auth import Desk
from digest.web.pages import Answer, Page, Redirect, Visit
from digest.web.rate_limits import RateLimit


@dataclass(frozen=True, slots=True)
class DeskForm:
    """What the form shows."""

    email: str = ""
    wrong: bool = False  # the address and the password are not somebody's
    nobody: bool = False  # there is no admin yet


@dataclass(frozen=True, slots=True)
class SigningInAtTheDesk:
    """The pages at /admin/sign-in and /admin/sign-out."""

    store: Store
    desk: Desk
    tries: RateLimit

    def look(self, visit: Visit) -> Answer:
        """GET: asks; who is signed in is there already."""
        if self.desk.find(visit) is not None:
            return Redirect(path="/admin")
        with self.store.read() as tx:
            nobody = not admins.list_all(tx)
        return Page(template="desk-sign-in.html.j2", shows=DeskForm(nobody=nobody))

    def act(self, visit: Visit) -> Answer:
        """POST: a new session. What is wrong is not told, and takes as long. Raises HTTPException 429.

        Tries are counted by network address: who tries from a few keeps nobody out but themselves.
        """
        self.tries.check(visit.client, now=visit.now)
        email = visit.form.get("email", "").strip()
        with self.store.read() as tx:
            admin = admins.find(tx, email)
        right = passwords.verify(visit.form.get("password", ""), admin.password if admin is not None else None)
        if admin is None or not right:
            return Page(template="desk-sign-in.html.j2", shows=DeskForm(email[:254], wrong=True), status=422)
        with self.store.write() as tx:
            still = admins.find(tx, email)
            if still != admin:  # changed or removed in the meantime
                return Redirect(path="/admin/sign-in")
            cookie = self.desk.begin(tx, admin, visit)
            audit.record(tx, admin.email, "sign in", visit.client, now=visit.now)
        return Redirect(path="/admin", cookie=cookie)

    def leave(self, visit: Visit, _admin: Admin) -> Answer:
        """POST /admin/sign-out"""
        return Redirect(path="/admin/sign-in", cookie=self.desk.end(visit))
