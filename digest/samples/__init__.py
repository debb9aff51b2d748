"""Sample papers and subscribers for `digest demo`."""

from pathlib import Path

PAPERS = Path(__file__).with_name("papers.atom.xml")  # an Atom feed as rss.arxiv.org/atom serves it
SUBSCRIBERS = Path(__file__).with_name("subscribers.toml")  # [[profile]] and [[subscriber]] tables
