"""Rivals: what small newsletter scripts do, and libraries used in the ordinary way."""

import html
import re
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import jinja2
from markupsafe import Markup

from digest.mail.mjml import read
from digest.mail.templates import shipped_folder
from digest.models import Digest, DigestItem, Field

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Daily Papers</title></head>
<body style="font-family:Helvetica,Arial,sans-serif"><h1>{{ items | length }} new papers</h1>
{% for item in items %}
<h3><a href="{{ item.url }}">{{ item.title }}</a></h3>
<p style="color:#59636e">{{ item.authors }} &middot; {{ item.categories }}</p>
<p>{{ item.abstract }}</p>
<p style="color:#59636e">Why: {{ item.words | join(", ") }} &middot; <a href="{{ item.pdf }}">PDF</a></p>
{% endfor %}
<p><a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>"""


def mjml_by_reader(environment: jinja2.Environment) -> jinja2.Template:
    """Returns the digest's MJML as a Jinja template, for the rival that compiles MJML for each reader."""
    folder = shipped_folder()
    source = read("email/digest.mjml.j2", lambda name: ((folder / name).read_text(encoding="utf-8"), name)).text
    return environment.overlay(autoescape=True).from_string(source)


class Script:
    """A typical script: words marked with a regular expression, one Jinja template, EmailMessage."""

    def __init__(self) -> None:
        self._page = jinja2.Environment(autoescape=True).from_string(PAGE)

    def mail(self, digest: Digest, unsubscribe_url: str) -> bytes:
        """A whole mail."""
        items = [self._shown(item) for item in digest.items]
        page = self._page.render(items=items, unsubscribe_url=unsubscribe_url)
        text = "\n\n".join(f"{i.paper.title}\n{i.paper.url}\n{i.paper.abstract}" for i in digest.items)
        return email_message(digest, page, text, "Daily Papers", unsubscribe_url)

    def _shown(self, item: DigestItem) -> dict[str, object]:
        paper = item.paper
        words = sorted({paper.text_of(e.field)[e.start : e.end] for e in item.evidence})
        pattern = re.compile(rf"\b({'|'.join(map(re.escape, words))})\b", re.IGNORECASE)
        return {
            "url": paper.url,
            "pdf": paper.pdf_url,
            "title": marked(paper.text_of(Field.TITLE), pattern),
            "abstract": marked(paper.text_of(Field.ABSTRACT), pattern),
            "authors": ", ".join(paper.authors[:3]),
            "categories": ", ".join(paper.categories),
            "words": words,
        }


def email_message(digest: Digest, page: str, text: str, subject: str, unsubscribe_url: str) -> bytes:
    """A message as the standard library writes it."""
    message = EmailMessage(policy=SMTP)
    message["From"] = "Daily Papers <digest@example.org>"
    message["To"] = digest.subscriber.email
    message["Subject"] = subject
    message["Date"] = format_datetime(digest.created_at)
    message["Message-ID"] = f"<{digest.message_id}>"
    message["List-Id"] = "<daily-papers.example.org>"
    message["List-Unsubscribe"] = f"<{unsubscribe_url}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    message.add_alternative(page, subtype="html")
    return message.as_bytes()


def marked(text: str, pattern: re.Pattern[str]) -> Markup:
    """Returns the text with the matches of the pattern marked."""
    pieces: list[str] = []
    at = 0
    for found in pattern.finditer(text):
        pieces += (html.escape(text[at : found.start()]), "<mark>", html.escape(found.group()), "</mark>")
        at = found.end()
    return Markup("".join([*pieces, html.escape(text[at:])]))
