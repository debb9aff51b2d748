"""What rules would have given."""

from datetime import date, datetime

from pydantic import BaseModel, Field

from digest import models
from digest.matching.backtest import RuleStats
from digest.models import DigestItem
from digest.web.api import rules
from digest.web.api.access import ReadsProfiles
from digest.web.api.fields import Rules, Wanted, a_router
from digest.web.api.problems import responses

router = a_router("profiles")


class Trial(Wanted):
    """Rules to try."""

    rules: Rules = Field(examples=["diffusion model\n-survey"])
    days: int = Field(30, ge=1, le=30, description="How far to look back.")
    limit: int = Field(10, ge=0, le=50, description="How many papers to show, the best first.")


class Found(BaseModel):
    """Where a rule found one of its words."""

    field: models.Field
    start: int = Field(description="In characters of that field, from 0.")
    end: int
    rule: str


class Paper(BaseModel):
    """A paper that the rules ask for, and why."""

    id: str = Field(examples=["arxiv:2504.17830"])
    title: str
    abstract: str
    authors: list[str]
    categories: list[str]
    url: str
    first_seen_at: datetime | None
    score: float
    evidence: list[Found]


class Day(BaseModel):
    """How many papers of a day."""

    on: date
    papers: int
    of: int = Field(description="How many there were.")


class Better(BaseModel):
    """A rule that would do better."""

    rule: str
    papers: int


class Judged(BaseModel):
    """How one rule does among the papers of the last thirty days."""

    line: int
    rule: str
    excludes: bool
    papers: int = Field(description="That it is true of; if it excludes, of those that other lines ask for.")
    alone: int = Field(description="Of these, how many no other line asks for, or keeps out.")
    share: float = Field(description="Of all papers, 0 to 1, that it is true of.")
    floods: bool = Field(description="It is true of so many that it says little about any.")
    suggestion: Better | None


class Preview(BaseModel):
    """What rules would have given."""

    count: int
    days: list[Day]
    rules: list[Judged]
    papers: list[Paper]


@router.post("/preview", responses=responses(body=True))
def preview_rules(call: ReadsProfiles, trial: Trial) -> Preview:
    """What rules would have given in the last days, and how each does. Changes nothing. Two at once are answered."""
    text = rules.shared(trial.rules).text
    profile = models.Profile(name="preview", rules=text, owner_id=0)
    recent_papers = call.app.recent_papers
    with call.at_once.working(call.by):
        found = recent_papers.find_recent([profile], days=trial.days, now=call.now, limit=trial.limit)
        judged = recent_papers.rule_stats(profile, now=call.now)
    return Preview(
        count=found.count,
        days=[Day(on=on, papers=papers, of=of) for on, (papers, of) in found.days.items()],
        rules=[_judged(record) for record in judged],
        papers=[_paper(item) for item in found.items],
    )


def _judged(record: RuleStats) -> Judged:
    better = record.suggestion
    return Judged(
        line=record.line,
        rule=record.rule,
        excludes=record.excludes,
        papers=record.papers,
        alone=record.alone,
        share=record.share,
        floods=record.floods,
        suggestion=None if better is None else Better(rule=better.rule, papers=better.papers),
    )


def _paper(item: DigestItem) -> Paper:
    paper = item.paper
    return Paper(
        id=paper.id,
        title=paper.title,
        abstract=paper.abstract,
        authors=list(paper.authors),
        categories=list(paper.categories),
        url=paper.url,
        first_seen_at=paper.first_seen_at,
        score=round(float(item.score), 3),
        evidence=[Found(field=e.field, start=e.start, end=e.end, rule=e.rule) for e in item.evidence],
    )
