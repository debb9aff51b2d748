"""Which dataclass each page template is rendered with, and the check of templates that an admin's folder replaces."""

import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache
from itertools import cycle, pairwise
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from digest.mail import Templates
from digest.mail.languages import Language
from digest.web.account.address_and_data import Address, MyData
from digest.web.account.digests import FeedAddresses, PastDigests, ReadDigest
from digest.web.account.pause_and_mute import Mute, NoMute, Pause
from digest.web.account.settings import Settings
from digest.web.admin.deliveries import ShownDeliveries, ShownDelivery
from digest.web.admin.log import Log
from digest.web.admin.papers import ShownSources, ShownSubmission, ShownSubmissions
from digest.web.admin.profiles.editor import Asked, Editor
from digest.web.admin.profiles.history import History, ProfileForm, Removed, ShownVersion
from digest.web.admin.profiles.listing import Followers, Import, ProfileList
from digest.web.admin.profiles.test_mail import ShownTestMail
from digest.web.admin.subscribers.bounces_and_suppressions import BounceList, SuppressionList
from digest.web.admin.subscribers.importing import ShownImport, UploadForm
from digest.web.admin.subscribers.listing import SubscriberList
from digest.web.admin.subscribers.subscriber import ShownSubscriber, SubscriberForm, Why
from digest.web.admin.templates import Overview, ShownMail
from digest.web.admin.today import NoNextHour, ShownNext, ShownToday
from digest.web.admin.tokens import NewToken, Tokens
from digest.web.auth import AdminSignInForm, Refusal
from digest.web.public.editions_and_profiles import AllProfiles, Edition, NoEdition, OneProfile
from digest.web.public.paper import OnePaper, Proposal
from digest.web.public.search_and_preview import Previewed, Searched
from digest.web.public.sign_in import SignInForm
from digest.web.public.site import Newest, Notice, Received
from digest.web.public.subscribe_and_unsubscribe import SubscribeForm
from digest.web.rendering import (
    Fault,
    Joined,
    Left,
    Nothing,
    OneClick,
    Problem,
    Question,
    Samples,
    SignedIn,
    Site,
    admin_template,
)

PAGES: Mapping[str, Any] = {
    "absent.html.j2": Nothing,
    "address.html.j2": Address,
    "closed.html.j2": Nothing,
    "confirm.html.j2": Question,
    "confirmed.html.j2": Joined,
    "data.html.j2": MyData,
    admin_template("bounces"): BounceList,
    admin_template("deliveries"): ShownDeliveries,
    admin_template("delivery"): ShownDelivery,
    admin_template("editor"): Editor,
    admin_template("followers"): Followers,
    admin_template("history"): History,
    admin_template("mail"): ShownMail,
    admin_template("next"): NoNextHour | ShownNext,
    admin_template("profiles-import"): Import,
    admin_template("profiles"): ProfileList,
    admin_template("query"): Asked,
    admin_template("refused"): Refusal,
    admin_template("remove"): ProfileForm,
    admin_template("removed"): Removed,
    admin_template("rename"): ProfileForm,
    admin_template("sign-in"): AdminSignInForm,
    admin_template("sources"): ShownSources,
    admin_template("submission"): ShownSubmission,
    admin_template("submissions"): ShownSubmissions,
    admin_template("subscriber-form"): SubscriberForm,
    admin_template("subscriber"): ShownSubscriber,
    admin_template("subscribers-import"): UploadForm,
    admin_template("subscribers-imported"): ShownImport,
    admin_template("subscribers"): SubscriberList,
    admin_template("suppressions"): SuppressionList,
    admin_template("templates"): Overview,
    admin_template("test-mail"): ShownTestMail,
    admin_template("token"): NewToken,
    admin_template("tokens"): Tokens,
    admin_template("trial"): Editor,
    admin_template("version"): ShownVersion,
    admin_template("why"): Why,
    "digests.html.j2": PastDigests,
    "edition.html.j2": Edition,
    "enter.html.j2": Question,
    "erased.html.j2": Nothing,
    "feed.html.j2": FeedAddresses,
    "front.html.j2": Newest,
    "inbox.html.j2": Received,
    "leave.html.j2": Nothing,
    "log.html.j2": Log,
    "mailbox.html.j2": Nothing,
    "move.html.j2": Question,
    "mute.html.j2": Mute,
    "no-edition.html.j2": NoEdition,
    "no-mute.html.j2": NoMute,
    "not-moved.html.j2": Nothing,
    "notice.html.j2": Notice,
    "one-click.txt.j2": OneClick,
    "paper.html.j2": OnePaper,
    "pause.html.j2": Pause,
    "preview.html.j2": Previewed,
    "previewed.html.j2": Previewed,
    "problem.html.j2": Problem,
    "profile.html.j2": OneProfile,
    "profiles.html.j2": AllProfiles,
    "propose.html.j2": Proposal,
    "proposed.html.j2": Nothing,
    "read.html.j2": ReadDigest,
    "search.html.j2": Searched,
    "settings.html.j2": Settings,
    "sign-in.html.j2": SignInForm,
    "subscribe.html.j2": SubscribeForm,
    "today.html.j2": ShownToday,
    "too-old.html.j2": Nothing,
    "unsubscribe.html.j2": Question,
    "unsubscribed.html.j2": Left,
}
"""Template -> what it sees as `page`."""


