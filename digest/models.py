"""The records that the rooms hand to one another: frozen, without I/O and without behaviour beyond their own values.

`_at` is an aware UTC datetime, `_on` a date. Offsets are code points into the text as it is shown.
"""

import hashlib
import math
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum


class AnnounceType(StrEnum):
    """What a feed says of an entry, in arXiv's terms (relative to the feed that was asked)."""

    NEW = "new"
    CROSS = "cross"
    REPLACE = "replace"
    REPLACE_CROSS = "replace-cross"


class Field(StrEnum):
    """The parts of a paper that a rule can look in."""

    TITLE = "title"
    ABSTRACT = "abstract"
    AUTHOR = "author"
    CATEGORY = "category"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One item as a feed served it. Texts are already readable: plain characters, white space folded."""

    guid: str
    title: str
    abstract: str = ""
    title_source: str = ""  # as its author wrote it, where its LaTeX was made readable; else ""
    abstract_source: str = ""
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()  # the first is the primary one
    url: str = ""
    pdf_url: str = ""
    code_url: str = ""
    discussion_url: str = ""
    arxiv_id: str = ""  # without a version: "2504.17830", "astro-ph/0601001"
    arxiv_version: int = 0  # 0: not said
    doi: str = ""  # lower case, without a resolver
    announce_type: AnnounceType = AnnounceType.NEW
    published_at: datetime | None = None
    upvotes: int | None = None
    stars: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """The work, once, however many entries announced it."""

    id: str  # public and stable: "arxiv:2504.17830", "doi:10.1101/…", "title:<12 hex>"
    title: str
    abstract: str = ""
    title_source: str = ""  # as its author wrote it, where its LaTeX was made readable; else ""
    abstract_source: str = ""
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    url: str = ""
    pdf_url: str = ""
    code_url: str = ""
    discussion_url: str = ""
    announce_type: AnnounceType = AnnounceType.NEW
    published_at: datetime | None = None
    upvotes: int | None = None
    stars: int | None = None
    revision: int = 1  # rises when what is shown changes
    first_seen_at: datetime | None = None  # by us; None before it is stored

    def text_of(self, field: Field) -> str:
        """The field's text as shown: what evidence offsets index."""
        match field:
            case Field.TITLE:
                return self.title
            case Field.ABSTRACT:
                return self.abstract
            case Field.AUTHOR:
                return ", ".join(self.authors)
            case Field.CATEGORY:
                return ", ".join(self.categories)


OWN_KEYWORDS = "Your keywords"  # what a personal profile is called; mails say it in the reader's language


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A named interest. Shared when `owner_id` is None, else one subscriber's own keywords and mutes."""

    name: str
    rules: str
    id: int = 0  # 0 before it is stored
    owner_id: int | None = None

    @property
    def fingerprint(self) -> int:
        """Tells these rules from others: what was compiled from one text is no use for another."""
        return fingerprint(self.rules)


EXCLUDES = -math.inf  # the weight of a rule that keeps papers out: no sum that holds it is above nothing


@dataclass(frozen=True, slots=True)
class Ask:
    """One rule of a profile, compiled: what it asks in canonical words, and how much it weighs."""

    query: str
    weight: float  # above 0, or EXCLUDES
    line: int  # of the profile's text, from 1


@dataclass(frozen=True, slots=True)
class CompiledRules:
    """A profile's text, read and found good. `asks` holds each query once."""

    text: str
    asks: tuple[Ask, ...]


