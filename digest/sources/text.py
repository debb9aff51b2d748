"""A hand-made list: titles and abstracts in turn.

Blank lines do not count. The first title is the line before the first long one; what comes before it is a header.
"""

import hashlib

from digest.models import Entry
from digest.sources.parsing import ParseError, plain_text

_LONG = 300  # characters: no title is longer, and hardly an abstract is shorter


def parse(body: bytes) -> list[Entry]:
    """Parse the papers in a text. Raises ParseError if it is not UTF-8 or has no abstract."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParseError(f"the text is not UTF-8 (byte {error.start})") from None
    lines = [line for written in text.splitlines() if (line := plain_text(written))]
    first_long = next((i for i, line in enumerate(lines) if len(line) > _LONG), 0)
    if not lines:
        raise ParseError("is empty")
    if first_long == 0:
        raise ParseError(
            "neither a feed nor a list of titles and abstracts: "
            f"found no line of more than {_LONG} characters with a title before it"
        )
    papers = lines[first_long - 1 :]
    if len(papers) % 2:
        raise ParseError(f"the last title has no abstract: {papers[-1][:60]!r}")
    return [
        Entry(guid=hashlib.sha256(title.encode()).hexdigest()[:16], title=title, abstract=abstract)
        for title, abstract in zip(papers[::2], papers[1::2], strict=True)
    ]
