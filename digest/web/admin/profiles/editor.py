"""The editor of shared profiles, which shows what rules find before they are saved; and the translation of queries."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

from starlette.responses import Response

from digest.admin import profile_actions
from digest.errors import CostlyRuleError, NotFoundError, RuleError, UsageError
from digest.matching.language.hints import split_line
from digest.matching.language.translation import Translation, translate_query
from digest.models import Admin, CompiledRules, Profile, ProfileVersion, Role
from digest.pipeline.recent_papers import DAYS
from digest.store import profiles
from digest.web.admin.profiles import trial
from digest.web.admin.profiles.trial import Trial
from digest.web.auth import CurrentAdmin, admin_router
from digest.web.dependencies import Context, Fields, PathId, PostedForm, RequestContext, parse_number
from digest.web.forms import read_affordable_keywords
from digest.web.papers import ShownPaper
from digest.web.rendering import Samples, admin_template

_MAX_NAME = 200  # characters
_MAX_DIFF = 400  # lines
_MAX_PAPERS = 5  # that a translated query finds
_MAX_ABSTRACT = 320  # characters
_EDITOR = admin_template("editor")
_DONE = ("added", "saved", "restored", "renamed")

router = admin_router("/admin/profiles", role=Role.EDITOR)
preview_router = admin_router("/admin/profiles", role=Role.EDITOR, wakes_delivery=False)
query_router = admin_router("/admin/profiles/query", role=Role.EDITOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Another admin saved the profile while this editor was open."""

    number: int  # of their version
    who: str
    at: str  # a local time: "2026-06-03 07:00"
    diff: Annotated[
        Sequence[str], Samples((), (" cat", "-dog", "+bird"))
    ]  # the lines around their changes, as in a unified diff


@dataclass(frozen=True, slots=True, kw_only=True)
class Editor:
    """The editor of a profile: its text, what is wrong with it, and what its rules find."""

    id: int = 0  # 0: a new profile
    name: str = ""
    version: int = 0  # that the text was edited from
    followers: int | None = None  # None if not counted
    text: str = ""
    name_mistake: Annotated[str, Samples("", "missing", "taken")] = ""
    refused: str = ""  # why the rules cannot be saved, if no line has a mistake
    done: Annotated[str, Samples("", *_DONE)] = ""  # just now
    conflict: Conflict | None = None
    gone: bool = False  # another admin removed the profile; the text can be saved as a new one
    trial: Trial = field(default_factory=Trial)

    @property
    def mended(self) -> bool:
        """True if it can be saved."""
        return not (self.name_mistake or self.refused or self.trial.mistakes)


@router.get("/new")
def show_new(context: Context) -> Response:
    """The editor for a new profile."""
    return context.render(_EDITOR, Editor())


@router.post("/new")
def add_profile(context: Context, form: PostedForm, admin: CurrentAdmin) -> Response:
    """Add a profile, or show what is wrong with it."""
    rules, page = _read_form(context, form, 0)
    with context.store.write() as tx:
        mistake = "" if page.name else "missing"
        if page.name and profiles.find(tx, page.name) is not None:
            mistake = "taken"
        if rules is not None and not mistake:
            added = profile_actions.add(tx, page.name, rules, by=admin.email, now=context.now)
            return context.redirect(f"/admin/profiles/{added.id}?done=added")
    return context.render(_EDITOR, _try(context, admin, replace(page, name_mistake=mistake), None), status=422)


@preview_router.get("/preview")
def leave_preview(context: Context) -> Response:
    """Redirect to the list: a preview that is opened by its address has no text."""
    return context.redirect("/admin/profiles")


@preview_router.post("/preview")
def preview(context: Context, form: PostedForm, admin: CurrentAdmin) -> Response:
    """Show what unsaved rules would find. Changes nothing. Raises HTTPException 429."""
    text = form.get("rules", "").replace("\r\n", "\n").replace("\r", "\n")
    page = replace(_posted(form), text=text)
    with context.store.read() as tx:
        saved = profiles.find_by_id(tx, page.id)
    if saved is not None:
        page = replace(page, name=saved.name)
    if line := form.get("split", ""):
        page = replace(page, text=split_line(text, parse_number(line)))
    if line := form.get("use", ""):
        page = replace(page, text=trial.use_suggestion(_try(context, admin, page, None).trial, parse_number(line)))
    template = admin_template("trial") if context.wants_fragment else _EDITOR
    return context.render(template, _try(context, admin, page, saved))


@router.get("/{id}")
def show_profile(context: Context, profile_id: PathId, admin: CurrentAdmin, done: str = "") -> Response:
    """The editor with the saved rules. Raises NotFoundError."""
    with context.store.read() as tx:
        profile = profiles.get_by_id(tx, profile_id)
        version = len(profiles.list_versions(tx, profile_id))
        followers, _ = profiles.count_followers_of(tx, profile_id)
    page = Editor(
        id=profile.id,
        name=profile.name,
        version=version,
        followers=followers,
        text=profile.rules.replace("\r\n", "\n").replace("\r", "\n"),
        done=done if done in _DONE else "",
    )
    return context.render(_EDITOR, _try(context, admin, page, profile))


