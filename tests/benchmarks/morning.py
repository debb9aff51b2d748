"""A morning of a typical script: a feed, a regular expression a keyword, a template, and a connection a mail."""

import re
import smtplib
from collections.abc import Sequence
from xml.sax.saxutils import escape

import feedparser
import jinja2

from digest.models import Paper
from tests.benchmarks.rivals import PAGE, email_message, marked
from tests.builders import a_digest, a_subscriber

_PAPERS = 10  # a mail
_FEED = '<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Papers</title>{}</feed>'
_ENTRY = (
    "<entry><id>{0.id}</id><title>{1}</title><summary>{2}</summary>"
    '<author><name>{3}</name></author><category term="{4}"/><link href="{5}"/></entry>'
)


def feed_of(papers: Sequence[Paper]) -> bytes:
    """The papers as an Atom feed."""
    entries = (
        _ENTRY.format(p, *map(escape, (p.title, p.abstract, ", ".join(p.authors[:3]), ", ".join(p.categories), p.url)))
        for p in papers
    )
    return _FEED.format("".join(entries)).encode()


class MorningScript:
    """Reads the feed once, for all its readers."""

    def __init__(self, feed: bytes) -> None:
        self._entries = feedparser.parse(feed).entries
        self._page = jinja2.Environment(autoescape=True).from_string(PAGE)

    def send(self, port: int, email: str, keywords: Sequence[str]) -> None:
        """One reader's mail."""
        content = self.mail(email, keywords)
        with smtplib.SMTP("127.0.0.1", port, "localhost") as client:
            client.sendmail("digest@example.org", [email], content)

    def mail(self, email: str, keywords: Sequence[str]) -> bytes:
        """The ten papers that hold most of the keywords."""
        patterns = {word: re.compile(rf"\b{re.escape(word)}\b", re.IGNORECASE) for word in keywords}
        found = []
        for entry in self._entries:
            text = f"{entry.title} {entry.summary}"
            words = [word for word, pattern in patterns.items() if pattern.search(text)]
            if words:
                found.append((entry, words))
        best = sorted(found, key=lambda one: -len(one[1]))[:_PAPERS]
        url = f"https://digest.example.org/unsubscribe?who={email}"
        page = self._page.render(items=[_shown(*one) for one in best], unsubscribe_url=url)
        text = "\n\n".join(f"{entry.title}\n{entry.link}\n{entry.summary}" for entry, _ in best)
        digest = a_digest([], subscriber=a_subscriber(email), message_id=f"today.{email}")
        return email_message(digest, page, text, "Daily Papers", url)


def _shown(entry: feedparser.FeedParserDict, words: Sequence[str]) -> dict[str, object]:
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, words))})\b", re.IGNORECASE)
    return {
        "url": entry.link,
        "pdf": entry.link.replace("/abs/", "/pdf/"),
        "title": marked(entry.title, pattern),
        "abstract": marked(entry.summary, pattern),
        "authors": entry.author,
        "categories": entry.tags[0].term,
        "words": words,
    }
