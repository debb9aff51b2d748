"""What follows where somebody gives an address on a page: to join, or to sign in. Nobody knows whose address it is.

So nothing comes back that a page could show. All that follows is a mail to the address, seldom enough that a stranger
who gives it again and again is no nuisance, and whatever needs their own yes waits for it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from digest.models import (
    CompiledRules,
    MailKind,
    Subscriber,
    SubscriberState,
    Suppression,
    SuppressionReason,
    message_id,
)
from digest.store import Transaction, deliveries, outbox, profiles, subscribers
from digest.subscribers.membership import ASK_AGAIN_AFTER, Membership

_LEFT_ALONE = timedelta(days=30)  # who does not want to be mailed is not asked again before
_SIGN_IN_AGAIN = timedelta(minutes=10)


class SignUpMail(Enum):
    """The mail that is sent to an address because somebody gave it."""

    CONFIRMATION = auto()  # whether they want the digest
    SIGN_IN = auto()  # a link to their own pages: they have the digest already
    NOTHING = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressStatus:
    """What is known of an address."""

    state: SubscriberState | None = None  # None: no subscriber
    stands: Suppression | None = None
    asked_at: datetime | None = None  # last, whether they want the digest
    let_in_at: datetime | None = None  # last, by a sign-in mail


def mail_for_join(known: AddressStatus, *, now: datetime) -> SignUpMail:
    """What follows where an address is given to subscribe.

    Who is unknown, pending, or barred by a bounce is asked, once a day at most. Who does not want to be mailed (left,
    erased, complained) is asked once in thirty days, and after a complaint not before these are over. Who is active or
    pauses may have forgotten, and gets a sign-in mail, every ten minutes at most. Whom an admin barred gets nothing.
    """
    if known.stands is not None and known.stands.reason is SuppressionReason.ADMIN:
        return SignUpMail.NOTHING
    if known.state is not None and known.state.is_subscribed:
        soon = known.let_in_at is not None and now - known.let_in_at < _SIGN_IN_AGAIN
        return SignUpMail.NOTHING if soon else SignUpMail.SIGN_IN
    return SignUpMail.NOTHING if _asked_lately(known, now) else SignUpMail.CONFIRMATION


def mail_for_sign_in(known: AddressStatus, *, now: datetime) -> SignUpMail:
    """The same where it is given to sign in: only who is on the list, or pending, gets a mail."""
    if known.state is not None and (known.state.is_subscribed or known.state is SubscriberState.PENDING):
        return mail_for_join(known, now=now)
    return SignUpMail.NOTHING


@dataclass(frozen=True, slots=True)
class SignUp:
    """What the pages do with an address, by the rules of one list."""

    membership: Membership

    def join(self, tx: Transaction, new: Subscriber, rules: CompiledRules, *, origin: str, now: datetime) -> None:
        """Somebody subscribes `new`, a pending subscriber who is not stored, with keywords of their own.

        What they chose is stored where nobody is known, and replaces what was chosen before where nobody has said yes
        so far. Whoever said yes once keeps what they had, also who comes back: a stranger may have filled in the form.
        Raises NotFoundError where a profile is gone.
        """
        known = subscribers.find(tx, new.email)
        answer = mail_for_join(self._known(tx, new.email, known), now=now)
        if known is None and answer is SignUpMail.NOTHING:
            return
        if known is None:
            known = subscribers.add(tx, new, now=now)
            profiles.set_personal(tx, known.id, rules, now=now)
        elif known.state is SubscriberState.PENDING and subscribers.get_dates(tx, known.id)["confirmed_at"] is None:
            known = subscribers.save(tx, _with_choices_of(new, known))
            profiles.set_personal(tx, known.id, rules, now=now)
        self._send(tx, answer, known, origin=origin, now=now)

    def sign_in(self, tx: Transaction, email: str, *, origin: str, now: datetime) -> None:
        """Somebody wants to see their own pages."""
        known = subscribers.find(tx, email)
        if known is not None:
            answer = mail_for_sign_in(self._known(tx, email, known), now=now)
            self._send(tx, answer, known, origin=origin, now=now)

    def _known(self, tx: Transaction, email: str, subscriber: Subscriber | None) -> AddressStatus:
        let_in_at = None if subscriber is None else deliveries.last_queued_at(tx, subscriber.id, MailKind.SIGN_IN)
        return AddressStatus(
            state=None if subscriber is None else subscriber.state,
            stands=self.membership.find_suppression(tx, email),
            asked_at=self.membership.last_asked_at(tx, email),
            let_in_at=let_in_at,
        )

    def _send(self, tx: Transaction, answer: SignUpMail, to: Subscriber, *, origin: str, now: datetime) -> None:
        match answer:
            case SignUpMail.CONFIRMATION:
                self.membership.queue_confirmation(tx, to, origin=origin, now=now)
            case SignUpMail.SIGN_IN:
                lets_in = message_id(MailKind.SIGN_IN, to, now, self.membership.domain)
                outbox.queue_mail(tx, MailKind.SIGN_IN, to, message_id=lets_in, now=now)
            case SignUpMail.NOTHING:
                pass


def _asked_lately(known: AddressStatus, now: datetime) -> bool:
    asked_at, stands = known.asked_at, known.stands
    if stands is not None and stands.reason is SuppressionReason.COMPLAINT:  # perhaps about being asked
        asked_at = max(asked_at or stands.suppressed_at, stands.suppressed_at)
    if asked_at is None:
        return False
    unwanted = stands is not None and not stands.reason.is_bounce and asked_at >= stands.suppressed_at
    return now - asked_at < (_LEFT_ALONE if unwanted else ASK_AGAIN_AFTER)


def _with_choices_of(new: Subscriber, known: Subscriber) -> Subscriber:
    schedule = replace(known.schedule, timezone=new.schedule.timezone)
    return replace(known, schedule=schedule, language=new.language, profiles=new.profiles)
