"""Who gets digests and when, and who must not be mailed."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum

from digest.models.papers import AnnounceType


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
EVERY_TYPE = frozenset(AnnounceType)
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

    @property
    def is_subscribed(self) -> bool:
        """Whether they have said yes, and it holds: also while they pause."""
        return self in {SubscriberState.ACTIVE, SubscriberState.PAUSED}


class SuppressionReason(StrEnum):
    """Why somebody must not be mailed, the weightiest last: it stands when there are several."""

    SOFT_BOUNCES = "soft-bounces"  # too many, over too long a time
    HARD_BOUNCE = "hard-bounce"  # the address takes no mail
    ERASED = "erased"  # they had everything about them erased
    UNSUBSCRIBED = "unsubscribed"
    COMPLAINT = "complaint"  # they called it spam
    ADMIN = "admin"

    @property
    def is_bounce(self) -> bool:
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
    CONFIRMED_BY_ADMIN = "vouched"  # an admin says that they have agreed
    MOVED = "moved"  # they are mailed at another address from now on
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
    announce_types: frozenset[AnnounceType] = EVERY_TYPE  # of the papers they want
    wants_trending: bool = True  # popular papers besides, where the newsletter has them
    language: str = "en"  # of their mails: the name of a catalogue
    epoch: int = 0  # raised to revoke every link written so far
    last_slot_at: datetime | None = None
    last_digest_at: datetime | None = None
    resumes_at: datetime | None = None  # of who pauses: when they want to hear again; None: when they say so
    new_email: str = ""  # where they want to be mailed instead, and have not said yes from yet
    feed: str = ""  # what the link of their private feed is about; "": they have none
