"""Test mails of a profile."""

from datetime import timedelta

import pytest

from digest.admin import test_mail
from digest.app import App
from digest.errors import DigestError
from digest.models import Hold, MailKind, Message, Profile, Subscriber, Suppression, SuppressionReason
from digest.pipeline.recent_papers import RecentPapers
from digest.store import outbox
from digest.transport.smtp import SmtpTransport
from digest.transport.smtp_server import SmtpServer
from tests.builders import NOW, a_digest, a_paper, a_subscriber, an_item
from tests.smtp import Postbox
from tests.web.papers import add_papers

CATS, DOGS = Profile(name="Cats", rules="cats"), Profile(id=2, name="Dogs", rules="dogs ^9")


def titles(app: App, *wanted: Profile, most: int = 25, days: int = 7) -> list[tuple[str, str]]:
    reader = Subscriber(email="admin@example.org", max_papers=most)
    digest = test_mail.recent_digest(RecentPapers(app.store), wanted, reader, days=days, now=NOW)
    return [(item.profile, item.paper.title) for item in digest.items]


def test_a_test_mail_has_the_best_papers_of_the_last_days_by_profile(app: App) -> None:
    add_papers(app, "On cats", "Many dogs", "Few dogs and cats", "Birds")
    add_papers(app, a_paper("Old cats"), seen_at=NOW - timedelta(days=8))
    found = titles(app, CATS, DOGS)
    assert sorted(found) == [("Cats", "On cats"), ("Dogs", "Few dogs and cats"), ("Dogs", "Many dogs")]
    assert [profile for profile, _ in found] == ["Dogs", "Dogs", "Cats"]
    assert sorted(titles(app, CATS, days=9)) == [
        ("Cats", "Few dogs and cats"),
        ("Cats", "Old cats"),
        ("Cats", "On cats"),
    ]


def test_papers_that_do_not_fit_are_counted(app: App) -> None:
    add_papers(app, *(f"On cats, {n}" for n in range(5)))
    reader = Subscriber(email="admin@example.org", max_papers=2)
    digest = test_mail.recent_digest(RecentPapers(app.store), [CATS], reader, days=7, now=NOW)
    assert (len(digest.items), len(digest.more)) == (2, 3)


def test_a_copy_has_links_that_do_not_work(app: App) -> None:
    reader = a_subscriber("reader@example.org", id=7, name="R")
    digest = a_digest([an_item(a_paper("On cats"))], subscriber=reader)
    mail = test_mail.make_delivery(MailKind.DIGEST, reader, digest, domain="example.org", now=NOW)
    looked_at = test_mail.copy_without_links(mail, "admin@example.org")
    message = app.composer.message(looked_at)
    assert message.recipient == "admin@example.org"
    assert b"/unsubscribe/0.0." in message.content.replace(b"=\r\n", b"").replace(b"\r\n ", b"")
    assert b"reader@example.org" not in message.content


def test_a_suppression_and_a_hold_prevent_sending(app: App) -> None:
    with app.store.write() as tx:
        assert test_mail.find_obstacle(tx, app.membership, "x@example.org") is None
        outbox.start_hold(tx, "asked", now=NOW)
        assert isinstance(test_mail.find_obstacle(tx, app.membership, "x@example.org"), Hold)
        app.membership.suppress(tx, "x@example.org", SuppressionReason.ADMIN, "", now=NOW)
        assert isinstance(test_mail.find_obstacle(tx, app.membership, "x@example.org"), Suppression)


def test_a_refusal_has_the_servers_reply() -> None:
    postbox = Postbox(at_rcpt={"a@example.org": "450 4.2.0 later"})
    message = Message(
        delivery_id=0, sender="d@example.org", recipient="a@example.org", content=b"Subject: x\r\n\r\nx\r\n"
    )
    with (
        SmtpServer(postbox) as server,
        SmtpTransport("127.0.0.1", server.port) as transport,
        pytest.raises(DigestError, match=r"not sent to a@example\.org: 450 4\.2\.0 later"),
    ):
        test_mail.send(transport, message)
