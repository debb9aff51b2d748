"""An opened installation: its store, composer and transport, and the stages that run on them.

The command line and the service both work on an App, so that each stage is wired up in one place.
"""

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from functools import cached_property
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

from digest.admin.submission_actions import PaperLookups
from digest.closing import Closable
from digest.config import Config, load
from digest.errors import ConfigError, StoreError, UsageError
from digest.explain import Explanation, explain
from digest.mail import Composer, Newsletter, Signer, Templates
from digest.matching import may_cost_much
from digest.models import OWN_KEYWORDS, CompiledRules, DoubtPolicy, Profile, Stage
from digest.pipeline.bounces import BounceAuthenticator, BounceReport, ClassifiedMail, classify_mails, process_bounces
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.pipeline.deliver import DeliveryReport, deliver
from digest.pipeline.ingest import IngestReport, ingest
from digest.pipeline.publish import PublishReport, publish
from digest.pipeline.recent_papers import RecentPapers
from digest.pipeline.selection import SelectionSettings
from digest.pipeline.stage_runs import Progress, StageRuns
from digest.security.addresses import Pseudonyms
from digest.security.files import create_folder
from digest.security.links import Links, ReturnPaths
from digest.sources.fetch import Fetcher
from digest.store import Store, Transaction, daily_status, profiles, suppressions
from digest.store.daily_status import DailyStatus
from digest.subscribers import fields
from digest.subscribers.membership import Membership
from digest.transport import Transport
from digest.transport.inbound import ImapMailbox, InboundMail, Inbox, MaildirInbox
from digest.transport.maildir import MaildirTransport
from digest.transport.rate_limiter import RateLimiter
from digest.transport.retry import RefusalWatch
from digest.transport.smtp import TIMEOUT_SECONDS, Security, SmtpTransport

_GROUP_PER_CONNECTION = 10  # mails started together, for each connection: a crash can send them twice
_GROUP_SECONDS = 5  # at most; at a low rate, groups are smaller

# Python looks for cycles after 700 new objects. The stages create records by the hundred thousand and hardly any cycle:
# looking that often takes a fifth of their time.
_GC_THRESHOLD = 10_000


def prepare_database(config: Config) -> None:
    """Create the database's folder. Raises StoreError if the folder has files of a database that is lost."""
    Store.check_not_lost(config.database_file, config.files_of_a_used_database())
    try:
        create_folder(config.database_file.parent)
    except OSError as error:
        raise StoreError(f"{config.database_file.parent}: cannot be created: {error.strerror}") from None


