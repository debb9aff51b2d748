"""A profile's digest, mailed to the admin or editor who is signed in, and to no other address."""

import threading
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated

from starlette.responses import Response

from digest.admin import test_mail
from digest.app import App
from digest.errors import DigestError
from digest.models import Admin, Delivery, Digest, MailKind, Profile, Role, Suppression
from digest.store import profiles
from digest.web.admin.templates import PreviewComposer
from digest.web.auth import CurrentAdmin, admin_router
from digest.web.dependencies import Context, PathId, PostedForm, RequestContext, parse_number, shared
from digest.web.forms import Keywords, read_affordable_keywords
from digest.web.papers import ShownPaper
from digest.web.rendering import admin_template, isolated

_MAX_ABSTRACT = 200  # characters
_TIMEOUT = 15.0  # seconds for each step of the mail server's: the admin waits for the page

_TEMPLATE = admin_template("test-mail")

router = admin_router("/admin/profiles/{id}/test", role=Role.EDITOR)


class TestMailOutcome(StrEnum):
    """What happened to a test mail, or why none can be sent."""

    SENT = "sent"
    LEFT = "left"  # written to a Maildir, which sends nothing
    NOTHING = "nothing"  # there is no paper to send
    HELD = "held"
    SUPPRESSED = "suppressed"
    BUSY = "busy"  # another test mail is being sent
    REFUSED = "refused"  # by the mail server, or it could not be reached


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTestMail:
    """The test mail that would be sent, or was sent."""

    id: int
    name: str
    email: str
    days: int
    fate: TestMailOutcome | None = None
    said: str = ""  # the server's reply, the reason for the suppression, or the Maildir's path
    version: int = 0  # of the profile that unsaved rules were edited from
    keywords: Keywords | None = None  # unsaved rules; None: the saved ones
    subject: str = ""
    papers: tuple[ShownPaper, ...] = ()
    more: int = 0


class TestMailSender:
    """Sends one test mail at a time, because a mail server may keep each one waiting."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._sending = threading.Lock()
        self.previews = PreviewComposer(app)

    @property
    def maildir(self) -> str:
        """The path of the Maildir that mails are written to; "" if they are sent."""
        delivery = self._app.config.delivery
        return str(self._app.config.path(delivery.maildir.path)) if delivery.transport == "maildir" else ""

    def send(self, mail: Delivery) -> tuple[TestMailOutcome, str]:
        """Send a mail. Returns the outcome, and the server's reply or the Maildir's path."""
        with self.previews.composer() as composer:
            message = composer.message(mail)
        if not self._sending.acquire(blocking=False):
            return TestMailOutcome.BUSY, ""
        try:
            with self._app.transport(timeout=_TIMEOUT) as transport:
                test_mail.send(transport, message)
        except DigestError as error:
            return TestMailOutcome.REFUSED, str(error)
        finally:
            self._sending.release()
        return (TestMailOutcome.LEFT, self.maildir) if self.maildir else (TestMailOutcome.SENT, "")


CurrentSender = Annotated[TestMailSender, shared(TestMailSender)]


@router.get("")
def show_test_mail(
    context: Context, sender: CurrentSender, profile_id: PathId, admin: CurrentAdmin, done: str = ""
) -> Response:
    """The test mail that would be sent, or was sent just now. Raises NotFoundError, RuleError, UsageError."""
    with context.store.read() as tx:
        profile = profiles.get_by_id(tx, profile_id)
    sent = next((outcome for outcome in (TestMailOutcome.SENT, TestMailOutcome.LEFT) if done == outcome), None)
    outcome, said = (sent, sender.maildir) if sent is not None else _find_obstacle(context, admin)
    digest = _digest(context, sender, profile, admin)
    return context.render(_TEMPLATE, _shown(context, sender, profile, digest, outcome, said))


@router.post("")
def send_test_mail(
    context: Context, sender: CurrentSender, profile_id: PathId, form: PostedForm, admin: CurrentAdmin
) -> Response:
    """Mail the papers that the form's rules find, or the saved ones. Raises NotFoundError, RuleError."""
    with context.store.read() as tx:
        profile = profiles.get_by_id(tx, profile_id)
    rules, keywords = read_affordable_keywords(context, form.get("rules", profile.rules))
    version = parse_number(form.get("version", ""))
    if rules is None:
        page = replace(_empty(context, profile, admin.email), version=version, keywords=keywords)
        return context.render(_TEMPLATE, page, status=422)
    saved = rules.text.strip() == profile.rules.strip()
    tried = profile if saved else replace(profile, rules=rules.text)
    digest = _digest(context, sender, tried, admin)
    outcome, said = _find_obstacle(context, admin)
    if outcome is None and not digest.items:
        outcome = TestMailOutcome.NOTHING
    if outcome is None:
        outcome, said = sender.send(_mail(context, digest))
    was_sent = outcome in {TestMailOutcome.SENT, TestMailOutcome.LEFT}
    if was_sent:
        with context.store.write() as tx:
            test_mail.record_sent(tx, tried.name, by=admin.email, now=context.now)
    if saved and was_sent:
        return context.redirect(f"/admin/profiles/{profile.id}/test?done={outcome}")
    page = _shown(context, sender, tried, digest, outcome, said)
    page = replace(page, version=version, keywords=None if saved else keywords)
    return context.render(_TEMPLATE, page, status=200 if was_sent else 422)


def _digest(context: RequestContext, sender: TestMailSender, profile: Profile, admin: Admin) -> Digest:
    reader = replace(sender.previews.reader, email=admin.email)
    days = context.app.config.newsletter.welcome_days
    return test_mail.recent_digest(context.app.recent_papers, [profile], reader, days=days, now=context.now)


def _find_obstacle(context: RequestContext, admin: Admin) -> tuple[TestMailOutcome | None, str]:
    """Why nothing can be sent to the admin now, or (None, "")."""
    with context.store.read() as tx:
        found = test_mail.find_obstacle(tx, context.membership, admin.email)
    if isinstance(found, Suppression):
        return TestMailOutcome.SUPPRESSED, str(found)
    return (None, "") if found is None else (TestMailOutcome.HELD, found.reason)


def _mail(context: RequestContext, digest: Digest) -> Delivery:
    reader, domain = digest.subscriber, context.app.domain
    mail = test_mail.make_delivery(MailKind.DIGEST, reader, digest, domain=domain, now=digest.created_at)
    return test_mail.copy_without_links(mail, reader.email)


def _shown(
    context: RequestContext,
    sender: TestMailSender,
    profile: Profile,
    digest: Digest,
    outcome: TestMailOutcome | None,
    said: str,
) -> ShownTestMail:
    subject = ""
    if digest.items:
        with sender.previews.composer() as composer:
            subject = composer.render(_mail(context, digest)).subject
    cards = context.services.cards
    return replace(
        _empty(context, profile, digest.subscriber.email),
        fate=outcome or (None if digest.items else TestMailOutcome.NOTHING),
        said=said,
        subject=subject,
        papers=tuple(cards.show_item(item, most=_MAX_ABSTRACT) for item in digest.items),
        more=len(digest.more),
    )


def _empty(context: RequestContext, profile: Profile, email: str) -> ShownTestMail:
    days = context.app.config.newsletter.welcome_days
    return ShownTestMail(id=profile.id, name=isolated(profile.name), email=email, days=days)