def fingerprint(rules: str) -> int:
    """64 bits of a profile's text."""
    return int.from_bytes(hashlib.blake2b(rules.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Evidence:
    """Where one rule found one of its terms: `paper.text_of(field)[start:end]` is the matched text."""

    field: Field
    start: int
    end: int
    rule: str  # the rule as its author wrote it, without weight and comment


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """What one rule adds to a match's score."""

    rule: str  # as its author wrote it, without weight and comment
    score: float  # > 0
    in_title: bool  # a word that it asks for stands there


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A paper that a profile wants, how much, and why."""

    paper: Paper
    profile: Profile
    score: float  # > 0: the sum over its reasons
    reasons: tuple[Reason, ...] = ()  # what counts most first; not given where nobody asked
    evidence: tuple[Evidence, ...] = ()  # sorted by field, start, end; likewise


class Weekday(StrEnum):
    """A day of the week, as it is written in configuration; `list(Weekday)` follows `date.weekday()`."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


EVERY_DAY = frozenset(Weekday)
WEEKDAYS = EVERY_DAY - {Weekday.SAT, Weekday.SUN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a subscriber wants their digest, on their own clock."""

    timezone: str = "UTC"  # an IANA name
    send_at: time = time(7)  # naive: local
    days: frozenset[Weekday] = EVERY_DAY


class SubscriberState(StrEnum):
    """Only `ACTIVE` subscribers get digests."""

    PENDING = "pending"  # asked to subscribe, has not confirmed
    ACTIVE = "active"
    PAUSED = "paused"
    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"  # mail to them does not arrive, or an admin or they themselves want none


class SuppressionReason(StrEnum):
    """Why somebody must not be mailed, the weightiest last: it stands when there are several."""

    SOFT_BOUNCES = "soft-bounces"  # too many, over too long a time
    HARD_BOUNCE = "hard-bounce"  # the address takes no mail
    ADMIN = "admin"
    ERASED = "erased"  # they had everything about them erased
    UNSUBSCRIBED = "unsubscribed"
    COMPLAINT = "complaint"  # they called it spam

    @property
    def is_a_bounce(self) -> bool:
        """Whether only the way to them is barred; else somebody does not want them mailed."""
        return self in {SuppressionReason.SOFT_BOUNCES, SuppressionReason.HARD_BOUNCE}

    @property
    def weight(self) -> int:
        """Orders reasons; of two the heavier one stands."""
        return list(SuppressionReason).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """The standing rule not to mail an address. It is kept under the address's pseudonym, also without a subscriber."""

    pseudonym: str
    reason: SuppressionReason
    suppressed_at: datetime
    evidence: str = ""  # what was said that it rests on, one line

    def __str__(self) -> str:
        said = f": {self.evidence}" if self.evidence else ""
        return f"suppressed since {self.suppressed_at:%Y-%m-%d} ({self.reason.value}{said})"


class ConsentEvent(StrEnum):
    """What happened between somebody and the list."""

    ASKED = "asked"  # a confirmation mail was queued; its wording is kept
    CONFIRMED = "confirmed"  # they said yes, by the link in it
    VOUCHED = "vouched"  # an admin says that they have agreed
    UNSUBSCRIBED = "unsubscribed"
    REMOVED = "removed"  # by an admin
    ERASED = "erased"  # at their wish


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """One line of the consent log: what happened, when, from where, and by what words."""

    event: ConsentEvent
    at: datetime
    origin: str  # the way, and where known from where: "command line", "page from 192.0.2.7", "mail"
    wording: str = ""  # the version of the words that were agreed to


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What a reader agrees to, in the words of the mail that asks them. `version` is told by the words."""

    language: str
    text: str

    @property
    def version(self) -> str:
        """12 hexadecimal digits."""
        return hashlib.sha256(f"{self.language}\0{self.text}".encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """Somebody who gets digests."""

    email: str
    id: int = 0  # 0 before it is stored
    name: str = ""
    schedule: Schedule = Schedule()
    state: SubscriberState = SubscriberState.ACTIVE
    profiles: tuple[str, ...] = ()  # names of the shared profiles they follow
    max_papers: int = 25  # a digest
    language: str = "en"  # of their mails: the name of a catalogue
    epoch: int = 0  # raised to revoke every link written so far
    last_slot_at: datetime | None = None
    last_digest_at: datetime | None = None


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
    GOODBYE = "goodbye"  # says that they have left, and the way back


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


class Doubt(StrEnum):
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