@dataclass(frozen=True)
class App(Closable):
    """One installation."""

    config: Config
    store: Store
    stage_runs: StageRuns = field(default_factory=StageRuns)

    @classmethod
    def open(cls, file: Path) -> Self:
        """Open the installation that `file` configures; creates the database on first use. Raises DigestError.

        It is not created beside what another database left: that one is probably lost, or elsewhere.
        """
        gc.set_threshold(_GC_THRESHOLD)
        config = load(file)
        prepare_database(config)
        store = Store.open(config.database_file)
        store.set_timezone(config.newsletter.timezone)
        return cls(config, store)

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    @cached_property
    def templates(self) -> Templates:
        """The mail templates and languages. Raises TemplateError, ConfigError."""
        overriding = self.config.path(self.config.templates.path) if self.config.templates.path else None
        if overriding is not None and not overriding.is_dir():
            reason = f"{overriding} is not a folder; name one, or leave the key empty"
            raise ConfigError(str(self.config.file), "templates.path", reason)
        return Templates(overriding)

    @cached_property
    def secret_key(self) -> bytes:
        """The key of links and pseudonyms. Raises ConfigError if the database was used with another one."""
        with self.store.read() as tx:
            recorded = suppressions.find_pseudonym_key(tx)
        key = self.config.secret_key(create=recorded is None)
        if recorded not in {None, Pseudonyms(key).key_id}:
            is_given = bool(self.config.secrets.secret_key.get_secret_value())
            file, key_name = ("environment", "DIGEST_SECRET_KEY") if is_given else (self.config.secret_key_file, "")
            reason = "is not the key that this database was created with, so suppressed addresses are lost; restore it"
            raise ConfigError(str(file), key_name, reason)
        return key

    @cached_property
    def links(self) -> Links:
        """Writes and verifies the signed links. Raises ConfigError."""
        return Links(self.config.newsletter.base_url, self.secret_key)

    @cached_property
    def return_paths(self) -> ReturnPaths | None:
        """Writes and verifies return paths; None if mail returns to the sender. Raises ConfigError."""
        domain = self.config.bounces.domain
        return ReturnPaths(domain, self.secret_key) if domain else None

    @cached_property
    def membership(self) -> Membership:
        """The rules of consent and suppression. Raises ConfigError."""
        return Membership(Pseudonyms(self.secret_key), self.domain, self.composer.wording)

    @cached_property
    def composer(self) -> Composer:
        """Composes the mails of this newsletter. Raises TemplateError, ConfigError."""
        newsletter, languages = self.config.newsletter, self.templates.languages
        try:
            languages.checked(newsletter.language)
        except UsageError as error:
            raise ConfigError(str(self.config.file), "newsletter.language", str(error)) from None
        return Composer(
            self.newsletter,
            self.templates,
            self.links,
            signer=self.signer,
            return_paths=self.return_paths,
            unsubscribe_by_mail=self.config.bounces.has_inbox,
            max_abstract=newsletter.abstract_characters,
        )

    @cached_property
    def newsletter(self) -> Newsletter:
        """The name and addresses that every mail carries."""
        newsletter = self.config.newsletter
        return Newsletter(
            name=newsletter.name,
            sender=newsletter.sender,
            postal_address=newsletter.postal_address,
            reply_to=newsletter.reply_to,
        )

    @cached_property
    def signer(self) -> Signer | None:
        """The DKIM signer; None if [dkim] is not configured. Raises ConfigError."""
        dkim = self.config.dkim
        if not dkim.domain:
            return None
        pem = self.config.dkim_key()
        return Signer.from_pem(pem, domain=dkim.domain, selector=dkim.selector, named=str(self.config.dkim_key_file))

    @cached_property
    def selection_settings(self) -> SelectionSettings:
        """The configuration of selection."""
        newsletter = self.config.newsletter
        return SelectionSettings(
            first_digest_days=newsletter.first_digest_days,
            welcome_days=newsletter.welcome_days,
            trending=newsletter.trending,
            domain=self.domain,
        )

    @cached_property
    def compiled_profiles(self) -> CompiledProfiles:
        """The compiled rules of all profiles."""
        return CompiledProfiles(self.store, self.config.snapshot_file)

    @cached_property
    def recent_papers(self) -> RecentPapers:
        """The papers of the last thirty days, in memory."""
        return RecentPapers(self.store)

    @cached_property
    def domain(self) -> str:
        """The sender's domain. Raises AddressError."""
        return self.newsletter.domain

    def check_cost(self, rules: CompiledRules, *, now: datetime) -> None:
        """Refuse rules that would take too long to match with the papers of thirty days.

        Raises CostlyRuleError, StoreError.
        """
        if may_cost_much(rules):
            self.recent_papers.estimate_steps([Profile(name=OWN_KEYWORDS, rules=rules.text)], now=now)

    def forget_deleted(self, later: Callable[[Callable[[], None]], None] = lambda act: act()) -> None:
        """Remove what is left of subscribers who were removed or erased: in the snapshot, and in the database's files.

        `later` runs what may have to wait for readers of the database.
        """
        self.compiled_profiles.discard_snapshot()
        later(self.store.erase_deleted_rows)

    def fetcher(self, *, stopping: Callable[[], bool] = lambda: False) -> Fetcher:
        """Return a fetcher for the configured sources. Close it. It gives up as soon as `stopping` returns True."""
        fetch = self.config.fetch
        return Fetcher(
            base=self.config.folder, contact=fetch.contact, allow_private=fetch.allow_private, stopping=stopping
        )

    @cached_property
    def paper_lookups(self) -> PaperLookups:
        """Looks up the papers that readers propose.

        Their addresses are untrusted: no file and nothing in our own network is read, whatever is configured. Each is
        tried once, for a few seconds.
        """
        return PaperLookups(lambda: Fetcher(base=None, contact=self.config.fetch.contact, attempts=1, seconds=8))

    def daily_status(self, tx: Transaction, *, now: datetime) -> DailyStatus:
        """Return today's numbers and the most urgent problem. The date is the newsletter's."""
        timezone = ZoneInfo(self.config.newsletter.timezone)
        on = now.astimezone(timezone).date()
        return daily_status.get(
            tx,
            on=on,
            since=datetime.combine(on, time(), tzinfo=timezone).astimezone(UTC),
            now=now,
            stages=self.stage_runs.list_statuses(tx, self.config.stage_intervals, now=now),
        )

    def ingest(
        self,
        *,
        now: datetime,
        progress: Progress = lambda _: None,
        on_report: Callable[[IngestReport], object] = lambda _: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> IngestReport:
        """Fetch all sources and store new papers, until `stopping` returns True. Raises DigestError.

        `on_report` of each stage belongs to its run: what it raises is recorded as the stage's failure.
        """
        configured, timezone = self.config.source, self.config.newsletter.timezone

        def work(progress: Progress) -> IngestReport:
            with self.fetcher(stopping=stopping) as fetcher:
                return ingest(self.store, configured, fetcher, now=now, timezone=timezone, progress=progress)

        return self.stage_runs.run(
            self.store, Stage.INGEST, work, now=now, progress=progress, on_report=on_report, stopping=stopping
        )

    def publish(
        self,
        *,
        now: datetime,
        everyone: bool = False,
        progress: Progress = lambda _: None,
        on_report: Callable[[PublishReport], object] = lambda _: None,
    ) -> PublishReport:
        """Store a digest for each subscriber who is due. Raises DigestError."""

        def work(progress: Progress) -> PublishReport:
            profiles, settings = self.compiled_profiles, self.selection_settings
            return publish(self.store, profiles, settings, now=now, everyone=everyone, progress=progress)

        return self.stage_runs.run(self.store, Stage.PUBLISH, work, now=now, progress=progress, on_report=on_report)

    def deliver(
        self,
        *,
        now: datetime,
        progress: Progress = lambda _: None,
        on_report: Callable[[DeliveryReport], object] = lambda _: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> DeliveryReport:
        """Send what is due, until nothing is left or `stopping` returns True. Raises DigestError."""
        smtp = self.config.delivery.smtp
        group = _GROUP_PER_CONNECTION * smtp.connections
        rates = [int(rate * _GROUP_SECONDS) for rate in (smtp.rate, smtp.connection_rate * smtp.connections) if rate]

        def work(progress: Progress) -> DeliveryReport:
            with self.transport() as transport:
                return deliver(
                    self.store,
                    transport,
                    self.composer,
                    self.membership,
                    now=now,
                    group_size=max(1, min([group, *rates])),
                    doubt=DoubtPolicy(self.config.delivery.in_doubt),
                    refusals=self.refusal_watch,
                    progress=progress,
                    stopping=stopping,
                )

        return self.stage_runs.run(
            self.store, Stage.DELIVER, work, now=now, progress=progress, on_report=on_report, stopping=stopping
        )

    def explain(self, tx: Transaction, email: str, paper: str, *, now: datetime) -> Explanation:
        """Explain why a subscriber got a paper, or did not, or will get it. `paper` is an id, or a link with one.

        Raises NotFoundError, SuppressedError.
        """
        return explain(
            tx,
            email,
            paper,
            compiled_profiles=self.compiled_profiles,
            selection_settings=self.selection_settings,
            membership=self.membership,
            now=now,
        )

    def process_bounces(
        self,
        messages: Iterable[InboundMail],
        *,
        now: datetime,
        done: Callable[[str], None] = lambda _: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> BounceReport:
        """Process returned mails. Calls `done` with the name of each one that is processed."""
        return process_bounces(
            self.store, self.membership, self.bounce_authenticator, messages, now=now, done=done, stopping=stopping
        )

    def classify_bounces(
        self, messages: Iterable[InboundMail], *, failed: Callable[[str, str], object]
    ) -> Iterator[ClassifiedMail]:
        """Return what a mail is taken for. Nothing is recorded, and the mailbox is not changed."""
        return classify_mails(self.store, self.bounce_authenticator, messages, failed=failed)

    @cached_property
    def bounce_authenticator(self) -> BounceAuthenticator:
        """Finds out which of our mails a message is about."""
        return BounceAuthenticator(self.links, self.return_paths)

    def read_subscriber_rows(self, tx: Transaction, text: str, *, confirmed: bool) -> fields.CsvSubscribers:
        """Read the subscribers in a CSV text. Raises UsageError if the header is invalid."""
        return fields.read_csv(text, self.subscriber_options(tx), confirmed=confirmed)

    def subscriber_options(self, tx: Transaction) -> fields.SubscriberOptions:
        """Return what subscribers can choose in this installation, and the defaults of new ones."""
        return fields.SubscriberOptions(
            languages=self.templates.languages,
            profiles=frozenset(profile.name for profile in profiles.list_shared(tx)),
            timezone=self.config.newsletter.timezone,
            language=self.config.newsletter.language,
        )

    def process_inbox(
        self,
        *,
        now: datetime,
        on_report: Callable[[BounceReport], object] = lambda _: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> BounceReport:
        """Process the unread mails of the configured mailbox, until none is left or `stopping` returns True.

        Raises UsageError if none is configured, TransportError if it cannot be read.
        """

        def work(progress: Progress) -> BounceReport:
            with self.inbox() as inbox:

                def done(name: str) -> None:
                    inbox.mark_read([name])
                    progress(1)

                return self.process_bounces(inbox.unread(), now=now, done=done, stopping=stopping)

        return self.stage_runs.run(self.store, Stage.BOUNCE, work, now=now, on_report=on_report, stopping=stopping)

    @contextmanager
    def inbox(self) -> Iterator[Inbox]:
        """The configured mailbox of returned mail. Raises UsageError if none is configured, TransportError."""
        bounces = self.config.bounces
        if bounces.imap.host:
            with ImapMailbox(
                bounces.imap.host,
                bounces.imap.port,
                username=bounces.imap.username,
                password=self.config.secrets.imap_password.get_secret_value(),
                security=Security(bounces.imap.security),
                folder=bounces.imap.folder,
            ) as mailbox:
                yield mailbox
        elif bounces.maildir:
            yield MaildirInbox(self.config.path(bounces.maildir))
        else:
            raise UsageError(f"{self.config.file}: no mailbox is configured under [bounces]; name the files to read")

    @cached_property
    def rate_limiter(self) -> RateLimiter:
        """The rate limit of SMTP. Remembers from one run to the next that the server asked to slow down."""
        return RateLimiter(self.config.delivery.smtp.rate)

    @cached_property
    def refusal_watch(self) -> RefusalWatch:
        """Notices that the mail server refuses us. Remembers the last refusals from one run to the next."""
        return RefusalWatch()

    @contextmanager
    def transport(self, *, timeout: float = TIMEOUT_SECONDS) -> Iterator[Transport]:
        """The configured transport, closed afterwards. `timeout` (seconds) is for each step of SMTP.

        Raises ConfigError if the sender of the emails is still an example.
        """
        self.config.check_own_values()
        delivery = self.config.delivery
        if delivery.transport == "maildir":
            yield MaildirTransport(self.config.path(delivery.maildir.path))
        else:
            with SmtpTransport(
                delivery.smtp.host,
                delivery.smtp.port,
                security=Security(delivery.smtp.security),
                username=delivery.smtp.username,
                password=self.config.secrets.smtp_password.get_secret_value(),
                connections=delivery.smtp.connections,
                connection_rate=delivery.smtp.connection_rate,
                rate_limiter=self.rate_limiter,
                timeout=timeout,
            ) as smtp:
                yield smtp
