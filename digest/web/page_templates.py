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
from digest.web import auth
from digest.web.account import address_and_data, digests, settings_pause_mute
from digest.web.admin import deliveries, papers, templates, today, tokens_and_log
from digest.web.admin.profiles import editor, listing_and_history, test_mail
from digest.web.admin.subscribers import bounces_and_suppressions, importing, listing, subscriber
from digest.web.public import editions_and_profiles, paper, search_and_preview, sign_in, site, subscribe_and_unsubscribe
from digest.web.rendering import Fault, Left, Nothing, Problem, Question, Samples, SignedIn, Site, admin_template

PAGES: Mapping[str, Any] = {
    "absent.html.j2": Nothing,
    "address.html.j2": address_and_data.Address,
    "closed.html.j2": Nothing,
    "confirm.html.j2": Question,
    "confirmed.html.j2": subscribe_and_unsubscribe.Joined,
    "data.html.j2": address_and_data.MyData,
    admin_template("bounces"): bounces_and_suppressions.BounceList,
    admin_template("deliveries"): deliveries.ShownDeliveries,
    admin_template("delivery"): deliveries.ShownDelivery,
    admin_template("editor"): editor.Editor,
    admin_template("followers"): listing_and_history.Followers,
    admin_template("history"): listing_and_history.History,
    admin_template("mail"): templates.ShownMail,
    admin_template("next"): today.NoNextHour | today.ShownNext,
    admin_template("profiles-import"): listing_and_history.Import,
    admin_template("profiles"): listing_and_history.ProfileList,
    admin_template("query"): editor.Asked,
    admin_template("refused"): auth.Refusal,
    admin_template("remove"): listing_and_history.ProfileForm,
    admin_template("removed"): listing_and_history.Removed,
    admin_template("rename"): listing_and_history.ProfileForm,
    admin_template("sign-in"): auth.AdminSignInForm,
    admin_template("sources"): papers.ShownSources,
    admin_template("submission"): papers.ShownSubmission,
    admin_template("submissions"): papers.ShownSubmissions,
    admin_template("subscriber-form"): subscriber.SubscriberForm,
    admin_template("subscriber"): subscriber.ShownSubscriber,
    admin_template("subscribers-import"): importing.UploadForm,
    admin_template("subscribers-imported"): importing.ShownImport,
    admin_template("subscribers"): listing.SubscriberList,
    admin_template("suppressions"): bounces_and_suppressions.SuppressionList,
    admin_template("templates"): templates.Overview,
    admin_template("test-mail"): test_mail.ShownTestMail,
    admin_template("token"): tokens_and_log.NewToken,
    admin_template("tokens"): tokens_and_log.Tokens,
    admin_template("trial"): editor.Editor,
    admin_template("version"): listing_and_history.ShownVersion,
    admin_template("why"): subscriber.Why,
    "digests.html.j2": digests.PastDigests,
    "edition.html.j2": editions_and_profiles.Edition,
    "enter.html.j2": Question,
    "erased.html.j2": Nothing,
    "feed.html.j2": digests.FeedAddresses,
    "front.html.j2": site.Newest,
    "inbox.html.j2": site.Received,
    "leave.html.j2": Nothing,
    "log.html.j2": tokens_and_log.Log,
    "mailbox.html.j2": Nothing,
    "move.html.j2": Question,
    "mute.html.j2": settings_pause_mute.Mute,
    "mute-sign-in.html.j2": settings_pause_mute.MuteSignIn,
    "no-edition.html.j2": editions_and_profiles.NoEdition,
    "no-mute.html.j2": settings_pause_mute.NoMute,
    "not-moved.html.j2": Nothing,
    "notice.html.j2": site.Notice,
    "one-click.txt.j2": subscribe_and_unsubscribe.OneClick,
    "paper.html.j2": paper.OnePaper,
    "pause.html.j2": settings_pause_mute.Pause,
    "preview.html.j2": search_and_preview.Previewed,
    "previewed.html.j2": search_and_preview.Previewed,
    "problem.html.j2": Problem,
    "profile.html.j2": editions_and_profiles.OneProfile,
    "profiles.html.j2": editions_and_profiles.AllProfiles,
    "propose.html.j2": paper.Proposal,
    "proposed.html.j2": Nothing,
    "read.html.j2": digests.ReadDigest,
    "search.html.j2": search_and_preview.Searched,
    "settings.html.j2": settings_pause_mute.Settings,
    "sign-in.html.j2": sign_in.SignInForm,
    "subscribe.html.j2": subscribe_and_unsubscribe.SubscribeForm,
    "today.html.j2": today.ShownToday,
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
    tried = [empty]
    for name, values in choices.items():  # one field changed; of a dataclass within only to its fullest value
        tried += ({**empty, name: value} for value in (values[-1:] if is_dataclass(values[-1]) else values[1:]))
    for name, values in choices.items():
        tried += ({**full, name: value} for value in values[:-1])
    tried += ({**full, one: empty[one], other: empty[other]} for one, other in pairwise(choices))
    for chosen in (*tried, full):
        with suppress(ValueError):  # of a record that refuses values which do not fit each other
            yield kind(**chosen)
