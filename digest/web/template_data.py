"""The records that page templates see: `site` and `signed_in` on every page, and one of the others as `page`."""

from dataclasses import dataclass
from typing import Annotated

from digest.web.template_samples import Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The newsletter, as every page shows it."""

    name: str
    postal_address: str
    contact: str  # the address of the people behind it
    url: str  # https://example.org/digest: the base of absolute links
    path: str  # the base of other links: "/digest", or ""
    style_url: str
    script_url: str
    desk_script_url: str
    indexed: bool  # search engines may index pages for everyone
    can_join: bool  # sign-up is not closed
    notices: tuple[str, ...]  # those of "privacy" and "imprint" that are configured
    has_inbox: bool  # the demo: its mails are at /inbox


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The signed-in admin, whom templates see as `signed_in`; empty on the pages of readers."""

    email: str = ""
    is_admin: bool = False  # else an editor, who may edit profiles only


@dataclass(frozen=True, slots=True)
class Question:
    """A page that asks before anything is done. Pages mask `email`."""

    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The reader has unsubscribed."""

    email: str
    goodbye: bool  # a last mail is queued, with a link to come back


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """The reader has subscribed."""

    email: str
    welcome: bool  # the first mail is queued


@dataclass(frozen=True, slots=True)
class OneClick:
    """A mail program unsubscribed the reader, and may show a line of text."""

    known: bool  # the address is a subscriber's


@dataclass(frozen=True, slots=True)
class Nothing:
    """A page without data."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error page, by its HTTP status."""

    status: Annotated[int, Samples(400, 403, 404, 405, 408, 413, 429, 500, 503)]


def partly_shown(email: str) -> str:
    """Mask an address, `r•••@example.org`: its owner knows it, and a reader of a forwarded mail learns nothing.

    It is isolated, as addresses run from left to right on every page.
    """
    local, _, domain = email.rpartition("@")
    return isolated(f"{local[:1]}•••@{domain}")


def isolated(text: str) -> str:
    """Isolate foreign text, so that it cannot reorder words around it. For titles, where <bdi> is not allowed."""
    return f"\N{FIRST STRONG ISOLATE}{text}\N{POP DIRECTIONAL ISOLATE}"
