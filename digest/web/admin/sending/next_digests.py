"""The next digests: who is due in the next hour, and what they will get."""

from collections import Counter
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from starlette.responses import Response

from digest.admin.forecast import Hour, forecast, next_hour
from digest.mail.encoding import clean
from digest.models import Hold
from digest.store import outbox
from digest.web.admin_auth import admin_router
from digest.web.dependencies import Context
from digest.web.rendering import admin_template, local

_MAX_NAMED = 10  # subscribers
_MAX_REASONS = 10

router = admin_router("/admin/next")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A subscriber who will get a mail."""

    subscriber_id: int
    email: str
    papers: int
    first: str  # the first paper's title


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyDigests:
    """A reason for getting no mail, and how many subscribers it concerns."""

    reason: str
    people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownHour:
    """The next hour in which a subscriber is due; times are local."""

    begins_at: str  # "2026-06-03 07:00"
    ends_at: str  # "08:00"
    people: int
    is_exact: bool  # False: the number is an estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownNext:
    """What subscribers will get in that hour."""

    hour: ShownHour
    decided: int  # for how many of the subscribers the digest was selected
    mails: int
    papers: int
    first: tuple[Recipient, ...]
    without: tuple[EmptyDigests, ...]
    unreadable: tuple[tuple[str, str], ...]  # (owner of invalid rules, error)
    hold: Hold | None


@dataclass(frozen=True, slots=True)
class NoNextHour:
    """The page if no subscriber is due soon."""

    hour: None = None


@router.get("")
def show_next(context: Context) -> Response:
    """Select digests as `digest run` would, and record nothing."""
    timezone = ZoneInfo(context.app.config.newsletter.timezone)
    with context.store.read() as tx:
        hour = next_hour(tx, timezone=timezone, now=context.now)
        if hour is None:
            return context.render(admin_template("next"), NoNextHour())
        coming = forecast(tx, context.app.compiled_profiles, context.app.selection_settings, hour)
        hold = outbox.find_hold(tx)
    mails = [digest for digest in coming.decided if digest.items]
    reasons = Counter(digest.empty_reason for digest in coming.decided if not digest.items)
    page = ShownNext(
        hour=shown_hour(coming.hour, timezone),
        decided=len(coming.decided),
        mails=len(mails),
        papers=sum(len(digest.items) for digest in mails),
        first=tuple(
            Recipient(
                subscriber_id=digest.subscriber.id,
                email=digest.subscriber.email,
                papers=len(digest.items),
                first=clean(digest.items[0].paper.title),
            )
            for digest in mails[:_MAX_NAMED]
        ),
        without=tuple(EmptyDigests(reason=reason, people=n) for reason, n in reasons.most_common(_MAX_REASONS)),
        unreadable=tuple((clean(owner), error) for owner, error in coming.unreadable.items())[:_MAX_REASONS],
        hold=hold,
    )
    return context.render(admin_template("next"), page)


def shown_hour(hour: Hour, timezone: ZoneInfo) -> ShownHour:
    """An hour as pages show it. An estimated number of subscribers is rounded to two digits."""
    digits = len(str(hour.people))
    return ShownHour(
        begins_at=local(hour.begins_at, timezone),
        ends_at=f"{hour.ends_at.astimezone(timezone):%H:%M}",
        people=hour.people if hour.is_exact else round(hour.people, 2 - digits),
        is_exact=hour.is_exact,
    )
