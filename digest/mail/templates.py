"""Templates: MJML with Jinja in it, compiled by mrml once, then plain Jinja for every mail.

Only our templates ever go through MJML, never a paper's text. Every Jinja token is shielded from mrml, which chokes on
some and repeats others, and counted afterwards: a template in which one was lost is refused.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jinja2
from jinja2.sandbox import SandboxedEnvironment
from mjml import mjml2html

from digest.errors import TemplateError

_PACKAGE = Path(__file__).resolve().parent.parent
_FOLDERS = (_PACKAGE / "templates", _PACKAGE.parent / "templates")  # in a wheel, in a checkout

_TOKEN = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_COMMENT = re.compile(r"\{#.*?#\}|<!--.*?-->", re.DOTALL)
_SHIELD = re.compile(r"zqj(\d+)qz")
_TAG = re.compile(r"<(mj[\w-]*)")
_KNOWN_TAGS = frozenset(
    "mjml mj-accordion mj-accordion-element mj-accordion-text mj-accordion-title mj-all mj-attributes mj-body "
    "mj-breakpoint mj-button mj-carousel mj-carousel-image mj-class mj-column mj-divider mj-font mj-group mj-head "
    "mj-hero mj-image mj-navbar mj-navbar-link mj-preview mj-raw mj-section mj-social mj-social-element mj-spacer "
    "mj-style mj-table mj-text mj-title mj-wrapper".split()
)
_NAMED = re.compile(r"'(\w+)' is undefined|no attribute '(\w+)'")


def shipped_folder() -> Path:
    """Where our own templates lie."""
    return next(folder for folder in _FOLDERS if (folder / "email").is_dir())


class Templates:
    """The mail templates; files under `overriding` replace ours, one by one. Each is compiled at its first use."""

    def __init__(self, overriding: Path | None = None) -> None:
        """Raises TemplateError if `overriding` is not a folder."""
        if overriding is not None and not overriding.is_dir():
            raise TemplateError(str(overriding), 0, "no such folder; templates.path names one, or is empty")
        folders = [shipped_folder()] if overriding is None else [overriding, shipped_folder()]
        self._files = jinja2.FileSystemLoader([str(folder) for folder in folders])
        self._jinja = SandboxedEnvironment(
            loader=jinja2.FunctionLoader(self._source),
            autoescape=lambda name: name is not None and not name.endswith(".txt.j2"),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )

    def add_filter(self, name: str, function: Callable[..., str]) -> None:
        """Let templates call `function` as a filter."""
        self._jinja.filters[name] = function

    def render(self, name: str, **context: object) -> str:
        """The template `name` ("email/digest.mjml.j2") with `context`. Raises TemplateError with file and line."""
        with self._faults_named(name):
            return self._jinja.get_template(name).render(context)

    def check(self) -> None:
        """Compile every template now. Raises TemplateError for what cannot be compiled."""
        for name in self._files.list_templates():
            if name.startswith("email/") and name.endswith(".j2"):
                with self._faults_named(name):
                    self._jinja.get_template(name)

    @contextmanager
    def _faults_named(self, name: str) -> Iterator[None]:
        try:
            yield
        except jinja2.TemplateSyntaxError as error:
            raise TemplateError(error.name or name, error.lineno, error.message or "cannot be read") from None
        except jinja2.TemplateNotFound as error:
            raise TemplateError(name, 0, f"needs {error.name}, which is not there") from None
        except jinja2.TemplateError as error:
            raise self._located(name, str(error)) from None

    def _source(self, name: str) -> tuple[str, str | None, Callable[[], bool]] | None:
        source, file, _ = self._files.get_source(self._jinja, name)
        if name.endswith(".mjml.j2"):
            self._jinja.parse(source, name, file)  # so that a syntax error has the line that its author knows
            source = compile_mjml(source, file or name)
        return source, file, lambda: True

    def _located(self, name: str, reason: str) -> TemplateError:
        """An error while rendering, placed at the first line that names what is missing."""
        source, file, _ = self._files.get_source(self._jinja, name)
        named = _NAMED.search(reason)
        word = re.compile(rf"\b{named.group(1) or named.group(2)}\b") if named else None
        lines = enumerate(source.splitlines(), 1)
        line = next((number for number, text in lines if word and word.search(text)), 0)
        return TemplateError(file or name, line, reason)


def compile_mjml(source: str, file: str) -> str:
    """MJML with Jinja tokens -> HTML with the same tokens. Raises TemplateError with file and line.

    An expression may stand twice in the HTML (mrml repeats some attributes); a statement may not.
    """
    source = _COMMENT.sub(lambda comment: "\n" * comment.group().count("\n"), source)
    for tag in _TAG.finditer(source):
        if tag.group(1) not in _KNOWN_TAGS:
            raise TemplateError(file, _line(source, tag.start()), f"<{tag.group(1)}> is not known to MJML")
    tokens = list(_TOKEN.finditer(source))
    numbers = iter(range(len(tokens)))
    try:
        html = mjml2html(_TOKEN.sub(lambda _: f"zqj{next(numbers)}qz", source))
    except ValueError as error:
        raise TemplateError(file, 0, f"MJML says: {error}") from None
    found = Counter(int(n) for n in _SHIELD.findall(html))
    for number, token in enumerate(tokens):
        if not found[number]:
            raise TemplateError(file, _line(source, token.start()), f"MJML loses {token.group()} here")
        if found[number] > 1 and token.group().startswith("{%"):
            raise TemplateError(file, _line(source, token.start()), f"MJML repeats {token.group()} here")
    return _SHIELD.sub(lambda shield: tokens[int(shield.group(1))].group(), html)


def _line(source: str, position: int) -> int:
    return source.count("\n", 0, position) + 1
