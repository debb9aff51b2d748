"""Digests, their deliveries, and the bounces that come back."""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from digest.models.papers import Paper
from digest.models.profiles import Evidence
from digest.models.subscribers import Subscriber


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestItem:
    """One paper of a digest, in the section of the profile where it scored highest."""

    paper: Paper
    profile: str
    score: float
    evidence: tuple[Evidence, ...]
    also: tuple[str, ...] = ()  # names of other profiles that match


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What one subscriber gets for one slot. It is frozen once decided: if sent again, it is the same mail."""

    subscriber: Subscriber
    slot_at: datetime
    created_at: datetime  # the mail's Date
    dated_on: date  # in the subscriber's timezone
    message_id: str  # without angle brackets
    items: tuple[DigestItem, ...]  # section by section, best first
    more: tuple[str, ...] = ()  # ids of papers that matched but did not fit, best first
    trending: tuple[Paper, ...] = ()  # further popular papers, with their upvotes and stars at that time
    empty_reason: str = ""  # why there are no items and no mail
    papers_from: datetime | None = None  # if no later digest should look at papers first seen before this time
    papers_to: int | None = None  # the number of the last paper that it looked at


class DeliveryState(StrEnum):
    """The state of an outbox row: queued -> leased -> sending -> sent | deferred (-> leased) | failed | in doubt."""

    QUEUED = "queued"
    LEASED = "leased"  # a worker has it, and has not started
    SENDING = "sending"  # may be on the wire: in doubt if the worker dies now
    SENT = "sent"
    DEFERRED = "deferred"  # the server asked to try later
    FAILED = "failed"
    IN_DOUBT = "in-doubt"  # handed over without an answer: an admin decides


class MailKind(StrEnum):
    """What a delivery carries."""

    DIGEST = "digest"
    CONFIRMATION = "confirmation"  # asks a new subscriber to confirm
    WELCOME = "welcome"  # the first digest, right after confirming
    SIGN_IN = "sign-in"  # a link to the subscriber's own pages
    ADDRESS = "address"  # asks to confirm a new address, and goes there
    GOODBYE = "goodbye"  # confirms an unsubscription, with a link back

    @property
    def is_requested(self) -> bool:
        """True if the recipient has just asked for this mail, so that it is sent despite an older suppression."""
        return self in {MailKind.CONFIRMATION, MailKind.SIGN_IN, MailKind.GOODBYE}

    @property
    def has_papers(self) -> bool:
        """True for a mail with the papers of a digest."""
        return self in {MailKind.DIGEST, MailKind.WELCOME}


NOT_SENT = "not sent: "  # the reply of a mail that was not handed over begins so


class Cancellation(StrEnum):
    """Why a mail was not sent although nothing is wrong. Its reply is NOT_SENT and what begins so."""

    SUPPRESSED = "suppressed since "
    UNSUBSCRIBED = "unsubscribed in the meantime"
    PAUSED = "paused in the meantime"
    CONFIRMED = "confirmed in the meantime"
    REPLACED = "replaced by a newer request"
    NO_ADDRESS = "no new address is waiting to be confirmed"
    UNAVAILABLE = "the address is taken or suppressed, or was already asked today"


KEPT_BY_HOLD = "refused, and kept queued by a hold"  # in place of the reply of such a delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One outbox row: a mail to be sent, and its state."""

    id: int
    kind: MailKind
    subscriber: Subscriber
    message_id: str  # without angle brackets
    state: DeliveryState
    attempts: int
    queued_at: datetime
    next_at: datetime  # the earliest time of the next attempt
    reply: str = ""  # the server's last reply
    digest: Digest | None = None  # of a digest mail


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A mail ready for the wire: 7-bit clean MIME bytes with CRLF line ends, no line over 998 bytes.

    Only a recipient that is not ASCII makes its header UTF-8 (RFC 6532).
    """

    delivery_id: int
    sender: str  # envelope addresses, bare; the sender's is ASCII
    recipient: str
    content: bytes


class DoubtPolicy(StrEnum):
    """What to do with a mail that was handed over without an answer."""

    RESEND = "resend"  # with the same Message-ID: never lost, may arrive twice
    PARK = "park"  # until an admin decides: never twice, may be lost until then


@dataclass(frozen=True, slots=True)
class Hold:
    """While there is one, no process sends anything, until an admin ends it."""

    held_at: datetime
    reason: str


class Outcome(StrEnum):
    """The outcome of one attempt to send a message."""

    SENT = "sent"
    DEFERRED = "deferred"  # 4xx: try again later
    FAILED = "failed"  # 5xx: permanent
    UNKNOWN = "unknown"  # handed over completely, without an answer


class SmtpStage(StrEnum):
    """The step of an SMTP session that a reply answers."""

    GREETING = "banner"
    EHLO = "EHLO"  # also HELO and STARTTLS
    AUTH = "AUTH"
    MAIL = "MAIL FROM"
    RCPT = "RCPT TO"
    DATA = "DATA"  # the command, or the mail itself

    @property
    def is_before_recipient(self) -> bool:
        """True if the server has not heard of the recipient yet, so that its reply cannot be about them."""
        return self not in {SmtpStage.RCPT, SmtpStage.DATA}


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The server's answer to one message."""

    delivery_id: int
    outcome: Outcome
    reply: str  # one line: "250 2.0.0 Ok: queued as …"
    stage: SmtpStage | None = None  # which step a rejection answers, if known


class BounceKind(StrEnum):
    """What kind of message came back after a mail was accepted."""

    HARD = "hard"  # the address accepts no mail, permanently
    SOFT = "soft"  # temporary: mailbox full, mail too big, policy, retries exhausted
    COMPLAINT = "complaint"  # the recipient reported it as spam
    AUTO_REPLY = "auto-reply"  # an automatic answer; nothing bounced
    UNSUBSCRIBE = "unsubscribe"  # a mail program or a person asks for no more mail
    OTHER = "other"  # no bounce: a delay notice, a person's answer, a refusal of our own address, …


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """What a returned message says about one recipient."""

    kind: BounceKind
    recipient: str = ""  # the bare address that failed, as we wrote it if known; "" if the message names none
    status: str = ""  # enhanced status code (RFC 3463): "5.1.1"; "" if there is none
    reply: str = ""  # what the remote server said, one line, shortened
    message_id: str = ""  # of the mail that came back, without angle brackets; "" if unknown
    about_reader: bool = True  # False: about us, how fast we send, or this mail; then it does not count


def message_id(kind: str, subscriber: Subscriber, at: datetime, domain: str) -> str:
    """Return the Message-ID of a mail, without angle brackets: always the same one for the same mail."""
    identity = f"{kind}\0{subscriber.id}\0{subscriber.email}\0{subscriber.epoch}\0{at.isoformat()}"
    return f"{at:%Y%m%d%H%M%S}.{hashlib.sha256(identity.encode()).hexdigest()[:20]}@{domain}"
