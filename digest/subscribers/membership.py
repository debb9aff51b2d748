"""Who may be mailed: joining, leaving, and what stands against it. Each step is written to the consent log.

A suppression stands above everything. Only a fresh yes of their own lifts it: no import, no edit, no admin's word; and
where an admin barred them that word alone, taken back.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

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
    message_id,
)
from digest.security import addresses
from digest.security.addresses import Pseudonyms
from digest.store import Transaction, bounces, consents, deliveries, outbox, subscribers, suppressions

ASK_AGAIN_AFTER = timedelta(days=1)  # not before: a confirmation mail must not become a nuisance of its own
_AT_ONCE = {BounceKind.HARD: SuppressionReason.HARD_BOUNCE, BounceKind.COMPLAINT: SuppressionReason.COMPLAINT}
_SOFT_WITHIN = timedelta(days=30)
_MOST_SOFT_DATES = 5  # a full mailbox is emptied some day; who bounces for a week of mails is not reading them
_MOST_MOVES = 5  # mails a day that ask at new addresses at one subscriber's wish
_TOGETHER = 500  # looked up
_GONE = {SubscriberState.UNSUBSCRIBED, SubscriberState.SUPPRESSED}
_LEFT = {
    ConsentEvent.UNSUBSCRIBED: SuppressionReason.UNSUBSCRIBED,
    ConsentEvent.ERASED: SuppressionReason.ERASED,
}


@dataclass(frozen=True, slots=True)
class Membership:
    """The rules of one list. `origin` is for the consent log: the way, and from where ("page from 192.0.2.7")."""

    pseudonyms: Pseudonyms
    domain: str  # the right side of every Message-ID
    wording: Callable[[str], Wording]  # what a confirmation mail says in a language

    def check_secret_key(self, tx: Transaction) -> None:
        """Raise ConfigError where pseudonyms were made with another secret: who is suppressed would be mailed."""
        if suppressions.find_pseudonym_key(tx) not in {None, self.pseudonyms.key_id}:
            reason = "is not the one that this database was begun with, so nobody who left could be told; give it back"
            raise ConfigError("environment", "DIGEST_SECRET_KEY", reason)

    def find_suppression(self, tx: Transaction, email: str) -> Suppression | None:
        """What stands against mailing an address, or None."""
        return suppressions.find(tx, self.pseudonyms.of(email))

    def find_refusals(self, tx: Transaction, due: Sequence[outbox.DueMail]) -> dict[int, str]:
        """Return why deliveries must not be sent, by their ids: their address is suppressed, or there is none."""
        refusals = {mail.id: "no new address waits to be confirmed" for mail in due if not mail.address}
        if not suppressions.has_any(tx):
            return refusals
        pseudonyms = {mail.id: self.pseudonyms.of(mail.address) for mail in due}
        found = suppressions.find_all(tx, set(pseudonyms.values()))
        for mail in due:
            suppression = found.get(pseudonyms[mail.id])
            if suppression and not (mail.kind.is_requested and mail.queued_at >= suppression.suppressed_at):
                refusals[mail.id] = str(suppression)
        return refusals

    def add(self, tx: Transaction, new: Subscriber, *, origin: str, now: datetime) -> Subscriber:
        """Store a new subscriber: one on the list on the admin's word, a pending one is asked by mail.

        Raises UsageError if the address is taken or was asked today, SuppressedError if it may not be mailed.
        """
        stands = self.find_suppression(tx, new.email)
        if stands is not None and (new.state.is_subscribed or not stands.reason.is_bounce):
            raise _barred(new.email, stands)
        added = subscribers.add(tx, new, now=now)
        if added.state is SubscriberState.PENDING:
            self._ask(tx, added, origin=origin, now=now)
        else:
            self._log(tx, added, ConsentEvent.CONFIRMED_BY_ADMIN, origin=origin, now=now)
        return added

    def add_all(self, tx: Transaction, new: Sequence[Subscriber], *, origin: str, now: datetime) -> None:
        """The same for many of whom it is known that nothing stands against it. Raises NotFoundError (of a profile)."""
        if not new:
            return
        added = subscribers.add_all(tx, new, now=now)
        suppressions.store_pseudonym_key(tx, self.pseudonyms.key_id)
        asked = [s for s in added if s.state is SubscriberState.PENDING]
        wordings = {language: self.wording(language) for language in {s.language for s in asked}}
        for wording in wordings.values():
            consents.add_wording(tx, wording)
        vouched = Consent(event=ConsentEvent.CONFIRMED_BY_ADMIN, at=now, origin=origin)
        asks = {
            language: Consent(event=ConsentEvent.ASKED, at=now, origin=origin, wording=wording.version)
            for language, wording in wordings.items()
        }
        consents.record_all(
            tx,
            [
                (s.id, self.pseudonyms.of(s.email), vouched if s.state.is_subscribed else asks[s.language])
                for s in added
            ],
        )
        notes = [(s.id, message_id(MailKind.CONFIRMATION, s, now, self.domain)) for s in asked]
        outbox.queue_mails(tx, MailKind.CONFIRMATION, notes, now=now)

    def request_confirmation(self, tx: Transaction, subscriber: Subscriber, *, origin: str, now: datetime) -> None:
        """Queue the mail that asks for their yes, once a day at most; also where a bounce bars them.

        Raises UsageError if there is nothing to ask, SuppressedError if they must not be mailed.
        """
        stands = self.find_suppression(tx, subscriber.email)
        if stands is not None and not stands.reason.is_bounce:
            raise _barred(subscriber.email, stands)
        if stands is None:
            _check_pending(subscriber)
        self._ask(tx, subscriber, origin=origin, now=now)

    def queue_confirmation(self, tx: Transaction, subscriber: Subscriber, *, origin: str, now: datetime) -> None:
        """Queue that mail, whenever the last one was: sign_up.py says when that may be."""
        self._log(tx, subscriber, ConsentEvent.ASKED, origin=origin, now=now, in_words=True)
        asks = message_id(MailKind.CONFIRMATION, subscriber, now, self.domain)
        outbox.queue_mail(tx, MailKind.CONFIRMATION, subscriber, message_id=asks, now=now)

    def confirm(self, tx: Transaction, subscriber: Subscriber, *, origin: str, now: datetime) -> Subscriber:
        """They said yes by themselves: active, whatever stood against it. Who is active or pauses stays so.

        Raises SuppressedError where an admin barred them: that is not theirs to lift.
        """
        if subscriber.state.is_subscribed:
            return subscriber
        pseudonym = self.pseudonyms.of(subscriber.email)
        stands = suppressions.find(tx, pseudonym)
        if stands is not None and stands.reason is SuppressionReason.ADMIN:
            raise _barred(subscriber.email, stands)
        suppressions.remove(tx, pseudonym)
        bounces.delete_soft(tx, pseudonym)
        self._log(tx, subscriber, ConsentEvent.CONFIRMED, origin=origin, now=now, in_words=True)
        return self._in(tx, replace(subscriber, last_slot_at=now), now=now)  # their welcome is this slot's digest

    def confirm_by_admin(self, tx: Transaction, subscriber: Subscriber, *, origin: str, now: datetime) -> Subscriber:
        """An admin says that they have agreed. Raises UsageError, SuppressedError."""
        stands = self.find_suppression(tx, subscriber.email)
        if stands is not None:
            raise _barred(subscriber.email, stands)
        _check_pending(subscriber)
        self._log(tx, subscriber, ConsentEvent.CONFIRMED_BY_ADMIN, origin=origin, now=now)
        return self._in(tx, subscriber, now=now)

    def unsubscribe(self, tx: Transaction, subscriber: Subscriber, *, origin: str, now: datetime) -> bool:
        """Their own word, at once: what is queued is not sent, and a last mail says goodbye and shows the way back.

        Whether there is such a mail: not for who has left already, nor where none arrives. Every link in mails so far
        is revoked, but that which unsubscribes.
        """
        if subscriber.state is SubscriberState.UNSUBSCRIBED:
            return False
        could_be_mailed = self.find_suppression(tx, subscriber.email) is None
        self._suppress(tx, subscriber.email, SuppressionReason.UNSUBSCRIBED, origin, now=now)
        outbox.cancel(tx, subscriber.id, "not sent: unsubscribed in the meantime", now=now)
        left = replace(subscriber, state=SubscriberState.UNSUBSCRIBED, epoch=subscriber.epoch + 1)
        subscribers.save(tx, left)
        self._log(tx, left, ConsentEvent.UNSUBSCRIBED, origin=origin, now=now)
        if could_be_mailed:
            goodbye = message_id(MailKind.GOODBYE, left, now, self.domain)
            outbox.queue_mail(tx, MailKind.GOODBYE, left, message_id=goodbye, now=now)
        return could_be_mailed

    def unsubscribe_by_mail(self, tx: Transaction, subscriber: Subscriber, *, fingerprint: str, now: datetime) -> bool:
        """The same by a mail of theirs. Whether it did anything: one that is read again takes nobody off again."""
        wish = Bounce(kind=BounceKind.OTHER, reply="wants to leave")
        if not self._keep(tx, subscriber.email, wish, delivery_id=None, fingerprint=fingerprint, now=now):
            return False
        was_gone = subscriber.state is SubscriberState.UNSUBSCRIBED
        self.unsubscribe(tx, subscriber, origin="mail", now=now)
        return not was_gone

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

    def lift(self, tx: Transaction, email: str, *, now: datetime) -> Suppression | None:
        """An admin takes back their own word. What stands then, or None: who left before stays off the list.

        Raises UsageError where no admin barred the address.
        """
        stands = self.find_suppression(tx, email)
        if stands is None or stands.reason is not SuppressionReason.ADMIN:
            said = f"is {stands}; only its owner's own yes lifts that" if stands else "is not suppressed"
            raise UsageError(f"{email} {said}")
        suppressions.remove(tx, stands.pseudonym)
        last = next((consent.event for consent in reversed(self.list_consents(tx, email))), None)
        if last in _LEFT:
            return self._suppress(tx, email, _LEFT[last], "", now=now)
        subscriber = subscribers.find(tx, email)
        if subscriber is not None and subscriber.state is SubscriberState.SUPPRESSED:
            subscribers.save(tx, replace(subscriber, state=SubscriberState.PENDING))
        return None

    def record_bounce(
        self, tx: Transaction, email: str, bounce: Bounce, *, delivery_id: int | None, fingerprint: str, now: datetime
    ) -> Suppression | None:
        """Keep a bounce, and suppress the address if that follows: the suppression, or None.

        One that is read twice (`fingerprint` is the same for what is the same) counts once. Soft ones suppress when
        they came on five dates within thirty days.
        """
        if not self._keep(tx, email, bounce, delivery_id=delivery_id, fingerprint=fingerprint, now=now):
            return None
        evidence = bounce.reply or bounce.status
        if bounce.kind in _AT_ONCE:
            return self.suppress(tx, email, _AT_ONCE[bounce.kind], evidence, now=now)
        if bounce.kind is BounceKind.SOFT:
            dates = bounces.count_soft_days(tx, self.pseudonyms.of(email), within=_SOFT_WITHIN, now=now)
            if dates >= _MOST_SOFT_DATES:
                evidence = f"bounced on {dates} dates within {_SOFT_WITHIN.days} days, last: {evidence}"
                return self.suppress(tx, email, SuppressionReason.SOFT_BOUNCES, evidence, now=now)
        return None

    def remove(self, tx: Transaction, subscriber: Subscriber, *, origin: str, now: datetime) -> None:
        """An admin takes them off. What bars them stays, and the consent log."""
        self._log(tx, subscriber, ConsentEvent.REMOVED, origin=origin, now=now)
        subscribers.remove(tx, subscriber.email)

    def erase(self, tx: Transaction, email: str, *, origin: str, now: datetime) -> None:
        """Forget somebody at their own wish, also who was removed before. Raises NotFoundError where nothing is known.

        What stays is under pseudonyms: that they must not be mailed, and when they agreed, moved and left.
        """
        pseudonym = self.pseudonyms.of(email)
        subscriber = self.find_known(tx, email)
        self._suppress(tx, email, SuppressionReason.ERASED, "", now=now)
        erased = Consent(event=ConsentEvent.ERASED, at=now, origin=origin)
        consents.record(tx, subscriber.id if subscriber else 0, pseudonym, erased)
        consents.erase_origins(tx, pseudonym, subscriber.id if subscriber else None)
        for one in (pseudonym, *(consents.list_previous_pseudonyms(tx, subscriber.id) if subscriber else ())):
            suppressions.erase_evidence(tx, one)
            bounces.delete_by_address(tx, one)
        if subscriber is not None:
            subscribers.remove(tx, subscriber.email)

    def request_address_change(
        self, tx: Transaction, subscriber: Subscriber, new_email: str, *, now: datetime
    ) -> Subscriber:
        """They want to be mailed at another address; nobody is asked there so far, nor at the one before any more."""
        if addresses.key(new_email) != addresses.key(subscriber.new_email):
            outbox.cancel(tx, subscriber.id, "not sent: asked anew", kinds=[MailKind.ADDRESS], now=now)
        return subscribers.save(tx, replace(subscriber, new_email=new_email))

    def queue_address_confirmation(
        self, tx: Transaction, subscriber: Subscriber, new_email: str, *, origin: str, now: datetime
    ) -> None:
        """They want to be mailed at another address: a mail there asks whether it is theirs.

        None is sent to an address that is somebody else's, may not be mailed or was asked today, nor more than a few a
        day at one subscriber's wish. They are not told: whoever asks must not learn who is on the list. So a mail that
        is not sent counts as one that is, or who has a few addresses of their own could see which was not counted.
        """
        subscriber = self.request_address_change(tx, subscriber, new_email, now=now)
        today = deliveries.count_queued_since(tx, subscriber.id, MailKind.ADDRESS, now - ASK_AGAIN_AFTER)
        if today >= _MOST_MOVES:
            return
        asked_at = self.last_asked_at(tx, new_email)
        asked_today = asked_at is not None and now - asked_at < ASK_AGAIN_AFTER
        may_ask = self._may_move(tx, subscriber, new_email) and not asked_today
        there = replace(subscriber, email=new_email)
        if may_ask:
            self._log(tx, there, ConsentEvent.ASKED, origin=origin, now=now)
        asks = message_id(MailKind.ADDRESS, there, now, self.domain)
        not_sent_because = "" if may_ask else "not sent: the address is somebody's, barred, or was asked today"
        outbox.queue_mail(tx, MailKind.ADDRESS, subscriber, message_id=asks, now=now, not_sent_because=not_sent_because)

    def change_address(
        self, tx: Transaction, subscriber: Subscriber, *, origin: str, now: datetime
    ) -> Subscriber | None:
        """They said yes at their new address: all mail goes there from now on, what is queued too; who they are now.

        None where it cannot be: the address has become somebody else's, or may not be mailed. Every link in mails so
        far is revoked, but that which unsubscribes.
        """
        new_email = subscriber.new_email
        if not new_email or not self._may_move(tx, subscriber, new_email):
            return None
        self._log(tx, subscriber, ConsentEvent.MOVED, origin=origin, now=now)
        moved = replace(subscriber, email=new_email, new_email="", epoch=subscriber.epoch + 1)
        self._log(tx, moved, ConsentEvent.CONFIRMED, origin=origin, now=now)
        outbox.cancel(tx, subscriber.id, "not sent: confirmed in the meantime", kinds=[MailKind.ADDRESS], now=now)
        return subscribers.save(tx, moved)

    def find_known(self, tx: Transaction, email: str) -> Subscriber | None:
        """The subscriber with this address; None where only something under their pseudonym is kept.

        Raises NotFoundError where that is nothing either.
        """
        kept = self.find_suppression(tx, email) is not None or bool(self.list_consents(tx, email))
        return subscribers.find(tx, email) if kept else subscribers.get(tx, email)

    def list_consents(self, tx: Transaction, email: str) -> list[Consent]:
        """What was agreed to and taken back by an address, oldest first."""
        return consents.list_by_address(tx, self.pseudonyms.of(email))

    def find_by_pseudonyms(self, tx: Transaction, pseudonyms: Sequence[str]) -> dict[str, Subscriber]:
        """The subscribers who have the addresses of some pseudonyms; of other addresses nobody can tell.

        They are looked up in the consent log; who was on a list before that was kept is not told either.
        """
        found: dict[str, Subscriber] = {}
        for at in range(0, len(pseudonyms), _TOGETHER):
            ids = consents.list_subscriber_ids(tx, pseudonyms[at : at + _TOGETHER])
            found |= {self.pseudonyms.of(s.email): s for s in subscribers.find_by_ids(tx, ids).values()}
        return {pseudonym: found[pseudonym] for pseudonym in pseudonyms if pseudonym in found}

    def last_asked_at(self, tx: Transaction, email: str) -> datetime | None:
        """When an address was last asked whether it wants the digest, or None."""
        asked = [c.at for c in self.list_consents(tx, email) if c.event is ConsentEvent.ASKED]
        return asked[-1] if asked else None

    def _may_move(self, tx: Transaction, subscriber: Subscriber, new_email: str) -> bool:
        holder = subscribers.find(tx, new_email)
        is_theirs = holder is None or holder.id == subscriber.id
        return self.find_suppression(tx, new_email) is None and is_theirs

    def _ask(self, tx: Transaction, subscriber: Subscriber, *, origin: str, now: datetime) -> None:
        asked_at = self.last_asked_at(tx, subscriber.email)
        if too_soon := reason_not_to_ask(subscriber.email, asked_at, now=now):
            raise UsageError(too_soon)
        self.queue_confirmation(tx, subscriber, origin=origin, now=now)

    def _in(self, tx: Transaction, subscriber: Subscriber, *, now: datetime) -> Subscriber:
        """Active from now on; a question that still waits to be sent is answered."""
        outbox.cancel(tx, subscriber.id, "not sent: confirmed in the meantime", kinds=[MailKind.CONFIRMATION], now=now)
        return subscribers.confirm(tx, subscriber, now=now)

    def _keep(
        self,
        tx: Transaction,
        email: str,
        bounce: Bounce,
        *,
        delivery_id: int | None,
        fingerprint: str,
        now: datetime,
    ) -> bool:
        """False if it was kept before."""
        return bounces.add(
            tx,
            replace(bounce, reply=_without(email, bounce.reply)),
            pseudonym=self.pseudonyms.of(email),
            delivery_id=delivery_id,
            fingerprint=self.pseudonyms.fingerprint(fingerprint),
            now=now,
        )

    def _suppress(
        self, tx: Transaction, email: str, reason: SuppressionReason, evidence: str, *, now: datetime
    ) -> Suppression:
        said = _without(email, evidence)
        new = Suppression(pseudonym=self.pseudonyms.of(email), reason=reason, suppressed_at=now, evidence=said)
        suppressions.store_pseudonym_key(tx, self.pseudonyms.key_id)
        return suppressions.add(tx, new)

    def _log(
        self,
        tx: Transaction,
        subscriber: Subscriber,
        event: ConsentEvent,
        *,
        origin: str,
        now: datetime,
        in_words: bool = False,
    ) -> None:
        """`in_words`: what they are asked is kept with it, as it is said now in their language."""
        version = ""
        if in_words:
            wording = self.wording(subscriber.language)
            consents.add_wording(tx, wording)
            version = wording.version
        suppressions.store_pseudonym_key(tx, self.pseudonyms.key_id)
        happened = Consent(event=event, at=now, origin=origin, wording=version)
        consents.record(tx, subscriber.id, self.pseudonyms.of(subscriber.email), happened)


def reason_not_to_ask(email: str, asked_at: datetime | None, *, now: datetime) -> str:
    """Why an address that was asked then whether it wants the digest is not asked again now; "" where it may be."""
    if asked_at is None or now - asked_at >= ASK_AGAIN_AFTER:
        return ""
    return f"{email} was asked at {asked_at:%Y-%m-%d %H:%M} UTC; once a day is enough"


def _without(email: str, said: str) -> str:
    """What was said, less the address: it is kept under a pseudonym."""
    return re.sub(re.escape(email), "…", said, flags=re.IGNORECASE)


def _check_pending(subscriber: Subscriber) -> None:
    if subscriber.state is not SubscriberState.PENDING:
        raise UsageError(f"{subscriber.email} is {subscriber.state.value}: there is nothing to confirm")


def _barred(email: str, suppression: Suppression) -> SuppressedError:
    if suppression.reason.is_bounce:
        mend = "only their own yes lifts that; `digest subscriber ask` asks a subscriber for it"
    elif suppression.reason is SuppressionReason.ADMIN:
        mend = "an admin barred it; `digest suppression lift` lifts that"
    else:
        mend = "only they can come back, by the link in the mail that said goodbye or by subscribing on the pages"
    return SuppressedError(email, str(suppression), mend)
