"""Shared profiles: the list, followers, files to import and export, versions, and the forms to rename or remove one."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from starlette.responses import Response

from digest.admin import profile_actions
from digest.admin.profile_actions import ImportPreview
from digest.errors import NotFoundError, UsageError
from digest.models import Profile, ProfileVersion, Role
from digest.store import profiles
from digest.web.admin.profiles.trial import FULL
from digest.web.auth import CurrentAdmin, admin_router, require_role
from digest.web.dependencies import Context, Number, PathId, PostedForm, RequestContext, parse_number
from digest.web.forms import is_readable
from digest.web.rendering import Samples, admin_template, attachment, isolated

_MAX_COUNTED = 300  # profiles whose papers are counted: more would take a second
_PAGE_SIZE = 100  # followers
_MAX_NAME = 200  # characters
_IMPORT = admin_template("profiles-import")

router = admin_router("/admin/profiles", role=Role.EDITOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedProfile:
    """A line of the list."""

    id: int
    name: str
    lines: int  # of its rules
    followers: int
    a_day: float | None  # papers per day that has papers; None if they were not counted

    @property
    def floods(self) -> bool:
        """True if it finds more papers a day than a digest holds."""
        return self.a_day is not None and round(self.a_day) > FULL


@dataclass(frozen=True, slots=True)
class ProfileList:
    """Every shared profile, by name."""

    profiles: tuple[ListedProfile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Followers:
    """A page of a profile's followers, by number."""

    id: int
    name: str
    count: int
    people: tuple[tuple[int, str], ...]  # (number, address)
    first: bool  # this is the first page
    more: bool  # there is a next page


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """The form that imports profiles."""

    text: str = ""
    mistake: str = ""  # what is wrong with it, after the number of the line
    foreseen: tuple[ImportPreview, ...] = ()  # what the import would do to each profile
    done: bool = False


@router.get("")
def list_profiles(context: Context) -> Response:
    """All shared profiles, with followers and papers per day."""
    with context.store.read() as tx:
        followers = profiles.count_followers(tx)
        shared = profiles.list_shared(tx)
    counted = [profile for profile in shared if len(shared) <= _MAX_COUNTED and is_readable(profile.rules)]
    per_day = context.app.recent_papers.matches_per_day(counted, now=context.now) if counted else []
    papers = {profile.id: count for profile, count in zip(counted, per_day, strict=True)}
    listed = (
        ListedProfile(
            id=profile.id,
            name=profile.name,
            lines=sum(bool(line.strip()) for line in profile.rules.splitlines()),
            followers=followers.get(profile.name, 0),
            a_day=papers.get(profile.id),
        )
        for profile in shared
    )
    return context.render(admin_template("profiles"), ProfileList(tuple(listed)))


@router.get("/{id}/followers", dependencies=[require_role(Role.ADMIN)])
def list_followers(context: Context, profile_id: PathId, after: Number = 0) -> Response:
    """The followers of a profile whose number is greater than `after`. Raises NotFoundError."""
    with context.store.read() as tx:
        profile = profiles.get_by_id(tx, profile_id)
        count, _ = profiles.count_followers_of(tx, profile_id)
        people = profiles.list_followers(tx, profile_id, after=after, limit=_PAGE_SIZE + 1)
    page = Followers(
        id=profile.id,
        name=isolated(profile.name),
        count=count,
        people=tuple(people[:_PAGE_SIZE]),
        first=not after,
        more=len(people) > _PAGE_SIZE,
    )
    return context.render(admin_template("followers"), page)


@router.get("/export")
def export_profiles(context: Context) -> Response:
    """The file that `digest profile export` prints."""
    with context.store.read() as tx:
        text = profile_actions.to_json_lines(profiles.list_shared(tx))
    return attachment(text, "application/jsonl; charset=utf-8", "profiles.jsonl")


@router.get("/import")
def show_import(context: Context, done: str = "") -> Response:
    """The form that imports profiles."""
    return context.render(_IMPORT, Import(done=done == "imported"))


@router.post("/import")
def import_profiles(context: Context, form: PostedForm, admin: CurrentAdmin) -> Response:
    """Show what an import would change, or do it if `do` is "import": all profiles or none."""
    text = form.get("text", "").replace("\r\n", "\n")
    try:
        parsed = profile_actions.parse_json_lines(
            text.lstrip("\ufeff"), check=partial(context.app.check_cost, now=context.now)
        )
        mistake = "" if parsed else "there is no profile in it"
    except UsageError as error:
        parsed, mistake = [], str(error)
    if mistake:
        return context.render(_IMPORT, Import(text=text, mistake=mistake), status=422)
    if form.get("do") == "import":
        with context.store.write() as tx:
            profile_actions.import_all(tx, parsed, by=admin.email, now=context.now)
        return context.redirect("/admin/profiles/import?done=imported")
    with context.store.read() as tx:
        foreseen = profile_actions.preview_import(tx, parsed)
    return context.render(_IMPORT, Import(text=text, foreseen=tuple(foreseen)))


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
        versions = profile_actions.with_descriptions(profiles.list_versions(tx, profile_id))
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
        version=_listed(context, shown, profile_actions.describe(before, shown)),
        rules=shown.rules,
        # The first two lines are the headers of a unified diff.
        diff=tuple(
            (line[:1] or " ", "" if line.startswith("@@") else line[1:])
            for line in profile_actions.diff(before, shown)[2:]
        ),
    )
    return context.render(admin_template("version"), page)


@router.post("/{id}/history/{version}")
def restore_version(context: Context, profile_id: PathId, version: str, admin: CurrentAdmin) -> Response:
    """Give the profile the rules of this version again. Raises NotFoundError, UsageError."""
    number = parse_number(version)
    with context.store.read() as tx:
        known = profiles.get_by_id(tx, profile_id, or_removed=True)
        rules = profile_actions.read_version(tx, known, number, check=partial(context.app.check_cost, now=context.now))
    with context.store.write() as tx:
        profile_actions.restore(tx, known, number, rules, by=admin.email, now=context.now)
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
