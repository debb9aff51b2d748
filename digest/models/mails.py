"""What is decided, sent and comes back."""

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
    also: tuple[str, ...] = ()  # other profiles that want it, by name


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What one subscriber gets for one slot, frozen once decided: sent again, it is the same mail."""

    subscriber: Subscriber
    slot_at: datetime
    created_at: datetime  # the mail's Date
    dated_on: date  # the subscriber's own date
    message_id: str  # without angle brackets
    items: tuple[DigestItem, ...]  # best first within a section; sections follow one another
    more: tuple[str, ...] = ()  # ids of papers that matched but did not fit, best first
    trending: tuple[Paper, ...] = ()  # popular papers besides, with their upvotes and stars as they were then
    empty_reason: str = ""  # why there are no items, and so no mail


class DeliveryState(StrEnum):
    """Where an outbox row stands: queued -> leased -> sending -> sent | deferred (-> leased) | failed | in doubt."""

    QUEUED = "queued"
    LEASED = "leased"  # a worker has it, and has not begun
    SENDING = "sending"  # it may be on the wire: whoever dies now leaves a doubt
    SENT = "sent"
    DEFERRED = "deferred"  # the server said later
    FAILED = "failed"
    IN_DOUBT = "in-doubt"  # it was handed over and nobody knows whether it arrived: an admin decides


class MailKind(StrEnum):
    """What a delivery carries."""

    DIGEST = "digest"
    CONFIRMATION = "confirmation"  # asks a new subscriber whether it was they who subscribed
    WELCOME = "welcome"  # their first digest, at once after they confirmed
    SIGN_IN = "sign-in"  # a link to their own pages
    ADDRESS = "address"  # goes to a subscriber's new address, and asks whether it is theirs
    GOODBYE = "goodbye"  # says that they have left, and the way back

    @property
    def is_requested(self) -> bool:
        """True if the recipient has just asked for this mail, so that it is sent despite an older suppression."""
        return self in {MailKind.CONFIRMATION, MailKind.SIGN_IN, MailKind.GOODBYE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One outbox row: a mail that is decided, and how far it has come."""

    id: int
    kind: MailKind
    subscriber: Subscriber
    message_id: str  # without angle brackets
    state: DeliveryState
    attempts: int
    queued_at: datetime
    next_at: datetime  # not to be tried before
    reply: str = ""  # the server's last word
    digest: Digest | None = None  # what a digest mail shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A mail ready for the wire: 7-bit clean MIME bytes with CRLF line ends, no line over 998 bytes."""

    delivery_id: int
    sender: str  # envelope addresses, ASCII, bare
    recipient: str
    content: bytes


class DoubtPolicy(StrEnum):
    """What to do with a mail of which nobody knows whether it arrived."""

    RESEND = "resend"  # the same mail under the same Message-ID: never lost, perhaps twice
    PARK = "park"  # left for an admin: never twice, perhaps lost until then


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing is sent, by any process, until an admin says so."""

    held_at: datetime
    reason: str


class Outcome(StrEnum):
    """What became of one attempt to send one message."""

    SENT = "sent"
    DEFERRED = "deferred"  # 4xx: again later
    FAILED = "failed"  # 5xx: never
    UNKNOWN = "unknown"  # it was handed over whole, and no answer came


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The server's word on one message."""

    delivery_id: int
    outcome: Outcome
    reply: str  # as the server said it, one line: "250 2.0.0 Ok: queued as …"


class BounceKind(StrEnum):
    """What came back after a mail had been taken."""

    HARD = "hard"  # this address will never take mail
    SOFT = "soft"  # not this time: full, too big, refused for policy's sake, given up
    COMPLAINT = "complaint"  # its reader called it spam
    AUTO_REPLY = "auto-reply"  # somebody's machine answered; nothing bounced
    OTHER = "other"  # not a bounce: a delay notice, a person's answer, something else


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """What a message that came back says of one recipient."""

    kind: BounceKind
    recipient: str = ""  # the bare address that failed, as we wrote it where that is told; "" if it is not told
    status: str = ""  # enhanced (RFC 3463): "5.1.1"; "" if none is told and none can be derived
    reply: str = ""  # the remote server's words, one line, cut
    message_id: str = ""  # of the mail that came back, without angle brackets; "" if it is not told


def message_id(kind: str, subscriber: Subscriber, at: datetime, domain: str) -> str:
    """The same mail always has the same Message-ID, without angle brackets."""
    told_apart_by = f"{kind}\0{subscriber.id}\0{subscriber.email}\0{subscriber.epoch}\0{at.isoformat()}"
    return f"{at:%Y%m%d%H%M%S}.{hashlib.sha256(told_apart_by.encode()).hexdigest()[:20]}@{domain}"
