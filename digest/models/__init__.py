"""Frozen records that all packages share, without I/O.

`_at` is an aware UTC datetime, `_on` a date. Offsets are code points into the text as it is shown.
"""

from digest.models.admins import Admin, ApiToken, Change, Role, TokenScope
from digest.models.mails import (
    KEPT_BY_HOLD,
    NOT_SENT,
    Bounce,
    BounceKind,
    Cancellation,
    Delivery,
    DeliveryState,
    Digest,
    DigestItem,
    DoubtPolicy,
    Hold,
    MailKind,
    Message,
    Outcome,
    Receipt,
    SmtpStage,
    message_id,
)
from digest.models.papers import AnnounceType, Entry, Field, Paper, Sighting, Submission, SubmissionState
from digest.models.profiles import (
    EXCLUDES,
    OWN_KEYWORDS,
    CompiledRule,
    CompiledRules,
    Evidence,
    Match,
    Profile,
    ProfileVersion,
    Reason,
    fingerprint,
)
from digest.models.stages import Stage, StageRecord, StageState, StageStatus
from digest.models.subscribers import (
    CLOCK_SKEW,
    EVERY_DAY,
    EVERY_TYPE,
    WEEKDAYS,
    Consent,
    ConsentEvent,
    Schedule,
    Subscriber,
    SubscriberState,
    Suppression,
    SuppressionReason,
    Weekday,
    Wording,
)
