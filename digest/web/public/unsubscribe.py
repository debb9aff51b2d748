"""The page that unsubscribes, behind the link in every mail, and RFC 8058's one click, which mail programs send.

The link never expires, also if its reader leaves and comes back, and gives access to nothing else.
"""

from starlette.responses import Response

from digest.models import Subscriber, SubscriberState
from digest.security.links import Scope
from digest.store import Transaction, subscribers
from digest.web.auth import public_router, verify_link
from digest.web.dependencies import Context, PostedForm
from digest.web.rendering import Left, OneClick, Question, partly_shown

# Mail programs on the web post from their own site.
router = public_router("/unsubscribe/{token}", from_anywhere=True)


@router.get("")
def ask_to_unsubscribe(context: Context, token: str) -> Response:
    """A page with a button: opening it changes nothing, because mail scanners follow links."""
    with context.store.read() as tx:
        reader = _find_reader(tx, context, token)
    if reader is None:
        return context.render("absent.html.j2")
    if reader.state is SubscriberState.UNSUBSCRIBED:
        return _show_unsubscribed(context, reader, goodbye=False)
    return context.render("unsubscribe.html.j2", Question(partly_shown(reader.email)), language=reader.language)


@router.post("")
def unsubscribe(context: Context, token: str, form: PostedForm) -> Response:
    """Unsubscribe the reader, however often it is posted.

    Any form counts, even a malformed one: the link is enough. For an address that is no longer known the answer is a
    success as well, so that no mail program reports an error.
    """
    one_click = form.get("List-Unsubscribe") == "One-Click"
    origin = f"{'one-click' if one_click else 'page'} from {context.client}"
    with context.store.write() as tx:
        reader = _find_reader(tx, context, token)
        goodbye = reader is not None and context.membership.unsubscribe(tx, reader, origin=origin, now=context.now)
    if one_click:
        language = reader.language if reader is not None else ""
        return context.render("one-click.txt.j2", OneClick(reader is not None), language=language)
    if reader is None:
        return context.render("absent.html.j2")
    return _show_unsubscribed(context, reader, goodbye=goodbye)


def _find_reader(tx: Transaction, context: Context, token: str) -> Subscriber | None:
    """The subscriber of a link; None if they were removed. Raises HTTPException 404 if we did not sign it.

    The token's epoch is not compared: it rises whenever the reader leaves, and this link outlives that. Ids of
    subscribers are never reused, so an old link cannot unsubscribe another.
    """
    return subscribers.find_by_id(tx, verify_link(context, Scope.UNSUBSCRIBE, token).subscriber_id)


def _show_unsubscribed(context: Context, reader: Subscriber, *, goodbye: bool) -> Response:
    page = Left(email=partly_shown(reader.email), goodbye=goodbye)
    return context.render("unsubscribed.html.j2", page, language=reader.language)
