"""digest subscriber …: who gets digests, of what, and when."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from digest.admin import subscriber_actions
from digest.cli.options import (
    MAX_NUMBER,
    ConfigOption,
    ConfirmedOption,
    EmailArgument,
    JsonOption,
    compile_keywords_option,
    moment,
    new_group,
    open_app,
    read_bytes,
    shown_name,
    signed,
    writing_rules,
)
from digest.cli.output import print_json, print_record, print_records, progress, say, warn
from digest.errors import UsageError
from digest.models import SubscriberState
from digest.store import profiles, subscriber_search, subscribers
from digest.store.subscriber_search import PageCursor, SubscriberFilter
from digest.subscribers import fields
from digest.subscribers.csv_reading import decode_csv
from digest.subscribers.data_export import export_personal_data
from digest.subscribers.importing import RowStatus, preview_import
from digest.subscribers.problems import problem_of
from digest.subscribers.schedule import next_digest_at, parse_until

_LEFT_OUT = {RowStatus.SUPPRESSED, RowStatus.BAD, RowStatus.DUPLICATE}

commands = new_group("Subscribers: who gets digests, about what, and when.")


def _field(name: str, metavar: str | None = None, option: str = "", **limits: Any) -> Any:
    """Return the option of a subscriber's field."""
    flag = option or f"--{name.replace('_', '-')}"
    return typer.Option(flag, metavar=metavar, help=fields.FIELDS[name].description, **limits)


ProfilesOption = Annotated[
    list[str] | None, typer.Option("--profile", metavar="NAME", help="A shared profile to follow; can be repeated.")
]
KeywordsOption = Annotated[
    str | None, typer.Option("--keywords", metavar="RULES", help="Own rules, including mutes: text, @FILE or -.")
]
NameOption = Annotated[str | None, _field("name")]
TimezoneOption = Annotated[str | None, _field("timezone", "TZ")]
SendAtOption = Annotated[str | None, _field("send_at", "HH:MM")]
DaysOption = Annotated[str | None, _field("days", "DAYS")]
LanguageOption = Annotated[str | None, _field("language", "CODE")]
MaxPapersOption = Annotated[int | None, _field("max_papers", min=1, max=fields.MAX_PAPERS)]
AnnounceOption = Annotated[str | None, _field("announce", "KINDS")]
TrendingOption = Annotated[bool | None, _field("trending", option="--trending/--no-trending")]


