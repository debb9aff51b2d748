"""A reference evaluator: what a query means, written as plainly as possible. The index must agree with it."""

from collections.abc import Iterator

from digest.matching.engine.scoring import TITLE_FACTOR
from digest.matching.language.query import AllOf, AnyOf, Author, Near, Not, Pattern, Query, Term, matches_empty_paper
from digest.models import Field, Paper
from digest.text import COMPOUND, WORD, fold
from tests.matching.tokens import Word, words

Span = tuple[int, int]  # positions in a text: where the first word begins, where the last word ends


def is_true(query: Query, paper: Paper) -> bool:
    match query:
        case Term(_, fields):
            return any(spans(query, text) for field in fields for text in texts_of(paper, field))
        case Near():
            return any(is_near(query, paper, field) for field in Field)
        case Author(parts):
            return any(all(spans(part, name) for part in parts) for name in texts_of(paper, Field.AUTHOR))
        case Not(part):
            return not is_true(part, paper)
        case AllOf(parts):
            return all(is_true(part, paper) for part in parts)
        case AnyOf(parts):
            return any(is_true(part, paper) for part in parts)


def is_near(near: Near, paper: Paper, field: Field) -> bool:
    """Whether both sides are in the field, one after the other, with few enough words between them."""
    for text in texts_of(paper, field):
        left = [span for term in near.left if field in term.fields for span in spans(term, text)]
        right = [span for term in near.right if field in term.fields for span in spans(term, text)]
        pairs = [(a, b) for a in left for b in right] + [(b, a) for a in left for b in right]
        if any(0 <= second[0] - first[1] <= near.distance for first, second in pairs):
            return True
    return False


def spans(term: Term, text: list[Word]) -> set[Span]:
    """Every place where the term occurs."""
    return {(word.first, end) for reading in term.readings for word in text for end in ends(text, word, reading)}


def ends(text: list[Word], word: Word, reading: Pattern) -> Iterator[int]:
    """Where `reading` ends if the text contains it from `word` on."""
    if not fits(word, reading[0]):
        return
    if len(reading) == 1:
        yield word.next
        return
    for following in text:
        if following.first == word.next:
            yield from ends(text, following, reading[1:])


def fits(word: Word, pattern: str) -> bool:
    mark, wanted = pattern[0], pattern[1:]
    return {"~": word.stem == wanted, "=": word.folded == wanted, "^": word.folded.startswith(wanted)}[mark]


def texts_of(paper: Paper, field: Field) -> list[list[Word]]:
    """The texts in a field, separately: a term never reaches from one author or category into the next."""
    if field is Field.AUTHOR:
        return [words(name) for name in paper.authors]
    if field is Field.CATEGORY:
        return [[*archive(name), *words(name)] for name in paper.categories]
    return [words(paper.text_of(field))]


def archive(category: str) -> list[Word]:
    """The extra word for a category's archive: cs.* of cs.LG."""
    run = COMPOUND.search(category)
    if run is None:
        return []
    parts = [fold(part) for part in WORD.findall(run.group())]
    return [Word(0, len(parts), run.start(), run.end(), "-".join(parts) + ".*", "")]


def points(query: Query, paper: Paper) -> float:
    """What a rule of weight 1 adds to the score: 0 if it is not true, twice as much in the title."""
    if not is_true(query, paper):
        return 0.0
    return TITLE_FACTOR if in_title(query, paper) else 1.0


def in_title(query: Query, paper: Paper) -> bool:
    """Whether a word that makes the query true is in the title. Negated words make nothing true."""
    match query:
        case Term(_, fields):
            return Field.TITLE in fields and any(spans(query, text) for text in texts_of(paper, Field.TITLE))
        case Near():
            return is_near(query, paper, Field.TITLE)
        case Author() | Not():
            return False
        case AllOf(parts):
            return any(in_title(part, paper) for part in parts)
        case AnyOf(parts):
            return not matches_empty_paper(query) and any(is_true(p, paper) and in_title(p, paper) for p in parts)
