"""Looking up, approving and rejecting proposed papers, against a server on loopback."""

import os
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from digest.admin import submission_actions
from digest.errors import SourceError, UsageError
from digest.matching.paper_collection import PaperCollection
from digest.models import Submission, SubmissionState
from digest.sources.fetch import Fetched, Fetcher
from digest.sources.identity import keys
from digest.store import Store, papers, submissions
from tests.builders import NOW, a_paper, a_profile, all_papers, an_entry
from tests.sources.test_fetch import say, serving

PAGE = b'<html><head><meta name="citation_title" content="A paper that cats proposed"></head></html>'
ENTRY = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom">
<title>arXiv Query</title><entry><id>http://arxiv.org/abs/2504.17830v2</id><title>Spin  waves</title>
<summary>On spin.</summary><author><name>Jane Doe</name></author>
<category term="quant-ph" scheme="http://arxiv.org/schemas/atom"/></entry></feed>"""
ERROR = """<feed xmlns="http://www.w3.org/2005/Atom"><title>arXiv Query</title><entry>
<id>http://arxiv.org/api/errors#incorrect_id</id><title>Error</title><summary>incorrect id</summary></entry></feed>"""


@pytest.fixture
def fetcher(tmp_path: Path) -> Iterator[Fetcher]:
    with Fetcher(base=tmp_path, allow_private=["127.0.0.1"]) as opened:
        yield opened


def proposed(store: Store, url: str = "https://example.org/paper") -> Submission:
    with store.write() as tx:
        submissions.add(tx, url, origin="page", now=NOW)
        return submissions.list_all(tx)[-1]


def again(store: Store, submission: Submission) -> Submission:
    with store.read() as tx:
        return submissions.get(tx, submission.id)


def approve(store: Store, submission: Submission, title: str = "A paper that cats proposed") -> str:
    entry = an_entry(title, guid=submission.url, url=submission.url)
    with store.write() as tx:
        return submission_actions.approve(tx, submission.id, entry, by="tests", now=NOW, timezone="UTC")


def reject(store: Store, submission: Submission) -> None:
    with store.write() as tx:
        submission_actions.reject(tx, submission.id, by="tests", now=NOW)


def answering(body: bytes, asked: list[str]) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        say(handler, 200, body)

    return answer


def test_a_page_is_looked_up_by_its_tags(fetcher: Fetcher) -> None:
    with serving(answering(PAGE, [])) as url:
        entry = submission_actions.look_up(fetcher, url)
    assert (entry.title, entry.url) == ("A paper that cats proposed", url)


def test_an_arxiv_id_is_looked_up_through_the_api(fetcher: Fetcher) -> None:
    asked: list[str] = []
    with serving(answering(ENTRY.encode(), asked)) as api:
        entry = submission_actions.look_up(fetcher, "https://arxiv.org/abs/2504.17830", arxiv_api=api)
    assert asked == ["/feed?id_list=2504.17830"]
    assert (entry.title, entry.abstract, entry.arxiv_id) == ("Spin waves", "On spin.", "2504.17830")
    assert (entry.authors, entry.categories) == (("Jane Doe",), ("quant-ph",))


@pytest.mark.parametrize(
    ("answer", "reason"), [(ERROR, "arXiv says: incorrect id"), (ENTRY, "arXiv has no paper 2601.00001")]
)
def test_a_paper_that_arxiv_does_not_know_is_an_error(fetcher: Fetcher, answer: str, reason: str) -> None:
    with serving(answering(answer.encode(), [])) as api, pytest.raises(SourceError) as caught:
        submission_actions.look_up(fetcher, "https://arxiv.org/abs/2601.00001", arxiv_api=api)
    assert caught.value.reason == reason


@pytest.mark.parametrize("charset", ["punycode", "unicode_escape", "zlib"])
def test_a_page_of_an_odd_charset_is_looked_up_in_a_moment(fetcher: Fetcher, charset: str) -> None:
    page = PAGE.replace(b"<head>", f"<head><meta charset={charset}>".encode()) + b"a-" * 500_000
    before = time.process_time() + sum(os.times()[2:4])
    with serving(answering(page, [])) as url:
        assert submission_actions.look_up(fetcher, url).title == "A paper that cats proposed"
    assert time.process_time() + sum(os.times()[2:4]) - before < 5


