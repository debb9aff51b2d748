"""Who may be mailed: confirming, unsubscribing, bounces and suppressions. Each step is written to the consent log.

A suppression is stronger than any state, import or edit. It is lifted only when the subscriber confirms again; a
suppression by an admin only when the admin lifts it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from digest.errors import SuppressedError, UsageError
from digest.models import (
    Bounce,
    BounceKind,
    Cancellation,
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
from digest.security.addresses import Pseudonyms
from digest.store import Transaction, bounces, consents, deliveries, outbox, subscribers, suppressions
from digest.store.bounces import StoredBounce
from digest.store.database import batches
from digest.subscribers.bounce_evidence import MAX_SOFT_DATES, SOFT_WITHIN, SUPPRESS_AT_ONCE, BouncingDays

ASK_AGAIN_AFTER = timedelta(days=1)  # since the last confirmation mail: anyone can enter any address
_GONE = {SubscriberState.UNSUBSCRIBED, SubscriberState.SUPPRESSED}
_LEFT = {ConsentEvent.UNSUBSCRIBED: SuppressionReason.UNSUBSCRIBED, ConsentEvent.ERASED: SuppressionReason.ERASED}


@dataclass(frozen=True, slots=True)
class Membership:
    """The rules for mailing subscribers. `origin` goes into the consent log, such as "page from 192.0.2.7"."""

    pseudonyms: Pseudonyms
    domain: str  # the right side of every Message-ID
    wording: Callable[[str], Wording]  # of the confirmation mail in a language

    def find_suppression(self, tx: Transaction, email: str) -> Suppression | None:
        """Return the suppression of an address, or None."""
        return suppressions.find(tx, self.pseudonyms.of(email))

    def find_refusals(self, tx: Transaction, due: Sequence[outbox.DueMail]) -> dict[int, str]:
        """Return why deliveries must not be sent, by their ids: the address is suppressed, or there is none.

        A mail that its owner requested after the suppression, such as a confirmation, is allowed. A digest is not sent
        during a pause.
        """
        refusals = {mail.id: Cancellation.NO_ADDRESS.value for mail in due if not mail.address}
        for mail in due:
            if mail.subscriber_state is SubscriberState.PAUSED and mail.kind.has_papers:
                refusals[mail.id] = Cancellation.PAUSED
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
        """Store a new subscriber. An admin has confirmed an active one; a pending one gets a confirmation mail.

        Raises UsageError if the address is taken or got such a mail today, SuppressedError if it is suppressed.
        """
        suppression = self.find_suppression(tx, new.email)
        if suppression is not None and (new.state.is_subscribed or not suppression.reason.is_bounce):
            raise _suppressed_error(new.email, suppression)
        added = subscribers.add(tx, new, now=now)
        if added.state is SubscriberState.PENDING:
            self._ask_to_confirm(tx, added, origin=origin, now=now)
        else:
            self.log(tx, [added], ConsentEvent.CONFIRMED_BY_ADMIN, origin=origin, now=now)
        return added

    def add_all(self, tx: Transaction, new: Sequence[Subscriber], *, origin: str, now: datetime) -> None:
        """Store new subscribers that were checked to be addable, as `add` does. Raises NotFoundError (of a profile)."""
        if not new:
            return
        added = subscribers.add_all(tx, new, now=now)
        asked = [s for s in added if s.state is SubscriberState.PENDING]
        confirmed = [s for s in added if s.state.is_subscribed]
        self.log(tx, confirmed, ConsentEvent.CONFIRMED_BY_ADMIN, origin=origin, now=now)
        self.log(tx, asked, ConsentEvent.ASKED, origin=origin, now=now, with_wording=True)
        notes = [(s.id, message_id(MailKind.CONFIRMATION, s, now, self.domain)) for s in asked]
        outbox.queue_mails(tx, MailKind.CONFIRMATION, notes, now=now)

    def request_confirmation(self, tx: Transaction, subscriber: Subscriber, *, origin: str, now: datetime) -> None:
        """Queue a confirmation mail, at most once a day, also if the address is suppressed because of bounces.

        Raises UsageError if there is nothing to confirm, SuppressedError if they must not be mailed.
        """
        suppression = self.find_suppression(tx, subscriber.email)
        if suppression is not None and not suppression.reason.is_bounce:
            raise _suppressed_error(subscriber.email, suppression)
        if suppression is None:
            _check_pending(subscriber)
        self._ask_to_confirm(tx, subscriber, origin=origin, now=now)

    def queue_confirmation(self, tx: Transaction, subscriber: Subscriber, *, origin: str, now: datetime) -> None:
        """Queue a confirmation mail without checking when the last one was sent: sign_up.py checks that."""
        self.log(tx, [subscriber], ConsentEvent.ASKED, origin=origin, now=now, with_wording=True)
        self.queue_mail(tx, MailKind.CONFIRMATION, subscriber, now=now)

    def queue_mail(self, tx: Transaction, kind: MailKind, to: Subscriber, *, now: datetime, failure: str = "") -> None:
        """Queue one mail without a digest, such as a sign-in link. With `failure` it is recorded as failed instead."""
        named = message_id(kind, to, now, self.domain)
        outbox.queue_mail(tx, kind, to, message_id=named, now=now, failure=failure)

    def confirm(self, tx: Transaction, subscriber: Subscriber, *, origin: str, now: datetime) -> Subscriber:
        """Record that a subscriber confirmed by themselves. This lifts a suppression, except by an admin.

        Active and paused subscribers stay as they are. Raises SuppressedError if an admin suppressed the address.
        """
        if subscriber.state.is_subscribed:
            return subscriber
        pseudonym = self.pseudonyms.of(subscriber.email)
        suppression = suppressions.find(tx, pseudonym)
        if suppression is not None and suppression.reason is SuppressionReason.ADMIN:
            raise _suppressed_error(subscriber.email, suppression)
        suppressions.remove(tx, pseudonym)
        bounces.delete(tx, pseudonym, kinds=[BounceKind.SOFT])
        self.log(tx, [subscriber], ConsentEvent.CONFIRMED, origin=origin, now=now, with_wording=True)
        return self._activate(tx, subscriber, now=now)

    def confirm_by_admin(self, tx: Transaction, subscriber: Subscriber, *, origin: str, now: datetime) -> Subscriber:
        """Record that a subscriber has agreed, as an admin says. Raises UsageError, SuppressedError."""
        suppression = self.find_suppression(tx, subscriber.email)
        if suppression is not None:
            raise _suppressed_error(subscriber.email, suppression)
        _check_pending(subscriber)
        self.log(tx, [subscriber], ConsentEvent.CONFIRMED_BY_ADMIN, origin=origin, now=now)
        return self._activate(tx, subscriber, now=now)

    def unsubscribe(self, tx: Transaction, subscriber: Subscriber, *, origin: str, now: datetime) -> bool:
        """Unsubscribe: cancel queued mails, and queue a goodbye mail that shows the way back.

        Returns True if a goodbye mail was queued, and False if they have left already or cannot be mailed. Links in
        earlier mails stop working, except the unsubscribe link.
        """
        if subscriber.state is SubscriberState.UNSUBSCRIBED:
            return False
        could_be_mailed = self.find_suppression(tx, subscriber.email) is None
        self._suppress(tx, subscriber.email, SuppressionReason.UNSUBSCRIBED, origin, now=now)
        outbox.cancel(tx, subscriber.id, Cancellation.UNSUBSCRIBED, now=now)
        left = replace(subscriber, state=SubscriberState.UNSUBSCRIBED, epoch=subscriber.epoch + 1)
        subscribers.save(tx, left)
        self.log(tx, [left], ConsentEvent.UNSUBSCRIBED, origin=origin, now=now)
        if could_be_mailed:
            self.queue_mail(tx, MailKind.GOODBYE, left, now=now)
        return could_be_mailed

    def unsubscribe_by_mail(self, tx: Transaction, subscriber: Subscriber, *, fingerprint: str, now: datetime) -> bool:
        """Unsubscribe because of a mail. Returns False if it was processed before, or changed nothing."""
        request = Bounce(kind=BounceKind.UNSUBSCRIBE, reply="asked to unsubscribe")
        if not self._store_bounce(tx, subscriber.email, request, delivery_id=None, fingerprint=fingerprint, now=now):
            return False
        was_gone = subscriber.state is SubscriberState.UNSUBSCRIBED
        self.unsubscribe(tx, subscriber, origin="mail", now=now)
        return not was_gone

    def suppress(
        self, tx: Transaction, email: str, reason: SuppressionReason, evidence: str, *, now: datetime
    ) -> Suppression:
        """Suppress an address, of a subscriber or not. Returns its suppression: a stronger one stays."""
        subscriber = subscribers.find(tx, email)
        state = subscriber.state if subscriber is not None and subscriber.state not in _GONE else None
        suppression = self._suppress(tx, email, reason, evidence, now=now, state=state)
        if subscriber is not None and subscriber.state not in _GONE:
            outbox.cancel(tx, subscriber.id, str(suppression), now=now)
            suppressed = replace(subscriber, state=SubscriberState.SUPPRESSED, epoch=subscriber.epoch + 1)
            subscribers.save(tx, suppressed)
        return suppression

    def lift(self, tx: Transaction, email: str, *, now: datetime) -> Suppression | None:
        """Lift the suppression by an admin. Returns the suppression that is left, if they had unsubscribed before.

        Raises UsageError if no admin suppressed the address.
        """
        suppression = self.find_suppression(tx, email)
        if suppression is None or suppression.reason is not SuppressionReason.ADMIN:
            said = f"is {suppression}; only the subscriber can lift that" if suppression else "is not suppressed"
            raise UsageError(f"{email} {said}")
        suppressions.remove(tx, suppression.pseudonym)
        last = next((consent.event for consent in reversed(self.list_consents(tx, email))), None)
        if last in _LEFT:
            return self._suppress(tx, email, _LEFT[last], "", now=now)
        subscriber = subscribers.find(tx, email)
        if subscriber is not None and subscriber.state is SubscriberState.SUPPRESSED:
            subscribers.save(tx, replace(subscriber, state=SubscriberState.PENDING))
        return None

    def record_bounce(
        self,
        tx: Transaction,
        email: str,
        bounce: Bounce,
        *,
        delivery_id: int | None,
        fingerprint: str,
        now: datetime,
        days: BouncingDays | None = None,
    ) -> Suppression | None:
        """Store a bounce, and suppress the address if it is hard or a complaint. Returns the suppression, or None.

        A bounce with a `fingerprint` that is stored already counts once. Soft bounces suppress an address after five
        dates within thirty days. A bounce that is not about the reader is stored as OTHER and does not count, nor do
        those of a date on which most mails bounced; `days` remembers these dates during a run.
        """
        if not bounce.about_reader:
            bounce = replace(bounce, kind=BounceKind.OTHER)
        if not self._store_bounce(tx, email, bounce, delivery_id=delivery_id, fingerprint=fingerprint, now=now):
            return None
        if bounce.kind is not BounceKind.COMPLAINT:
            finished_at = None if delivery_id is None else deliveries.find_finished_at(tx, delivery_id)
            day = (finished_at or now).astimezone(UTC).date()
            if withdrawn := (days or BouncingDays()).add(tx, day, self.pseudonyms.of(email)):
                self.withdraw_bounces(tx, withdrawn, now=now)
                return None
        evidence = bounce.reply or bounce.status
        if bounce.kind in SUPPRESS_AT_ONCE:
            return self.suppress(tx, email, SUPPRESS_AT_ONCE[bounce.kind], evidence, now=now)
        if bounce.kind is BounceKind.SOFT:
            dates = bounces.count_soft_days(tx, self.pseudonyms.of(email), within=SOFT_WITHIN, now=now)
            if dates >= MAX_SOFT_DATES:
                evidence = f"bounced on {dates} dates within {SOFT_WITHIN.days} days, last: {evidence}"
                return self.suppress(tx, email, SuppressionReason.SOFT_BOUNCES, evidence, now=now)
        return None

    def withdraw_bounces(self, tx: Transaction, stored: Sequence[StoredBounce], *, now: datetime) -> None:
        """Let bounces count no more, and end the suppressions that only they caused, as if they had not come.

        Subscribers return to their state before, and their mails that were cancelled are queued again.
        """
        bounces.withdraw(tx, [bounce.id for bounce in stored])
        for pseudonym in {bounce.pseudonym for bounce in stored}:
            suppression = suppressions.find(tx, pseudonym)
            if suppression is None or not suppression.reason.is_bounce:
                continue
            left = bounces.list_by_address(tx, pseudonym)
            soft_dates = bounces.count_soft_days(tx, pseudonym, within=SOFT_WITHIN, now=now)
            hard = any(b.kind is BounceKind.HARD and b.bounced_at >= suppression.suppressed_at for b in left)
            if hard or soft_dates >= MAX_SOFT_DATES:
                continue
            suppressions.remove(tx, pseudonym)
            subscriber = self._find_suppressed(tx, left)
            if subscriber is not None and suppression.subscriber_state is not None:
                subscribers.save(tx, replace(subscriber, state=suppression.subscriber_state))
                outbox.requeue_cancelled(tx, subscriber.id, since=suppression.suppressed_at, now=now)

    def _find_suppressed(self, tx: Transaction, stored: Sequence[StoredBounce]) -> Subscriber | None:
        """Return the suppressed subscriber whose address bounced, or None. `stored` are all bounces of one address."""
        pseudonyms = [bounce.pseudonym for bounce in stored[:1]]
        people = list(self.find_by_pseudonyms(tx, pseudonyms).values())
        for delivery_id in {bounce.delivery_id for bounce in stored if bounce.delivery_id is not None}:
            delivery = deliveries.find(tx, delivery_id)
            people += [delivery.subscriber] if delivery is not None and delivery.kind is not MailKind.ADDRESS else []
        suppressed = (s for s in people if s.state is SubscriberState.SUPPRESSED)
        return next((s for s in suppressed if self.pseudonyms.of(s.email) in pseudonyms), None)

    def remove(self, tx: Transaction, subscriber: Subscriber, *, origin: str, now: datetime) -> None:
        """Remove a subscriber, as an admin. A suppression of the address stays, and the consent log."""
        self.log(tx, [subscriber], ConsentEvent.REMOVED, origin=origin, now=now)
        subscribers.remove(tx, subscriber.email)

    def erase(self, tx: Transaction, email: str, *, origin: str, now: datetime) -> None:
        """Erase someone at their own request, also after they were removed. Raises NotFoundError if nothing is stored.

        Only pseudonyms stay: with the suppression, and the dates when they agreed, changed address and left.
        """
        pseudonym = self.pseudonyms.of(email)
        subscriber = self.find_known(tx, email)
        self._suppress(tx, email, SuppressionReason.ERASED, "", now=now)
        erased = Consent(event=ConsentEvent.ERASED, at=now, origin=origin)
        consents.record(tx, [(subscriber.id if subscriber else 0, pseudonym, erased)])
        consents.erase_origins(tx, pseudonym, subscriber.id if subscriber else None)
        for one in (pseudonym, *(consents.list_previous_pseudonyms(tx, subscriber.id) if subscriber else ())):
            suppressions.erase_evidence(tx, one)
            bounces.delete(tx, one)
        if subscriber is not None:
            subscribers.remove(tx, subscriber.email)

    def find_known(self, tx: Transaction, email: str) -> Subscriber | None:
        """Return the subscriber with this address, or None if only their pseudonym is known. Raises NotFoundError."""
        kept = self.find_suppression(tx, email) is not None or bool(self.list_consents(tx, email))
        return subscribers.find(tx, email) if kept else subscribers.get(tx, email)

    def list_consents(self, tx: Transaction, email: str) -> list[Consent]:
        """Return the consent log of an address, oldest first."""
        return consents.list_by_address(tx, self.pseudonyms.of(email))

    def find_by_pseudonyms(self, tx: Transaction, pseudonyms: Sequence[str]) -> dict[str, Subscriber]:
        """Return the subscribers behind pseudonyms, as far as the consent log knows them."""
        found: dict[str, Subscriber] = {}
        for batch in batches(pseudonyms):
            ids = consents.list_subscriber_ids(tx, batch)
            found |= {self.pseudonyms.of(s.email): s for s in subscribers.find_by_ids(tx, ids).values()}
        return {pseudonym: found[pseudonym] for pseudonym in pseudonyms if pseudonym in found}

    def last_asked_at(self, tx: Transaction, email: str) -> datetime | None:
        """Return when an address last got a confirmation mail, or None."""
        asked = [c.at for c in self.list_consents(tx, email) if c.event is ConsentEvent.ASKED]
        return asked[-1] if asked else None

    def _ask_to_confirm(self, tx: Transaction, subscriber: Subscriber, *, origin: str, now: datetime) -> None:
        asked_at = self.last_asked_at(tx, subscriber.email)
        if too_soon := reason_not_to_ask(subscriber.email, asked_at, now=now):
            raise UsageError(too_soon)
        self.queue_confirmation(tx, subscriber, origin=origin, now=now)

    def _activate(self, tx: Transaction, subscriber: Subscriber, *, now: datetime) -> Subscriber:
        """Make a subscriber active, and cancel a confirmation mail that is still queued."""
        outbox.cancel(tx, subscriber.id, Cancellation.CONFIRMED, kinds=[MailKind.CONFIRMATION], now=now)
        return subscribers.confirm(tx, subscriber, now=now)

    def _store_bounce(
        self, tx: Transaction, email: str, bounce: Bounce, *, delivery_id: int | None, fingerprint: str, now: datetime
    ) -> bool:
        """Store a bounce. Returns False if it was stored before."""
        return bounces.add(
            tx,
            replace(bounce, reply=_without(email, bounce.reply)),
            pseudonym=self.pseudonyms.of(email),
            delivery_id=delivery_id,
            fingerprint=self.pseudonyms.fingerprint(fingerprint),
            now=now,
        )

    def _suppress(
        self,
        tx: Transaction,
        email: str,
        reason: SuppressionReason,
        evidence: str,
        *,
        now: datetime,
        state: SubscriberState | None = None,
    ) -> Suppression:
        new = Suppression(
            pseudonym=self.pseudonyms.of(email),
            reason=reason,
            suppressed_at=now,
            evidence=_without(email, evidence),
            subscriber_state=state,
        )
        suppressions.store_pseudonym_key(tx, self.pseudonyms.key_id)
        return suppressions.add(tx, new)

    def log(
        self,
        tx: Transaction,
        people: Sequence[Subscriber],
        event: ConsentEvent,
        *,
        origin: str,
        now: datetime,
        with_wording: bool = False,
    ) -> None:
        """Write to the consent log. `with_wording` adds the current wording of the confirmation mail."""
        if not people:
            return
        versions: dict[str, str] = {}
        for language in {s.language for s in people} if with_wording else ():
            wording = self.wording(language)
            consents.add_wording(tx, wording)
            versions[language] = wording.version
        suppressions.store_pseudonym_key(tx, self.pseudonyms.key_id)
        entries = []
        for s in people:
            consent = Consent(event=event, at=now, origin=origin, wording=versions.get(s.language, ""))
            entries.append((s.id, self.pseudonyms.of(s.email), consent))
        consents.record(tx, entries)


def reason_not_to_ask(email: str, asked_at: datetime | None, *, now: datetime) -> str:
    """Return why an address cannot get another confirmation mail yet, or "". `asked_at` is the time of the last one."""
    if asked_at is None or now - asked_at >= ASK_AGAIN_AFTER:
        return ""
    return f"{email} was asked at {asked_at:%Y-%m-%d %H:%M} UTC; try again after a day"


def _without(email: str, said: str) -> str:
    """Return a text without the address, which is stored as a pseudonym only."""
    return re.sub(re.escape(email), "…", said, flags=re.IGNORECASE)


def _check_pending(subscriber: Subscriber) -> None:
    if subscriber.state is not SubscriberState.PENDING:
        raise UsageError(f"{subscriber.email} is {subscriber.state.value}: there is nothing to confirm")


def _suppressed_error(email: str, suppression: Suppression) -> SuppressedError:
    if suppression.reason.is_bounce:
        remedy = "only the subscriber can lift that; `digest subscriber ask` sends them a confirmation email"
    elif suppression.reason is SuppressionReason.ADMIN:
        remedy = "`digest suppression lift` lifts that"
    else:
        remedy = "only they can come back, by the link in their goodbye email or by subscribing again"
    return SuppressedError(email, str(suppression), remedy)
