"""Looks up one paper by its canonical URL."""

from digest.errors import SourceError
from digest.models import Entry
from digest.sources import arxiv
from digest.sources.failures import contain_failures
from digest.sources.fetch import Fetcher
from digest.sources.parser_process import Parser


def fetch_paper(fetcher: Fetcher, url: str, *, source: str, arxiv_api: str = arxiv.API) -> Entry:
    """Fetch the paper at a canonical URL, from arXiv's API or from the page itself. Raises SourceError."""
    arxiv_id = arxiv.id_of_url(url)
    with contain_failures(source), Parser(stopping=fetcher.stopping) as parser:
        if not arxiv_id:
            return parser.parse_page(fetcher.fetch(source, url).body or b"", url=url, source=source)
        body = fetcher.fetch(source, f"{arxiv_api}?id_list={arxiv_id}").body or b""
        found = [entry for entry in parser.parse("arxiv", body, source=source) if entry.arxiv_id == arxiv_id]
    if not found:
        raise SourceError(source, f"arXiv has no paper {arxiv_id}")
    return found[0]
