"""References to cite a paper: BibTeX and RIS, in UTF-8. Pure.

No text breaks out of its field: each is one line, and braces are always paired.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from digest.mail.encoding import clean
from digest.models import Paper

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\textbraceleft{}",  # not \{: BibTeX counts escaped braces as well
    "}": r"\textbraceright{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "$&%#_"},
}
_ESCAPES = str.maketrans(_SPECIAL)
_VERBATIM = str.maketrans({"\\": "%5C", "{": "%7B", "}": "%7D"})  # in fields that LaTeX does not interpret
_NO_KEY = re.compile(r"[^A-Za-z0-9:./-]+")
_ARXIV_CLASS = re.compile(r"[a-z-]+(?:\.[A-Za-z-]+)?")
_LIST = re.compile(r"\sand\s|,.*,|^ others $", re.IGNORECASE)  # what BibTeX would read as several names


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A paper to be cited."""

    paper: Paper
    keys: Sequence[str]  # all its ids
    url: str  # of its abstract, or else of its page here

    def known_as(self, scheme: str) -> str:
        """Its arXiv id ("arxiv") or DOI ("doi"), or ""."""
        found = (key.partition(":")[2] for key in (self.paper.id, *self.keys) if key.startswith(f"{scheme}:"))
        return next(found, "")

    @property
    def year(self) -> str:
        """The year in which it was published, or else first seen."""
        at = self.paper.published_at or self.paper.first_seen_at
        return "" if at is None else f"{at.year:04}"


def bibtex(reference: Reference) -> str:
    """An entry for a .bib file."""
    paper, arxiv_id = reference.paper, _line(reference.known_as("arxiv"))
    primary = paper.categories[0] if paper.categories else ""
    fields = {
        "title": " ".join(map(_capitals_kept, _line(paper.title).split())),
        "author": " and ".join(_name(name) for author in paper.authors if (name := _line(author))),
        "year": reference.year,
        "eprint": arxiv_id.translate(_VERBATIM),
        "archivePrefix": "arXiv" if arxiv_id else "",
        "primaryClass": primary if arxiv_id and _ARXIV_CLASS.fullmatch(primary) else "",
        "doi": _line(reference.known_as("doi")).translate(_VERBATIM),
        "url": _line(reference.url).translate(_VERBATIM),
    }
    written = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return ",\n".join([f"@misc{{{_NO_KEY.sub('-', paper.id)}", *written]) + "\n}\n"


def ris(reference: Reference) -> str:
    """A record for a .ris file, with CRLF line ends."""
    paper, doi = reference.paper, reference.known_as("doi")
    fields = [
        ("TY", "JOUR" if doi else "UNPB"),
        ("TI", paper.title),
        *(("AU", name) for name in paper.authors),
        ("PY", reference.year),
        ("AB", paper.abstract),
        ("DO", doi),
        ("UR", reference.url),
    ]
    written = [f"{tag}  - {line}" for tag, text in fields if (line := _line(text))]
    return "\r\n".join([*written, "ER  - ", ""])


def _line(text: str) -> str:
    """A text on one line, without control characters."""
    return " ".join(clean(text).split())


def _capitals_kept(word: str) -> str:
    """A word of a title, in braces if a style would lower its case: names cannot be told from other words."""
    escaped = word.translate(_ESCAPES)
    if word == word.lower():
        return escaped
    # A brace before a backslash makes a "special character" in BibTeX, whose letters are lowered all the same.
    return f"{{{{{escaped}}}}}" if escaped.startswith("\\") else f"{{{escaped}}}"


def _name(name: str) -> str:
    escaped = name.translate(_ESCAPES)
    return f"{{{escaped}}}" if _LIST.search(f" {name} ") else escaped
