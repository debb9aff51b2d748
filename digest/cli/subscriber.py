"""digest subscriber …: who gets digests."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from digest import roster
from digest.chooser import message_id
from digest.cli.options import ConfigOption, JsonOption, installation, moment, read_rules
from digest.cli.output import print_json, print_records, print_table, print_text, progress, say, warn
from digest.errors import UsageError
from digest.installation import Installation
from digest.matching import compile_rules
from digest.models import CompiledRules, MailKind, Subscriber, SubscriberState
from digest.schedule import format_days, next_slot, parse_days, parse_send_at, parse_timezone
from digest.store import Transaction, outbox, profiles, subscribers

app = typer.Typer(help="Subscribers: who gets digests, of what, and when.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The subscriber's address.")]
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
    typer.Option("--max-papers", min=1, max=500, help="At most this many papers a digest (25 if not given)."),
]
LanguageOption = Annotated[
    str | None,
    typer.Option("--language", metavar="CODE", help="Of their mails: en, de (newsletter's if not given)."),
]
ConfirmedOption = Annotated[bool, typer.Option("--confirmed", help="They have agreed already: no confirmation mail.")]


@app.command()
def add(
    email: Email,
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
    with installation(config) as here:
        new = roster.new_subscriber(
            email,
            name=name or "",
            timezone=timezone or here.config.newsletter.timezone,
            send_at=send_at or "",
            days=days or "",
            language=here.templates.languages.checked(language or here.config.newsletter.language),
            profiles=profile or (),
            confirmed=confirmed,
        )
        if max_papers is not None:
            new = replace(new, max_papers=max_papers)
        now = moment(None)
        with here.store.write() as tx:
            added = _enrol(tx, new, here, now=now)
            if own_rules is not None:
                profiles.set_personal(tx, added.id, own_rules, now=now)
    say(f"added {added.email}" + ("" if confirmed else "; a confirmation mail is queued, `digest deliver` sends it"))


@app.command()
def edit(
    email: Email,
    profile: ProfileOption = None,
    keywords: KeywordsOption = None,
    name: NameOption = None,
    timezone: TimezoneOption = None,
    send_at: SendAtOption = None,
    days: DaysOption = None,
    language: LanguageOption = None,
    max_papers: MaxPapersOption = None,
    config: ConfigOption = None,
) -> None:
    """Change a subscriber. --profile replaces the profiles they follow; --profile '' leaves none."""
    own_rules = _own_rules(keywords)
    with installation(config) as here, here.store.write() as tx:
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
            name=s.name if name is None else roster.one_line(name),
            language=s.language if language is None else here.templates.languages.checked(language),
            profiles=s.profiles if profile is None else tuple(p for p in profile if p),
            max_papers=s.max_papers if max_papers is None else max_papers,
        )
        if changed == s and own_rules is None:
            raise UsageError("nothing to change; `digest subscriber edit --help` lists what can be")
        subscribers.save(tx, changed)
        if own_rules is not None:
            profiles.set_personal(tx, s.id, own_rules, now=moment(None))
    say(f"changed {changed.email}")


@app.command()
def confirm(email: Email, config: ConfigOption = None) -> None:
    """Record that a subscriber has agreed: they are active from now on."""
    with installation(config) as here, here.store.write() as tx:
        s = subscribers.get(tx, email)
        if s.state is SubscriberState.ACTIVE:
            raise UsageError(f"{s.email} is confirmed already")
        subscribers.confirm(tx, s, now=moment(None))
    say(f"confirmed {s.email}")


@app.command("list")
def list_(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the subscribers."""
    with installation(config) as here, here.store.read() as tx:
        people = subscribers.list_all(tx)
    print_records([_record(s) for s in people], as_json=as_json, empty="no subscribers yet")


@app.command()
def show(email: Email, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Print everything known of a subscriber."""
    with installation(config) as here, here.store.read() as tx:
        s = subscribers.get(tx, email)
        own = profiles.find_personal(tx, s.id)
    record = _record(s) | {
        "keywords": own.rules if own else "",
        "last_digest_at": s.last_digest_at,
        "next_slot_at": next_slot(s.schedule, moment(None)) if s.state is SubscriberState.ACTIVE else None,
    }
    if as_json:
        print_json(record)
    else:
        print_table(("", ""), [(key.replace("_", " "), _shown(value)) for key, value in record.items()])


@app.command()
def remove(email: Email, config: ConfigOption = None) -> None:
    """Remove a subscriber and everything kept about them."""
    with installation(config) as here, here.store.write() as tx:
        subscribers.remove(tx, email)
    say(f"removed {email}")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help=f"Columns: {','.join(roster.COLUMNS)}.")],
    confirmed: ConfirmedOption = False,
    config: ConfigOption = None,
) -> None:
    """Add the subscribers in a CSV file. Who is there already stays as they are; bad rows are named and left out."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: cannot be read: {error}") from None
    with installation(config) as here:
        try:
            added, known, bad = _import(here, text, confirmed=confirmed)
        except UsageError as error:
            raise UsageError(f"{file}: {error}") from None
    say(f"added {added}, {known} there already, {bad} bad rows")
    if bad:
        raise typer.Exit(1)


@app.command("export")
def export(config: ConfigOption = None) -> None:
    """Print the subscribers as CSV, for `digest subscriber import`."""
    with installation(config) as here, here.store.read() as tx:
        print_text(roster.write(subscribers.list_all(tx)).rstrip("\n"))


def _import(here: Installation, text: str, *, confirmed: bool) -> tuple[int, int, int]:
    added = known = bad = 0
    now = moment(None)
    with here.store.write() as tx, progress("importing", text.count("\n")) as advance:
        names = {p.name for p in profiles.list_shared(tx)}
        defaults = roster.Defaults(here.config.newsletter.timezone, here.config.newsletter.language)
        for row in roster.read(
            text,
            defaults=defaults,
            known_profiles=names,
            languages=here.templates.languages,
            confirmed=confirmed,
        ):
            if row.subscriber is None:
                warn(f"line {row.line}: {row.reason}")
                bad += 1
            elif subscribers.find(tx, row.subscriber.email) is not None:
                known += 1
            else:
                _enrol(tx, row.subscriber, here, now=now)
                added += 1
            advance(1)
    return added, known, bad


def _enrol(tx: Transaction, new: Subscriber, here: Installation, *, now: datetime) -> Subscriber:
    """Store a new subscriber; who has not agreed yet is asked by mail."""
    added = subscribers.add(tx, new, now=now)
    if added.state is SubscriberState.PENDING:
        asked = message_id(MailKind.CONFIRMATION, added, now, here.domain)
        outbox.queue_note(tx, MailKind.CONFIRMATION, added, message_id=asked, now=now)
    return added


def _own_rules(keywords: str | None) -> CompiledRules | None:
    return None if keywords is None else compile_rules(read_rules(keywords))


def _record(s: Subscriber) -> dict[str, Any]:
    return {
        "email": s.email,
        "name": s.name,
        "state": s.state.value,
        "timezone": s.schedule.timezone,
        "send_at": f"{s.schedule.send_at:%H:%M}",
        "days": format_days(s.schedule.days),
        "language": s.language,
        "max_papers": s.max_papers,
        "profiles": list(s.profiles),
    }


def _shown(value: object) -> object:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(value)
    return value
