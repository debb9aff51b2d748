"""Which entries are the same work: by arXiv id without version, by DOI, by normalised title. Pure.

Keys are written as public ids are: `arxiv:2504.17830`, `doi:10.1101/…`, `title:<12 hex>`.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from digest.models import AnnounceType, Entry, Paper
from digest.sources.arxiv import arxiv_id_in
from digest.sources.parsing import doi_in
from digest.text import normalize

_NEVER = datetime.max.replace(tzinfo=UTC)

# A title with fewer words ("Editorial", "Corrigendum", "0") does not tell works apart.
_TELLING_WORDS = 4


def keys(entry: Entry) -> tuple[str, ...]:
    """The keys an entry goes by, the strongest first; at least one."""
    arxiv_id = entry.arxiv_id or arxiv_id_in(entry.doi)[0]
    found = [f"arxiv:{arxiv_id}"] if arxiv_id else []
    if entry.doi and not entry.doi.startswith("10.48550/"):  # arXiv's own DOIs say no more than its ids
        found.append(f"doi:{entry.doi}")
    title = normalize(entry.title)
    if len(title.split()) >= _TELLING_WORDS:
        found.append(_title_key(title))
    return tuple(found) or (_title_key(f"{title}\0{normalize(entry.abstract)}"),)


def keys_in(text: str) -> list[str]:
    """The keys of the arXiv id and of the DOI in an id or link, as far as it holds them."""
    arxiv_id, doi = arxiv_id_in(text)[0], doi_in(text)
    return [key for key, found in ((f"arxiv:{arxiv_id}", arxiv_id), (f"doi:{doi}", doi)) if found]


def is_same_paper(known_as: str, entry_keys: Sequence[str], shared_key: str) -> bool:
    """Whether an entry that shares `shared_key` with the paper of public id `known_as` is that paper.

    Two arXiv ids, or two DOIs, are two works, however much their titles agree.
    """
    if not shared_key.startswith("title:"):
        return True
    scheme = known_as.partition(":")[0]
    return scheme == "title" or not any(k.startswith(f"{scheme}:") and k != known_as for k in entry_keys)


@dataclass(slots=True)
class Reconciliation:
    """What a feed's entries mean for the papers that are known. Papers are named by public id."""

    papers: dict[str, Paper] = field(default_factory=dict)  # every paper the entries touch, as it reads now
    new: list[str] = field(default_factory=list)
    revised: list[str] = field(default_factory=list)  # known papers that read differently now
    popularity_changed: list[str] = field(default_factory=list)  # known papers whose upvotes or stars changed
    merged: dict[str, str] = field(default_factory=dict)  # known papers that are the same work: younger -> older
    keys: dict[str, str] = field(default_factory=dict)  # key -> paper, for every key of the entries
    sightings: list[tuple[Entry, str]] = field(default_factory=list)  # every entry with its paper


def reconcile(entries: Iterable[Entry], known: Mapping[str, Paper]) -> Reconciliation:
    """Which papers these entries are. `known` holds the stored papers by key, for the keys of the entries.

    An entry that shows two papers to be one merges them: the one that was seen first stays.
    """
    result = Reconciliation(papers={paper.id: paper for paper in known.values()})
    result.keys = {key: paper.id for key, paper in known.items()}
    before = dict(result.papers)
    for entry in entries:
        entry_keys = keys(entry)
        found = [i for k in entry_keys if (i := result.keys.get(k)) is not None and is_same_paper(i, entry_keys, k)]
        if found:
            home = _merge(result, list(dict.fromkeys(found)))
            result.papers[home] = update(result.papers[home], entry)
        else:
            home = entry_keys[0]
            result.papers[home] = paper_of(entry, home)
            result.new.append(home)
        for key in entry_keys:
            result.keys.setdefault(key, home)
        result.sightings.append((entry, home))
    for paper_id, was in before.items():
        if paper_id in result.merged:
            continue
        now = result.papers[paper_id]
        if _shown(now) != _shown(was):
            result.revised.append(paper_id)
        if (now.upvotes, now.stars) != (was.upvotes, was.stars):
            result.popularity_changed.append(paper_id)
    return result


def _merge(result: Reconciliation, found: Sequence[str]) -> str:
    """The first seen of these papers, now one; the others' keys and sightings go over to it."""
    home, *others = sorted(found, key=lambda i: result.papers[i].first_seen_at or _NEVER)
    for other in others:
        gone = result.papers.pop(other)
        result.papers[home] = _filled(result.papers[home], gone)
        if other in result.new:
            result.new.remove(other)
        else:
            result.merged[other] = home
    moved = set(others)
    result.keys = {key: home if paper in moved else paper for key, paper in result.keys.items()}
    result.sightings = [(entry, home if paper in moved else paper) for entry, paper in result.sightings]
    return home


def paper_of(entry: Entry, public_id: str) -> Paper:
    """The paper that one entry announces."""
    return Paper(
        id=public_id,
        title=entry.title,
        abstract=entry.abstract,
        title_source=entry.title_source,
        abstract_source=entry.abstract_source,
        authors=entry.authors,
        categories=entry.categories,
        url=entry.url,
        pdf_url=entry.pdf_url,
        code_url=entry.code_url,
        discussion_url=entry.discussion_url,
        announce_type=entry.announce_type,
        published_at=entry.published_at,
        upvotes=entry.upvotes,
        stars=entry.stars,
    )


def update(paper: Paper, entry: Entry) -> Paper:
    """The paper after one more sighting; the same value if that told nothing new.

    arXiv's own word (it alone says a version) replaces the text; others only fill what is missing.
    """
    told = paper_of(entry, paper.id)
    if entry.arxiv_version:
        paper = replace(paper, title=told.title, title_source=told.title_source, authors=told.authors or paper.authors)
        if told.abstract:
            paper = replace(paper, abstract=told.abstract, abstract_source=told.abstract_source)
    paper = _filled(paper, told)
    return replace(
        paper,
        upvotes=paper.upvotes if told.upvotes is None else told.upvotes,
        stars=paper.stars if told.stars is None else told.stars,
    )


def _filled(paper: Paper, other: Paper) -> Paper:
    """The paper with what it lacks taken from another record of the same work."""
    return replace(
        paper,
        abstract=paper.abstract or other.abstract,
        abstract_source=paper.abstract_source if paper.abstract else other.abstract_source,
        authors=paper.authors or other.authors,
        categories=tuple(dict.fromkeys((*paper.categories, *other.categories))),
        url=paper.url or other.url,
        pdf_url=paper.pdf_url or other.pdf_url,
        code_url=paper.code_url or other.code_url,
        discussion_url=paper.discussion_url or other.discussion_url,
        # New in one feed is new, even if another only lists it again.
        announce_type=AnnounceType.NEW if other.announce_type is AnnounceType.NEW else paper.announce_type,
        published_at=paper.published_at or other.published_at,
        upvotes=other.upvotes if paper.upvotes is None else paper.upvotes,
        stars=other.stars if paper.stars is None else paper.stars,
    )


def _shown(paper: Paper) -> Paper:
    return replace(paper, upvotes=None, stars=None)


def _title_key(title: str) -> str:
    return f"title:{hashlib.sha256(title.encode()).hexdigest()[:12]}"
