"""The records that mail templates see. They hold nothing that a subscriber may not know.

Texts are `SafeText`, which is safe and 7-bit in HTML. Links are plain `str`, and http or https only.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Generic, TypeVar

from digest.mail.encoding import SafeText

PaperT = TypeVar("PaperT")  # a Card in templates, a DigestItem before cards are made


class Place(StrEnum):
    """Where in a paper a keyword matched."""

    TITLE = "title"
    ABSTRACT = "abstract"
    TITLE_AND_ABSTRACT = "title and abstract"
    AUTHORS = "authors"
    CATEGORIES = "categories"


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a title or an abstract. `hit`: the subscriber's keywords matched it."""

    text: SafeText
    hit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A matched keyword as the paper writes it, where it matched, and the link that mutes it."""

    text: SafeText
    place: Place
    mute_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A paper as a mail shows it. The segments of `title` and `abstract` join to the plain texts."""

    url: str  # of its abstract; each link is "" where there is none
    title: tuple[Segment, ...]
    plain_title: SafeText
    abstract: tuple[Segment, ...]
    plain_abstract: SafeText
    rest_url: str  # the page with the whole abstract, if this is only its beginning
    authors: SafeText  # the first few
    et_al: bool  # there are more
    categories: SafeText
    published_on: date | None
    updated: bool
    cross_listed: bool
    upvotes: int  # 0: none, or unknown
    stars: int
    reasons: tuple[Reason, ...]
    also: SafeText  # the other profiles that matched it, with commas
    pdf_url: str
    code_url: str
    discussion_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section(Generic[PaperT]):
    """The papers of one profile."""

    name: SafeText
    count: int
    cards: tuple[PaperT, ...]


@dataclass(frozen=True, slots=True)
class LanguageInfo:
    """What every template sees as `language`: the language of the template's own words."""

    code: str  # "de", as in lang="de"
    direction: str  # "ltr" or "rtl"
    start: str  # the side on which lines begin: "left" or "right"


@dataclass(frozen=True, slots=True)
class SenderInfo:
    """What every mail says about its sender."""

    name: SafeText
    postal_address: SafeText


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What every template sees as `mail`."""

    newsletter: SenderInfo
    email: SafeText
    name: SafeText


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestMail(Mail, Generic[PaperT]):
    """What the digest's templates see. A welcome is a subscriber's first digest, and may have no papers."""

    welcome: bool
    dated_on: date
    count: int  # papers shown, without the trending ones
    more: int  # papers that matched but are not shown
    top_title: SafeText
    preheader: SafeText
    sections: tuple[Section[PaperT], ...]
    trending: tuple[PaperT, ...]
    web_url: str
    preferences_url: str
    pause_url: str
    unsubscribe_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteMail(Mail):
    """What the templates of all other mails see. Each mail asks for one action."""

    action_url: str  # confirm the subscription, sign in, come back
