"""The editor of shared profiles: what a rule does is seen before it is saved."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Annotated
from zoneinfo import ZoneInfo

from digest.admin import profile_actions, profile_diff
from digest.errors import NotFoundError, UsageError
from digest.models import Admin, CompiledRules, Profile, ProfileVersion
from digest.store import Store, Transaction, profiles
from digest.web.admin.profiles.trial import Trial, Trying
from digest.web.forms.keywords import read_keywords
from digest.web.pages import Answer, Page, Redirect, Visit, parse_number
from digest.web.rate_limits import ConcurrencyLimit, RateLimit
from digest.web.rendering import local
from digest.web.template_samples import Samples

_TEMPLATE = "desk-editor.html.j2"
_MOST_NAME = 200  # characters
_MOST_DIFF = 400  # lines
_DONE = ("added", "saved", "restored", "renamed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Somebody saved the profile since its editor was opened."""

    number: int  # of the version that they made
    who: str
    at: str  # a local time: "2026-06-03 07:00"
    diff: Annotated[
        Sequence[str], Samples((), (" cat", "-dog", "+bird"))
    ]  # the lines around what they changed, as in a unified diff


@dataclass(frozen=True, slots=True, kw_only=True)
class Editor:
    """What the page shows."""

    id: int = 0  # 0: a new profile
    name: str = ""
    version: int = 0  # that the text was made from
    followers: int | None = None  # None where they are not counted
    text: str = ""
    name_mistake: Annotated[str, Samples("", "missing", "taken")] = ""
    refused: str = ""  # why the rules cannot be saved, where it is no mistake in a line
    done: Annotated[str, Samples("", *_DONE)] = ""  # just now
    conflict: Conflict | None = None
    gone: bool = False  # somebody removed the profile; the text can be saved as a new one
    trial: Trial = field(default_factory=Trial)

    @property
    def mended(self) -> bool:
        """Whether nothing has to be mended before it can be saved."""
        return not (self.name_mistake or self.refused or self.trial.mistakes)


@dataclass(frozen=True, slots=True)
class Editing:
    """The pages at /admin/profiles/new, /admin/profiles/ID and /admin/profiles/preview."""

    store: Store
    trying: Trying
    limits: RateLimit  # of what is tried, by editor
    at_once: ConcurrencyLimit
    timezone: ZoneInfo

    def look_at_new(self, _visit: Visit, _admin: Admin) -> Answer:
        """GET /admin/profiles/new"""
        return _page(Editor())

    def look(self, visit: Visit, admin: Admin) -> Answer:
        """GET. Raises NotFoundError."""
        with self.store.read() as tx:
            profile = profiles.get_by_id(tx, visit.id)
            version = len(profiles.list_versions(tx, visit.id))
            followers, _ = profiles.count_followers_of(tx, visit.id)
        done = visit.query.get("done", "")
        shows = Editor(
            id=profile.id,
            name=profile.name,
            version=version,
            followers=followers,
            done=done if done in _DONE else "",
        )
        return _page(self._tried(shows, _lines(profile.rules), profile, visit, admin))

    def look_at_none(self, _visit: Visit, _admin: Admin) -> Answer:
        """GET /admin/profiles/preview: who comes back to it has no text there any more."""
        return Redirect(path="/admin/profiles")

    def try_out(self, visit: Visit, admin: Admin) -> Answer:
        """POST /admin/profiles/preview: looks, and changes nothing. Raises HTTPException 429."""
        shows, text = _typed(visit), _lines(visit.form.get("rules", ""))
        with self.store.read() as tx:
            saved = _find(tx, shows.id)
        if saved is not None:
            shows = replace(shows, name=saved.name)
        if line := visit.form.get("use", ""):
            with self._limited(visit, admin):
                text = self.trying.used(text, parse_number(line), now=visit.now)
        shows = self._tried(shows, text, saved, visit, admin)
        return Page(template="desk-trial.html.j2", shows=shows) if visit.fragment else _page(shows)

    def add(self, visit: Visit, admin: Admin) -> Answer:
        """POST /admin/profiles/new"""
        shows = replace(_typed(visit), id=0)
        rules, shows = _read(shows, visit)
        with self.store.write() as tx:
            shows = replace(shows, name_mistake=_name_mistake(tx, shows.name))
            if rules is not None and not shows.name_mistake:
                added = profile_actions.add(tx, shows.name, rules, by=admin.email, now=visit.now)
                return Redirect(path=f"/admin/profiles/{added.id}?done=added")
        return _page(self._tried(shows, shows.text, None, visit, admin), 422)

    def save(self, visit: Visit, admin: Admin) -> Answer:
        """POST: what nobody else has changed meanwhile, or at the editor's word. Raises NotFoundError."""
        rules, shows = _read(replace(_typed(visit), id=visit.id), visit)
        with self.store.write() as tx:
            saved, known = _find(tx, visit.id), profiles.list_versions(tx, visit.id)
            if saved is None and not known:
                raise NotFoundError("profile", str(visit.id), listed_by="digest profile list")
            conflict = None if saved is None else _conflict(known, shows, visit, self.timezone)
            if saved is not None and rules is not None and conflict is None:
                profile_actions.edit(tx, saved.name, rules=rules, by=admin.email, now=visit.now)
                return Redirect(path=f"/admin/profiles/{visit.id}?done=saved")
        # What takes long is done where nobody waits to write.
        if saved is None:
            shows = replace(shows, id=0, name=known[0].name, gone=True)
            return _page(self._tried(shows, shows.text, None, visit, admin), 409)
        shows = replace(shows, name=saved.name, conflict=conflict if rules is not None else None)
        return _page(self._tried(shows, shows.text, saved, visit, admin), 422 if rules is None else 409)

    def _tried(self, shows: Editor, text: str, saved: Profile | None, visit: Visit, admin: Admin) -> Editor:
        with self._limited(visit, admin):
            return replace(shows, text=text, trial=self.trying.tried(text, saved, now=visit.now))

    @contextmanager
    def _limited(self, visit: Visit, admin: Admin) -> Iterator[None]:
        with self.at_once.working(admin.email), self.limits.working(admin.email, now=visit.now):
            yield


