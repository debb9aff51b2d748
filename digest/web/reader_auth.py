"""Which subscriber a request is from: by a session, or by a signed link."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException

from digest.models import Subscriber
from digest.security.links import Scope, Token
from digest.store import Transaction, subscribers
from digest.web.dependencies import Context, PostedForm, page_router, refuse_posts_from, wake_delivery
from digest.web.sessions import Session


async def _session(context: Context) -> Session | None:
    """The session that the reader's cookie names, if it is valid. Their epoch is not compared."""
    sessions = context.services.sessions
    session = sessions.find(context.request.cookies.get(sessions.cookie, ""), now=context.now)
    if session is not None:
        context.csrf = session.csrf
    return session


CurrentSession = Annotated[Session | None, Depends(_session)]


def _signed_in_reader(context: Context, session: CurrentSession) -> Subscriber:
    """The subscriber who is signed in. Raises HTTPException 303, which leads to the sign-in page."""
    if session is None:
        raise context.redirection("/sign-in")
    with context.store.read() as tx:
        reader = subscribers.find_by_id(tx, session.subscriber_id)
    if reader is None or reader.epoch != session.epoch:
        raise context.redirection("/sign-in", cookie=context.services.sessions.end())
    context.language = reader.language
    return reader


CurrentReader = Annotated[Subscriber, Depends(_signed_in_reader)]


async def _check_csrf(context: Context, session: CurrentSession, _reader: CurrentReader, form: PostedForm) -> None:
    if context.request.method == "POST" and session is not None and not session.allows(form.get("csrf", "")):
        raise HTTPException(403)


def reader_router(prefix: str = "") -> APIRouter:
    """A router of pages for signed-in subscribers. Their forms need the session's CSRF token."""
    return page_router(
        refuse_posts_from("cross-site"),
        Depends(_signed_in_reader),
        Depends(_check_csrf),
        Depends(wake_delivery),
        prefix=prefix,
    )


def public_router(prefix: str = "", *, wakes_delivery: bool = True, from_anywhere: bool = False) -> APIRouter:
    """A router of pages for everyone, also behind signed links.

    `wakes_delivery`: its POSTs may queue mail. `from_anywhere`: forms of other sites are accepted.
    """
    dependencies = [Depends(_session)]
    if not from_anywhere:
        dependencies.insert(0, refuse_posts_from("cross-site"))
    if wakes_delivery:
        dependencies.append(Depends(wake_delivery))
    return page_router(*dependencies, prefix=prefix)


def get_by_link(tx: Transaction, context: Context, scope: Scope, token: str) -> tuple[Subscriber, Token]:
    """The subscriber of a signed link, and its contents.

    Raises HTTPException 404 if we did not sign it, and 410 if it has expired or was revoked.
    """
    verified = verify_link(context, scope, token)
    reader = subscribers.find_by_id(tx, verified.subscriber_id)
    if reader is None or reader.epoch != verified.epoch or verified.has_expired(context.now):
        raise HTTPException(410)
    return reader, verified


def verify_link(context: Context, scope: Scope, token: str) -> Token:
    """The contents of a signed link. Raises HTTPException 404 if we did not sign it."""
    verified = context.app.links.verify(scope, token)
    if verified is None:
        raise HTTPException(404)
    return verified


def find_still(tx: Transaction, reader: Subscriber) -> Subscriber | None:
    """The reader as stored now; None if they have left meanwhile, so that no write brings them back."""
    still = subscribers.find_by_id(tx, reader.id)
    return still if still is not None and still.epoch == reader.epoch else None
