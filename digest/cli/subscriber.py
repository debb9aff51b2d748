"""digest subscriber …: who gets digests."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer

from digest.admin import subscriber_actions
from digest.cli import consent, csvfile, pause
from digest.cli.options import (
    ORIGIN,
    ConfigOption,
    ConfirmedOption,
    EmailArgument,
    JsonOption,
    moment,
    open_app,
    read_rules,
)
from digest.cli.output import print_json, print_records, print_table, say
from digest.errors import UsageError
from digest.matching import compile_rules
from digest.models import CompiledRules, SubscriberState
from digest.store import profiles, subscribers
from digest.store.subscriber_search import PageCursor, SubscriberFilter
from digest.subscribers import fields
from digest.subscribers.schedule import next_slot, parse_days, parse_send_at, parse_timezone

commands = typer.Typer(help="Subscribers: who gets digests, of what, and when.", no_args_is_help=True)
for more in (consent.commands, pause.commands, csvfile.commands):
    commands.add_typer(more)

ProfileOption = Annotated[
    list[str] | None, typer.Option("--profile", metavar="NAME", help="A shared profile to follow; may be repeated.")
]
KeywordsOption = Annotated[
    str | None,
    typer.Option("--keywords", metavar="RULES", help="Rules of their own, mutes included: text, @FILE or -."),
]
NameOption = Annotated[str | None, typer.Option("--name", help="What they are called.")]
TimezoneOption = Annotated[
    str | None, typer.Option("--timezone", metavar="TZ", help="Their time zone (the newsletter's if not given).")
]
SendAtOption = Annotated[
    str | None, typer.Option("--send-at", metavar="HH:MM", help="Their hour (07:00 if not given).")
]
DaysOption = Annotated[
    str | None, typer.Option("--days", metavar="DAYS", help="daily, weekdays or mon,thu (daily if not given).")
]
MaxPapersOption = Annotated[
    int | None,
    typer.Option(
        "--max-papers", min=1, max=fields.MAX_PAPERS, help="At most this many papers a digest (25 if not given)."
    ),
]
LanguageOption = Annotated[
    str | None,
    typer.Option("--language", metavar="CODE", help="Of their mails: en, de (newsletter's if not given)."),
]
AnnounceOption = Annotated[
    str | None,
    typer.Option("--announce", metavar="HOW", help="Papers announced so: all, or of new,cross,updates."),
]
TrendingOption = Annotated[bool | None, typer.Option("--trending/--no-trending", help="Popular papers besides.")]


@commands.command()
def add(
    email: EmailArgument,
    profile: ProfileOption = None,
    keywords: KeywordsOption = None,
    name: NameOption = None,
    timezone: TimezoneOption = None,
    send_at: SendAtOption = None,
    days: DaysOption = None,
    language: LanguageOption = None,
    max_papers: MaxPapersOption = None,
    confirmed: ConfirmedOption = False,
    config: ConfigOption = None,
) -> None:
    """Add a subscriber. Without --confirmed they are asked by mail first."""
    own_rules = _own_rules(keywords)
    with open_app(config) as app:
        new = fields.new_subscriber(
            email,
            name=name or "",
            timezone=timezone or app.config.newsletter.timezone,
            send_at=send_at or "",
            days=days or "",
            language=app.templates.languages.checked(language or app.config.newsletter.language),
            profiles=profile or (),
            confirmed=confirmed,
        )
        if max_papers is not None:
            new = replace(new, max_papers=max_papers)
        now = moment(None)
        with app.store.write() as tx:
            added = subscriber_actions.add(tx, app.membership, new, own_rules, by=ORIGIN, now=now)
    say(f"added {added.email}" + ("" if confirmed else "; a confirmation mail is queued, `digest deliver` sends it"))


@commands.command()
def edit(
    email: EmailArgument,
    profile: ProfileOption = None,
    keywords: KeywordsOption = None,
    name: NameOption = None,
    timezone: TimezoneOption = None,
    send_at: SendAtOption = None,
    days: DaysOption = None,
    language: LanguageOption = None,
    max_papers: MaxPapersOption = None,
    announce: AnnounceOption = None,
    trending: TrendingOption = None,
    config: ConfigOption = None,
) -> None:
    """Change a subscriber. --profile replaces the profiles they follow; --profile '' leaves none."""
    own_rules = _own_rules(keywords)
    with open_app(config) as app, app.store.write() as tx:
        s = subscribers.get(tx, email)
        schedule = replace(
            s.schedule,
            timezone=s.schedule.timezone if timezone is None else parse_timezone(timezone),
            send_at=s.schedule.send_at if send_at is None else parse_send_at(send_at),
            days=s.schedule.days if days is None else parse_days(days),
        )
        changed = replace(
            s,
            schedule=schedule,
            name=s.name if name is None else fields.one_line(name),
            language=s.language if language is None else app.templates.languages.checked(language),
            profiles=s.profiles if profile is None else tuple(p for p in profile if p),
            max_papers=s.max_papers if max_papers is None else max_papers,
            announce_types=s.announce_types if announce is None else fields.parse_announce(announce),
            wants_trending=s.wants_trending if trending is None else trending,
        )
        if changed == s and own_rules is None:
            raise UsageError("nothing to change; `digest subscriber edit --help` lists what can be")
        subscriber_actions.edit(tx, changed, own_rules, by=ORIGIN, now=moment(None))
    say(f"changed {changed.email}")


@commands.command("list")
def list_(
    text: Annotated[
        str, typer.Option("--search", metavar="TEXT", help="Only those with this anywhere in address or name.")
    ] = "",
    state: Annotated[SubscriberState | None, typer.Option("--state", help="Only those in this state.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most this many.")] = None,
    after: Annotated[str, typer.Option("--after", metavar="EMAIL", help="Go on behind this address.")] = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List the subscribers, by address: all, or some."""
    with open_app(config) as app, app.store.read() as tx:
        wanted = SubscriberFilter(state=state, text=text)
        page = subscribers.list_page(tx, wanted, PageCursor(after=after, limit=limit)) if limit else None
        found = page.people if page else subscribers.list_matching(tx, wanted, after=after)
    nobody = "nobody like that" if text or state or after else "no subscribers yet"
    print_records([fields.record(s) for s in found], as_json=as_json, empty=nobody)
    if page and page.after:
        say(f"there are more; --after {page.after} shows the next")


