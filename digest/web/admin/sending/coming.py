"""What goes out next, and to whom."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from digest.admin.forecast import Forecast, Hour, forecast, next_hour
from digest.mail.encoding import clean
from digest.models import Admin, Digest, Hold
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.pipeline.selection import SelectionSettings
from digest.store import Store, outbox
from digest.web.pages import Answer, Page, Visit
from digest.web.rendering import local

_MOST_NAMED = 10  # readers
_MOST_REASONS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Somebody:
    """Who gets a mail."""

    subscriber_id: int
    email: str
    papers: int
    first: str  # paper's title


@dataclass(frozen=True, slots=True, kw_only=True)
class Without:
    """How many get none, and why."""

    reason: str
    people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownHour:
    """An hour to come; times are local."""

    begins_at: str  # "2026-06-03 07:00"
    ends_at: str  # "08:00"
    people: int
    is_exact: bool  # else they are about so many


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownNext:
    """Who gets what in that hour."""

    hour: ShownHour
    decided: int  # of these people, for so many it was looked what they would get
    mails: int
    papers: int
    first: tuple[Somebody, ...]
    without: tuple[Without, ...]
    unreadable: tuple[tuple[str, str], ...]  # whose rules, and why
    hold: Hold | None


@dataclass(frozen=True, slots=True)
class Nobody:
    """Nobody waits for a digest."""

    hour: None = None


@dataclass(frozen=True, slots=True)
class LookingAtNext:
    """The page at /admin/next."""

    store: Store
    compiled_profiles: CompiledProfiles
    selection_settings: SelectionSettings
    timezone: ZoneInfo

    def look(self, visit: Visit, _admin: Admin) -> Answer:
        """GET: decides as `digest run` would, and writes nothing down."""
        with self.store.read() as tx:
            hour = next_hour(tx, timezone=self.timezone, now=visit.now)
            if hour is None:
                return _page(Nobody())
            coming = forecast(tx, self.compiled_profiles, self.selection_settings, hour)
            return _page(_shown(coming, self.timezone, outbox.find_hold(tx)))


def shown_hour(hour: Hour, timezone: ZoneInfo) -> ShownHour:
    """An hour as pages show it. Where its people were not all counted, their number is rounded."""
    digits = len(str(hour.people))
    return ShownHour(
        begins_at=local(hour.begins_at, timezone),
        ends_at=f"{hour.ends_at.astimezone(timezone):%H:%M}",
        people=hour.people if hour.is_exact else round(hour.people, 2 - digits),
        is_exact=hour.is_exact,
    )


def _shown(coming: Forecast, timezone: ZoneInfo, hold: Hold | None) -> ShownNext:
    mails = [digest for digest in coming.decided if digest.items]
    return ShownNext(
        hour=shown_hour(coming.hour, timezone),
        decided=len(coming.decided),
        mails=len(mails),
        papers=sum(len(digest.items) for digest in mails),
        first=tuple(_somebody(digest) for digest in mails[:_MOST_NAMED]),
        without=_without(coming.decided),
        unreadable=tuple((clean(whose), why) for whose, why in coming.unreadable.items())[:_MOST_REASONS],
        hold=hold,
    )


def _somebody(digest: Digest) -> Somebody:
    return Somebody(
        subscriber_id=digest.subscriber.id,
        email=digest.subscriber.email,
        papers=len(digest.items),
        first=clean(digest.items[0].paper.title),
    )


def _without(decided: Sequence[Digest]) -> tuple[Without, ...]:
    counted = Counter(digest.empty_reason for digest in decided if not digest.items)
    return tuple(Without(reason=reason, people=n) for reason, n in counted.most_common(_MOST_REASONS))


def _page(shown: ShownNext | Nobody) -> Page:
    return Page(template="desk-next.html.j2", shows=shown)
