"""The privacy notice and the imprint: pages made from Markdown files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter
from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.responses import Response

from digest.config import Config
from digest.errors import ConfigError
from digest.web.auth import public_router
from digest.web.dependencies import Context
from digest.web.rendering import Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notice as HTML."""

    name: Annotated[str, Samples("privacy", "imprint")]
    html: Markup


def files(config: Config) -> dict[str, Path]:
    """The notices that are configured: name -> file."""
    named = {"privacy": config.web.privacy, "imprint": config.web.imprint}
    return {name: config.path(file) for name, file in named.items() if file}


def notice_router(config: Config) -> APIRouter:
    """Return a router with a page for each configured notice. Reads their files now; raises ConfigError if one cannot
    be read.
    """
    router = public_router()
    for name, file in files(config).items():
        router.add_api_route(f"/{name}", _handler(_read(name, file)), methods=["GET"])
    return router


def _handler(notice: Notice) -> Callable[[Context], Response]:
    def show_notice(context: Context) -> Response:
        return context.render("notice.html.j2", notice)

    return show_notice


def _read(name: str, file: Path) -> Notice:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8; save it as that"
        raise ConfigError(str(file), "", f"{reason}; web.{name} names a Markdown file") from None
    title, _, rest = text.lstrip().partition("\n")
    if title.startswith("# "):  # the page has its heading already
        text = rest
    # HTML in it is shown as text: our pages contain only markup of ours.
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return Notice(name=name, html=Markup(html))  # noqa: S704  (made above)
