"""Subscribing: the form and the page that confirms it; and unsubscribing, with RFC 8058's one click of mail programs.

No response to the form tells whether an address is known. The link that unsubscribes never expires, also if its reader
leaves and comes back, and gives access to nothing else.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.errors import AddressError, DigestError, SuppressedError
from digest.models import CompiledRules, Profile, Subscriber, SubscriberState
from digest.pipeline import publish
from digest.security import addresses
from digest.security.links import Scope
from digest.store import Transaction, profiles, subscribers
from digest.subscribers import fields, sign_up
from digest.text import shortened
from digest.web.auth import (
    find_replaced_session,
    get_by_link,
    may_sign_in,
    public_router,
    sign_in_question,
    sign_in_reader,
    verify_link,
)
from digest.web.dependencies import Context, Fields, PostedForm
from digest.web.forms import Keywords, find_timezone, read_affordable_keywords, suggested, typed_keywords
from digest.web.public.sign_in import answer_by_mail
from digest.web.rendering import Left, Question, partly_shown

log = structlog.get_logger()

_MAX_RULES = 120  # characters of a profile's rules

router = public_router()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A shared profile that can be chosen."""

    name: str
    rules: str  # the first few, on one line
    ticked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeForm:
    """The subscription form as it was filled in, with its mistakes."""

    domains: tuple[str, ...]  # those whose addresses may subscribe; (): all
    email: str = ""
    not_an_address: bool = False
    elsewhere: bool = False  # the address is of none of the domains
    offers: tuple[Offer, ...] = ()
    gone: bool = False  # a chosen profile was removed meanwhile
    keywords: Keywords
    nothing: bool = False  # neither profiles nor keywords
    timezone: str
    no_timezone: bool = False
    timezones: tuple[str, ...]

    @property
    def faulty(self) -> bool:
        """True if there is any mistake."""
        faults = (self.not_an_address, self.elsewhere, self.gone, self.keywords.mistakes, self.nothing)
        return any(faults) or self.no_timezone


@router.get("/subscribe")
def show_form(context: Context) -> Response:
    """Show the subscription form, or that the sign-up is closed."""
    if context.app.config.signup.policy == "closed":
        return context.render("closed.html.j2")
    return _show(context, replace(_empty(context), offers=_offers(_shared(context))))


@router.post("/subscribe")
def subscribe(context: Context, form: PostedForm) -> Response:
    """Mail a link to confirm, or show the form with its mistakes. The response is the same for every valid address.

    The field `again` comes from the preview's page, and `split` from a hint: the form is shown as it was typed.
    """
    if context.app.config.signup.policy == "closed":
        return context.render("closed.html.j2", status=403)
    rules, shown = _parse(context, form)
    if "again" in form or "split" in form:
        # Nothing is marked as missing before the form was submitted; mistakes in keywords always are.
        return _show(context, replace(shown, not_an_address=False, elsewhere=False, nothing=False))
    if rules is None or shown.faulty:
        return _show(context, shown, status=422)
    new = fields.new_subscriber(
        shown.email,
        timezone=find_timezone(shown.timezone),
        language=context.app.config.newsletter.language,
        profiles=[offer.name for offer in shown.offers if offer.ticked],
        confirmed=False,
    )

    def join(tx: Transaction) -> None:
        sign_up.join(tx, context.membership, new, rules, origin=f"page from {context.client}", now=context.now)

    return answer_by_mail(context, join)


def _parse(context: Context, form: Fields) -> tuple[CompiledRules | None, SubscribeForm]:
    """Return (the keywords, None if they are invalid; the form as it was filled in)."""
    signup, shared, chosen = context.app.config.signup, _shared(context), form.getlist("profile")
    rules, keywords = read_affordable_keywords(context, typed_keywords(form))
    email = form.get("email", "").strip()
    empty = _empty(context)
    timezone = form.get("timezone", "").strip() or empty.timezone
    try:
        normalized = addresses.normalize(email)
    except AddressError:
        normalized = ""
    return rules, replace(
        empty,
        email=email,
        not_an_address=not normalized,
        elsewhere=bool(normalized) and not signup.accepts(normalized),
        offers=_offers(shared, chosen),
        gone=not {profile.name for profile in shared}.issuperset(chosen),
        keywords=keywords,
        nothing=not chosen and rules is not None and not rules.has_positive_rules,
        timezone=timezone,
        no_timezone=not find_timezone(timezone),
    )


