"""The subscription form, for the address and the topics. A mailed link then asks to confirm.

Mistakes are shown beside their fields. No response tells whether an address is known.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from starlette.responses import Response

from digest.errors import AddressError
from digest.models import CompiledRules, Profile
from digest.security import addresses
from digest.store import Transaction, profiles
from digest.subscribers import fields
from digest.subscribers.sign_up import SignUp
from digest.web.auth import public_router
from digest.web.dependencies import Context, Fields, PostedForm
from digest.web.forms import Keywords, find_timezone, read_keywords, suggested
from digest.web.public.sign_in import answer_by_mail

_MAX_RULES = 120  # characters of a profile's rules

router = public_router("/subscribe")


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


@router.get("")
def show_form(context: Context) -> Response:
    """Show the subscription form, or that the sign-up is closed."""
    if context.app.config.signup.policy == "closed":
        return context.render("closed.html.j2")
    return _show(context, replace(_empty(context), offers=_offers(_shared(context))))


@router.post("")
def subscribe(context: Context, form: PostedForm) -> Response:
    """Mail a link to confirm, or show the form with its mistakes. The response is the same for every valid address.

    The field `again` comes from the preview's page, and shows the form as it was typed.
    """
    if context.app.config.signup.policy == "closed":
        return context.render("closed.html.j2", status=403)
    rules, shown = _parse(context, form)
    if "again" in form:
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
        SignUp(context.membership).join(tx, new, rules, origin=f"page from {context.client}", now=context.now)

    return answer_by_mail(context, join)


def _parse(context: Context, form: Fields) -> tuple[CompiledRules | None, SubscribeForm]:
    """Return (the keywords, None if they are invalid; the form as it was filled in)."""
    signup, shared, chosen = context.app.config.signup, _shared(context), form.getlist("profile")
    rules, keywords = read_keywords(form.get("rules", ""))
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
    """The shared profiles, each with its first rules, without comments."""
    offers = []
    for profile in shared:
        lines = [line.strip() for line in profile.rules.splitlines()]
        rules = " · ".join(line for line in lines if line and not line.startswith("#"))
        short = rules if len(rules) <= _MAX_RULES else f"{rules[: _MAX_RULES - 1]}…"
        offers.append(Offer(name=profile.name, rules=short, ticked=profile.name in chosen))
    return tuple(offers)


def _show(context: Context, form: SubscribeForm, *, status: int = 200) -> Response:
    return context.render("subscribe.html.j2", form, status=status)
