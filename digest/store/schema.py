"""The current tables. A test checks that the migrations lead to exactly these."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any, ClassVar, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from digest.models import DeliveryState

HEAD = "0015"  # the newest migration


Member = TypeVar("Member", bound=StrEnum)
T = TypeVar("T")


def read_member(kind: type[Member], stored: object, default: Member) -> Member:
    """Return the member of an enumeration with a stored value, or `default` if there is none."""
    try:
        return kind(str(stored))
    except ValueError:
        return default


class _Readable(sa.TypeDecorator[T]):
    """A type that reads a value which another program damaged as a default: the other rows must be read, too."""

    impl: Any = sa.Text
    default: ClassVar[Any]

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], T | None] | None:
        """Return the function that reads a stored value."""
        read = super().result_processor(dialect, coltype)
        default = self.default

        def read_or_default(stored: Any) -> T | None:
            try:
                return stored if read is None else read(stored)
            except (ValueError, TypeError):
                found: T = default
                return found

        return read_or_default


class UtcDateTime(_Readable[datetime]):
    """An aware UTC datetime, stored without its timezone. One that cannot be read is long past."""

    impl = sa.DateTime
    cache_ok = True
    default = datetime(1970, 1, 1, tzinfo=UTC)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Refuse a naive datetime: it could be any local time."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime cannot be stored")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Make it aware again."""
        return None if value is None else value.replace(tzinfo=UTC)


class Day(_Readable[date]):
    """A date."""

    impl = sa.Date
    cache_ok = True
    default = date(1970, 1, 1)


class TimeOfDay(_Readable[time]):
    """A local time."""

    impl = sa.Time
    cache_ok = True
    default = time(7)


class PaperLimit(_Readable[int]):
    """How many papers a digest may have."""

    impl = sa.Integer
    cache_ok = True
    default = 25

    def process_result_value(self, value: Any, dialect: Dialect) -> int:  # noqa: ARG002
        """Take what is no such number for the default."""
        return value if isinstance(value, int) and value > 0 else self.default


class JsonList(_Readable[list[Any]]):
    """A JSON array."""

    impl = sa.JSON
    cache_ok = True
    default: ClassVar[Any] = []

    def process_result_value(self, value: Any, dialect: Dialect) -> list[Any]:  # noqa: ARG002
        """Take another JSON value for an empty array."""
        return value if isinstance(value, list) else []


metadata = sa.MetaData()


def _table(name: str, *columns: sa.schema.SchemaItem) -> sa.Table:
    return sa.Table(name, metadata, *columns)


sources = _table(
    "sources",
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("url", sa.Text, nullable=False),  # etag and last_modified are valid for it only
    sa.Column("etag", sa.Text, nullable=False),
    sa.Column("last_modified", sa.Text, nullable=False),
    sa.Column("checked_at", UtcDateTime, nullable=False),
    sa.Column("succeeded_at", UtcDateTime),
    sa.Column("entries", sa.Integer, nullable=False),  # in the last body
    sa.Column("failure", sa.Text, nullable=False),  # why the last check failed, or ""
)

stages = _table(
    "stages",
    sa.Column("stage", sa.Text, primary_key=True),
    sa.Column("running_by", sa.Text, nullable=False),  # the run that is under way, as a worker's name, or ""
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("active_at", UtcDateTime, nullable=False),  # a start, some progress, or an end
    sa.Column("succeeded_at", UtcDateTime),
    sa.Column("failed_at", UtcDateTime),
    sa.Column("failure", sa.Text, nullable=False),  # the last error, kept after a success
    sa.Column("failures", sa.Integer, nullable=False),  # since the last success
)

papers = _table(
    "papers",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("public_id", sa.Text, nullable=False, unique=True),
    sa.Column("revision", sa.Integer, nullable=False),  # the current one
    sa.Column("first_seen_at", UtcDateTime, nullable=False, index=True),
    sa.Column("edition_on", Day, nullable=False, index=True),
    sa.Column("upvotes", sa.Integer),
    sa.Column("stars", sa.Integer),
    sa.Column("merged_into", sa.ForeignKey("papers.id")),  # the older paper that is the same work
)

