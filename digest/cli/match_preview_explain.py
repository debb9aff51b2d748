"""digest match: try rules on papers; digest preview: what a subscriber would get; digest explain: why, or why not."""

import sys
from dataclasses import asdict
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from digest.admin import test_mail
from digest.app import App
from digest.cli.options import (
    MAX_DAYS,
    ConfigOption,
    EmailArgument,
    JsonOption,
    NowOption,
    compile_rules_option,
    moment,
    open_app,
)
from digest.cli.output import described, print_json, print_table, say, warn, warn_of_templates, warn_of_unreadable
from digest.config import DEFAULT_FILE, FetchConfig, load
from digest.errors import DigestError, SourceError, UsageError
from digest.matching import ProfileIndex, Search
from digest.models import Delivery, Digest, MailKind, Match, Paper, Profile, Suppression
from digest.pipeline.ingest import read_feed
from digest.pipeline.selection import PaperSelector, search_since
from digest.security import addresses
from digest.sources.fetch import Fetcher
from digest.store import digests, subscribers

_DAYS = 7  # of stored papers, by default


def match(
    rules: Annotated[
        str,
        typer.Argument(
            metavar="RULES", help="The rules: text, @FILE, or - for stdin (also for rules that begin with a -)."
        ),
    ],
    feed: Annotated[
        list[str] | None, typer.Option("--feed", metavar="PATH_OR_URL", help="A feed to match; can be repeated.")
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(
            "--days", min=1, max=MAX_DAYS, help="Without --feed: match stored papers of this many days (default 7)."
        ),
    ] = None,
    as_json: JsonOption = False,
    now: NowOption = None,
    config: ConfigOption = None,
) -> None:
    """Print the papers that RULES match, best first, and why.

    One rule per line: diffusion model · quantiz* AND (audio OR speech) · "low precision" · a NEAR/3 b ·
    title:survey · author:LeCun, Y · category:cs.LG · pruning ^2 counts twice · -review excludes papers.
    """
    profile = Profile(name="rules", rules=compile_rules_option(rules).text)
    if feed and days is not None:
        raise UsageError("--days applies to stored papers; use either --feed or --days")
    if feed:
        search = Search(_from_feeds(feed, config))
    else:
        until = moment(now)
        with open_app(config) as app, app.store.read() as tx:
            search = search_since(tx, until - timedelta(days=days or _DAYS), until=until)
    found = search.matches(ProfileIndex.build([profile])).for_profile(0, profile)
    if as_json:
        for m in found:
            print_json(_record(m))
    elif found:
        rows = []
        for m in found:
            why = ", ".join(f"{r.rule}{' in the title' if r.in_title else ''} {r.score:.1f}" for r in m.reasons)
            rows.append((f"{m.score:.1f}", m.paper.id, m.paper.title, why))
        print_table(("score", "paper", "title", "why"), rows)
    older = "" if search.papers or feed else f"; no papers in the last {days or _DAYS} days, --days looks further back"
    say(f"{len(found)} of {len(search.papers)} papers match{older}")


def _from_feeds(feeds: list[str], config: Path | None) -> list[Paper]:
    configured = config is not None and (config != Path(DEFAULT_FILE) or config.exists())
    fetch = load(config).fetch if config is not None and configured else FetchConfig()
    found: dict[str, Paper] = {}
    failed = 0
    with Fetcher(base=Path.cwd(), contact=fetch.contact, allow_private=fetch.allow_private) as fetcher:
        for feed in feeds:
            try:
                found.update((paper.id, paper) for paper in read_feed(fetcher, feed))
            except SourceError as error:
                warn(str(error))
                failed += 1
    if failed == len(feeds):
        raise DigestError("no feed could be read")
    return list(found.values())


def _record(m: Match) -> dict[str, Any]:
    return {
        "id": m.paper.id,
        "title": m.paper.title,
        "score": round(m.score, 4),
        "reasons": [{"rule": r.rule, "score": round(r.score, 4), "in_title": r.in_title} for r in m.reasons],
        "evidence": [
            {
                "rule": e.rule,
                "field": e.field.value,
                "start": e.start,
                "end": e.end,
                "text": m.paper.text_of(e.field)[e.start : e.end],
            }
            for e in m.evidence
        ],
    }


