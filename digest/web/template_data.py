"""All that page templates see: `site` and `signed_in` on every page, and one of the others as `page`."""

from dataclasses import dataclass
from typing import Annotated

from digest.web.template_samples import Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What every page says of the newsletter."""

    name: str
    postal_address: str
    contact: str  # the address of the people behind it
    url: str  # https://example.org/digest: what stands before the path of every page where links are absolute
    path: str  # the same where they are not: "/digest", or ""
    style_url: str
    script_url: str
    desk_script_url: str
    indexed: bool  # search engines may show pages that are for everybody
    can_join: bool  # the sign-up is not closed
    notices: tuple[str, ...]  # those of "privacy" and "imprint" that there are
    has_inbox: bool  # the demo: its mails stand at /inbox


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is signed in at the desk, which every page of it sees as `signed_in`; nobody elsewhere."""

    email: str = ""
    is_admin: bool = False  # else an editor, who sees to profiles only


@dataclass(frozen=True, slots=True)
class Question:
    """A page that asks before anything is done. `email` is partly shown on every page."""

    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """They are off the list."""

    email: str
    goodbye: bool  # a last mail is queued, with the way back


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """They are on the list."""

    email: str
    welcome: bool  # the first mail is queued


@dataclass(frozen=True, slots=True)
class OneClick:
    """A mail program unsubscribed somebody, and may show a line of text."""

    known: bool  # the address was on the list


@dataclass(frozen=True, slots=True)
class Nothing:
    """A page that says the same to everybody."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no page, as an HTTP status."""

    status: Annotated[int, Samples(400, 403, 404, 405, 408, 413, 429, 500, 503)]


def partly_shown(email: str) -> str:
    """`r•••@example.org`: enough for who knows the address, and no news for who was forwarded the mail.

    Isolated, as addresses run from left to right on every page.
    """
    local, _, domain = email.rpartition("@")
    return isolated(f"{local[:1]}•••@{domain}")


def isolated(text: str) -> str:
    """A text of somebody else's, which turns no words around it, where no <bdi> can stand: in a title."""
    return f"\N{FIRST STRONG ISOLATE}{text}\N{POP DIRECTIONAL ISOLATE}"