def check_page_templates(templates: Templates, site: Site) -> None:
    """Render every page that the admin's own templates or translations change with sample data, in each language.

    Raises TemplateError for the first one that fails, so that it is found before a reader asks for the page.
    """
    for name in PAGES:
        for language in templates.languages:
            if templates.is_changed(f"web/{name}", language):
                try_page_template(templates, site, name, language)


def try_page_template(templates: Templates, site: Site, name: str, language: Language) -> None:
    """Render the page template `name` with all its samples in one language. Raises TemplateError."""
    with templates.errors_located(f"web/{name}"):
        template = templates.environment(language).get_template(f"web/{name}")
        for page, signed_in in zip(samples_of(PAGES[name]), cycle(samples_of(SignedIn)), strict=False):
            template.render(site=site, page=page, csrf="", signed_in=signed_in)


_BY_TYPE: Mapping[type, Sequence[object]] = {
    bool: (False, True),
    int: (0, 1, 2, 30),
    float: (0.0, 0.05, 30.0),
    date: (date(2026, 6, 3),),
    datetime: (datetime(2026, 6, 3, 7, tzinfo=UTC),),
    types.NoneType: (None,),
}


@cache
def samples_of(annotation: Any) -> Sequence[Any]:
    """Return values of a type, from the emptiest to the fullest.

    For a dataclass: one instance with the emptiest value of each field, one with the fullest of each, and between them
    both of these with single fields changed. Their number grows with the sum of the fields' values, not with their
    product.

    Raises TypeError for a type that it has no values for.
    """
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        named = next((each.values for each in args[1:] if isinstance(each, Samples)), None)
        values = named if named is not None else samples_of(args[0])
        return values[::-1] if any(isinstance(each, Fault) for each in args[1:]) else values
    if origin in {Union, types.UnionType}:
        options = sorted(args, key=lambda arg: arg is not types.NoneType)
        return [value for option in options for value in samples_of(option)]
    if origin is tuple and args[-1] is not Ellipsis:
        columns = [samples_of(arg) for arg in args]
        return [tuple(column[row % len(column)] for column in columns) for row in range(max(map(len, columns)))]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        keys, values = (samples_of(arg) for arg in args)
        return [{}, {key: values[at % len(values)] for at, key in enumerate(keys)}, {keys[-1]: values[-1]}]
    if isinstance(origin, type) and issubclass(origin, Collection):
        make = frozenset if issubclass(origin, frozenset) else tuple
        values = samples_of(args[0])
        return [make(()), make(values), make((values[-1], values[-1]))]
    if isinstance(annotation, type):
        return _of_class(annotation)
    raise TypeError(f"no samples of {annotation!r}")


def _of_class(kind: type) -> Sequence[Any]:
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    if issubclass(kind, Enum):
        return list(kind)
    if issubclass(kind, str):  # also Markup
        return [kind(""), kind("text")]
    if is_dataclass(kind):
        return list(_instances(kind))
    raise TypeError(f"no samples of {kind!r}")


def _instances(kind: type) -> Iterator[Any]:
    hints = get_type_hints(kind, include_extras=True)
    choices = {field.name: samples_of(hints[field.name]) for field in fields(kind)}
    empty, full = ({name: values[end] for name, values in choices.items()} for end in (0, -1))
    for values in (empty, *_from_empty(choices, empty), *_from_full(choices, full, empty), full):
        with suppress(ValueError):  # of a record that refuses values which do not fit each other
            yield kind(**values)


_Instance = Mapping[str, Any]  # field -> value


def _from_empty(choices: Mapping[str, Sequence[Any]], empty: _Instance) -> Iterator[_Instance]:
    """Yield `empty` with one field changed to each of its values; of a dataclass within only to its fullest."""
    for name, values in choices.items():
        yield from ({**empty, name: value} for value in (values[-1:] if is_dataclass(values[-1]) else values[1:]))


def _from_full(choices: Mapping[str, Sequence[Any]], full: _Instance, empty: _Instance) -> Iterator[_Instance]:
    """Yield `full` with one field changed to each of its values, and with two neighbours empty."""
    for name, values in choices.items():
        yield from ({**full, name: value} for value in values[:-1])
    for pair in pairwise(choices):
        yield {**full, **{name: empty[name] for name in pair}}