class Format(StrEnum):
    """The format of a preview."""

    HTML = "html"
    TEXT = "text"
    EML = "eml"


def preview(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The subscriber's address.")],
    form: Annotated[Format, typer.Option("--format", help="The format to print.")] = Format.TEXT,
    kind: Annotated[MailKind, typer.Option("--kind", help="The kind of email to print.")] = MailKind.DIGEST,
    send_to: Annotated[
        str | None,
        typer.Option("--send-to", metavar="ADDRESS", help="Send the email to this address; its links do not work."),
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="Print the subscriber's last digest, sent or queued.")] = False,
    now: NowOption = None,
    config: ConfigOption = None,
) -> None:
    """Print the digest (or another email) that a subscriber would get now. Nothing is recorded."""
    if last and kind is not MailKind.DIGEST:
        raise UsageError("--last shows a digest; leave out --kind, or --last")
    recipient = None if send_to is None else addresses.normalize(send_to)
    with open_app(config) as app:
        mail = _find_mail(app, email, kind, moment(now), last=last)
        if mail.kind is MailKind.DIGEST and mail.digest is not None and not mail.digest.items:
            say(f"no email for {email}: {mail.digest.empty_reason} (--last shows the one before)")
        elif recipient is not None:
            _send(app, mail, recipient)
        elif form is Format.EML:
            sys.stdout.buffer.write(app.composer.message(mail).content)
        else:
            rendered = app.composer.render(mail)
            print(rendered.readable_html if form is Format.HTML else rendered.readable_text)
        warn_of_templates(app)


def _find_mail(app: App, email: str, kind: MailKind, at: datetime, *, last: bool) -> Delivery:
    """Return the mail as the outbox would hold it; `last`: with the subscriber's newest digest, as it was stored."""
    selection_settings = app.selection_settings.for_welcome if kind is MailKind.WELCOME else app.selection_settings
    digest: Digest | None = None
    with app.store.read() as tx:
        subscriber = subscribers.get(tx, email)
        if last:
            digest = next(iter(digests.list_last(tx, subscriber.id, limit=1)), None)
            if digest is None:
                hint = f"`digest preview {email} --kind welcome` shows a first one"
                raise UsageError(f"{email} has no digest yet; {hint}")
        elif kind.has_papers:
            selector = PaperSelector(app.compiled_profiles, selection_settings, now=at)
            (digest,) = selector.select(tx, [(subscriber, at)])
            warn_of_unreadable(selector.invalid_rules.items())
    named = digest.message_id if digest else ""
    return test_mail.make_delivery(kind, subscriber, digest, domain=app.domain, now=at, named=named)


def _send(app: App, mail: Delivery, address: str) -> None:
    """Send a copy. Raises UsageError if the address is suppressed or sending is on hold, and DigestError."""
    with app.store.read() as tx:
        obstacle = test_mail.find_obstacle(tx, app.membership, address)
    if isinstance(obstacle, Suppression):
        raise UsageError(f"{address} is {obstacle}; send it to another address")
    if obstacle is not None:
        raise UsageError(described(obstacle))
    copy = test_mail.copy_without_links(mail, address)
    with app.transport() as transport:
        test_mail.send(transport, app.composer.message(copy))
    delivery = app.config.delivery
    if delivery.transport == "maildir":
        say(f"written to {app.config.path(delivery.maildir.path)}: the transport maildir sends nothing")
    else:
        say(f"sent to {address}")


def explain(
    email: EmailArgument,
    paper: Annotated[
        str, typer.Argument(metavar="PAPER_ID", help="A paper id such as arxiv:2504.17830, or a link that has it.")
    ],
    as_json: JsonOption = False,
    now: NowOption = None,
    config: ConfigOption = None,
) -> None:
    """Explain why a subscriber did or did not get a paper, or whether they will get it. Nothing is recorded."""
    with open_app(config) as app, app.store.read() as tx:
        found = app.explain(tx, email, paper, now=moment(now))
    if as_json:
        print_json(asdict(found) | {"answer": found.answer})
    else:
        print("\n".join([found.answer, *([f"{found.paper}: {found.title}"] if found.title else []), *found.facts]))
