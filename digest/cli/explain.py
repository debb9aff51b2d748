"""digest explain: why a subscriber got a paper or not."""

from dataclasses import asdict
from typing import Annotated

import typer

from digest.cli.options import ConfigOption, EmailArgument, JsonOption, NowOption, moment, open_app
from digest.cli.output import print_json, print_text
from digest.explain import explain as explanation_of


def explain(
    email: EmailArgument,
    paper: Annotated[
        str, typer.Argument(metavar="PAPER_ID", help="Its id, such as arxiv:2504.17830, or a link that contains it.")
    ],
    as_json: JsonOption = False,
    now: NowOption = None,
    config: ConfigOption = None,
) -> None:
    """Explain why a subscriber got a paper, or did not, or will get it. Nothing is recorded."""
    with open_app(config) as app:
        membership = app.membership
        with app.store.read() as tx:
            found = explanation_of(
                tx,
                email,
                paper,
                compiled_profiles=app.compiled_profiles,
                selection_settings=app.selection_settings,
                membership=membership,
                now=moment(now),
            )
    if as_json:
        print_json(asdict(found) | {"answer": found.answer})
    else:
        print_text("\n".join([found.answer, *([f"{found.paper}: {found.title}"] if found.title else []), *found.facts]))
