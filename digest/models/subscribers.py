"""Subscribers, their schedules and consents, and addresses that must not be mailed."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum

from digest.models.papers import AnnounceType
from digest.timezones import find_zone


class Weekday(StrEnum):
    """A day of the week as written in the configuration, in the order of `date.weekday()`."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


CLOCK_SKEW = timedelta(minutes=5)  # by which the clocks of two machines may differ: later times are wrong

EVERY_DAY = frozenset(Weekday)
EVERY_TYPE = frozenset(AnnounceType)
WEEKDAYS = EVERY_DAY - {Weekday.SAT, Weekday.SUN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a subscriber gets digests, in their own timezone."""

    timezone: str = "UTC"  # an IANA name
    send_at: time = time(7)  # naive: local
    days: frozenset[Weekday] = EVERY_DAY
    fallback: str = field(default="UTC", compare=False)  # the newsletter's time zone

    @property
    def zone(self) -> tzinfo:
        """The time zone, or the newsletter's if this machine does not know the stored name."""
        return find_zone(self.timezone) or find_zone(self.fallback) or UTC

    @property
    def has_known_zone(self) -> bool:
        """True if this machine knows the time zone."""
        return find_zone(self.timezone) is not None


class SubscriberState(StrEnum):
    """Only `ACTIVE` subscribers get digests."""

    PENDING = "pending"  # asked to subscribe, has not confirmed
    ACTIVE = "active"
    PAUSED = "paused"
    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"  # after bounces or a complaint, or by an admin

    @property
    def is_subscribed(self) -> bool:
        """True if they have confirmed and have not left; also during a pause."""
        return self in {SubscriberState.ACTIVE, SubscriberState.PAUSED}


class SuppressionReason(StrEnum):
    """Why an address must not be mailed, in ascending weight: the heaviest reason is kept."""

    SOFT_BOUNCES = "soft-bounces"  # on too many days
    HARD_BOUNCE = "hard-bounce"  # the address accepts no mail
    ERASED = "erased"  # their data was erased at their request
    UNSUBSCRIBED = "unsubscribed"
    COMPLAINT = "complaint"  # they reported a mail as spam
    ADMIN = "admin"

    @property
    def is_bounce(self) -> bool:
        """True if mail does not arrive; False if the recipient or an admin does not want it."""
        return self in {SuppressionReason.SOFT_BOUNCES, SuppressionReason.HARD_BOUNCE}

    @property
    def weight(self) -> int:
        """Rank among the reasons."""
        return list(SuppressionReason).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """The rule not to mail an address, stored by its pseudonym, with or without a subscriber."""

    pseudonym: str
    reason: SuppressionReason
    suppressed_at: datetime
    evidence: str = ""  # the reply or note that caused it, one line
    subscriber_state: SubscriberState | None = None  # before the suppression; None: the address was no subscriber's

    def __str__(self) -> str:
        said = f": {self.evidence}" if self.evidence else ""
        return f"suppressed since {self.suppressed_at:%Y-%m-%d} ({self.reason.value}{said})"


class ConsentEvent(StrEnum):
    """A step in a subscriber's consent."""

    ASKED = "asked"  # a confirmation mail was queued; its wording is stored
    CONFIRMED = "confirmed"  # by the link in that mail
    CONFIRMED_BY_ADMIN = "vouched"  # an admin has their consent
    MOVED = "moved"  # to another address
    UNSUBSCRIBED = "unsubscribed"
    REMOVED = "removed"  # by an admin
    ERASED = "erased"  # at their request


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """One entry of the consent log."""

    event: ConsentEvent
    at: datetime
    origin: str  # how, and from where if known: "command line", "page from 192.0.2.7", "mail"
    wording: str = ""  # the version of the text they agreed to


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """The text that asks for consent, as the confirmation mail has it."""

    language: str
    text: str

    @property
    def version(self) -> str:
        """A hash of the text: 12 hexadecimal digits."""
        return hashlib.sha256(f"{self.language}\0{self.text}".encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """A person who subscribed, with their preferences."""

    email: str
    id: int = 0  # 0 before it is stored
    name: str = ""
    schedule: Schedule = Schedule()
    state: SubscriberState = SubscriberState.ACTIVE
    profiles: tuple[str, ...] = ()  # names of the shared profiles they follow
    max_papers: int = 25  # in one digest
    announce_types: frozenset[AnnounceType] = EVERY_TYPE  # only papers announced so
    wants_trending: bool = True  # also popular papers, if the newsletter has them
    language: str = "en"  # of their mails
    epoch: int = 0  # raised to revoke all links sent so far
    confirmed_at: datetime | None = field(default=None, compare=False)  # set by the store; earlier slots do not count
    slots_from: datetime | None = None  # nor do those before: a pause ended, or they came back
    last_slot_at: datetime | None = None
    last_digest_at: datetime | None = None
    papers_from: datetime | None = None  # their first digest looked at papers first seen after this time
    papers_to: int | None = None  # the number of the last paper that their last digest looked at
    problem: str = ""  # why their last digest could not be made, or was made with defaults; "" if nothing is wrong
    resumes_at: datetime | None = None  # when a pause ends; None: when they resume themselves
    new_email: str = ""  # a new address that is not confirmed yet
    feed: str = ""  # the secret in the link of their private feed; "": no feed
