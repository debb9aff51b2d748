"""What `digest demo` works on where nothing is configured: sample papers and the people who read them."""

from pathlib import Path

PAPERS = Path(__file__).with_name("papers.atom.xml")  # an Atom feed as rss.arxiv.org/atom serves it
SUBSCRIBERS = Path(__file__).with_name("subscribers.toml")  # [[profile]] and [[subscriber]] tables
