"""Renaming and removing a shared profile, after showing how many followers that concerns."""

from dataclasses import dataclass

from starlette.responses import Response

from digest.admin import profile_actions
from digest.errors import NotFoundError, UsageError
from digest.models import Role
from digest.store import profiles
from digest.web.admin_auth import CurrentAdmin, admin_router
from digest.web.dependencies import Context, PathId, PostedForm, RequestContext
from digest.web.rendering import admin_template
from digest.web.template_data import isolated

_MAX_NAME = 200  # characters

router = admin_router("/admin/profiles/{id}", role=Role.EDITOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Renaming:
    """The form for another name."""

    id: int
    name: str
    followers: int
    typed: str
    mistake: str = ""  # why the typed name is refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Removing:
    """The form that confirms a removal."""

    id: int
    name: str
    followers: int
    silenced: int  # followers who would get no more mail: they have no other profile and no keywords
    unsure: bool = False  # posted without the confirming checkbox


@router.get("/rename")
def show_rename(context: Context, profile_id: PathId) -> Response:
    """The form for another name. Raises NotFoundError."""
    return _render_rename(context, profile_id)


@router.post("/rename")
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
        return _render_rename(context, profile_id, typed, str(error))
    return context.redirect(f"/admin/profiles/{profile_id}?done=renamed")


@router.get("/remove")
def show_remove(context: Context, profile_id: PathId) -> Response:
    """The form that confirms a removal. Raises NotFoundError."""
    return _render_remove(context, profile_id)


@router.post("/remove")
def remove_profile(context: Context, profile_id: PathId, form: PostedForm, admin: CurrentAdmin) -> Response:
    """Remove a profile; its versions are kept. Raises NotFoundError."""
    if not form.get("sure"):
        return _render_remove(context, profile_id, unsure=True)
    with context.store.write() as tx:
        profile_actions.remove(tx, profiles.get_by_id(tx, profile_id).name, by=admin.email, now=context.now)
    return context.redirect("/admin/profiles/removed?done=removed")


def _render_rename(context: RequestContext, profile_id: int, typed: str | None = None, mistake: str = "") -> Response:
    with context.store.read() as tx:
        profile = profiles.get_by_id(tx, profile_id)
        followers, _ = profiles.count_followers_of(tx, profile_id)
    page = Renaming(
        id=profile.id,
        name=isolated(profile.name),
        followers=followers,
        typed=profile.name if typed is None else typed,
        mistake=mistake,
    )
    return context.render(admin_template("rename"), page, status=422 if mistake else 200)


def _render_remove(context: RequestContext, profile_id: int, *, unsure: bool = False) -> Response:
    with context.store.read() as tx:
        profile = profiles.get_by_id(tx, profile_id)
        followers, silenced = profiles.count_followers_of(tx, profile_id)
    name = isolated(profile.name)
    page = Removing(id=profile.id, name=name, followers=followers, silenced=silenced, unsure=unsure)
    return context.render(admin_template("remove"), page, status=422 if unsure else 200)
