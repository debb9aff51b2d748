"""Shared profiles: their versions, and a preview of what rules would find."""

from dataclasses import asdict
from datetime import date, datetime
from functools import partial
from typing import Annotated

from fastapi import Header, Query, Response
from pydantic import BaseModel, Field, StringConstraints

from digest import models
from digest.admin import profile_actions
from digest.admin.profile_actions import with_descriptions
from digest.errors import NotFoundError
from digest.models import DigestItem, ProfileVersion
from digest.store import Transaction, profiles
from digest.web.api.access import ReadsProfiles, WritesProfiles
from digest.web.api.fields import (
    MAX_ID,
    Id,
    Line,
    NumberedPageQuery,
    Page,
    RequestBody,
    RuleHint,
    Rules,
    Score,
    Shown,
    hints_for,
    new_router,
    page_of,
    profile_rules,
)
from digest.web.api.problems import Refused, as_problem, responses

router = new_router("profiles")

IfMatch = Annotated[
    str | None,
    Header(max_length=200, description="Only if the profile still has this ETag; otherwise 412.", examples=['"3"']),
]


class Profile(BaseModel):
    """A named set of rules that subscribers follow."""

    id: int = Field(examples=[7])
    name: str = Field(examples=["Efficient models"])
    rules: str = Field(examples=["quantiz*\npruning ^2\n-title:survey"])
    version: int = Field(description="Number of the newest version, and the ETag.", examples=[3])
    followers: int = Field(description="Number of subscribers who follow it.")
    hints: list[RuleHint] | None = Field(
        None, description="Phrases that may be meant as lists or operators; missing if there are none, and in lists."
    )


class NewProfile(RequestBody):
    """The name and the rules of a profile."""

    name: Annotated[Line, StringConstraints(min_length=1)] = Field(examples=["Efficient models"])
    rules: Rules = Field(description="One rule a line.", examples=["quantiz*\npruning ^2\n-title:survey"])


class Version(Shown):
    """A saved version of a profile."""

    number: int
    name: str
    rules: str
    saved_at: datetime
    saved_by: str
    change: str = Field(description="What this version changed.", examples=["2 lines added"])

    @classmethod
    def of(cls, v: ProfileVersion, change: str) -> "Version":
        """Return a stored version with what it changed."""
        return cls(**asdict(v), change=change)


class RestoredVersion(RequestBody):
    """Which version to restore."""

    version: int = Field(ge=1, le=MAX_ID, examples=[1])


@router.get("/profiles", responses=responses(), response_model_exclude={"items": {"__all__": {"hints"}}})
def list_profiles(call: ReadsProfiles) -> Page[Profile]:
    """Return every shared profile, by name, on one page."""
    with call.store.read() as tx:
        followers, newest = profiles.count_followers(tx), profiles.latest_version_numbers(tx)
        found = [_record(p, newest.get(p.id, 0), followers[p.name]) for p in profiles.list_shared(tx)]
    return Page(items=found, next=None)


@router.post("/profiles", status_code=201, responses=responses(409, body=True), response_model_exclude_none=True)
def add_profile(call: WritesProfiles, wanted: NewProfile, response: Response) -> Profile:
    """Add a profile. 409 if its name is taken."""
    compiled, name = profile_rules(call, wanted.rules), profile_actions.clean_name(wanted.name)
    with call.writing() as tx, as_problem(409):
        added = profile_actions.add(tx, name, compiled, **call.signed)
        response.headers["Location"] = call.url(f"/profiles/{added.id}")
        return _answered(tx, added, response)


@router.get("/profiles/{id:number}", responses=responses(404), response_model_exclude_none=True)
def get_profile(call: ReadsProfiles, id: Id, response: Response) -> Profile:  # noqa: A002
    """Return one profile. Its ETag, sent as `If-Match`, keeps clients from overwriting changes they have not seen."""
    with call.store.read() as tx:
        return _answered(tx, profiles.get_by_id(tx, id), response)


@router.put("/profiles/{id:number}", responses=responses(404, 409, 412, body=True), response_model_exclude_none=True)
def put_profile(
    call: WritesProfiles,
    id: Id,  # noqa: A002
    wanted: NewProfile,
    response: Response,
    if_match: IfMatch = None,
) -> Profile:
    """Change a profile's name or rules. Its followers stay, and the old rules stay among its versions."""
    compiled, name = profile_rules(call, wanted.rules), profile_actions.clean_name(wanted.name)
    with call.writing() as tx:
        before = _get_unchanged(tx, id, if_match)
        with as_problem(409):
            after = profile_actions.edit(tx, before.name, rules=compiled, new_name=name, **call.signed)
        return _answered(tx, after, response)


@router.delete("/profiles/{id:number}", status_code=204, response_class=Response, responses=responses(404, 412))
def remove_profile(call: WritesProfiles, id: Id, if_match: IfMatch = None) -> None:  # noqa: A002
    """Remove a profile from all its followers. Its versions stay."""
    with call.writing() as tx:
        profile_actions.remove(tx, _get_unchanged(tx, id, if_match).name, **call.signed)