def _given(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


@commands.command()
def add(
    email: EmailArgument,
    profile: ProfilesOption = None,
    keywords: KeywordsOption = None,
    name: NameOption = None,
    timezone: TimezoneOption = None,
    send_at: SendAtOption = None,
    days: DaysOption = None,
    language: LanguageOption = None,
    max_papers: MaxPapersOption = None,
    announce: AnnounceOption = None,
    trending: TrendingOption = None,
    confirmed: ConfirmedOption = False,
    config: ConfigOption = None,
) -> None:
    """Add a subscriber. Without --confirmed they get a confirmation mail first."""
    values = _given(name=name, timezone=timezone, send_at=send_at, days=days, language=language, profiles=profile)
    values |= _given(max_papers=max_papers, announce=announce, trending=trending)
    own = compile_keywords_option(keywords)
    with open_app(config) as app, writing_rules(app, own) as tx:
        options = app.subscriber_options(tx)
        new = fields.new_subscriber(email, timezone=options.timezone, language=options.language, confirmed=confirmed)
        given = {field: value for field, value in values.items() if value != ""}  # empty means the default
        new = fields.change(new, given, options)
        added = subscriber_actions.add(tx, app.membership, new, own, **signed())
    say(f"added {added.email}" + ("" if confirmed else "; a confirmation email is queued, `digest deliver` sends it"))
    if not added.profiles and not (own and own.has_positive_rules):
        edit_command = f"`digest subscriber edit {added.email} --profile NAME`"
        say(
            "they follow no profile and have no keywords that find papers, so they get no digests; "
            f"{edit_command} or --keywords RULES changes that, or they do in their settings"
        )


@commands.command()
def edit(
    email: EmailArgument,
    profile: ProfilesOption = None,
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
    """Change a subscriber. --profile replaces the profiles they follow; --profile '' removes all."""
    values = _given(name=name, timezone=timezone, send_at=send_at, days=days, language=language, profiles=profile)
    values |= _given(max_papers=max_papers, announce=announce, trending=trending)
    own = compile_keywords_option(keywords)
    with open_app(config) as app, writing_rules(app, own) as tx:
        before = subscribers.get(tx, email)
        after = fields.change(before, values, app.subscriber_options(tx))
        if after == before and own is None:
            raise UsageError("nothing to change; `digest subscriber edit --help` lists the options")
        subscriber_actions.edit(tx, after, own, **signed())
    say(f"changed {after.email}")


@commands.command("list")
def list_(
    text: Annotated[
        str, typer.Option("--search", metavar="TEXT", help="Only subscribers with this text in address or name.")
    ] = "",
    state: Annotated[SubscriberState | None, typer.Option("--state", help="Only subscribers in this state.")] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, max=MAX_NUMBER, help="Maximum number of subscribers.")
    ] = None,
    after: Annotated[str, typer.Option("--after", metavar="EMAIL", help="Start after this address.")] = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List subscribers by address."""
    with open_app(config) as app, app.store.read() as tx:
        wanted = SubscriberFilter(state=state, text=text)
        page = subscriber_search.list_page(tx, wanted, PageCursor(after=after, limit=limit)) if limit else None
        found = page.people if page else subscriber_search.list_matching(tx, wanted, after=after)
    empty = "no matching subscribers" if text or state or after else "no subscribers yet"
    now = moment(None)
    records = [fields.record(s) | {"problem": problem_of(s, now)} for s in found]
    print_records(records, as_json=as_json, empty=empty)
    if page and page.after:
        say(f"there are more; use --after {page.after} for the next ones")


@commands.command()
def show(email: EmailArgument, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Show a subscriber."""
    with open_app(config) as app, app.store.read() as tx:
        s = subscribers.get(tx, email)
        own = profiles.find_personal(tx, s.id)
        suppression = app.membership.find_suppression(tx, s.email)
    now = moment(None)
    record = fields.record(s) | {
        "keywords": own.rules if own else "",
        "suppression": str(suppression or ""),
        "last_digest_at": s.last_digest_at,
        "next_slot_at": next_digest_at(s, now) if s.state is SubscriberState.ACTIVE else None,
        "problem": problem_of(s, now),
    }
    print_record(record, as_json=as_json)


@commands.command()
def remove(email: EmailArgument, config: ConfigOption = None) -> None:
    """Remove a subscriber; a suppression of the address is kept. Use `erase` if they ask for erasure."""
    with open_app(config) as app:
        with app.store.write() as tx:
            subscriber_actions.remove(tx, app.membership, subscribers.get(tx, email), **signed())
        app.forget_deleted()
    say(f"removed {email}")


@commands.command()
def confirm(email: EmailArgument, config: ConfigOption = None) -> None:
    """Record that a subscriber has agreed. They are active from now on."""
    with open_app(config) as app, app.store.write() as tx:
        subscriber_actions.confirm_by_admin(tx, app.membership, subscribers.get(tx, email), **signed())
    say(f"confirmed {email}")


@commands.command()
def ask(email: EmailArgument, config: ConfigOption = None) -> None:
    """Send the confirmation email again, at most once a day. Confirming lifts a suppression that bounces caused."""
    with open_app(config) as app, app.store.write() as tx:
        subscriber_actions.request_confirmation(tx, app.membership, subscribers.get(tx, email), **signed())
    say(f"a confirmation email to {email} is queued, `digest deliver` sends it")


@commands.command()
def unsubscribe(email: EmailArgument, config: ConfigOption = None) -> None:
    """Unsubscribe a subscriber at their request. The goodbye email has a link to undo it; admins cannot."""
    with open_app(config) as app, app.store.write() as tx:
        subscriber_actions.unsubscribe(tx, app.membership, subscribers.get(tx, email), **signed())
    say(f"unsubscribed {email}")


@commands.command()
def erase(email: EmailArgument, config: ConfigOption = None) -> None:
    """Erase a subscriber's data at their request. Only a pseudonym is kept, so the address gets no more email."""
    with open_app(config) as app:
        with app.store.write() as tx:
            subscriber_actions.erase(tx, app.membership, email, **signed())
        app.forget_deleted()
    say(f"erased {email}; copies of the database, emails already sent and logs may still contain the address")


@commands.command()
def pause(
    email: EmailArgument,
    until: Annotated[
        str, typer.Option("--until", metavar="DATE", help="When digests resume (2026-06-03); else at `resume`.")
    ] = "",
    config: ConfigOption = None,
) -> None:
    """Pause a subscriber's digests. The first digest after the pause contains the best papers that they missed."""
    with open_app(config) as app, app.store.write() as tx:
        s, now = subscribers.get(tx, email), moment(None)
        subscriber_actions.pause(tx, s, parse_until(until, s.schedule, now), **signed(now))
    say(f"{email} is paused until {until or 'resumed'}")


@commands.command()
def resume(email: EmailArgument, config: ConfigOption = None) -> None:
    """End a subscriber's pause."""
    with open_app(config) as app, app.store.write() as tx:
        subscriber_actions.resume(tx, subscribers.get(tx, email), **signed())
    say(f"{email} gets digests again")


@commands.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help=f"Columns: {','.join(fields.COLUMNS)}; - for stdin.")
    ],
    confirmed: ConfirmedOption = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would happen to each row; write nothing.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Add the subscribers in a CSV file. Existing subscribers are not changed; invalid rows are reported and skipped.

    The valid rows are added together at the end, or none of them if an error stops the import.
    """
    content = read_bytes(file)
    outcomes = []
    with open_app(config) as app, app.store.read() if dry_run else app.store.write() as tx:
        try:
            text = decode_csv(content)
            rows = app.read_subscriber_rows(tx, text, confirmed=confirmed)
            if rows.warning:
                warn(f"{shown_name(file)}: {rows.warning}")
            if dry_run:
                decided = preview_import(tx, app.membership, rows, now=moment(None))
            else:
                decided = subscriber_actions.import_rows(tx, app.membership, rows, **signed())
            with progress("checking" if dry_run else "importing", text.count("\n")) as advance:
                for outcome in decided:
                    outcomes.append(outcome)
                    advance(1)
        except UsageError as error:
            raise UsageError(f"{shown_name(file)}: {error}") from None
    if dry_run or as_json:
        print_records([o.record() for o in outcomes], as_json=as_json, empty="no rows")
    else:
        for refused in (o for o in outcomes if o.fate in _LEFT_OUT):
            column = f", {refused.row.column}" if refused.row.column else ""
            warn(f"line {refused.row.line}{column}: {refused.reason}")
    counts = Counter(o.fate for o in outcomes)
    new = counts[RowStatus.ADDED] + counts[RowStatus.ASKED]
    bad = counts[RowStatus.BAD] + counts[RowStatus.SUPPRESSED]
    duplicates = f"{counts[RowStatus.DUPLICATE]} duplicates in the file, " if counts[RowStatus.DUPLICATE] else ""
    rest = f"{counts[RowStatus.KNOWN]} already subscribed, {duplicates}{bad} bad rows"
    say(f"would add {new}, {rest}; nothing was written" if dry_run else f"added {new}, {rest}")
    if bad:
        raise typer.Exit(1)


@commands.command()
def export(
    email: Annotated[
        str | None, typer.Argument(metavar="[EMAIL]", help="Print all data about this subscriber, as JSON.")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Print active and paused subscribers as CSV, for `digest subscriber import`; or all data about one, as JSON."""
    with open_app(config) as app, app.store.read() as tx:
        if email is not None:
            print_json(export_personal_data(tx, app.membership, email))
            return
        people = subscribers.list_all(tx)
        subscribed = [s for s in people if s.state.is_subscribed]
        if as_json:
            print_records([fields.record(s) for s in subscribed], as_json=True, empty="")
        else:
            print(fields.to_csv(subscribed).rstrip("\n"))
        if left_out := len(people) - len(subscribed):
            warn(f"{left_out} are left out: not confirmed, unsubscribed or suppressed")
