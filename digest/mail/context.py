"""All that mail templates see: frozen records with nothing in them that a reader may not know.

Texts are `SafeText`, so that they are safe and 7-bit in HTML; links are plain `str`, and only http or https.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Generic, TypeVar

from digest.mail.encoding import SafeText

PaperT = TypeVar("PaperT")  # what stands for a paper: a Card for templates, a DigestItem before there are cards


class Place(StrEnum):
    """Where in a paper a keyword matched."""

    TITLE = "title"
    ABSTRACT = "abstract"
    TITLE_AND_ABSTRACT = "title and abstract"
    AUTHORS = "authors"
    CATEGORIES = "categories"


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a title or an abstract; `hit` where the reader's keywords matched."""

    text: SafeText
    hit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A matched keyword, as the paper writes it, where it stands, and the link that mutes it."""

    text: SafeText
    place: Place
    mute_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A paper as a mail shows it. `title` and `abstract` are segments that join to the plain texts."""

    url: str  # of its abstract; each link is "" where there is none
    title: tuple[Segment, ...]
    plain_title: SafeText
    abstract: tuple[Segment, ...]
    plain_abstract: SafeText
    rest_url: str  # where the whole abstract stands, if this is only its beginning
    authors: SafeText  # the first few
    et_al: bool  # there are more
    categories: SafeText
    published_on: date | None
    updated: bool
    cross_listed: bool
    upvotes: int  # 0: none, or not said
    stars: int
    reasons: tuple[Reason, ...]
    also: SafeText  # other profiles that want it, with commas
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
    """What every template sees, as `language`: how the mail's own words are read."""

    code: str  # "de", as in lang="de"
    direction: str  # "ltr" or "rtl"
    start: str  # where lines begin: "left" or "right"


@dataclass(frozen=True, slots=True)
class SenderInfo:
    """What every mail says of its sender."""

    name: SafeText
    postal_address: SafeText


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What every template sees, as `mail`."""

    newsletter: SenderInfo
    email: SafeText
    name: SafeText


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestMail(Mail, Generic[PaperT]):
    """What the digest's templates see. A welcome is a first digest, and may have no papers."""

    welcome: bool
    dated_on: date
    count: int  # papers shown, without the trending ones
    more: int  # papers that matched and are not shown
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
    """What the templates of the other mails see: each asks for one thing."""

    action_url: str  # confirm the subscription, sign in, come back