paper_revisions = _table(
    "paper_revisions",
    sa.Column("paper_id", sa.ForeignKey("papers.id"), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("abstract", sa.Text, nullable=False),
    sa.Column("title_source", sa.Text, nullable=False, server_default=""),
    sa.Column("abstract_source", sa.Text, nullable=False, server_default=""),
    sa.Column("authors", JsonList, nullable=False),
    sa.Column("categories", JsonList, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("pdf_url", sa.Text, nullable=False),
    sa.Column("code_url", sa.Text, nullable=False),
    sa.Column("discussion_url", sa.Text, nullable=False),
    sa.Column("announce_type", sa.Text, nullable=False),
    sa.Column("published_at", UtcDateTime),
    sa.Column("from_arxiv", sa.Boolean, nullable=False, server_default=sa.false()),
)

identities = _table(  # all keys of a paper: arxiv:…, doi:…, title:…
    "identities",
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("paper_id", sa.ForeignKey("papers.id"), nullable=False, index=True),
)

sightings = _table(
    "sightings",
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("guid", sa.Text, primary_key=True),
    sa.Column("paper_id", sa.ForeignKey("papers.id"), nullable=False, index=True),
    sa.Column("announce_type", sa.Text, nullable=False),
    sa.Column("seen_at", UtcDateTime, nullable=False),
)

submissions = _table(  # papers that readers propose
    "submissions",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("url", sa.Text, nullable=False, unique=True),  # canonical, so that each paper is stored once
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("submitted_at", UtcDateTime, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),  # "page"
    sa.Column("decided_at", UtcDateTime),
    sa.Column("paper_id", sa.ForeignKey("papers.id")),  # the paper that was added
)

subscribers = _table(
    "subscribers",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("email_key", sa.Text, nullable=False, unique=True),  # case-folded
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("timezone", sa.Text, nullable=False),
    sa.Column("send_at", TimeOfDay, nullable=False),
    sa.Column("days", sa.Text, nullable=False),  # "mon,tue"
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("max_papers", PaperLimit, nullable=False),
    sa.Column("language", sa.Text, nullable=False, server_default="en"),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("confirmed_at", UtcDateTime),
    sa.Column("last_slot_at", UtcDateTime),
    sa.Column("last_digest_at", UtcDateTime),
    sa.Column("announce_types", sa.Text, nullable=False, server_default=""),  # "new,cross"; "": every type
    sa.Column("wants_trending", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("resumes_at", UtcDateTime, index=True),
    sa.Column("new_email", sa.Text, nullable=False, server_default=""),
    sa.Column("feed", sa.Text, nullable=False, server_default=""),
    sa.Column("found_by", sa.Text, nullable=False, server_default="", index=True),  # email_key, "\n", case-folded name
    sa.Column("slots_from", UtcDateTime),
    sa.Column("papers_from", UtcDateTime),
    sa.Column("papers_to", sa.Integer),  # an id of `papers`, which rise in the order of ingest
    sa.Column("problem", sa.Text, nullable=False, server_default=""),
    sa.Index("subscribers_of_state", "state", "found_by"),
    sa.Index(
        "subscribers_with_problem",
        "id",
        sqlite_where=sa.text("problem != ''"),
        postgresql_where=sa.text("problem != ''"),
    ),
)

# The trigram index of `found_by`: a virtual table that migration 0008 creates.
SUBSCRIBERS_SEARCH = "subscribers_search"

profiles = _table(
    "profiles",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("owner_id", sa.ForeignKey("subscribers.id", ondelete="CASCADE"), unique=True),  # NULL: shared
    sa.Column("rules", sa.Text, nullable=False),
    sa.Column("compiled", sa.LargeBinary),  # see profiles.py; NULL: saved by an older program
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Index(
        "profiles_shared_name",
        "name",
        unique=True,
        sqlite_where=sa.text("owner_id IS NULL"),
        postgresql_where=sa.text("owner_id IS NULL"),
    ),
)

profile_versions = _table(  # kept when a shared profile is removed, so that it can be restored
    "profile_versions",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),  # the profile's at that time
    sa.Column("profile_id", sa.Integer, nullable=False, index=True),
    sa.Column("rules", sa.Text, nullable=False),
    sa.Column("saved_at", UtcDateTime, nullable=False),
    sa.Column("saved_by", sa.Text, nullable=False),  # an admin's address, or "command line"
)

admins = _table(
    "admins",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("email_key", sa.Text, nullable=False, unique=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("password", sa.Text, nullable=False),  # as argon2 writes it
    sa.Column("created_at", UtcDateTime, nullable=False),
)

admin_sessions = _table(  # `token` is a hash: only the browser has the token
    "admin_sessions",
    sa.Column("token", sa.Text, primary_key=True),
    sa.Column("admin_id", sa.ForeignKey("admins.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("begun_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
)

ended_sessions = _table(  # sessions of readers that were signed out, until their last cookie has expired
    "ended_sessions",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("expires_at", UtcDateTime, nullable=False, index=True),
)

api_tokens = _table(
    "api_tokens",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("admin_id", sa.ForeignKey("admins.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False, unique=True),
    sa.Column("scopes", sa.Text, nullable=False),  # "profiles:read,profiles:write"
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("admin_id", "name"),
)

audit = _table(  # all changes
    "audit",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    sa.Column("who", sa.Text, nullable=False),  # an admin's address, or "command line"
    sa.Column("what", sa.Text, nullable=False),  # as a command: "profile edit"
    sa.Column("subject", sa.Text, nullable=False),  # a profile's name, a pseudonym, a delivery's id …
)

queries = _table(  # each canonical query of all rules, once
    "queries",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("text", sa.Text, nullable=False, unique=True),
)

follows = _table(
    "follows",
    sa.Column("subscriber_id", sa.ForeignKey("subscribers.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("profile_id", sa.ForeignKey("profiles.id", ondelete="CASCADE"), primary_key=True, index=True),
)

digests = _table(
    "digests",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("subscriber_id", sa.ForeignKey("subscribers.id", ondelete="CASCADE"), nullable=False),
    sa.Column("slot_at", UtcDateTime, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("dated_on", Day, nullable=False),
    sa.Column("items", JsonList, nullable=False),  # see digests.py
    sa.Column("more", JsonList, nullable=False),  # ids of papers that matched but did not fit
    sa.Column("trending", JsonList, nullable=False, server_default="[]"),
    sa.Column("empty_reason", sa.Text, nullable=False),  # or ""
    sa.UniqueConstraint("subscriber_id", "slot_at"),
    sa.Index("digests_recent", "subscriber_id", "created_at"),
    sa.Index("digests_created", "created_at", "empty_reason"),
)

deliveries = _table(
    "deliveries",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subscriber_id", sa.ForeignKey("subscribers.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("digest_id", sa.ForeignKey("digests.id", ondelete="CASCADE"), unique=True),
    sa.Column("message_id", sa.Text, nullable=False, unique=True),
    sa.Column("state", sa.Text, nullable=False, default=DeliveryState.QUEUED.value),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("queued_at", UtcDateTime, nullable=False),
    sa.Column("next_at", UtcDateTime, nullable=False),  # the earliest time of the next attempt
    sa.Column("finished_at", UtcDateTime),
    sa.Column("leased_by", sa.Text, nullable=False, default=""),  # a worker's name, or ""
    sa.Column("leased_until", UtcDateTime),  # in real time
    sa.Column("reply", sa.Text, nullable=False, default=""),  # the server's last reply
    sa.Index("deliveries_waiting", "state", "next_at"),
    sa.Index("deliveries_queued", "queued_at", "state"),
)

holds = _table(  # one row while sending is on hold
    "holds",
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1", name="only_one"), primary_key=True),
    sa.Column("held_at", UtcDateTime, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)

numbers = _table(  # see database.py
    "numbers",
    sa.Column("of", sa.Text, primary_key=True),  # a Counter
    sa.Column("last", sa.Integer, nullable=False),
)

secrets = _table(  # which secret pseudonyms are made with: with another one they would not match
    "secrets",
    sa.Column("key_id", sa.Text, primary_key=True),
)

suppressions = _table(
    "suppressions",
    sa.Column("pseudonym", sa.Text, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("suppressed_at", UtcDateTime, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False),
    sa.Column("subscriber_state", sa.Text, nullable=False, server_default=""),  # before; "" without a subscriber
)

consents = _table(  # kept when a subscriber is deleted, as proof of consent
    "consents",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("subscriber_id", sa.Integer, nullable=False, index=True),
    sa.Column("pseudonym", sa.Text, nullable=False, index=True),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("wording", sa.ForeignKey("wordings.version")),
)

wordings = _table(  # texts that asked for consent
    "wordings",
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)

bounces = _table(
    "bounces",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("pseudonym", sa.Text, nullable=False),
    sa.Column("delivery_id", sa.ForeignKey("deliveries.id", ondelete="SET NULL"), index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reply", sa.Text, nullable=False),
    sa.Column("bounced_at", UtcDateTime, nullable=False, index=True),
    sa.Column("fingerprint", sa.Text, nullable=False, unique=True),  # a message that is processed twice counts once
    sa.Index("bounces_of", "pseudonym", "bounced_at"),
)
