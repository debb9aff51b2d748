"""Joining: a form for the address and for what its owner wants to read. They are in when they say yes by mail.

What is wrong with what was typed is told beside its field. Whether the address is known is told nobody.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from digest.config import SignupConfig
from digest.errors import AddressError
from digest.models import CompiledRules, Profile
from digest.security import addresses
from digest.store import Store, Transaction, profiles
from digest.subscribers import fields
from digest.subscribers.sign_up import SignUp
from digest.web.forms.keywords import Keywords, read_keywords
from digest.web.forms.mail_form import find_timezone, suggested
from digest.web.pages import Fields, Page, Visit
from digest.web.public.mailbox import Mailbox

_MOST_SHOWN = 120  # characters of a profile's rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A shared profile that can be ticked."""

    name: str
    rules: str  # the first few, as a line
    ticked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeForm:
    """The form as it was typed, with what is wrong."""

    domains: tuple[str, ...]  # the addresses that may subscribe are there; (): all may
    email: str = ""
    not_an_address: bool = False
    elsewhere: bool = False  # the address is at none of the domains
    offers: tuple[Offer, ...] = ()
    gone: bool = False  # a profile that was ticked is not there any more
    keywords: Keywords
    nothing: bool = False  # neither profiles nor keywords
    timezone: str
    no_timezone: bool = False
    timezones: tuple[str, ...]

    @property
    def faulty(self) -> bool:
        """Whether anything is wrong."""
        faults = (self.not_an_address, self.elsewhere, self.gone, self.keywords.mistakes, self.nothing)
        return any(faults) or self.no_timezone


_CLOSED = Page(template="closed.html.j2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribing:
    """The pages at /subscribe."""

    store: Store
    joining: SignUp
    mailbox: Mailbox
    signup: SignupConfig
    timezone: str  # of who does not say
    language: str

    def look(self, _visit: Visit) -> Page:
        """GET: the form."""
        if self.signup.policy == "closed":
            return _CLOSED
        return _page(replace(self._empty(), offers=_offers(self._shared())))

    def act(self, visit: Visit) -> Page:
        """POST: the form again where something is wrong, else the mailbox, whoever the address belongs to.

        With the field `again` it is shown as it was typed: somebody comes back from trying their keywords.
        """
        if self.signup.policy == "closed":
            return replace(_CLOSED, status=403)
        rules, form = self._read(visit.form)
        if "again" in visit.form:
            return _page(_unmarked(form))
        if rules is None or form.faulty:
            return replace(_page(form), status=422)
        new = fields.new_subscriber(
            form.email,
            timezone=find_timezone(form.timezone),
            language=self.language,
            profiles=[offer.name for offer in form.offers if offer.ticked],
            confirmed=False,
        )

        def join(tx: Transaction) -> None:
            self.joining.join(tx, new, rules, origin=f"page from {visit.client}", now=visit.now)

        return self.mailbox.answer(visit, join)

    def _read(self, fields: Fields) -> tuple[CompiledRules | None, SubscribeForm]:
        """(the keywords, or None where they cannot be read; the form as it was filled in)."""
        shared, chosen = self._shared(), fields.getlist("profile")
        rules, keywords = read_keywords(fields.get("rules", ""))
        email = fields.get("email", "").strip()
        timezone = fields.get("timezone", "").strip() or self.timezone
        try:
            checked = addresses.normalize(email)
        except AddressError:
            checked = ""
        form = replace(
            self._empty(),
            email=email,
            not_an_address=not checked,
            elsewhere=bool(checked) and not self.signup.accepts(checked),
            offers=_offers(shared, chosen),
            gone=not {profile.name for profile in shared}.issuperset(chosen),
            keywords=keywords,
            nothing=not chosen and rules is not None and not rules.has_positive_rules,
            timezone=timezone,
            no_timezone=not find_timezone(timezone),
        )
        return rules, form

    def _empty(self) -> SubscribeForm:
        domains = self.signup.domains if self.signup.policy == "domains" else ()
        return SubscribeForm(domains=domains, keywords=Keywords(), timezone=self.timezone, timezones=suggested())

    def _shared(self) -> list[Profile]:
        with self.store.read() as tx:
            return profiles.list_shared(tx)


def _offers(shared: Sequence[Profile], chosen: Collection[str] = ()) -> tuple[Offer, ...]:
    return tuple(Offer(name=p.name, rules=_in_a_line(p.rules), ticked=p.name in chosen) for p in shared)


def _in_a_line(rules: str) -> str:
    """The first rules, without comments."""
    lines = [line.strip() for line in rules.splitlines()]
    said = " · ".join(line for line in lines if line and not line.startswith("#"))
    return said if len(said) <= _MOST_SHOWN else f"{said[: _MOST_SHOWN - 1]}…"


def _unmarked(form: SubscribeForm) -> SubscribeForm:
    """Whoever is not done is told of nothing that is missing yet; mistakes in keywords are marked at any time."""
    return replace(form, not_an_address=False, elsewhere=False, nothing=False)


def _page(form: SubscribeForm) -> Page:
    return Page(template="subscribe.html.j2", shows=form)
