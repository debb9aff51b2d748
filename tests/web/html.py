"""Whether a page is valid HTML, and nothing in it runs that we did not write."""

import re
from html.parser import HTMLParser

import html5lib

_IS_SAFE = re.compile(r"(/(?!/)|\?|#|https?://|mailto:|$)")


def faults_of(html: str) -> list[str]:
    """What html5lib finds wrong with a page, each with its line; none in valid HTML5."""
    parser = html5lib.HTMLParser()
    parser.parse(html)
    return [f"line {line}: {code} {facts or ''}".rstrip() for (line, _), code, facts in parser.errors]


def risks_of(page: str) -> list[str]:
    """What could run or load something that we did not write: elements, attributes and addresses."""
    finder = _Risks()
    finder.feed(page)
    return finder.found


class _Risks(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"img", "object", "embed", "video", "audio", "style", "base"}:
            self.found.append(tag)
        for name, value in attrs:
            says = (value or "").strip().lower()
            if name in {"style", "ping", "srcdoc"} or name.startswith("on"):
                self.found.append(f"{tag} {name}")
            if name in {"href", "src", "action", "formaction"} and not _IS_SAFE.match(says):
                self.found.append(f"{tag} {name}={says}")
            if (tag, name) == ("script", "src") and not says.startswith("/static/"):
                self.found.append(f"script {says}")
        if tag == "script" and "src" not in dict(attrs):
            self.found.append("script")
