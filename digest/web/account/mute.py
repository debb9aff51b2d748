"""Muting a keyword, by the link beside it in every digest."""

from dataclasses import dataclass
from urllib.parse import quote

from digest.errors import RuleError
from digest.models import Subscriber
from digest.security.links import Links, Scope
from digest.store import Store, Transaction, profiles
from digest.subscribers.mutes import add_mute, check_mute, is_muted, remove_mute
from digest.web.pages import Answer, Page, Redirect, Visit
from digest.web.reader_auth import TOO_OLD, find_holder, find_still


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """What the page shows."""

    keyword: str
    muted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NoMute:
    """Why a keyword cannot be muted: it is no rule, or the reader's own keywords are none any more."""

    keyword: str
    own: bool


@dataclass(frozen=True, slots=True)
class Muting:
    """The pages at /mute/TOKEN?keyword=RULE."""

    store: Store
    links: Links

    def look(self, visit: Visit) -> Answer:
        """GET: asks, or says that it is muted; changes nothing."""
        keyword = visit.query.get("keyword", "").strip()
        with self.store.read() as tx:
            reader = find_holder(tx, self.links, Scope.MUTE, visit)
            if reader is None:
                return TOO_OLD
            text = _own(tx, reader)
        try:
            shows = Mute(keyword=keyword, muted=is_muted(text, keyword))
        except RuleError:
            return _no_mute(reader, keyword, own=False)
        return Page(template="mute.html.j2", shows=shows, language=reader.language)

    def act(self, visit: Visit) -> Answer:
        """POST: adds the line to their own keywords, or takes it away again."""
        keyword = visit.query.get("keyword", "").strip()
        with self.store.read() as tx:
            reader = find_holder(tx, self.links, Scope.MUTE, visit)
        if reader is None:
            return TOO_OLD
        try:
            check_mute(keyword)
        except RuleError:
            return _no_mute(reader, keyword, own=False)
        change = remove_mute if visit.form.get("do") == "undo" else add_mute
        try:
            with self.store.write() as tx:
                if find_still(tx, reader) is not None:
                    profiles.set_personal(tx, reader.id, change(_own(tx, reader), keyword), now=visit.now)
        except RuleError:
            return _no_mute(reader, keyword, own=True)
        return Redirect(path=f"/mute/{visit.token}?keyword={quote(keyword, safe='')}")


def _own(tx: Transaction, reader: Subscriber) -> str:
    own = profiles.find_personal(tx, reader.id)
    return own.rules if own else ""


def _no_mute(reader: Subscriber, keyword: str, *, own: bool) -> Page:
    shows = NoMute(keyword=keyword, own=own)
    return Page(template="no-mute.html.j2", shows=shows, language=reader.language, status=422)
