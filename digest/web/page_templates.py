"""Which dataclass each page template is rendered with, and the check of templates that an admin's folder replaces."""

from collections.abc import Mapping
from itertools import cycle
from typing import Any

from digest.mail import Templates
from digest.mail.languages import Language
from digest.web.account.address import Address
from digest.web.account.data import MyData
from digest.web.account.digests import PastDigests, ReadDigest
from digest.web.account.feed import FeedAddresses
from digest.web.account.pause_and_mute import Mute, NoMute, Pause
from digest.web.account.settings import Settings
from digest.web.admin.deliveries import ShownDeliveries, ShownDelivery
from digest.web.admin.log import Log
from digest.web.admin.papers import ShownSources, ShownSubmission, ShownSubmissions
from digest.web.admin.profiles.editor import Asked, Editor
from digest.web.admin.profiles.history import History, Removed, Removing, Renaming, ShownVersion
from digest.web.admin.profiles.listing import Followers, Import, ProfileList
from digest.web.admin.profiles.test_mail import ShownTestMail
from digest.web.admin.subscribers.bounces_and_suppressions import BounceList, SuppressionList
from digest.web.admin.subscribers.importing import ShownImport, UploadForm
from digest.web.admin.subscribers.listing import SubscriberList
from digest.web.admin.subscribers.subscriber import ShownSubscriber, SubscriberForm, Why
from digest.web.admin.templates import Overview, ShownMail
from digest.web.admin.today import NoNextHour, ShownNext, ShownToday
from digest.web.admin.tokens import NewToken, Tokens
from digest.web.admin_auth import AdminSignInForm, Refusal
from digest.web.inbox import Received
from digest.web.public.editions import Edition, Newest, NoEdition
from digest.web.public.notices import Notice
from digest.web.public.paper import OnePaper
from digest.web.public.preview import Previewed
from digest.web.public.profiles import AllProfiles, OneProfile
from digest.web.public.propose import Proposal
from digest.web.public.search import Searched
from digest.web.public.sign_in import SignInForm
from digest.web.public.subscribe import SubscribeForm
from digest.web.rendering import admin_template
from digest.web.template_data import Joined, Left, Nothing, OneClick, Problem, Question, SignedIn, Site
from digest.web.template_samples import samples_of

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
    admin_template("remove"): Removing,
    admin_template("removed"): Removed,
    admin_template("rename"): Renaming,
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
