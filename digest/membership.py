"""Who may be mailed: joining, leaving, and what stands against it. Each step is written to the consent log.

A suppression stands above everything. Only a fresh yes of their own lifts it: no import, no edit, no admin's word.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from digest.addresses import Pseudonyms
from digest.chooser import message_id
from digest.errors import ConfigError, SuppressedError, UsageError
from digest.models import (
    Bounce,
    BounceKind,
    Consent,
    ConsentEvent,
    MailKind,
    Subscriber,
    SubscriberState,
    Suppression,
    SuppressionReason,
    Wording,
)
from digest.store import Transaction, bounces, consents, outbox, subscribers, suppressions

_ASKED_AGAIN = timedelta(days=1)  # not before: a confirmation mail must not become a nuisance of its own
_AT_ONCE = {BounceKind.HARD: SuppressionReason.HARD_BOUNCE, BounceKind.COMPLAINT: SuppressionReason.COMPLAINT}
_SOFT_WITHIN = timedelta(days=30)
_MOST_SOFT_DATES = 5  # a full mailbox is emptied some day; who bounces for a week of mails is not reading them
_GONE = {SubscriberState.UNSUBSCRIBED, SubscriberState.SUPPRESSED}


@dataclass(frozen=True, slots=True)
class Membership:
    """The rules of one list. `origin` is for the consent log: the way, and from where ("page from 192.0.2.7")."""

    pseudonyms: Pseudonyms
    domain: str  # the right side of every Message-ID
    wording: Callable[[str], Wording]  # what a confirmation mail says in a language

    def check(self, tx: Transaction) -> None:
        """Raise ConfigError where suppressions were written under another secret: they would not be found."""
        foreign = suppressions.count_of_other_keys(tx, self.pseudonyms.key_id)
        if foreign:
            reason = f"is not the one that {foreign} suppressions were written with; give that one back"
            raise ConfigError("environment", "DIGEST_SECRET_KEY", reason)

    def find_suppression(self, tx: Transaction, email: str) -> Suppression | None:
        """What stands against mailing an address, or None."""
        return suppressions.find(tx, self.pseudonyms.of(email))

    def enrol(self, tx: Transaction, new: Subscriber, *, origin: str, now: datetime) -> Subscriber:
        """Store a new subscriber: an active one on the admin's word, a pending one is asked by mail.

        Raises UsageError if the address is taken, SuppressedError if it may not be mailed.
        """
        stands = self.find_suppression(tx, new.email)
        if stands is not None and (stands.reason.is_their_will or new.state is SubscriberState.ACTIVE):
            raise _barred(new.email, stands)
        added = subscribers.add(tx, new, now=now)
        if added.state is SubscriberState.PENDING:
            self._ask(tx, added, origin=origin, now=now)
        else:
            self._log(tx, added, ConsentEvent.VOUCHED, origin=origin, now=now)
        return added

    def ask(self, tx: Transaction, subscriber: Subscriber, *, origin: str, now: datetime) -> None:
        """Queue the mail that asks for their yes, once a day at most.

        Raises UsageError if there is nothing to ask, SuppressedError if they want no mail.
        """
        stands = self.find_suppression(tx, subscriber.email)
        if stands is not None and stands.reason.is_their_will:
            raise _barred(subscriber.email, stands)
        if stands is None and subscriber.state is not SubscriberState.PENDING:
            raise UsageError(f"{subscriber.email} is {subscriber.state.value}: there is nothing to confirm")
        asked = [c.at for c in self.history(tx, subscriber.email) if c.event is ConsentEvent.ASKED]
        if asked and now - asked[-1] < _ASKED_AGAIN:
            raise UsageError(f"{subscriber.email} was asked at {asked[-1]:%Y-%m-%d %H:%M} UTC; once a day is enough")
        self._ask(tx, subscriber, origin=origin, now=now)

    def confirm(self, tx: Transaction, subscriber: Subscriber, *, origin: str, now: datetime) -> Subscriber:
        """They said yes by themselves: active, whatever stood against it. Who is active or pauses stays so."""
        if subscriber.state in {SubscriberState.ACTIVE, SubscriberState.PAUSED}:
            return subscriber
        pseudonym = self.pseudonyms.of(subscriber.email)
        suppressions.lift(tx, pseudonym)
        bounces.forgive(tx, pseudonym)
        agreed_to = consents.last_wording(tx, pseudonym)
        self._log(tx, subscriber, ConsentEvent.CONFIRMED, origin=origin, now=now, wording=agreed_to)
        return subscribers.confirm(tx, subscriber, now=now)

    def vouch(self, tx: Transaction, subscriber: Subscriber, *, origin: str, now: datetime) -> Subscriber:
        """An admin says that they have agreed. Raises UsageError, SuppressedError."""
        stands = self.find_suppression(tx, subscriber.email)
        if stands is not None:
            raise _barred(subscriber.email, stands)
        if subscriber.state is not SubscriberState.PENDING:
            raise UsageError(f"{subscriber.email} is {subscriber.state.value}: there is nothing to confirm")
        self._log(tx, subscriber, ConsentEvent.VOUCHED, origin=origin, now=now)
        return subscribers.confirm(tx, subscriber, now=now)

    def leave(self, tx: Transaction, subscriber: Subscriber, *, origin: str, now: datetime) -> None:
        """Their own word, at once: what is queued is not sent, and a last mail says goodbye and shows the way back.

        Who has left already has; every link in mails so far is revoked, but that which unsubscribes.
        """
        if subscriber.state is SubscriberState.UNSUBSCRIBED:
            return
        could_be_mailed = self.find_suppression(tx, subscriber.email) is None
        self._suppress(tx, subscriber.email, SuppressionReason.UNSUBSCRIBED, origin, now=now)
        outbox.cancel(tx, subscriber.id, "not sent: unsubscribed in the meantime", now=now)
        left = replace(subscriber, state=SubscriberState.UNSUBSCRIBED, epoch=subscriber.epoch + 1)
        subscribers.save(tx, left)
        self._log(tx, left, ConsentEvent.UNSUBSCRIBED, origin=origin, now=now)
        if could_be_mailed:
            goodbye = message_id(MailKind.GOODBYE, left, now, self.domain)
            outbox.queue_note(tx, MailKind.GOODBYE, left, message_id=goodbye, now=now)

    def suppress(
        self, tx: Transaction, email: str, reason: SuppressionReason, evidence: str, *, now: datetime
    ) -> Suppression:
        """Mail an address no more, from now on, subscriber or not. The suppression that stands now."""
        stands = self._suppress(tx, email, reason, evidence, now=now)
        subscriber = subscribers.find(tx, email)
        if subscriber is not None and subscriber.state not in _GONE:
            outbox.cancel(tx, subscriber.id, f"not sent: {stands}", now=now)
            suppressed = replace(subscriber, state=SubscriberState.SUPPRESSED, epoch=subscriber.epoch + 1)
            subscribers.save(tx, suppressed)
        return stands

    def bounced(
        self, tx: Transaction, email: str, bounce: Bounce, *, delivery_id: int | None, fingerprint: str, now: datetime
    ) -> Suppression | None:
        """Keep a bounce, and suppress the address if that follows: the suppression, or None.

        One that is read twice (by its `fingerprint`) counts once. Soft ones suppress when they came on five dates
        within thirty days.
        """
        pseudonym = self.pseudonyms.of(email)
        kept = bounces.add(tx, bounce, pseudonym=pseudonym, delivery_id=delivery_id, fingerprint=fingerprint, now=now)
        if not kept:
            return None
        evidence = bounce.reply or bounce.status
        if bounce.kind in _AT_ONCE:
            return self.suppress(tx, email, _AT_ONCE[bounce.kind], evidence, now=now)
        if bounce.kind is BounceKind.SOFT:
            dates = bounces.count_soft_days(tx, pseudonym, within=_SOFT_WITHIN, now=now)
            if dates >= _MOST_SOFT_DATES:
                evidence = f"bounced on {dates} dates within {_SOFT_WITHIN.days} days, last: {evidence}"
                return self.suppress(tx, email, SuppressionReason.SOFT_BOUNCES, evidence, now=now)
        return None

    def erase(self, tx: Transaction, subscriber: Subscriber, *, origin: str, now: datetime) -> None:
        """Forget them at their own wish.

        What stays is under a pseudonym: that they must not be mailed, and when they agreed and left.
        """
        pseudonym = self.pseudonyms.of(subscriber.email)
        self._suppress(tx, subscriber.email, SuppressionReason.ERASED, "", now=now)
        self._log(tx, subscriber, ConsentEvent.ERASED, origin=origin, now=now)
        suppressions.forget_evidence(tx, pseudonym)
        consents.forget_origins(tx, pseudonym)
        bounces.forget_evidence(tx, pseudonym)
        subscribers.remove(tx, subscriber.email)

    def history(self, tx: Transaction, email: str) -> list[Consent]:
        """What was agreed to and taken back by an address, oldest first."""
        return consents.list_of(tx, self.pseudonyms.of(email))

    def _ask(self, tx: Transaction, subscriber: Subscriber, *, origin: str, now: datetime) -> None:
        wording = self.wording(subscriber.language)
        consents.keep_wording(tx, wording)
        self._log(tx, subscriber, ConsentEvent.ASKED, origin=origin, now=now, wording=wording.version)
        asks = message_id(MailKind.CONFIRMATION, subscriber, now, self.domain)
        outbox.queue_note(tx, MailKind.CONFIRMATION, subscriber, message_id=asks, now=now)

    def _suppress(
        self, tx: Transaction, email: str, reason: SuppressionReason, evidence: str, *, now: datetime
    ) -> Suppression:
        new = Suppression(pseudonym=self.pseudonyms.of(email), reason=reason, suppressed_at=now, evidence=evidence)
        return suppressions.add(tx, new, key_id=self.pseudonyms.key_id)

    def _log(
        self,
        tx: Transaction,
        subscriber: Subscriber,
        event: ConsentEvent,
        *,
        origin: str,
        now: datetime,
        wording: str = "",
    ) -> None:
        happened = Consent(event=event, at=now, origin=origin, wording=wording)
        consents.record(tx, subscriber.id, self.pseudonyms.of(subscriber.email), happened)


def _barred(email: str, suppression: Suppression) -> SuppressedError:
    if suppression.reason.is_their_will:
        mend = "only they can come back, by the link in the mail that said goodbye or by subscribing anew"
    else:
        mend = "only their own yes lifts that; `digest subscriber ask` asks them, or `add` without --confirmed"
    return SuppressedError(email, str(suppression), mend)