@router.post("/{id}")
def save_profile(context: Context, profile_id: PathId, form: PostedForm, admin: CurrentAdmin) -> Response:
    """Save the rules, unless another admin saved meanwhile what this one has not seen. Raises NotFoundError."""
    rules, page = _read_form(context, form, profile_id)
    with context.store.write() as tx:
        saved, versions = profiles.find_by_id(tx, profile_id), profiles.list_versions(tx, profile_id)
        if saved is None and not versions:
            raise NotFoundError("profile", str(profile_id), listed_by="digest profile list")
        conflict = None if saved is None else _find_conflict(context, versions, page, form)
        if saved is not None and rules is not None and conflict is None:
            profile_actions.edit(tx, saved.name, rules=rules, by=admin.email, now=context.now)
            return context.redirect(f"/admin/profiles/{profile_id}?done=saved")
    # Trying the rules takes long, so it happens after the write lock is released.
    if saved is None:
        page = replace(page, id=0, name=versions[0].name, gone=True)
        return context.render(_EDITOR, _try(context, admin, page, None), status=409)
    page = replace(page, name=saved.name, conflict=conflict if rules is not None else None)
    return context.render(_EDITOR, _try(context, admin, page, saved), status=422 if rules is None else 409)


def _try(context: RequestContext, admin: Admin, page: Editor, saved: Profile | None) -> Editor:
    """Return the page with what its text would find. Raises HTTPException 429."""
    limits, recent_papers = context.services.limits, context.app.recent_papers
    with (
        limits.admin_previews_at_once.hold_place(admin.email),
        limits.admin_preview.count_work(admin.email, now=context.now),
    ):
        tried = trial.try_rules(recent_papers, context.services.cards, page.text, saved, now=context.now)
    return replace(page, trial=tried)


def _posted(form: Fields) -> Editor:
    """Return the fields of the form besides the rules."""
    name = " ".join(form.get("name", "").split())[:_MAX_NAME]
    number, version = parse_number(form.get("profile", "")), parse_number(form.get("version", ""))
    return Editor(id=number, name=name, version=version)


def _read_form(context: RequestContext, form: Fields, profile_id: int) -> tuple[CompiledRules | None, Editor]:
    """Return (the rules, None if they cannot be saved; the page, with the text and the reason)."""
    rules, keywords = read_affordable_keywords(context, form.get("rules", ""))
    page = replace(_posted(form), id=profile_id, text=keywords.text)
    if rules is None:
        return None, page
    try:
        return profile_actions.compile_profile_rules(rules.text), page
    except UsageError as error:
        return None, replace(page, refused=str(error))


def _find_conflict(
    context: RequestContext, newest_first: Sequence[ProfileVersion], page: Editor, form: Fields
) -> Conflict | None:
    """Return what another admin saved since the editor was opened, if saving would undo it unseen."""
    newest = newest_first[0]
    seen = {page.version, parse_number(form.get("anyway", ""))}
    opened = next((version for version in newest_first if version.number == page.version), None)
    if newest.number in seen or newest.rules == page.text or (opened and opened.rules == newest.rules):
        return None
    diff = [line for line in profile_actions.diff(opened, newest)[2:_MAX_DIFF] if not line.startswith("@@")]
    at = context.local_time(newest.saved_at)
    return Conflict(number=newest.number, who=newest.saved_by, at=at, diff=diff)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The pasted query, and its translation."""

    pasted: str = ""
    mistake: str = ""  # why it cannot be parsed
    translation: Translation | None = None
    days: int = DAYS
    count: int = 0
    papers: tuple[ShownPaper, ...] = ()


@query_router.get("")
def show_query(context: Context) -> Response:
    """The empty form."""
    return context.render(admin_template("query"), Asked())


@query_router.post("")
def translate(context: Context, form: PostedForm, admin: CurrentAdmin) -> Response:
    """Translate a query, and show what its rules would find."""
    pasted = form.get("query", "").replace("\r\n", "\n").strip()
    try:
        translation = translate_query(pasted)
    except RuleError as error:
        return context.render(admin_template("query"), Asked(pasted=pasted, mistake=error.reason), status=422)
    profile = Profile(name="", rules=translation.rules)
    try:
        with context.services.limits.admin_previews_at_once.hold_place(admin.email):
            found = context.app.recent_papers.find_recent([profile], now=context.now, limit=_MAX_PAPERS)
    except CostlyRuleError as error:
        return context.render(admin_template("query"), Asked(pasted=pasted, mistake=error.reason), status=422)
    cards = context.services.cards
    papers = tuple(cards.show(item.paper, item.evidence, most=_MAX_ABSTRACT) for item in found.items)
    page = Asked(pasted=pasted, translation=translation, count=found.count, papers=papers)
    return context.render(admin_template("query"), page)
