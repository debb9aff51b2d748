"""Decides which entries are the same paper, so that no paper is stored twice. Pure.

Entries are compared by their keys: the arXiv id without its version, the DOI, and the normalised title. Keys have the
form of public ids: `arxiv:2504.17830`, `doi:10.1101/…`, `title:<12 hex>`.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime

from digest.models import AnnounceType, Entry, Paper
from digest.models.papers import Work
from digest.sources.arxiv import arxiv_id_in
from digest.sources.parsing import doi_in
from digest.text import normalize

_SHARED = tuple(field.name for field in fields(Work))  # of an entry and its paper
_NEVER = datetime.max.replace(tzinfo=UTC)

# Titles with fewer words ("Editorial", "Corrigendum", "0") recur: they do not identify a paper.
_MIN_TITLE_WORDS = 4


def keys(entry: Entry) -> tuple[str, ...]:
    """Return the keys of an entry, the strongest first; at least one."""
    arxiv_id = entry.arxiv_id or arxiv_id_in(entry.doi)[0]
    found = [f"arxiv:{arxiv_id}"] if arxiv_id else []
    if entry.doi and not entry.doi.startswith("10.48550/"):  # arXiv's own DOIs repeat its ids
        found.append(f"doi:{entry.doi}")
    title = normalize(entry.title)
    if len(title.split()) >= _MIN_TITLE_WORDS:
        found.append(_title_key(title))
    return tuple(found) or (_title_key(f"{title}\0{normalize(entry.abstract)}"),)


def keys_in(text: str) -> list[str]:
    """Return the keys of the arXiv id and of the DOI that an id or link contains."""
    arxiv_id, doi = arxiv_id_in(text)[0], doi_in(text)
    return [key for key, found in ((f"arxiv:{arxiv_id}", arxiv_id), (f"doi:{doi}", doi)) if found]


def is_same_paper(known_as: str, entry_keys: Sequence[str], shared_key: str) -> bool:
    """Return whether an entry that shares `shared_key` with the paper of public id `known_as` is that paper.

    Two arXiv ids, or two DOIs, are two papers even if their titles are equal.
    """
    if not shared_key.startswith("title:"):
        return True
    scheme = known_as.partition(":")[0]
    return scheme == "title" or not any(k.startswith(f"{scheme}:") and k != known_as for k in entry_keys)


@dataclass(slots=True)
class Reconciliation:
    """What the entries of a feed change in the known papers. Papers are named by public id."""

    papers: dict[str, Paper] = field(default_factory=dict)  # every paper that the entries touch, as it is now
    new: list[str] = field(default_factory=list)
    revised: list[str] = field(default_factory=list)  # known papers whose text or links changed
    popularity_changed: list[str] = field(default_factory=list)  # known papers with other upvotes or stars
    merged: dict[str, str] = field(default_factory=dict)  # known papers that are the same: younger -> older
    moved: dict[str, str] = field(default_factory=dict)  # all papers that turned out to be another one: id -> id
    keys: dict[str, str] = field(default_factory=dict)  # key -> paper, for every key of the entries
    sightings: list[tuple[Entry, str]] = field(default_factory=list)  # every entry with its paper

    def find(self, key: str) -> str | None:
        """Return the paper of a key, or None."""
        paper_id = self.keys.get(key)
        return None if paper_id is None else self.resolve(paper_id)

    def resolve(self, paper_id: str) -> str:
        """Return the paper that a paper turned out to be, which is itself if it was not merged."""
        found = paper_id
        while found in self.moved:
            found = self.moved[found]
        if found != paper_id:
            self.moved[paper_id] = found  # so that long chains are walked once
        return found


def reconcile(entries: Iterable[Entry], known: Mapping[str, Paper]) -> Reconciliation:
    """Decide which papers the entries are. `known` has the stored papers by key, for all keys of the entries.

    An entry that has the keys of two papers shows that they are the same. They are merged into the one seen first.
    """
    result = Reconciliation(papers={paper.id: paper for paper in known.values()})
    result.keys = {key: paper.id for key, paper in known.items()}
    before = dict(result.papers)
    for entry in entries:
        entry_keys = keys(entry)
        found = [i for k in entry_keys if (i := result.find(k)) is not None and is_same_paper(i, entry_keys, k)]
        claims_arxiv_id = entry_keys[0].startswith("arxiv:") and not entry.arxiv_version
        if claims_arxiv_id:
            found = _without_claims(result, entry_keys[0], found)
        if found:
            paper_id = _merge(result, list(dict.fromkeys(found)), before)
            result.papers[paper_id] = update(result.papers[paper_id], entry)
        else:
            paper_id = entry_keys[0]
            result.papers[paper_id] = paper_of(entry, paper_id)
            result.new.append(paper_id)
        if not (claims_arxiv_id and result.papers[paper_id].from_arxiv):
            for key in entry_keys:
                result.keys.setdefault(key, paper_id)
        result.sightings.append((entry, paper_id))
    _conclude(result, before)
    return result


def _conclude(result: Reconciliation, before: Mapping[str, Paper]) -> None:
    """Name every paper by the id that it has after all merges, and find what changed in the known papers."""
    if result.moved:
        result.new = [paper_id for paper_id in result.new if paper_id not in result.moved]
        result.keys = {key: result.resolve(paper_id) for key, paper_id in result.keys.items()}
        result.sightings = [(entry, result.resolve(paper_id)) for entry, paper_id in result.sightings]
    for paper_id, old in before.items():
        if paper_id in result.merged:
            continue
        new = result.papers[paper_id]
        if replace(new, upvotes=None, stars=None) != replace(old, upvotes=None, stars=None):
            result.revised.append(paper_id)
        if (new.upvotes, new.stars) != (old.upvotes, old.stars):
            result.popularity_changed.append(paper_id)


def _without_claims(result: Reconciliation, arxiv_key: str, found: Sequence[str]) -> list[str]:
    """Return the papers that an entry with an arXiv id may be if it is not from arXiv.

    Of the papers that arXiv announced, it is the one with its arXiv id or none: an entry of another source cannot show
    that a paper of arXiv's is the same as another one.
    """
    named = result.find(arxiv_key)
    if named is not None and result.papers[named].from_arxiv:
        return [named]
    return [paper for paper in found if not result.papers[paper].from_arxiv]


def _merge(result: Reconciliation, found: Sequence[str], known: Collection[str]) -> str:
    """Merge papers into the one that was seen first, and return its id. `known` are the ids of the stored ones."""
    kept, *others = sorted(found, key=lambda i: result.papers[i].first_seen_at or _NEVER)
    for other in others:
        result.papers[kept] = _filled(result.papers[kept], result.papers.pop(other))
        result.moved[other] = kept
        if other in known:
            result.merged[other] = kept
    return kept


def paper_of(entry: Entry, public_id: str) -> Paper:
    """Return a new paper from the entry that announces it."""
    shared = {name: getattr(entry, name) for name in _SHARED}
    return Paper(id=public_id, from_arxiv=entry.arxiv_version > 0, **shared)


def update(paper: Paper, entry: Entry) -> Paper:
    """Return the paper after one more sighting; an equal value if the entry has nothing new.

    Entries from arXiv, the only ones with a version, replace text and links. All others only add what is missing.
    """
    seen = paper_of(entry, paper.id)
    if entry.arxiv_version:
        paper = replace(
            paper,
            title=seen.title,
            title_source=seen.title_source,
            authors=seen.authors or paper.authors,
            url=seen.url or paper.url,
            pdf_url=seen.pdf_url or paper.pdf_url,
        )
        if seen.abstract:
            paper = replace(paper, abstract=seen.abstract, abstract_source=seen.abstract_source)
    paper = _filled(paper, seen)
    return replace(
        paper,
        upvotes=paper.upvotes if seen.upvotes is None else seen.upvotes,
        stars=paper.stars if seen.stars is None else seen.stars,
    )


def _filled(paper: Paper, other: Paper) -> Paper:
    """Return the paper, completed from another record of the same paper."""
    return replace(
        paper,
        from_arxiv=paper.from_arxiv or other.from_arxiv,
        abstract=paper.abstract or other.abstract,
        abstract_source=paper.abstract_source if paper.abstract else other.abstract_source,
        authors=paper.authors or other.authors,
        categories=tuple(dict.fromkeys((*paper.categories, *other.categories))),
        url=paper.url or other.url,
        pdf_url=paper.pdf_url or other.pdf_url,
        code_url=paper.code_url or other.code_url,
        discussion_url=paper.discussion_url or other.discussion_url,
        # A paper that is new in one feed is new, even if another feed only cross-lists it.
        announce_type=AnnounceType.NEW if other.announce_type is AnnounceType.NEW else paper.announce_type,
        published_at=paper.published_at or other.published_at,
        upvotes=other.upvotes if paper.upvotes is None else paper.upvotes,
        stars=other.stars if paper.stars is None else paper.stars,
    )


def _title_key(title: str) -> str:
    return f"title:{hashlib.sha256(title.encode()).hexdigest()[:12]}"
