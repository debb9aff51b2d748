"""digest match: try rules on papers."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from digest.cli.options import MAX_DAYS, ConfigOption, JsonOption, NowOption, compile_rules_option, moment, open_app
from digest.cli.output import print_json, print_table, say, warn
from digest.config import DEFAULT_FILE, FetchConfig, load
from digest.errors import DigestError, SourceError, UsageError
from digest.matching import ProfileIndex, Search
from digest.models import Match, Paper, Profile
from digest.pipeline.ingest import read_feed
from digest.pipeline.selection import search_since
from digest.sources import Fetcher

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
