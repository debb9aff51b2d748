"""What rules call the parts of a paper: our own names, arXiv's, and PubMed's tags."""

from digest.models import Field

SHOWN = frozenset({Field.TITLE, Field.ABSTRACT})  # where bare terms look
EVERYWHERE = frozenset(Field)
_TITLE, _ABSTRACT, _AUTHOR, _CATEGORY = (frozenset({field}) for field in Field)

FIELDS: dict[str, frozenset[Field]] = {
    "title": _TITLE,
    "ti": _TITLE,
    "abstract": _ABSTRACT,
    "abs": _ABSTRACT,
    "author": _AUTHOR,
    "au": _AUTHOR,
    "category": _CATEGORY,
    "cat": _CATEGORY,
    "all": EVERYWHERE,
}

# https://info.arxiv.org/help/api/user-manual.html, 5.1: what arXiv searches and a feed does not say.
ELSEWHERE = {
    "co": "comments",
    "jr": "journal references",
    "rn": "report numbers",
    "id": "identifiers",
    "submitteddate": "dates",
    "lastupdateddate": "dates",
}

# https://pubmed.ncbi.nlm.nih.gov/help/#search-tags: behind a term, in brackets.
TAGS: dict[str, frozenset[Field]] = {
    "title/abstract": SHOWN,
    "tiab": SHOWN,
    "text word": SHOWN,
    "tw": SHOWN,
    "title": _TITLE,
    "ti": _TITLE,
    "abstract": _ABSTRACT,
    "ab": _ABSTRACT,
    "author": _AUTHOR,
    "au": _AUTHOR,
    "1au": _AUTHOR,
    "all fields": EVERYWHERE,
    "all": EVERYWHERE,
}

# PubMed's others, where they cannot be taken for words ([Pt] and [La] are elements); glued to a term any is an error.
OTHER_TAGS = (
    "affiliation", "author - first", "author - last", "book", "conflict of interest statements", "date - publication",
    "dp", "filter", "grants and funding", "investigator", "journal", "language", "majr", "mesh", "mesh major topic",
    "mesh subheading", "mesh terms", "mh", "other term", "pdat", "pharmacological action", "publication type",
    "publisher", "supplementary concept", "transliterated title", "volume",
)  # fmt: skip
