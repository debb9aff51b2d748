"""All shared profiles as a file, and such a file taken in: what it would change is said first."""

from collections.abc import Sequence
from dataclasses import dataclass

from digest.admin import profile_actions
from digest.admin.profile_actions import ImportPreview
from digest.errors import UsageError
from digest.models import Admin, CompiledRules
from digest.store import Store, profiles
from digest.web.pages import Answer, Document, Page, Redirect, Visit

_FILE = "profiles.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """What the form shows."""

    text: str = ""
    mistake: str = ""  # what cannot be read of it; begins with the number of the line
    foreseen: tuple[ImportPreview, ...] = ()  # what would become of each, where it can be read
    done: bool = False


def _page(*, status: int = 200, **shows: object) -> Page:
    return Page(template="desk-profiles-import.html.j2", shows=Import(**shows), status=status)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Exchanging:
    """The pages at /admin/profiles/export and /admin/profiles/import."""

    store: Store

    def export(self, _visit: Visit, _admin: Admin) -> Answer:
        """GET the file, as `digest profile export` prints it."""
        with self.store.read() as tx:
            text = profile_actions.to_json_lines(profiles.list_shared(tx))
        return Document(content=text, media_type="application/jsonl; charset=utf-8", filename=_FILE)

    def look(self, visit: Visit, _admin: Admin) -> Answer:
        """GET the form."""
        return _page(done=visit.query.get("done") == "imported")

    def act(self, visit: Visit, admin: Admin) -> Answer:
        """POST: what would be changed; where `do` is "import", it is. All or nothing."""
        text = visit.form.get("text", "").replace("\r\n", "\n")
        try:
            some = profile_actions.parse_json_lines(text.lstrip("\ufeff"))
        except UsageError as error:
            return _page(text=text, mistake=str(error), status=422)
        if not some:
            return _page(text=text, mistake="there is no profile in it", status=422)
        if visit.form.get("do") != "import":
            return self._foreseen(text, some)
        with self.store.write() as tx:
            profile_actions.import_all(tx, some, by=admin.email, now=visit.now)
        return Redirect(path="/admin/profiles/import?done=imported")

    def _foreseen(self, text: str, some: Sequence[tuple[str, CompiledRules]]) -> Page:
        with self.store.read() as tx:
            foreseen = profile_actions.preview_import(tx, some)
        return _page(text=text, foreseen=tuple(foreseen))
