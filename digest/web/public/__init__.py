"""Pages for everybody who has a link, or none. A file a page."""
