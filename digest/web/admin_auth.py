"""The desk's door: who is signed in as admin or editor, by a session that is stored, and may do what they ask for.

The browser has a random token in a cookie that only the desk's pages see, the database its hash. Each time somebody
signs in it is another; it ends after twelve hours, when they sign out, and when their password or role changes.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from starlette.routing import Route

from digest.errors import NotFoundError, UsageError
from digest.models import Admin, Role
from digest.store import Store, Transaction, admins
from digest.web.context import SignedIn
from digest.web.handlers import Answering, Door
from digest.web.pages import Answer, Page, Redirect, Visit, problem

LASTS = timedelta(hours=12)

_SIGN_IN = Redirect(path="/admin/sign-in")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something cannot be done."""

    reason: str = ""  # in the words of the command that does the same; "": it is for admins only
    gone: bool = False  # what was named is not there


ForAdmin = Callable[[Visit, Admin], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Begins, finds and ends admins' sessions, and makes pages for who has one."""

    store: Store
    secret: bytes
    path: str  # what stands before the path of every page: "" or "/digest"
    https: bool
    door: Door

    @property
    def cookie(self) -> str:
        """The cookie's name."""
        return "__Secure-digest-desk" if self.https else "digest-desk"

    def route(
        self,
        path: str,
        look: ForAdmin | None = None,
        act: ForAdmin | None = None,
        *,
        needs: Role = Role.ADMIN,
        changes: bool = True,
    ) -> Route:
        """A page for who has a role. Others are asked to sign in; what is posted needs their session's CSRF token.

        `changes`: to act may leave mail to deliver.
        """
        looking, acting = look and self._for(look, needs), act and self._for(act, needs)
        return self.door.route(path, looking, acting, changes=changes, from_here=True)

    def upload_route(self, path: str, look: ForAdmin, act: ForAdmin) -> Route:
        """A page that takes a file, of admins; of others not even what they send is read."""
        looking, acting = self._for(look, Role.ADMIN), self._for(act, Role.ADMIN)
        return self.door.route(path, looking, acting, from_here=True, refusal=self._refusal)

    def _refusal(self, visit: Visit) -> Answer | None:
        admin = self.find(visit)
        if admin is None:
            return _SIGN_IN
        return None if admin.role.allows(Role.ADMIN) else problem(403)

    def begin(self, tx: Transaction, admin: Admin, visit: Visit) -> str:
        """The Set-Cookie header of a new session; one that the browser had before is over."""
        admins.end_session(tx, _hash(visit.cookies.get(self.cookie, "")))
        token = secrets.token_urlsafe(32)
        admins.begin_session(tx, admin, _hash(token), now=visit.now, expires_at=visit.now + LASTS)
        return self._header(token, int(LASTS.total_seconds()))

    def end(self, visit: Visit) -> str:
        """End a session; the Set-Cookie header that makes the browser forget it."""
        with self.store.write() as tx:
            admins.end_session(tx, _hash(visit.cookies.get(self.cookie, "")))
        return self._header("", 0)

    def find(self, visit: Visit) -> Admin | None:
        """Who is signed in, or None."""
        token = visit.cookies.get(self.cookie, "")
        if not token:
            return None
        with self.store.read() as tx:
            return admins.find_by_session(tx, _hash(token), now=visit.now)

    def _for(self, answering: ForAdmin, needs: Role) -> Answering:
        def answer(visit: Visit) -> Answer:
            admin = self.find(visit)
            if admin is None:
                return _SIGN_IN
            csrf = self._csrf(visit.cookies[self.cookie], admin)
            posted = visit.form.get("csrf", "")
            if visit.posted and not hmac.compare_digest(csrf.encode(), posted.encode("utf-8", "replace")):
                return problem(403)
            allowed = admin.role.allows(needs)
            answered = _answered(answering, visit, admin) if allowed else _refusal(Refusal(), 403)
            if not isinstance(answered, Page):
                return answered
            return replace(answered, csrf=csrf, signed_in=SignedIn(admin.email, admin.role is Role.ADMIN))

        return answer

    def _csrf(self, token: str, admin: Admin) -> str:
        """Bound to the session and to whose it is."""
        return hmac.new(self.secret, f"desk\0{admin.id}\0{token}".encode(), hashlib.sha256).hexdigest()[:32]

    def _header(self, value: str, seconds: int) -> str:
        secure = "; Secure" if self.https else ""
        place = f"Max-Age={seconds}; Path={self.path}/admin; HttpOnly; SameSite=Strict"
        return f"{self.cookie}={value}; {place}{secure}"


def _answered(answering: ForAdmin, visit: Visit, admin: Admin) -> Answer:
    """What cannot be done is said on a page, where the page that was asked does not say it itself."""
    try:
        return answering(visit, admin)
    except NotFoundError as error:
        return _refusal(Refusal(f"no {error.kind} {error.name!r}", gone=True), 404)
    except UsageError as error:
        return _refusal(Refusal(str(error)), 422)


def _refusal(shows: Refusal, status: int) -> Page:
    return Page(template="desk-refused.html.j2", shows=shows, status=status)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
