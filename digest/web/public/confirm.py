"""The page that confirms a subscription, behind the link of a confirmation mail, or of a goodbye mail to come back."""

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.errors import DigestError, SuppressedError
from digest.models import Subscriber
from digest.pipeline import publish
from digest.security.links import Scope
from digest.web.auth import get_by_link, public_router
from digest.web.dependencies import Context
from digest.web.rendering import Joined, Question, partly_shown

log = structlog.get_logger()

router = public_router("/confirm/{token}")


@router.get("")
def ask_to_confirm(context: Context, token: str) -> Response:
    """A page with a button: opening it changes nothing, because mail scanners follow links."""
    with context.store.read() as tx:
        reader, _ = get_by_link(tx, context, Scope.CONFIRM, token)
    if reader.state.is_subscribed:
        return _show_confirmed(context, reader, welcome=False)
    return context.render("confirm.html.j2", Question(partly_shown(reader.email)), language=reader.language)


@router.post("")
def confirm(context: Context, token: str) -> Response:
    """Subscribe the reader, queue the first mail and sign them in, unless they were subscribed already.

    The link proves that the mailbox is theirs, as the link of a sign-in mail does. It is valid for longer than that
    one, so it signs in only once.
    """
    with context.store.write() as tx:
        reader, _ = get_by_link(tx, context, Scope.CONFIRM, token)
        is_new = not reader.state.is_subscribed
        try:
            reader = context.membership.confirm(tx, reader, origin=f"page from {context.client}", now=context.now)
        except SuppressedError:
            raise HTTPException(403) from None
    if not is_new:
        return _show_confirmed(context, reader, welcome=False)
    app, welcome = context.app, True
    try:
        publish.publish_welcome(app.store, app.compiled_profiles, reader, app.selection_settings, now=context.now)
    except DigestError as error:  # the reader stays subscribed, and gets the next digest when it is due
        log.error("no welcome mail for a new subscriber", subscriber=reader.email, reason=str(error))
        welcome = False
    response = _show_confirmed(context, reader, welcome=welcome)
    response.headers["Set-Cookie"] = context.services.sessions.begin(reader, now=context.now)
    return response


def _show_confirmed(context: Context, reader: Subscriber, *, welcome: bool) -> Response:
    page = Joined(email=partly_shown(reader.email), welcome=welcome)
    return context.render("confirmed.html.j2", page, language=reader.language)
