"""Signing in to the admin pages with a password, and signing out."""

from dataclasses import dataclass

from starlette.responses import Response

from digest.models import Role
from digest.security import passwords
from digest.store import admins, audit
from digest.web.admin_auth import SIGN_IN, admin_router
from digest.web.dependencies import Context, PostedForm, page_router, refuse_posts_from
from digest.web.rendering import admin_template

_MAX_EMAIL = 254  # characters (RFC 5321, 4.5.3.1.3)

router = page_router(refuse_posts_from("cross-site", "same-site"), prefix=SIGN_IN)
sign_out_router = admin_router("/admin/sign-out", role=Role.EDITOR)


@dataclass(frozen=True, slots=True)
class AdminSignInForm:
    """The sign-in form of admins, as it was submitted."""

    email: str = ""
    wrong: bool = False  # no admin has this address and password
    nobody: bool = False  # there is no admin yet


@router.get("")
def show_sign_in(context: Context) -> Response:
    """Show the sign-in form. Admins who are signed in are redirected to the first admin page."""
    sessions = context.services.admin_sessions
    if sessions.find(context.request.cookies.get(sessions.cookie, ""), now=context.now) is not None:
        return context.redirect("/admin")
    with context.store.read() as tx:
        nobody = not admins.list_all(tx)
    return context.render(admin_template("sign-in"), AdminSignInForm(nobody=nobody))


@router.post("")
def sign_in(context: Context, form: PostedForm) -> Response:
    """Begin a session. A wrong address takes as long as a wrong password, and gets the same answer.

    Attempts are counted by network address, so an attacker locks out only themselves. Raises HTTPException 429.
    """
    context.services.limits.admin_sign_in.check(context.client, now=context.now)
    sessions, email = context.services.admin_sessions, form.get("email", "").strip()
    with context.store.read() as tx:
        admin = admins.find(tx, email)
    verified = passwords.verify(form.get("password", ""), admin.password if admin is not None else None)
    if admin is None or not verified:
        page = AdminSignInForm(email[:_MAX_EMAIL], wrong=True)
        return context.render(admin_template("sign-in"), page, status=422)
    with context.store.write() as tx:
        if admins.find(tx, email) != admin:  # changed or removed while the password was being verified
            return context.redirect(SIGN_IN)
        previous = context.request.cookies.get(sessions.cookie, "")
        cookie = sessions.begin(tx, admin, previous, now=context.now)
        audit.record(tx, admin.email, "sign in", context.client, now=context.now)
    return context.redirect("/admin", cookie=cookie)


@sign_out_router.post("")
def sign_out(context: Context) -> Response:
    """End the session."""
    sessions = context.services.admin_sessions
    return context.redirect(SIGN_IN, cookie=sessions.end(context.request.cookies.get(sessions.cookie, "")))
