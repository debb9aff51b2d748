"""The form for somebody new, and for what somebody gets and how it comes."""

from dataclasses import dataclass, replace

from digest.admin import subscriber_actions
from digest.errors import UsageError
from digest.mail import Templates
from digest.models import Admin, CompiledRules, Schedule, Subscriber, SubscriberState
from digest.security import addresses
from digest.store import Store, Transaction, profiles
from digest.subscribers.fields import MAX_PAPERS, one_line
from digest.subscribers.membership import Membership
from digest.web.admin.subscribers.subscriber import get
from digest.web.forms.keywords import Keywords, read_keywords
from digest.web.forms.mail_form import Choice, MailFields, MailForm, choices, skip_slot_served_today
from digest.web.pages import Answer, Page, Redirect, Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberForm:
    """What the form shows."""

    id: int  # 0 for somebody new
    email: str
    why_not: str  # an address that cannot be added, and why
    confirmed: bool  # ticked: they have agreed already
    mails: MailFields
    profiles: tuple[Choice, ...]
    keywords: Keywords


@dataclass(frozen=True, slots=True, kw_only=True)
class _Typed:
    """What was typed, read as far as that can be."""

    form: MailForm
    rules: CompiledRules | None
    keywords: Keywords
    follows: frozenset[str]

    @classmethod
    def of(cls, visit: Visit) -> "_Typed":
        rules, keywords = read_keywords(visit.form.get("rules", ""))
        follows = frozenset(visit.form.getlist("profile"))
        return cls(form=MailForm.typed(visit.form), rules=rules, keywords=keywords, follows=follows)

    def read(self, tx: Transaction, before: Subscriber, templates: Templates) -> Subscriber:
        changed, _ = self.form.read(before, templates, most_papers=MAX_PAPERS)
        return replace(changed, profiles=tuple(name for name in _shared(tx) if name in self.follows))


@dataclass(frozen=True, slots=True)
class WritingDown:
    """The pages at /admin/subscribers/new and /admin/subscribers/ID/edit."""

    store: Store
    membership: Membership
    templates: Templates
    timezone: str
    language: str

    def look_new(self, _visit: Visit, _admin: Admin) -> Answer:
        """GET: an empty form."""
        return self._page(self._nobody("", confirmed=False), Keywords())

    def add(self, visit: Visit, admin: Admin) -> Answer:
        """POST: adds somebody, who is asked by mail where they have not agreed already."""
        email, confirmed, typed = one_line(visit.form.get("email", "")), "confirmed" in visit.form, _Typed.of(visit)
        nobody = self._nobody(email, confirmed=confirmed)
        _, mistakes = typed.form.read(nobody, self.templates, most_papers=MAX_PAPERS)
        if mistakes or typed.rules is None:
            return self._again(nobody, typed, mistakes)
        own = typed.rules if typed.keywords.text else None
        try:
            with self.store.write() as tx:
                new = replace(typed.read(tx, nobody, self.templates), email=addresses.normalize(email))
                added = subscriber_actions.add(tx, self.membership, new, own, by=admin.email, now=visit.now)
        except UsageError as error:
            return self._again(nobody, typed, mistakes, why_not=str(error))
        return Redirect(path=f"/admin/subscribers/{added.id}?done=added")

    def look(self, visit: Visit, _admin: Admin) -> Answer:
        """GET: what is stored. Raises NotFoundError."""
        with self.store.read() as tx:
            whom = get(tx, visit.id)
            own = profiles.find_personal(tx, whom.id)
        return self._page(whom, Keywords(own.rules if own else ""))

    def save(self, visit: Visit, admin: Admin) -> Answer:
        """POST: saves, or marks what cannot be read. Raises NotFoundError."""
        with self.store.read() as tx:
            whom = get(tx, visit.id)
        typed = _Typed.of(visit)
        _, mistakes = typed.form.read(whom, self.templates, most_papers=MAX_PAPERS)
        if mistakes or typed.rules is None:
            return self._again(whom, typed, mistakes)
        with self.store.write() as tx:
            self._save(tx, get(tx, visit.id), typed, visit, admin)
        return Redirect(path=f"/admin/subscribers/{visit.id}?done=saved")

    def _save(self, tx: Transaction, whom: Subscriber, typed: _Typed, visit: Visit, admin: Admin) -> None:
        changed = skip_slot_served_today(whom, typed.read(tx, whom, self.templates), at=visit.now)
        before = profiles.find_personal(tx, whom.id)
        own = typed.rules if typed.keywords.text != (before.rules if before else "") else None
        if changed != whom or own is not None:
            subscriber_actions.edit(tx, changed, own, by=admin.email, now=visit.now)

    def _nobody(self, email: str, *, confirmed: bool) -> Subscriber:
        state = SubscriberState.ACTIVE if confirmed else SubscriberState.PENDING
        return Subscriber(email=email, state=state, language=self.language, schedule=Schedule(timezone=self.timezone))

    def _again(self, whom: Subscriber, typed: _Typed, mistakes: frozenset[str], *, why_not: str = "") -> Page:
        shown = replace(whom, profiles=tuple(typed.follows))
        return self._page(shown, typed.keywords, form=typed.form, mistakes=mistakes, why_not=why_not, status=422)

    def _page(
        self,
        whom: Subscriber,
        keywords: Keywords,
        *,
        form: MailForm | None = None,
        mistakes: frozenset[str] = frozenset(),
        why_not: str = "",
        status: int = 200,
    ) -> Page:
        with self.store.read() as tx:
            shared = _shared(tx)
        mails = MailFields.of(
            form or MailForm.of(whom), whom, self.templates, most_papers=MAX_PAPERS, mistakes=mistakes
        )
        shows = SubscriberForm(
            id=whom.id,
            email=whom.email,
            why_not=why_not,
            confirmed=whom.state is SubscriberState.ACTIVE,
            mails=mails,
            profiles=choices(shared, whom.profiles),
            keywords=keywords,
        )
        return Page(template="desk-subscriber-form.html.j2", shows=shows, status=status)


def _shared(tx: Transaction) -> list[str]:
    return [profile.name for profile in profiles.list_shared(tx)]
