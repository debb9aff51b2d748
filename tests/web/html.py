"""Whether a page is valid HTML."""

import html5lib


def faults_of(html: str) -> list[str]:
    """What html5lib finds wrong with a page, each with its line; none in valid HTML5."""
    parser = html5lib.HTMLParser()
    parser.parse(html)
    return [f"line {line}: {code} {facts or ''}".rstrip() for (line, _), code, facts in parser.errors]
