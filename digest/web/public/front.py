"""The first page: what this is."""

from digest.web.pages import Page, Visit

SAMPLES = (Page(template="front.html.j2"),)


def look(_visit: Visit) -> Page:
    """GET /"""
    return Page(template="front.html.j2")
