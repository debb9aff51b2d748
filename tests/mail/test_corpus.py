"""Every mail for 200 profiles on twelve real days, as it is sent."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime

import dkim
import pytest

from digest.mail import Composer, Signer
from digest.mail.html_budget import MAX_HTML_BYTES
from digest.matching import ProfileIndex, choose
from digest.models import Digest, Profile
from digest.security.links import Scope
from tests.builders import NOW, a_delivery, a_digest, a_profile, a_subscriber, needs_recordings
from tests.mail.reading import LIST_HEADERS, body, check_wire, parsed, visible
from tests.mail.samples import LINKS, composer
from tests.matching.finding import match_all
from tests.recordings import DAYS, papers_of, rule_lists

PROFILES = 200

pytestmark = needs_recordings


def profiles() -> list[Profile]:
    return [a_profile(rules, f"Profile {n}") for n, rules in enumerate(rule_lists(PROFILES, lines=30))]


@pytest.fixture(scope="module")
def index() -> ProfileIndex:
    return ProfileIndex.build(profiles())


@dataclass(frozen=True)
class Post:
    """A composer with its signature, and how a receiver checks it."""

    composer: Composer
    signer: Signer

    def accepted(self, content: bytes) -> bool:
        record = self.signer.dns_record().encode()
        return bool(dkim.verify(content, dnsfunc=lambda *_, **__: record))


@pytest.fixture(scope="module")
def post(rsa_pem: bytes) -> Post:
    signer = Signer.from_pem(rsa_pem, domain="example.org", selector="s1", named="key")
    return Post(composer(signer=signer), signer)


def digests(index: ProfileIndex, day: str) -> Iterator[Digest]:
    """What each of the profiles gets of one day, every other reader in German."""
    papers = papers_of(day)
    matches = match_all(index, papers)
    for row, profile in enumerate(profiles()):
        choice = choose([matches.for_profile(row, profile)], known=(), left_out=(), limit=25)
        if choice.items:
            yield a_digest(
                choice.items,
                subscriber=a_subscriber(f"reader{row}@example.org", id=row + 1, language=("en", "de")[row % 2]),
                message_id=f"{day}.{row}@example.org",
                more=tuple(paper.id for paper in choice.more),
            )


@pytest.mark.parametrize("day", DAYS)
def test_every_mail_of_a_real_day_is_right_small_and_signed(index: ProfileIndex, post: Post, day: str) -> None:
    made = 0
    for digest in digests(index, day):
        message = post.composer.message(a_delivery(digest))
        check_wire(message)
        mail = parsed(message)
        check_headers(mail, digest)
        check_papers(mail, digest)
        assert post.accepted(message.content)
        made += 1
    assert made > PROFILES / 2


def test_a_mail_that_was_altered_on_its_way_is_not_accepted(index: ProfileIndex, post: Post) -> None:
    for digest in digests(index, DAYS[0]):
        content = post.composer.message(a_delivery(digest)).content
        assert not post.accepted(content.replace(b"=One-Click", b"=Two-Click"))
        assert not post.accepted(content.replace(b"\r\nSubject:", b"\r\nSubject: Another\r\nSubject:"))


def check_headers(mail: EmailMessage, digest: Digest) -> None:
    reader = digest.subscriber
    assert set(mail.keys()) == LIST_HEADERS | {"DKIM-Signature"}
    assert len(mail.keys()) == len(LIST_HEADERS) + 1
    assert mail["From"] == "Daily Papers <digest@example.org>"
    assert mail["To"] == reader.email
    assert mail["Date"] == format_datetime(NOW)
    assert mail["Message-ID"] == f"<{digest.message_id}>"
    assert mail["List-Unsubscribe"] == f"<{LINKS.url(Scope.UNSUBSCRIBE, reader.id, reader.epoch)}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert re.match(r"\d+ (?:new papers?|neuer? Artikel) · ", mail["Subject"])


def check_papers(mail: EmailMessage, digest: Digest) -> None:
    """Both bodies show the digest's papers, all of them and no others, in its order."""
    page, text = body(mail, "html"), body(mail, "plain")
    assert len(page.encode()) < MAX_HTML_BYTES
    titles = re.findall(r"<h3[^>]*>(.*?)</h3>", page, re.DOTALL)
    expected = [item.paper.title for item in digest.items]
    assert [visible(title) for title in titles] == expected
    links = re.findall(r"^  (?:Abstract|Zusammenfassung): (\S+)$", text, re.MULTILINE)
    assert links == [item.paper.url for item in digest.items]
    read, at = " ".join(text.split()), 0
    for title in expected:
        at = read.index(title, at) + len(title)
