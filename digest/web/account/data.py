"""What is kept about a reader: to take away, and to have erased."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from digest.models import Subscriber
from digest.store import Store
from digest.subscribers.data_export import export_personal_data
from digest.subscribers.membership import Membership
from digest.web.pages import Answer, Document, Page, Redirect, Visit
from digest.web.reader_auth import find_still
from digest.web.sessions import Sessions


@dataclass(frozen=True, slots=True)
class MyData:
    """What the page shows."""

    unsure: bool  # the button was pressed without the tick


@dataclass(frozen=True, slots=True)
class Keeping:
    """The pages at /settings/data and /settings/data/export."""

    store: Store
    membership: Membership
    sessions: Sessions

    def look(self, _visit: Visit, reader: Subscriber) -> Answer:
        """GET: says what can be done."""
        return Page(template="data.html.j2", shows=MyData(unsure=False), language=reader.language)

    def export(self, _visit: Visit, reader: Subscriber) -> Answer:
        """GET: all that is kept about them, as JSON."""
        with self.store.read() as tx:
            still = find_still(tx, reader)
            if still is None:
                return Redirect(path="/sign-in")
            told = export_personal_data(tx, self.membership, still.email)
        return Document(content=as_json(told), media_type="application/json", filename="digest.json")

    def erase(self, visit: Visit, reader: Subscriber) -> Answer:
        """POST: forgets them, where they ticked that they mean it."""
        if "sure" not in visit.form:
            return Page(template="data.html.j2", shows=MyData(unsure=True), language=reader.language, status=422)
        with self.store.write() as tx:
            still = find_still(tx, reader)
            if still is not None:
                self.membership.erase(tx, still.email, origin=f"page from {visit.client}", now=visit.now)
        if still is None:
            return Redirect(path="/sign-in", cookie=self.sessions.end())
        return Page(
            template="erased.html.j2",
            language=reader.language,
            cookie=self.sessions.end(),
            afterwards=self.store.erase_deleted_rows,  # it may have to wait for who is reading
        )


def as_json(data: Mapping[str, Any]) -> str:
    """Everything stored about a subscriber, as JSON to read."""
    return json.dumps(data, ensure_ascii=False, indent=2, default=_iso) + "\n"


def _iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in JSON")
