"""PubMed's tags: which name a field of ours, which a subject, and which what no feed says."""

from digest.matching.language.build import MAX_DISTANCE
from digest.matching.language.fields import EVERYWHERE, SHOWN
from digest.matching.language.parts import Part
from digest.models import Field

# https://pubmed.ncbi.nlm.nih.gov/help/#search-tags. Subjects: words that may stand in a text as well.
SUBJECTS = frozenset(
    ("mesh|mh|mesh terms|majr|mesh major topic|nm|supplementary concept|ot|other term|pa|pharmacological action").split(
        "|"
    )
)
NAMES = frozenset("author - first|first author|lastau|author - last|last author|fau|full author name".split("|"))
NOWHERE = frozenset(
    (
        "ad|affiliation|aid|article identifier|auid|author identifier|bk|book|cn|corporate author"
        "|author - corporate|cois|conflict of interest statements|crdt|date - create|date - completion|dcom"
        "|date - entry|edat|date - entrez|date - mesh|mhda|date - modification|lr|date - publication|dp|pdat"
        "|publication date|ec/rn number|rn|ed|editor|ein|isbn|filter|sb|subset|gr|grants and funding|grant number"
        "|ir|investigator|ip|issue|ta|jour|journal|is|issn|la|lang|language|lid|location id|jid|nlmuniqueid"
        "|nlm unique id|pg|pagination|pl|place of publication|pmid|uid|pmcid|ps|subject - personal name|pt|ptyp"
        "|publication type|pubn|publisher|si|secondary source id|sh|mesh subheading|tt|transliterated title|vi"
        "|volume"
    ).split("|")
)

_FIELD_OF = {
    frozenset({Field.TITLE}): "title:",
    frozenset({Field.ABSTRACT}): "abstract:",
    EVERYWHERE: "all:",
    SHOWN: "",
}


def scoped(part: Part, fields: frozenset[Field]) -> Part:
    """A part that looks in some fields only; names are written as PubMed does: Hinton GE."""
    text = part.within("AND", "OR")
    if fields in _FIELD_OF:
        return Part(f"{_FIELD_OF[fields]}{text}", "" if _FIELD_OF[fields] else part.loose)
    return Part(f"{text}[au]")


def near(part: Part, fields: frozenset[Field], distance: int) -> Part:
    """Words that stand close: two of them as NEAR, of more only that they are all there."""
    if part.loose:
        return scoped(part, fields)
    words = part.text.strip('"“”„«»').split()
    if len(words) == 2:
        return scoped(Part(f"{words[0]} NEAR/{min(distance, MAX_DISTANCE)} {words[1]}", "AND"), fields)
    return scoped(Part(" AND ".join(words), "AND"), fields) if len(words) > 2 else scoped(part, fields)


def subject(part: Part) -> Part:
    """The words of a heading: without its subheading, and in the order that a text has them (Diabetes, Type 2)."""
    if part.loose:
        return part
    heading = part.text.strip('"“”„«»').partition("/")[0]
    first, comma, last = heading.partition(", ")
    heading = f"{last} {first}" if comma and "," not in last else heading
    return Part(f'"{heading}"' if part.text.startswith(('"', "“", "„", "«")) else heading)