@commands.command()
def show(email: EmailArgument, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Print everything known of a subscriber."""
    with open_app(config) as app, app.store.read() as tx:
        s = subscribers.get(tx, email)
        own = profiles.find_personal(tx, s.id)
        suppression = app.membership.find_suppression(tx, s.email)
    record = fields.record(s) | {
        "keywords": own.rules if own else "",
        "suppression": str(suppression or ""),
        "last_digest_at": s.last_digest_at,
        "next_slot_at": next_slot(s.schedule, moment(None)) if s.state is SubscriberState.ACTIVE else None,
    }
    if as_json:
        print_json(record)
    else:
        print_table(("", ""), [(key.replace("_", " "), _shown(value)) for key, value in record.items()])


@commands.command()
def remove(email: EmailArgument, config: ConfigOption = None) -> None:
    """Remove a subscriber. That they must not be mailed, if so, is kept; `erase` is for who wants to be forgotten."""
    with open_app(config) as app:
        with app.store.write() as tx:
            subscriber_actions.remove(tx, app.membership, subscribers.get(tx, email), by=ORIGIN, now=moment(None))
        app.store.erase_deleted_rows()
    say(f"removed {email}")


def _own_rules(keywords: str | None) -> CompiledRules | None:
    return None if keywords is None else compile_rules(read_rules(keywords))


def _shown(value: object) -> object:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(value)
    return value
