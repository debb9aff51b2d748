"""A shared profile's versions, which can be restored, and the pages that rename and remove it."""

from dataclasses import dataclass
from typing import Annotated

from starlette.responses import Response

from digest.admin import profile_actions, profile_diff
from digest.errors import NotFoundError, UsageError
from digest.models import Profile, ProfileVersion, Role
from digest.store import profiles
from digest.web.auth import CurrentAdmin, admin_router
from digest.web.dependencies import Context, PathId, PostedForm, RequestContext, parse_number
from digest.web.rendering import Samples, admin_template, isolated

_MAX_NAME = 200  # characters

router = admin_router("/admin/profiles", role=Role.EDITOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedVersion:
    """A line of the history; `at` is a local time."""

    number: int
    at: str  # "2026-06-03 07:00"
    who: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The versions of a profile, newest first."""

    id: int
    name: str
    removed: bool
    versions: tuple[ListedVersion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownVersion:
    """One version, and the lines that it changed, each with its sign: "+", "-", " " or "@"."""

    id: int
    name: str  # that it had then
    removed: bool
    is_newest: bool
    version: ListedVersion
    rules: str
    diff: tuple[tuple[Annotated[str, Samples("+", "-", " ", "@")], str], ...]


@dataclass(frozen=True, slots=True)
class Removed:
    """The profiles that were removed, by name."""

    profiles: tuple[Profile, ...]
    just_now: bool = False


@router.get("/removed")
def list_removed(context: Context, done: str = "") -> Response:
    """The profiles that were removed."""
    with context.store.read() as tx:
        removed = profiles.list_removed(tx)
    return context.render(admin_template("removed"), Removed(tuple(removed), just_now=done == "removed"))


@router.get("/{id}/history")
def list_versions(context: Context, profile_id: PathId) -> Response:
    """The versions of a profile. Raises NotFoundError."""
    with context.store.read() as tx:
        profile = profiles.get_by_id(tx, profile_id, or_removed=True)
        removed = profiles.find_by_id(tx, profile_id) is None
        versions = profile_diff.with_descriptions(profiles.list_versions(tx, profile_id))
    page = History(
        id=profile.id,
        name=isolated(profile.name),
        removed=removed,
        versions=tuple(_listed(context, version, words) for version, words in versions),
    )
    return context.render(admin_template("history"), page)


@router.get("/{id}/history/{version}")
def show_version(context: Context, profile_id: PathId, version: str) -> Response:
    """One version, and what it changed. Raises NotFoundError."""
    with context.store.read() as tx:
        profile = profiles.get_by_id(tx, profile_id, or_removed=True)
        removed = profiles.find_by_id(tx, profile_id) is None
        before, shown = profiles.get_version(tx, profile, parse_number(version))
        newest = profiles.list_versions(tx, profile_id)[0].number
    page = ShownVersion(
        id=profile_id,
        name=isolated(shown.name),
        removed=removed,
        is_newest=shown.number == newest,
        version=_listed(context, shown, profile_diff.describe(before, shown)),
        rules=shown.rules,
        # The first two lines are the headers of a unified diff.
        diff=tuple(
            (line[:1] or " ", "" if line.startswith("@@") else line[1:])
            for line in profile_diff.diff(before, shown)[2:]
        ),
    )
    return context.render(admin_template("version"), page)


@router.post("/{id}/history/{version}")
def restore_version(context: Context, profile_id: PathId, version: str, admin: CurrentAdmin) -> Response:
    """Give the profile the rules of this version again. Raises NotFoundError, UsageError."""
    with context.store.write() as tx:
        known = profiles.get_by_id(tx, profile_id, or_removed=True)
        profile_actions.restore_version(tx, known, parse_number(version), by=admin.email, now=context.now)
    return context.redirect(f"/admin/profiles/{profile_id}?done=restored")


def _listed(context: RequestContext, version: ProfileVersion, words: str) -> ListedVersion:
    at = context.local_time(version.saved_at)
    return ListedVersion(number=version.number, at=at, who=version.saved_by, words=words)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileForm:
    """The form that renames a profile, or the one that confirms removing it."""

    id: int
    name: str
    followers: int
    silenced: int  # followers who would get no more mail: they have no other profile and no keywords
    typed: str  # the new name
    mistake: str = ""  # why the new name is refused
    unsure: bool = False  # posted without the confirming checkbox


@router.get("/{id}/rename")
def show_rename(context: Context, profile_id: PathId) -> Response:
    """The form that renames a profile. Raises NotFoundError."""
    return _render_form(context, profile_id, "rename")


@router.post("/{id}/rename")
def rename_profile(context: Context, profile_id: PathId, form: PostedForm, admin: CurrentAdmin) -> Response:
    """Rename a profile; its followers stay. Raises NotFoundError."""
    typed = form.get("name", "")[:_MAX_NAME]
    try:
        with context.store.write() as tx:
            name = profiles.get_by_id(tx, profile_id).name
            profile_actions.edit(tx, name, new_name=typed, by=admin.email, now=context.now)
    except NotFoundError:
        raise
    except UsageError as error:
        return _render_form(context, profile_id, "rename", typed=typed, mistake=str(error))
    return context.redirect(f"/admin/profiles/{profile_id}?done=renamed")


@router.get("/{id}/remove")
def show_remove(context: Context, profile_id: PathId) -> Response:
    """The form that confirms removing a profile. Raises NotFoundError."""
    return _render_form(context, profile_id, "remove")


@router.post("/{id}/remove")
def remove_profile(context: Context, profile_id: PathId, form: PostedForm, admin: CurrentAdmin) -> Response:
    """Remove a profile; its versions are kept. Raises NotFoundError."""
    if not form.get("sure"):
        return _render_form(context, profile_id, "remove", unsure=True)
    with context.store.write() as tx:
        profile_actions.remove(tx, profiles.get_by_id(tx, profile_id).name, by=admin.email, now=context.now)
    return context.redirect("/admin/profiles/removed?done=removed")


def _render_form(
    context: RequestContext,
    profile_id: int,
    template: str,
    *,
    typed: str | None = None,
    mistake: str = "",
    unsure: bool = False,
) -> Response:
    with context.store.read() as tx:
        profile = profiles.get_by_id(tx, profile_id)
        followers, silenced = profiles.count_followers_of(tx, profile_id)
    page = ProfileForm(
        id=profile.id,
        name=isolated(profile.name),
        followers=followers,
        silenced=silenced,
        typed=profile.name if typed is None else typed,
        mistake=mistake,
        unsure=unsure,
    )
    return context.render(admin_template(template), page, status=422 if mistake or unsure else 200)
