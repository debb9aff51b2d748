"""A profile's digest, mailed to whoever edits it: to their own address and to no other."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from enum import StrEnum

from digest.admin import test_mail
from digest.errors import DigestError
from digest.models import Admin, Delivery, Digest, MailKind, Profile, Subscriber, Suppression
from digest.pipeline.recent_papers import RecentPapers
from digest.store import Store, profiles
from digest.subscribers.membership import Membership
from digest.transport import Transport
from digest.web.admin.sending.preview_composer import PreviewComposer
from digest.web.context import isolated
from digest.web.forms.keywords import Keywords, read_keywords
from digest.web.pages import Answer, Page, Redirect, Visit, parse_number
from digest.web.papers import PaperCards, ShownPaper

_ABSTRACT = 200  # characters


class Fate(StrEnum):
    """What became of a test mail, or stands against sending one."""

    SENT = "sent"
    LEFT = "left"  # in a Maildir, which sends nothing
    NOTHING = "nothing"  # there is no paper to send
    HELD = "held"
    SUPPRESSED = "suppressed"
    BUSY = "busy"  # another one is being sent
    REFUSED = "refused"  # by the mail server, or it is not there


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTestMail:
    """What would be sent, or was."""

    id: int
    name: str
    email: str
    days: int
    fate: Fate | None = None
    said: str = ""  # with it: the server's words, why the address is suppressed, where the Maildir is
    version: int = 0  # of the profile that unsaved rules were made from
    keywords: Keywords | None = None  # rules that are not saved; None: those that are
    subject: str = ""
    papers: tuple[ShownPaper, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What a test mail goes through."""

    bench: PreviewComposer
    transport: Callable[[], AbstractContextManager[Transport]]
    membership: Membership
    domain: str
    maildir: str  # where mails are left, "" where they are sent


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingTestMails:
    """The page at /admin/profiles/ID/test. `sending`: one at a time, as a mail server may let it wait."""

    store: Store
    recent_papers: RecentPapers
    cards: PaperCards
    way: Way
    reader: Subscriber  # as whom everybody gets it, but for the address
    days: int
    sending: threading.Lock

    def look(self, visit: Visit, admin: Admin) -> Answer:
        """GET: what would be sent, or `?done` was. Raises NotFoundError, RuleError, TemplateError."""
        profile = self._profile(visit)
        done = next((fate for fate in (Fate.SENT, Fate.LEFT) if visit.query.get("done") == fate), None)
        fate, said = (done, self.way.maildir) if done is not None else self._obstacle(admin)
        return _page(self._shown(profile, self._digest(profile, visit, admin), fate, said))

    def act(self, visit: Visit, admin: Admin) -> Answer:
        """POST: send it; with `rules`, that of these instead of the saved. Raises NotFoundError, RuleError."""
        profile = self._profile(visit)
        rules, keywords = read_keywords(visit.form.get("rules", profile.rules))
        version = parse_number(visit.form.get("version", ""))
        if rules is None:
            about = replace(self._about(profile, admin.email), version=version)
            return _page(replace(about, keywords=keywords), status=422)
        saved = rules.text.strip() == profile.rules.strip()
        tried = profile if saved else replace(profile, rules=rules.text)
        digest = self._digest(tried, visit, admin)
        fate, said = self._send(tried, digest, visit, admin)
        went = fate in {Fate.SENT, Fate.LEFT}
        if saved and went:
            return Redirect(path=f"/admin/profiles/{profile.id}/test?done={fate}")
        shown = self._shown(tried, digest, fate, said)
        keywords_if_new = None if saved else keywords
        return _page(replace(shown, version=version, keywords=keywords_if_new), status=200 if went else 422)

    def _profile(self, visit: Visit) -> Profile:
        with self.store.read() as tx:
            return profiles.get_by_id(tx, visit.id)

    def _digest(self, profile: Profile, visit: Visit, admin: Admin) -> Digest:
        reader = replace(self.reader, email=admin.email)
        return test_mail.recent_digest(self.recent_papers, [profile], reader, days=self.days, now=visit.now)

    def _obstacle(self, admin: Admin) -> tuple[Fate | None, str]:
        with self.store.read() as tx:
            found = test_mail.find_obstacle(tx, self.way.membership, admin.email)
        if isinstance(found, Suppression):
            return Fate.SUPPRESSED, str(found)
        return (None, "") if found is None else (Fate.HELD, found.reason)

    def _send(self, profile: Profile, digest: Digest, visit: Visit, admin: Admin) -> tuple[Fate, str]:
        """What became of it, and what is to be said with that."""
        obstacle, why = self._obstacle(admin)
        if obstacle is not None or not digest.items:
            return obstacle or Fate.NOTHING, why
        with self.way.bench.composer() as composer:
            message = composer.message(self._mail(digest))
        if not self.sending.acquire(blocking=False):
            return Fate.BUSY, ""
        try:
            with self.way.transport() as transport:
                test_mail.send(transport, message)
        except DigestError as error:
            return Fate.REFUSED, str(error)
        finally:
            self.sending.release()
        with self.store.write() as tx:
            test_mail.record_sent(tx, profile.name, by=admin.email, now=visit.now)
        return (Fate.LEFT, self.way.maildir) if self.way.maildir else (Fate.SENT, "")

    def _subject(self, digest: Digest) -> str:
        with self.way.bench.composer() as composer:
            return composer.render(self._mail(digest)).subject

    def _mail(self, digest: Digest) -> Delivery:
        now, reader = digest.created_at, digest.subscriber
        mail = test_mail.make_delivery(MailKind.DIGEST, reader, digest, domain=self.way.domain, now=now)
        return test_mail.copy_without_links(mail, reader.email)

    def _shown(self, profile: Profile, digest: Digest, fate: Fate | None, said: str) -> ShownTestMail:
        return replace(
            self._about(profile, digest.subscriber.email),
            fate=fate or (None if digest.items else Fate.NOTHING),
            said=said,
            subject=self._subject(digest) if digest.items else "",
            papers=tuple(self.cards.show_item(item, most=_ABSTRACT) for item in digest.items),
            more=len(digest.more),
        )

    def _about(self, profile: Profile, email: str) -> ShownTestMail:
        return ShownTestMail(id=profile.id, name=isolated(profile.name), email=email, days=self.days)


def _page(shows: ShownTestMail, *, status: int = 200) -> Page:
    return Page(template="desk-test-mail.html.j2", shows=shows, status=status)