@router.get("/profiles/{id:number}/versions", responses=responses(404))
def list_versions(call: ReadsProfiles, id: Id, page: Annotated[NumberedPageQuery, Query()]) -> Page[Version]:  # noqa: A002
    """Return the versions of a profile, newest first, also of a removed one."""
    with call.store.read() as tx:
        kept = with_descriptions(profiles.list_versions(tx, id))
    if not kept:
        raise NotFoundError("profile", str(id), listed_by="digest profile list")
    older = [(v, words) for v, words in kept if not page.number or v.number < page.number]
    return page_of(older, page.limit, show=lambda one: Version.of(*one), cursor=lambda one: one[0].number)


@router.post(
    "/profiles/{id:number}/restore", responses=responses(404, 409, body=True), response_model_exclude_none=True
)
def restore_profile(call: WritesProfiles, id: Id, wanted: RestoredVersion, response: Response) -> Profile:  # noqa: A002
    """Save the rules of an earlier version as a new version. A removed profile comes back without followers."""
    with call.store.read() as tx:
        known = profiles.get_by_id(tx, id, or_removed=True)
        with as_problem(422):  # also where there is no such version: the profile is there
            rules = profile_actions.read_version(
                tx, known, wanted.version, check=partial(call.app.check_cost, now=call.now)
            )
    with call.writing() as tx, as_problem(409):  # another profile has its name now
        restored = profile_actions.restore(tx, known, wanted.version, rules, **call.signed)
        return _answered(tx, restored, response)


def _get_unchanged(tx: Transaction, number: int, if_match: str | None) -> models.Profile:
    """Return the profile if it still has the ETag that the client saw. Raises NotFoundError, and Refused 412."""
    found = profiles.get_by_id(tx, number)
    etag = _etag(profiles.latest_version_numbers(tx).get(number, 0))
    if if_match is not None and not {"*", etag} & {tag.strip() for tag in if_match.split(",")}:
        raise Refused(412, f"the profile has changed: its ETag is {etag} now")
    return found


def _answered(tx: Transaction, profile: models.Profile, response: Response) -> Profile:
    number = profiles.latest_version_numbers(tx).get(profile.id, 0)
    response.headers["ETag"] = _etag(number)
    return _record(profile, number, profiles.count_followers(tx)[profile.name])


def _etag(version: int) -> str:
    return f'"{version}"'


def _record(profile: models.Profile, version: int, followers: int) -> Profile:
    return Profile(
        id=profile.id,
        name=profile.name,
        rules=profile.rules,
        version=version,
        followers=followers,
        hints=hints_for(profile.rules) or None,
    )


class PreviewRequest(RequestBody):
    """Rules to try."""

    rules: Rules = Field(examples=["diffusion model\n-survey"])
    days: int = Field(30, ge=1, le=30, description="Number of days to look back.")
    limit: int = Field(10, ge=0, le=50, description="Maximum number of papers to return, best first.")


class Evidence(Shown):
    """Where a rule matched a word."""

    field: models.Field
    start: int = Field(description="Character offset in that field, from 0.")
    end: int
    rule: str


class Paper(Shown):
    """A paper that the rules match, and why."""

    id: str = Field(examples=["arxiv:2504.17830"])
    title: str
    abstract: str
    authors: list[str]
    categories: list[str]
    url: str
    first_seen_at: datetime | None
    score: Score
    evidence: list[Evidence]

    @classmethod
    def of(cls, item: DigestItem) -> "Paper":
        """Return a matching paper with its score."""
        match = {"score", "evidence"}
        return cls.model_validate({n: getattr(item if n in match else item.paper, n) for n in cls.model_fields})


class Day(BaseModel):
    """The matches of one day."""

    on: date
    papers: int
    of: int = Field(description="Number of papers on that day.")


class Suggestion(Shown):
    """A rule that would work better."""

    rule: str
    papers: int


class RuleStatistics(Shown):
    """How one rule performs on the papers of the last thirty days."""

    line: int
    rule: str
    excludes: bool
    papers: int = Field(
        description="Papers that it matches; for an excluding rule, only among those that other lines match."
    )
    alone: int = Field(description="Papers among these that no other line matches, or excludes.")
    share: float = Field(description="Share of all papers that it matches, 0 to 1.")
    floods: bool = Field(description="It matches so many papers that it is not useful.")
    suggestion: Suggestion | None


class Preview(BaseModel):
    """What rules would have found."""

    count: int
    days: list[Day]
    rules: list[RuleStatistics]
    hints: list[RuleHint] = Field(description="Phrases that may be meant as lists or operators.")
    papers: list[Paper]


@router.post("/preview", responses=responses(body=True))
def preview_rules(call: ReadsProfiles, request: PreviewRequest) -> Preview:
    """Return what rules would have found in the last days, and how each performs. Two previews run at a time."""
    text = profile_rules(call, request.rules).text
    profile = models.Profile(name="preview", rules=text, owner_id=0)
    recent_papers = call.app.recent_papers
    with call.services.limits.api_previews_at_once.hold_place(call.by):
        found = recent_papers.find_recent([profile], days=request.days, now=call.now, limit=request.limit)
        judged = recent_papers.rule_stats(profile, now=call.now)
    return Preview(
        count=found.count,
        days=[Day(on=on, papers=papers, of=of) for on, (papers, of) in found.days.items()],
        rules=[RuleStatistics.model_validate(rule) for rule in judged],
        hints=hints_for(text),
        papers=[Paper.of(item) for item in found.items],
    )
