"""What a query means, said as plainly as possible: one query, one paper, no index. The index must agree with it."""

from digest.matching.query import AllOf, AnyOf, Not, Pattern, Query, Term
from digest.models import Field, Paper
from digest.text import Word, words, words_of_list


def is_true(query: Query, paper: Paper) -> bool:
    match query:
        case Term(readings, fields):
            return any(holds(paper, field, reading) for field in fields for reading in readings)
        case Not(part):
            return not is_true(part, paper)
        case AllOf(parts):
            return all(is_true(part, paper) for part in parts)
        case AnyOf(parts):
            return any(is_true(part, paper) for part in parts)


def holds(paper: Paper, field: Field, reading: Pattern) -> bool:
    found = words_of(paper, field)
    return any(spells(found, word, reading) for word in found)


def spells(found: list[Word], word: Word, reading: Pattern) -> bool:
    """Whether `reading` stands in the text from `word` on."""
    if not fits(word, reading[0]):
        return False
    rest = reading[1:]
    return not rest or any(spells(found, following, rest) for following in found if following.first == word.next)


def fits(word: Word, pattern: str) -> bool:
    mark, wanted = pattern[0], pattern[1:]
    return {"~": word.stem == wanted, "=": word.folded == wanted, "^": word.folded.startswith(wanted)}[mark]


def words_of(paper: Paper, field: Field) -> list[Word]:
    if field is Field.AUTHOR:
        return words_of_list(paper.authors, separator=", ")
    if field is Field.CATEGORY:
        return words_of_list(paper.categories, separator=", ")
    return words(paper.text_of(field))