def _empty(context: Context) -> SubscribeForm:
    signup, timezone = context.app.config.signup, context.app.config.newsletter.timezone
    domains = signup.domains if signup.policy == "domains" else ()
    return SubscribeForm(domains=domains, keywords=Keywords(), timezone=timezone, timezones=suggested())


def _shared(context: Context) -> list[Profile]:
    with context.store.read() as tx:
        return profiles.list_shared(tx)


def _offers(shared: Sequence[Profile], chosen: Collection[str] = ()) -> tuple[Offer, ...]:
    """Return the shared profiles, each with its first rules, without comments."""
    offers = []
    for profile in shared:
        lines = [line.strip() for line in profile.rules.splitlines()]
        rules = " · ".join(line for line in lines if line and not line.startswith("#"))
        short = shortened(rules, _MAX_RULES)
        offers.append(Offer(name=profile.name, rules=short, ticked=profile.name in chosen))
    return tuple(offers)


def _show(context: Context, form: SubscribeForm, *, status: int = 200) -> Response:
    return context.render("subscribe.html.j2", form, status=status)


# Confirming, behind the link of a confirmation mail, or of a goodbye mail to come back.


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """The reader has subscribed."""

    email: str
    welcome: bool  # the first mail is queued


@router.get("/confirm/{token}")
def ask_to_confirm(context: Context, token: str) -> Response:
    """A page with a button: opening it changes nothing, because mail scanners follow links."""
    with context.store.read() as tx:
        reader, _ = get_by_link(tx, context, Scope.CONFIRM, token)
        question = sign_in_question(reader, reader.email, find_replaced_session(tx, context, reader))
    if reader.state.is_subscribed:
        return _show_confirmed(context, reader, welcome=False)
    return context.render("confirm.html.j2", question, language=reader.language)


@router.post("/confirm/{token}")
def confirm(context: Context, token: str, form: PostedForm) -> Response:
    """Subscribe the reader, queue the first mail and sign them in, unless they were subscribed already.

    The link proves that the mailbox is theirs, as the link of a sign-in mail does. It is valid for longer than that
    one, so it signs in only once.
    """
    with context.store.write() as tx:
        reader, _ = get_by_link(tx, context, Scope.CONFIRM, token)
        is_new, before = not reader.state.is_subscribed, find_replaced_session(tx, context, reader)
        if is_new and not may_sign_in(context, form, reader, before):
            question = sign_in_question(reader, reader.email, before)
            return context.render("confirm.html.j2", question, status=409, language=reader.language)
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
        log.error("no welcome mail for a new subscriber", subscriber=reader.id, reason=str(error))
        welcome = False
    response = _show_confirmed(context, reader, welcome=welcome)
    for cookie in sign_in_reader(context, reader, before):
        response.headers.append("Set-Cookie", cookie)
    return response


def _show_confirmed(context: Context, reader: Subscriber, *, welcome: bool) -> Response:
    page = Joined(email=partly_shown(reader.email), welcome=welcome)
    return context.render("confirmed.html.j2", page, language=reader.language)


# Unsubscribing. Mail programs on the web post from their own site.

unsubscribe_router = public_router("/unsubscribe/{token}", from_anywhere=True)


@dataclass(frozen=True, slots=True)
class OneClick:
    """A mail program unsubscribed the reader, and may show a line of text."""

    known: bool  # the address is a subscriber's


@unsubscribe_router.get("")
def ask_to_unsubscribe(context: Context, token: str) -> Response:
    """A page with a button: opening it changes nothing, because mail scanners follow links."""
    with context.store.read() as tx:
        reader = _find_reader(tx, context, token)
    if reader is None:
        return context.render("absent.html.j2")
    if reader.state is SubscriberState.UNSUBSCRIBED:
        return _show_unsubscribed(context, reader, goodbye=False)
    return context.render("unsubscribe.html.j2", Question(partly_shown(reader.email)), language=reader.language)


@unsubscribe_router.post("")
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
    """Return the subscriber of a link; None if they were removed. Raises HTTPException 404 if we did not sign it.

    The token's epoch is not compared: it rises whenever the reader leaves, and this link outlives that. Ids of
    subscribers are never reused, so an old link cannot unsubscribe another.
    """
    return subscribers.find_by_id(tx, verify_link(context, Scope.UNSUBSCRIBE, token).subscriber_id)


def _show_unsubscribed(context: Context, reader: Subscriber, *, goodbye: bool) -> Response:
    page = Left(email=partly_shown(reader.email), goodbye=goodbye)
    return context.render("unsubscribed.html.j2", page, language=reader.language)
