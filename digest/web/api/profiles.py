"""Shared profiles, and their versions."""

from datetime import datetime
from typing import Annotated

from fastapi import Header, Query, Response
from pydantic import BaseModel, Field, StringConstraints

from digest import models
from digest.admin import profile_actions
from digest.admin.profile_diff import with_descriptions
from digest.errors import NotFoundError
from digest.models import ProfileVersion
from digest.store import Transaction, profiles
from digest.web.api import rules
from digest.web.api.access import ReadsProfiles, WritesProfiles
from digest.web.api.fields import MOST_ID, Id, Line, Numbered, Page, Rules, Wanted, a_router, page_of
from digest.web.api.problems import Refused, responses, told_as

router = a_router("profiles")

IfMatch = Annotated[
    str | None,
    Header(max_length=200, description="Only if the profile's ETag is still this; else 412.", examples=['"3"']),
]


class Profile(BaseModel):
    """A named set of rules that subscribers follow."""

    id: int = Field(examples=[7])
    name: str = Field(examples=["Efficient models"])
    rules: str = Field(examples=["quantiz*\npruning ^2\n-title:survey"])
    version: int = Field(description="The newest one's number, and the ETag.", examples=[3])
    followers: int = Field(description="How many subscribers follow it.")


class WantedProfile(Wanted):
    """A profile as it shall be."""

    name: Annotated[Line, StringConstraints(min_length=1)] = Field(examples=["Efficient models"])
    rules: Rules = Field(description="One a line.", examples=["quantiz*\npruning ^2\n-title:survey"])


class Version(BaseModel):
    """What a profile was from some time on."""

    number: int
    name: str
    rules: str
    saved_at: datetime
    saved_by: str
    change: str = Field(description="What it changed, in a few words.", examples=["2 lines added"])


class WantedVersion(Wanted):
    """Which version to go back to."""

    version: int = Field(ge=1, le=MOST_ID, examples=[1])


@router.get("/profiles", responses=responses())
def list_profiles(call: ReadsProfiles) -> Page[Profile]:
    """Every shared profile, by name, on one page."""
    with call.store.read() as tx:
        followers, newest = profiles.count_followers(tx), profiles.latest_version_numbers(tx)
        found = [_record(p, newest.get(p.id, 0), followers[p.name]) for p in profiles.list_shared(tx)]
    return Page(items=found, next=None)


@router.post("/profiles", status_code=201, responses=responses(409, body=True))
def add_profile(call: WritesProfiles, wanted: WantedProfile, response: Response) -> Profile:
    """Add a profile. 409 where its name is taken."""
    compiled, name = rules.shared(wanted.rules), profile_actions.clean_name(wanted.name)
    with call.writing() as tx, told_as(409):
        added = profile_actions.add(tx, name, compiled, by=call.by, now=call.now)
        response.headers["Location"] = call.url(f"/profiles/{added.id}")
        return _answered(tx, added, response)


@router.get("/profiles/{id:number}", responses=responses(404))
def get_profile(call: ReadsProfiles, id: Id, response: Response) -> Profile:  # noqa: A002
    """One profile. Its ETag is for `If-Match`: so that nobody overwrites what they have not seen."""
    with call.store.read() as tx:
        return _answered(tx, profiles.get_by_id(tx, id), response)


@router.put("/profiles/{id:number}", responses=responses(404, 409, 412, body=True))
def put_profile(
    call: WritesProfiles,
    id: Id,  # noqa: A002
    wanted: WantedProfile,
    response: Response,
    if_match: IfMatch = None,
) -> Profile:
    """Give a profile another name or other rules; its followers stay. What it was stays among its versions."""
    compiled, name = rules.shared(wanted.rules), profile_actions.clean_name(wanted.name)
    with call.writing() as tx:
        before = _matching(tx, id, if_match)
        with told_as(409):
            after = profile_actions.edit(tx, before.name, rules=compiled, new_name=name, by=call.by, now=call.now)
        return _answered(tx, after, response)


@router.delete("/profiles/{id:number}", status_code=204, response_class=Response, responses=responses(404, 412))
def remove_profile(call: WritesProfiles, id: Id, if_match: IfMatch = None) -> None:  # noqa: A002
    """Remove a profile; nobody follows it any more. Its versions stay."""
    with call.writing() as tx:
        profile_actions.remove(tx, _matching(tx, id, if_match).name, by=call.by, now=call.now)


@router.get("/profiles/{id:number}/versions", responses=responses(404))
def list_versions(call: ReadsProfiles, id: Id, page: Annotated[Numbered, Query()]) -> Page[Version]:  # noqa: A002
    """What a profile was, the newest first; also of one that was removed."""
    with call.store.read() as tx:
        kept = with_descriptions(profiles.list_versions(tx, id))
    if not kept:
        raise NotFoundError("profile", str(id), listed_by="digest profile list")
    older = [(v, words) for v, words in kept if not page.number or v.number < page.number]
    return page_of(older, page.limit, shown=lambda one: _version(*one), cursor=lambda one: one[0].number)


@router.post("/profiles/{id:number}/restore", responses=responses(404, 409, body=True))
def restore_profile(call: WritesProfiles, id: Id, wanted: WantedVersion, response: Response) -> Profile:  # noqa: A002
    """Give a profile the rules of an earlier version, as a new one; a removed one comes back, followed by nobody."""
    with call.writing() as tx:
        known = profiles.list_versions(tx, id)
        if not known:
            raise NotFoundError("profile", str(id), listed_by="digest profile list")
        with told_as(422):  # also where there is no such version: the profile is there
            restored = profile_actions.restore(tx, known[0].name, wanted.version, by=call.by, now=call.now)
        if restored.id != id:
            raise Refused(409, f"there is another profile {restored.name!r} by now; rename that first")
        return _answered(tx, restored, response)


def _matching(tx: Transaction, number: int, if_match: str | None) -> models.Profile:
    """The profile, where it is still as the client saw it. Raises NotFoundError, Refused 412."""
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
    return Profile(id=profile.id, name=profile.name, rules=profile.rules, version=version, followers=followers)


def _version(version: ProfileVersion, change: str) -> Version:
    return Version(
        number=version.number,
        name=version.name,
        rules=version.rules,
        saved_at=version.saved_at,
        saved_by=version.saved_by,
        change=change,
    )
