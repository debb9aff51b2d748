"""What keywords would have given, while somebody types them. Changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Annotated

from digest.errors import RuleError
from digest.matching.backtest import RuleStats
from digest.matching.paper_collection import Findings
from digest.models import OWN_KEYWORDS, CompiledRules, Profile
from digest.pipeline.recent_papers import RecentPapers
from digest.store import Store, profiles
from digest.web.forms.keywords import Keywords, is_readable, read_keywords
from digest.web.pages import Page, Visit
from digest.web.papers import Showcase, ShownPaper
from digest.web.rate_limits import RateLimit
from digest.web.template_samples import Samples

_BEST = 10  # papers that are shown
_ABSTRACT = 320  # characters
_DAYS = (7, 30)  # the first is taken where something else is asked
_FORMS = ("subscribe", "settings")  # that keywords are tried from
_SHOWN = {"rules", "profile", "days", "back"}  # fields that the page has itself
_MOST_CARRIED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """How many papers there would have been."""

    on: date
    papers: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewed:
    """What was typed and ticked, and what it would have given."""

    keywords: Keywords = field(default_factory=Keywords)
    ticked: tuple[tuple[str, bool], ...] = ()  # every shared profile
    days: int
    back: Annotated[str, Samples("", *_FORMS)] = ""  # the form that somebody came from, "" for none
    carried: tuple[tuple[str, str], ...] = ()  # what they typed there besides, so that it is there again
    wanted: bool = False  # something was asked for
    count: int = 0
    a_day: int = 0  # on a day that has papers, rounded
    by_day: tuple[Day, ...] = ()
    papers: tuple[ShownPaper, ...] = ()
    dead: tuple[RuleStats, ...] = ()  # own rules that ask for papers and were never true
    floods: tuple[RuleStats, ...] = ()


@dataclass(frozen=True, slots=True)
class Previewing:
    """The page at /preview, and the part of it that script.js asks for."""

    store: Store
    recent_papers: RecentPapers
    showcase: Showcase
    limits: RateLimit

    def act(self, visit: Visit) -> Page:
        """POST: looks, and changes nothing. Raises HTTPException 429."""
        with self.limits.working(visit.client, now=visit.now):
            return self._answer(visit)

    def _answer(self, visit: Visit) -> Page:
        rules, keywords = read_keywords(visit.form.get("rules", ""))
        days = next((days for days in _DAYS if visit.form.get("days") == str(days)), _DAYS[0])
        named = set(visit.form.getlist("profile"))
        with self.store.read() as tx:
            shared = profiles.list_shared(tx)
        back = visit.form.get("back", "")
        shows = Previewed(
            keywords=keywords,
            ticked=tuple((profile.name, profile.name in named) for profile in shared),
            days=days,
            back=back if back in _FORMS else "",
            carried=tuple(field for field in visit.form.multi_items() if field[0] not in _SHOWN)[:_MOST_CARRIED],
        )
        wanted = [profile for profile in shared if profile.name in named]
        if rules is not None and (wanted or rules.has_positive_rules):
            shows = self._tried(shows, rules, wanted, visit.now)
        return Page(template="previewed.html.j2" if visit.fragment else "preview.html.j2", shows=shows)

    def _tried(self, asked: Previewed, rules: CompiledRules, shared: Sequence[Profile], now: datetime) -> Previewed:
        own = Profile(name=OWN_KEYWORDS, rules=rules.text, owner_id=0)
        found = self._found([own, *shared], asked.days, now)
        records = self.recent_papers.rule_stats(own, now=now)
        days = [of for _, of in found.days.values() if of]
        return replace(
            asked,
            wanted=True,
            count=found.count,
            a_day=round(found.count / max(len(days), 1)),
            by_day=tuple(Day(on=on, papers=papers, of=of) for on, (papers, of) in found.days.items()),
            papers=tuple(self.showcase.show(item.paper, item.evidence, most=_ABSTRACT) for item in found.items),
            dead=tuple(record for record in records if not record.share and not record.excludes),
            floods=tuple(record for record in records if record.floods),
        )

    def _found(self, wanted: Sequence[Profile], days: int, now: datetime) -> Findings:
        try:
            return self.recent_papers.find_recent(wanted, days=days, now=now, limit=_BEST)
        except RuleError:  # a shared profile's that an older version could read: digests leave it out, too
            readable = [profile for profile in wanted if is_readable(profile.rules)]
            return self.recent_papers.find_recent(readable, days=days, now=now, limit=_BEST)
