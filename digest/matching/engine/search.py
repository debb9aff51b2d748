"""Some papers, read once, for any number of profiles: what each finds, scored by how seldom its rules are true."""

from collections.abc import Sequence

from digest.matching.engine.corpus import Corpus
from digest.matching.engine.index import ProfileIndex
from digest.matching.engine.matches import Matches
from digest.matching.engine.program import Program
from digest.matching.engine.ragged import Floats
from digest.matching.engine.truth import Truth, evaluate
from digest.matching.ranking import rarity
from digest.models import Paper

_KEPT = 2  # programs: all profiles', and that of those which were edited since


class Search:
    """The papers to choose from, and what a rule's rarity is taken over.

    Remembers what was true of them for the programs that were asked for last. Not for several threads.
    """

    def __init__(self, papers: Sequence[Paper] | Corpus, older: Sequence[Paper] = (), *, recent: int = 0) -> None:
        """Rarity is taken over `older` papers and those to choose from, `papers`, from number `recent` on.

        O(characters); of a corpus, which has been read already, several threads may have a search each.
        """
        self.corpus = papers if isinstance(papers, Corpus) else Corpus(papers)
        self._older = Corpus(older)
        self._recent = recent
        self._known: dict[Program, tuple[Truth, Floats]] = {}

    @property
    def papers(self) -> Sequence[Paper]:
        """The papers to choose from."""
        return self.corpus.papers

    def matches(self, index: ProfileIndex, *, limit: int | None = None, workers: int = 1) -> Matches:
        """The best `limit` papers of every profile of the index, or all that match."""
        truth, rare = self.evaluate(index.program)
        return index.match(truth, rarity=rare, limit=limit, workers=workers)

    def evaluate(self, program: Program) -> tuple[Truth, Floats]:
        """(what is true of the papers to choose from, by condition how much it counts for being true seldom)."""
        if program in self._known:
            self._known[program] = self._known.pop(program)  # the last one again
        else:
            truth = evaluate(program, self.corpus)
            counts = truth.counts_from(self._recent) + evaluate(program, self._older).counts
            self._known[program] = truth, rarity(counts, len(self.corpus) - self._recent + len(self._older))
            if len(self._known) > _KEPT:
                del self._known[next(iter(self._known))]
        return self._known[program]