class FaultyFetcher(Fetcher):
    """Has a fault of its own."""

    def fetch(self, *_args: object, **_options: object) -> Fetched:
        raise TypeError("odd")


@pytest.mark.parametrize("url", ["https://example.org/1", "https://arxiv.org/abs/2504.17830"])
def test_any_fault_of_a_look_up_is_a_reason(tmp_path: Path, url: str) -> None:
    with FaultyFetcher(base=tmp_path) as faulty, pytest.raises(SourceError) as caught:
        submission_actions.look_up(faulty, url)
    assert caught.value.reason == "internal error: TypeError: odd; the log has the details"


def test_a_page_in_a_private_network_is_not_fetched(tmp_path: Path) -> None:
    asked: list[str] = []
    with (
        serving(answering(PAGE, asked)) as url,
        Fetcher(base=tmp_path) as careful,
        pytest.raises(SourceError, match="private address"),
    ):
        submission_actions.look_up(careful, url)
    assert asked == []


def test_an_approved_paper_is_in_todays_edition_and_matched_like_any_other(store: Store) -> None:
    submission = proposed(store)
    paper_id = approve(store, submission)
    with store.read() as tx:
        today = papers.list_with_edition_dates(tx, NOW.date(), NOW.date())
    ((paper, _),) = today
    assert (paper.id, paper.first_seen_at) == (paper_id, NOW)
    collection = PaperCollection(today)
    everything = collection.dated_within(NOW.date(), NOW.date())
    assert collection.find([a_profile("cat")], everything, counted_after=None, begin=0, limit=1).count == 1
    decided = again(store, submission)
    assert (decided.state, decided.paper_id, decided.decided_at) == (SubmissionState.APPROVED, paper_id, NOW)


def test_a_paper_that_is_known_is_only_seen_once_more(store: Store) -> None:
    known = a_paper("A paper that cats proposed", id="arxiv:2504.17830")
    with store.write() as tx:
        papers.add(tx, [known], first_seen_at=NOW, edition_on=NOW.date())
        papers.add_keys(tx, dict.fromkeys(keys(an_entry(known.title)), known.id))
    assert approve(store, proposed(store)) == known.id
    with store.read() as tx:
        assert [paper.id for paper in all_papers(tx)] == [known.id]


def test_an_approved_submission_cannot_be_decided_again(store: Store) -> None:
    submission = proposed(store)
    approve(store, submission)
    with pytest.raises(UsageError, match="was already approved: title:"):
        approve(store, submission)
    with pytest.raises(UsageError, match="was already approved: title:"):
        reject(store, submission)


def test_a_rejected_submission_can_be_approved_later(store: Store) -> None:
    submission = proposed(store)
    reject(store, submission)
    assert again(store, submission).state is SubmissionState.REJECTED
    approve(store, submission)
    assert again(store, submission).state is SubmissionState.APPROVED


def test_a_rejected_paper_that_is_proposed_again_stays_rejected(store: Store) -> None:
    submission = proposed(store)
    reject(store, submission)
    proposed(store)
    assert again(store, submission).state is SubmissionState.REJECTED


def test_an_editors_title_and_abstract_replace_those_that_were_found() -> None:
    url = "https://arxiv.org/abs/2504.17830"
    found = an_entry("Found", abstract="Found, too", title_source="$F$")
    both = submission_actions.edited_entry(url, "Given", "Given, too", found)
    assert (both.title, both.title_source, both.abstract) == ("Given", "", "Given, too")
    assert submission_actions.edited_entry(url, "", "", found) == found
    alone = submission_actions.edited_entry(url, "Given", "", None)
    assert (alone.title, alone.arxiv_id, alone.url) == ("Given", "2504.17830", url)
