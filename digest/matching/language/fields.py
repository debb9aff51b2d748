"""The names of a paper's fields in rules: our own, arXiv's, and PubMed's tags."""

import difflib

from digest.models import Field

SHOWN = frozenset({Field.TITLE, Field.ABSTRACT})  # where terms without a field are looked for
EVERYWHERE = frozenset(Field)
TITLE, ABSTRACT, AUTHOR, CATEGORY = (frozenset({field}) for field in Field)

FIELDS: dict[str, frozenset[Field]] = {
    "title": TITLE, "ti": TITLE, "abstract": ABSTRACT, "abs": ABSTRACT, "author": AUTHOR, "au": AUTHOR,
    "category": CATEGORY, "cat": CATEGORY, "all": EVERYWHERE,
}  # fmt: skip

# https://info.arxiv.org/help/api/user-manual.html, 5.1: fields that arXiv can search but feeds do not contain.
ELSEWHERE = {
    "co": "comments",
    "jr": "journal references",
    "rn": "report numbers",
    "id": "identifiers",
    "submitteddate": "dates",
    "lastupdateddate": "dates",
}

# https://pubmed.ncbi.nlm.nih.gov/help/#search-tags: in brackets after a term.
TAGS: dict[str, frozenset[Field]] = {
    "title/abstract": SHOWN, "tiab": SHOWN, "text word": SHOWN, "tw": SHOWN, "title": TITLE, "ti": TITLE,
    "abstract": ABSTRACT, "ab": ABSTRACT, "author": AUTHOR, "au": AUTHOR, "1au": AUTHOR, "all fields": EVERYWHERE,
    "all": EVERYWHERE,
}  # fmt: skip

# PubMed's other tags, except those that may be words ([Pt] and [La] are elements). Directly after a word, any tag that
# is not in TAGS is an error.
OTHER_TAGS = (
    "affiliation", "author - first", "author - last", "book", "conflict of interest statements", "date - publication",
    "dp", "filter", "grants and funding", "investigator", "journal", "language", "majr", "mesh", "mesh major topic",
    "mesh subheading", "mesh terms", "mh", "other term", "pdat", "pharmacological action", "publication type",
    "publisher", "supplementary concept", "transliterated title", "volume",
)  # fmt: skip

_NAMED_FIELDS = "title: abstract: author: category: all:"
_NAMED_TAGS = "[Title] [Abstract] [Title/Abstract] [Author] [All Fields]"


def unknown_field(name: str) -> str:
    """Returns the error message for a field that does not exist."""
    if name.lower() in ELSEWHERE:
        return f"{name}: ({ELSEWHERE[name.lower()]}) is not in the feeds; fields are {_NAMED_FIELDS}"
    similar = difflib.get_close_matches(name.lower(), FIELDS, n=1)
    hint = f"did you mean {similar[0]}:?" if similar else f"fields are {_NAMED_FIELDS}"
    return f"no field {name}:; {hint} (quotes make it plain words)"


def unknown_tag(written: str) -> str:
    """Returns the error message for a tag that does not exist."""
    name = written.strip("[] \t")
    similar = difflib.get_close_matches(name.lower(), TAGS, n=1)
    hint = f"did you mean [{similar[0]}]?" if similar else f"tags are {_NAMED_TAGS}"
    return f"no tag [{name}]; {hint} (quotes around it all make it plain words)"
