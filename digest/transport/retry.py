"""What a mail server's rejection means, and when a deferred mail is tried again.

RFC 5321, 4.5.4.1: retry after at least half an hour on average, and give up after four to five days. Greylisting
servers want the second attempt after more than five minutes (RFC 6647, 4.6), so none comes sooner.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from digest.models import KEPT_BY_HOLD, Bounce, BounceKind, Delivery, Outcome, Receipt, SmtpStage
from digest.transport.bounces.classification import About, judge, rejection

_PERMANENT = re.compile(r"5\d\d(?:[ -].*)?", re.DOTALL)
_MAILBOX_FULL = re.compile(r"45[02][ -](?:4\.2\.\d{1,3}\b|(?!4\.))")

GAVE_UP = "gave up after five days: "
_FIRST_DELAY = timedelta(minutes=5)
_MAX_DELAY = timedelta(hours=4)
LONGEST_DELAY = _MAX_DELAY * 1.5  # between two attempts
_GIVE_UP_AFTER = timedelta(days=5)
_MIN_ATTEMPTS = 5  # one a day

# After this many equal refusals of mails to different readers the rest would be refused, too: an admin has to act.
_MAX_EQUAL_REFUSALS = 5
# That a mailbox does not exist is about its reader, unless so many of at least so many mails are answered so.
_MIN_ANSWERED = 10

_VARYING = re.compile(
    r"\S*[@\d]\S*"
    r"|\b(?:mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\b,?",
    re.IGNORECASE,
)


def bounce_from_reply(reply: str, stage: SmtpStage | None = None) -> Bounce | None:
    """Return what a permanent rejection says about the address, or None if it is about us or the mail.

    A mailbox that was full for five days counts as a soft bounce (4.2.z, RFC 3463, 3.3).
    """
    if reply.startswith(GAVE_UP):
        reply = reply.removeprefix(GAVE_UP)
        if not _MAILBOX_FULL.match(reply):
            return None
    elif not _PERMANENT.fullmatch(reply):
        return None
    bounce = rejection("", reply, stage=stage)
    return bounce if bounce.about_reader else None


def is_worth_a_retry(receipt: Receipt) -> bool:
    """Return True for a permanent rejection that is not about the mail, so that it may be accepted later.

    The server answered before it knew the recipient, or asks us to send more slowly.
    """
    if receipt.outcome is not Outcome.FAILED or not _PERMANENT.fullmatch(receipt.reply):
        return False
    before = receipt.stage is not None and receipt.stage.is_before_recipient
    return before or judge(receipt.reply, stage=receipt.stage).slower


def retry_at(attempts: int, *, queued_at: datetime, now: datetime, jitter: float) -> datetime | None:
    """Return when to try again after `attempts` (at least 1) deferred ones, or None after five days of them.

    A mail gets at least five attempts, also if it waited for days, as during a hold, or only looks old because a clock
    is ahead. The delay doubles with each attempt. `jitter` in [0, 1) lengthens it by up to a half, so that mails that
    were deferred together do not come back together.
    """
    if attempts >= _MIN_ATTEMPTS and now - queued_at >= _GIVE_UP_AFTER:
        return None
    delay = min(_FIRST_DELAY * (1 << min(attempts - 1, 10)), _MAX_DELAY)
    return now + delay * (1 + jitter / 2)


@dataclass(slots=True)
class RefusalWatch:
    """Notices that the mail server refuses us rather than single readers.

    That is so after five refusals in a row for different readers, equal but for addresses, numbers and times. Answers
    to RCPT TO that the mailbox does not exist do not count for that, but more than half of at least ten mails do.
    Equal refusals are counted from one run to the next, since a run may have few mails.

    A mailbox that refuses a mail again after a hold was released does not count again: five readers whose mailboxes are
    full must not hold the queue at each release.
    """

    reason: str = ""  # why sending has to stop; "" if it need not
    _answered: int = 0  # mails
    _unknown: list[int] = field(default_factory=list)  # deliveries to mailboxes that do not exist, as the server says
    _said: str = ""  # the last refusal
    _words: str = ""  # what it says, without what differs from mail to mail
    _equal: dict[int, int] = field(default_factory=dict)  # the last deliveries that were refused so, by reader
    _released: set[int] = field(default_factory=set)  # deliveries that a mailbox refused before and after a hold

    def start_run(self) -> None:
        """Forget the reason of a hold that was released, and the mails of earlier runs if they were enough to judge."""
        if self.reason:
            self._equal.clear()
        if self.reason or self._answered >= _MIN_ANSWERED:
            self._answered = 0
            self._unknown.clear()
        self.reason = ""

    def add(self, delivery: Delivery, receipt: Receipt) -> set[int]:
        """Note the answer to a mail. Returns the deliveries that stay queued because sending has to stop."""
        is_refused = receipt.outcome is Outcome.FAILED and bool(_PERMANENT.fullmatch(receipt.reply))
        if self.reason:  # a mail that was on its way
            return {delivery.id} if is_refused else set()
        if is_refused:
            self._add_refusal(delivery, receipt)
        elif receipt.outcome is Outcome.SENT:
            self._equal.clear()
        else:  # deferred, or not handed over
            return set()
        if delivery.id not in self._released:
            self._answered += 1
        equal, unknown = set(self._equal.values()), set(self._unknown)
        if len(equal - self._released) >= _MAX_EQUAL_REFUSALS:
            self.reason = f"the mail server refused {_MAX_EQUAL_REFUSALS} emails in a row: {self._said}"
            return equal
        count = len(unknown - self._released)
        if self._answered >= _MIN_ANSWERED and 2 * count > self._answered:
            self.reason = f"the mail server refused {count} of {self._answered} emails: {self._said}"
            return unknown
        return set()

    def _add_refusal(self, delivery: Delivery, receipt: Receipt) -> None:
        reader = delivery.subscriber
        self._said = re.sub(re.escape(reader.email), "…", receipt.reply, flags=re.IGNORECASE)
        verdict = judge(receipt.reply, stage=receipt.stage)
        is_of_mailbox = receipt.stage in {SmtpStage.RCPT, None} and verdict.about is About.READER
        if is_of_mailbox and delivery.reply == KEPT_BY_HOLD:
            self._released.add(delivery.id)
        if is_of_mailbox and verdict.kind is BounceKind.HARD:
            self._equal.clear()
            self._unknown.append(delivery.id)
            return
        words = unvarying_words(receipt.reply, reader.email)
        if words != self._words:
            self._equal.clear()
        self._words = words
        self._equal[reader.id] = delivery.id


def unvarying_words(reply: str, email: str) -> str:
    """Return a reply without what differs from mail to mail: addresses, numbers, times and the reader's domain."""
    words = _VARYING.sub("#", reply.casefold().replace(email.rpartition("@")[2].casefold(), "#"))
    return " ".join(words.split())
