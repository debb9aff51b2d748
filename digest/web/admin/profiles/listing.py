"""The list of shared profiles, the followers of one, and all profiles as a file that can be imported again."""

from dataclasses import dataclass

from starlette.responses import Response

from digest.admin import profile_actions
from digest.admin.profile_actions import ImportPreview
from digest.errors import UsageError
from digest.models import Role
from digest.store import profiles
from digest.web.admin.profiles.trial import FULL
from digest.web.auth import CurrentAdmin, admin_router, require_role
from digest.web.dependencies import Context, Number, PathId, PostedForm
from digest.web.forms import is_readable
from digest.web.rendering import admin_template, attachment, isolated

_MAX_COUNTED = 300  # profiles whose papers are counted: more would take a second
_PAGE_SIZE = 100  # followers
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
        parsed = profile_actions.parse_json_lines(text.lstrip("\ufeff"))
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