def _typed(visit: Visit) -> Editor:
    """What the form brings besides the rules."""
    number, version = (visit.form.get(name, "") for name in ("profile", "version"))
    name = " ".join(visit.form.get("name", "").split())[:_MOST_NAME]
    return Editor(id=parse_number(number), name=name, version=parse_number(version))


def _lines(text: str) -> str:
    """With the line ends that a text field has."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _find(tx: Transaction, number: int) -> Profile | None:
    try:
        return profiles.get_by_id(tx, number)
    except NotFoundError:
        return None


def _read(shows: Editor, visit: Visit) -> tuple[CompiledRules | None, Editor]:
    """(the rules, or None where they cannot be saved; what the page shows of that)."""
    rules, keywords = read_keywords(visit.form.get("rules", ""))
    shows = replace(shows, text=keywords.text)
    if rules is None:
        return None, shows
    try:
        return profile_actions.compile_profile_rules(rules.text), shows
    except UsageError as error:
        return None, replace(shows, refused=str(error))


def _name_mistake(tx: Transaction, name: str) -> str:
    if not name:
        return "missing"
    return "taken" if profiles.find(tx, name) is not None else ""


def _conflict(
    newest_first: Sequence[ProfileVersion], shows: Editor, visit: Visit, timezone: ZoneInfo
) -> Conflict | None:
    """What others saved since the editor was opened, where saving would undo it unseen."""
    newest = newest_first[0]
    seen = {shows.version, parse_number(visit.form.get("anyway", ""))}
    opened = next((version for version in newest_first if version.number == shows.version), None)
    if newest.number in seen or newest.rules == shows.text or (opened and opened.rules == newest.rules):
        return None
    diff = [line for line in profile_diff.diff(opened, newest)[2:_MOST_DIFF] if not line.startswith("@@")]
    at = local(newest.saved_at, timezone)
    return Conflict(number=newest.number, who=newest.saved_by, at=at, diff=diff)


def _page(shows: Editor, status: int = 200) -> Page:
    return Page(template=_TEMPLATE, shows=shows, status=status)
