"""Records for tests: each test says only what matters to it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from digest.models import (
    Delivery,
    DeliveryState,
    Digest,
    DigestItem,
    Entry,
    Evidence,
    Field,
    MailKind,
    Match,
    Paper,
    Profile,
    Subscriber,
    Wording,
)
from digest.security.addresses import Pseudonyms
from digest.store import Transaction, papers
from digest.subscribers.membership import Membership

RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "data"

needs_recordings = pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"the recordings are not at {RECORDINGS}")

NOW = datetime(2026, 6, 3, 7, 0, tzinfo=UTC)

PSEUDONYMS = Pseudonyms(b"p" * 32)
MEMBERSHIP = Membership(PSEUDONYMS, "example.org", lambda language: Wording(language=language, text="Shall we?"))


def at(written: str) -> datetime:
    """An aware UTC datetime, as in at("2026-06-03 07:00")."""
    return datetime.fromisoformat(written).replace(tzinfo=UTC)


def all_papers(tx: Transaction) -> list[Paper]:
    """Every paper that is known, oldest first."""
    return papers.list_first_seen(tx, after=at("2000-01-01"), until=at("2100-01-01"))


def a_paper(title: str = "A paper", abstract: str = "", *, id: str = "", **rest: Any) -> Paper:  # noqa: A002
    return Paper(id=id or f"test:{title}", title=title, abstract=abstract, **rest)


def an_entry(title: str = "An entry about one particular thing", **rest: Any) -> Entry:
    return Entry(guid=rest.pop("guid", title), title=title, **rest)


def a_profile(rules: str, name: str = "Profile", **rest: Any) -> Profile:
    return Profile(name=name, rules=rules, **rest)


def a_subscriber(email: str = "reader@example.org", **rest: Any) -> Subscriber:
    return Subscriber(email=email, **rest)


def a_pem(key: PrivateKeyTypes, passphrase: bytes = b"") -> bytes:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def a_match(paper: Paper, profile: str = "Profile", score: float = 1.0) -> Match:
    return Match(paper=paper, profile=a_profile("", profile), score=score, evidence=())


def an_item(paper: Paper, profile: str = "Profile", score: float = 1.0, *hits: tuple[Field, str]) -> DigestItem:
    """A digest's item whose evidence is each of `hits` where it first occurs in its field."""
    evidence = tuple(
        Evidence(field=f, start=(i := paper.text_of(f).index(text)), end=i + len(text), rule=text) for f, text in hits
    )
    return DigestItem(paper=paper, profile=profile, score=score, evidence=evidence)


def a_digest(items: Sequence[DigestItem], **rest: Any) -> Digest:
    values: dict[str, Any] = {
        "subscriber": a_subscriber(id=7),
        "slot_at": NOW,
        "created_at": NOW,
        "dated_on": date(2026, 6, 3),
        "message_id": "20260603.abc@example.org",
        "items": tuple(items),
    }
    return Digest(**values | rest)


def a_delivery(digest: Digest | None = None, **rest: Any) -> Delivery:
    """The delivery of a digest; without one, of a confirmation."""
    values: dict[str, Any] = {
        "id": 3,
        "kind": MailKind.CONFIRMATION if digest is None else MailKind.DIGEST,
        "subscriber": a_subscriber(id=7) if digest is None else digest.subscriber,
        "message_id": "c@example.org" if digest is None else digest.message_id,
        "state": DeliveryState.QUEUED,
        "attempts": 0,
        "queued_at": NOW,
        "next_at": NOW,
        "digest": digest,
    }
    return Delivery(**values | rest)
