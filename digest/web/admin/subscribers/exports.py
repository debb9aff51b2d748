"""Who is on the list, as CSV; and all that is kept about one of them, as JSON."""

from collections.abc import Iterator
from dataclasses import dataclass

from digest.models import Admin, Subscriber
from digest.store import Store, subscribers
from digest.subscribers.data_export import export_personal_data
from digest.subscribers.fields import csv_in_parts
from digest.subscribers.membership import Membership
from digest.web.account.data import as_file
from digest.web.admin.subscribers.subscriber import get
from digest.web.pages import Answer, Document, Visit

_TOGETHER = 1000


@dataclass(frozen=True, slots=True)
class Exporting:
    """The files at /admin/subscribers/export and /admin/subscribers/ID/export."""

    store: Store
    membership: Membership

    def everybody(self, _visit: Visit, _admin: Admin) -> Answer:
        """GET: what `digest subscriber export` prints, made while it is sent: of a million in no more memory."""
        parts = csv_in_parts(self._on_the_list())
        return Document(content=parts, media_type="text/csv", filename="subscribers.csv")

    def one(self, visit: Visit, _admin: Admin) -> Answer:
        """GET. Raises NotFoundError."""
        with self.store.read() as tx:
            told = export_personal_data(tx, self.membership, get(tx, visit.id).email)
        return as_file(told, f"subscriber-{visit.id}.json")

    def _on_the_list(self) -> Iterator[list[Subscriber]]:
        """A thousand at a time, each as it is then: whoever reads slowly holds no transaction open."""
        after = ""
        while True:
            with self.store.read() as tx:
                some = subscribers.list_after(tx, after, limit=_TOGETHER)
            yield [one for one in some if one.state.is_subscribed]
            if len(some) < _TOGETHER:
                return
            after = some[-1].email
