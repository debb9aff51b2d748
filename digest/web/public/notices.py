"""What the admin says of privacy, and who is answerable: Markdown files of theirs as pages."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from markdown_it import MarkdownIt
from markupsafe import Markup

from digest.config import Config
from digest.errors import ConfigError
from digest.web.pages import Page, Visit
from digest.web.template_samples import Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What the page's template sees."""

    name: Annotated[str, Samples("privacy", "imprint")]
    html: Markup


def files(config: Config) -> dict[str, Path]:
    """The notices that are configured: name -> file."""
    named = {"privacy": config.web.privacy, "imprint": config.web.imprint}
    return {name: config.path(file) for name, file in named.items() if file}


def page(name: str, file: Path) -> Callable[[Visit], Page]:
    """What answers at /NAME. The file is read when the pages begin. Raises ConfigError where it cannot be."""
    try:
        written = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8; save it as that"
        raise ConfigError(str(file), "", f"{reason}; web.{name} names a Markdown file") from None
    # HTML in it is shown as text: a page of ours holds only markup of ours.
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(_without_title(written))
    answer = Page(template="notice.html.j2", shows=Notice(name=name, html=Markup(html)))  # noqa: S704  (made above)
    return lambda _visit: answer


def _without_title(written: str) -> str:
    """The page has its heading already."""
    first, _, rest = written.lstrip().partition("\n")
    return rest if first.startswith("# ") else written
