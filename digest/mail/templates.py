"""The templates of mails and pages: where they lie, how they are compiled, what they may call.

A folder of the admin's replaces ours file by file. Each template is compiled once for each language.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from textwrap import fill
from traceback import extract_tb

import jinja2
from babel.dates import format_date, format_skeleton
from babel.numbers import format_decimal
from jinja2.meta import find_referenced_templates
from jinja2.sandbox import ImmutableSandboxedEnvironment

from digest.errors import TemplateError
from digest.mail import context, mjml
from digest.mail.context import Mail
from digest.mail.languages import Language, Languages

_PACKAGE = Path(__file__).resolve().parent.parent
_FOLDERS = (_PACKAGE / "templates", _PACKAGE.parent / "templates")  # in a wheel, in a checkout
_USED = ("email/", "web/")  # folders in them; other files count where these name them
_TEXT = ".txt.j2"
_WIDTH = 72

# What an expression in a template may come to, besides Jinja's own errors.
RENDER_ERRORS = (
    jinja2.TemplateError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
    MemoryError,
)

_HTML = ".html.j2"
_NAMED = re.compile(r"'(\w+)' is undefined|no attribute '(\w+)'")
_NO_FIELD = re.compile(r"'digest\.mail\.context\.(\w+) object' has no attribute '(\w+)'")


def shipped_folder() -> Path:
    """Where our own templates lie."""
    return next(folder for folder in _FOLDERS if (folder / "email").is_dir())


class Templates:
    """The templates; files under `overriding` replace ours, one by one. Each is compiled at its first use."""

    def __init__(self, overriding: Path | None = None) -> None:
        """Raises TemplateError if `overriding` is not a folder, or a catalogue of words cannot be used."""
        if overriding is not None and not overriding.is_dir():
            raise TemplateError(str(overriding), 0, "no such folder; templates.path names one, or is empty")
        folders = [shipped_folder()] if overriding is None else [overriding, shipped_folder()]
        self._overriding = overriding
        self.languages = Languages(folders)
        self._files = jinja2.FileSystemLoader([str(folder) for folder in folders], encoding="utf-8-sig")
        self._environments: dict[str, jinja2.Environment] = {}

    def environment(self, language: Language) -> jinja2.Environment:
        """Jinja with the words, dates and numbers of one language."""
        if language.code not in self._environments:
            self._environments[language.code] = self._new_environment(language)
        return self._environments[language.code]

    def render(self, name: str, language: Language, mail: Mail) -> str:
        """The template `name` ("email/digest.mjml.j2") for one mail. Raises TemplateError with file and line."""
        with self.errors_located(name):
            return self.environment(language).get_template(name).render(mail=mail)

    def file(self, name: str) -> str:
        """The file that `name` stands for."""
        return self._load(name)[1]

    def lines(self, name: str) -> int:
        """How many lines that file has."""
        return self._load(name)[0].count("\n") + 1

    def overridden_files(self) -> list[str]:
        """The names of our files that the admin's folder replaces."""
        return [name for name in self._own_files() if (shipped_folder() / name).is_file()]

    def is_changed(self, name: str, language: Language) -> bool:
        """Return True if the admin's folder has the words of `language` or any template that `name` makes use of."""
        if self._overriding is None:
            return False
        if any((self._overriding / f"locale/{code}.po").is_file() for code in (language.code, str(language.locale))):
            return True
        used, own = [name], set(self._own_files())
        for each in used:
            if each in own:
                return True
            used += [other for other in _references(self._load(each)[0]) if other not in used]
        return False

    def unused_files(self) -> dict[str, str]:
        """Files in the admin's folder that nothing uses -> the name that may be meant ("")."""
        own = self._own_files()
        said = "".join(self._load(name)[0] for name in own if name.startswith(_USED))
        ours = [str(file.relative_to(shipped_folder())) for used in _USED for file in shipped_folder().glob(f"{used}*")]
        return {
            f"{self._overriding}/{name}": next(iter(get_close_matches(name, ours, n=1, cutoff=0.7)), "")
            for name in own
            if name not in ours and name not in said and not re.fullmatch(r"locale/[^/]+\.po", name)
        }

    def _own_files(self) -> list[str]:
        if self._overriding is None:
            return []
        found = (file.relative_to(self._overriding) for file in sorted(self._overriding.rglob("*")) if file.is_file())
        return [
            name.as_posix()
            for name in found
            if (name.suffix in {".j2", ".mjml", ".po"} or name.parts[0].startswith(("email", "web")))
            and not any(part.startswith(".") or part.endswith("~") for part in name.parts)
        ]

    @contextmanager
    def errors_located(self, name: str) -> Iterator[None]:
        """Jinja's errors as TemplateErrors of the template `name`."""
        try:
            yield
        except jinja2.TemplateNotFound as error:
            raise TemplateError(name, 0, f"needs {error.name}, which is not there") from None
        except RENDER_ERRORS as error:
            raise locate_error(error, name, self._load) from None

    def _new_environment(self, language: Language) -> jinja2.Environment:
        environment = ImmutableSandboxedEnvironment(
            loader=jinja2.FunctionLoader(lambda name: self._source(environment, name)),
            autoescape=lambda name: name is not None and not name.endswith(_TEXT),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            extensions=["jinja2.ext.i18n"],
        )
        environment.install_gettext_translations(language.translations, newstyle=True)  # type: ignore[attr-defined]
        environment.globals["language"] = language.info
        environment.filters |= {
            "date": _date_filter(language),
            "number": lambda number: format_decimal(number, locale=language.locale),
            "wrap": _wrap,
        }
        return environment

    def _source(self, environment: jinja2.Environment, name: str) -> tuple[str, str | None, Callable[[], bool]] | None:
        source, file = self._load(name)
        environment.parse(source, name, file)  # so that a syntax error has the line that its author knows
        if name.endswith(".mjml.j2"):
            source = mjml.compile_mjml(mjml.read(name, self._load))
        elif name.endswith(".html.j2"):
            source = mjml.in_lines(source)
        return source, file, lambda: True

    def _load(self, name: str) -> tuple[str, str]:
        """The text of a template as its author wrote it, and its file."""
        try:
            source, file, _ = self._files.get_source(_LOADING, name)
        except UnicodeDecodeError as error:
            file = next(str(Path(folder, name)) for folder in self._files.searchpath if Path(folder, name).is_file())
            line = error.object.count(b"\n", 0, error.start) + 1
            raise TemplateError(file, line, "is not UTF-8; save it as that") from None
        return source, file or name


_LOADING = jinja2.Environment(autoescape=True, extensions=["jinja2.ext.i18n"])  # finds and parses, renders nothing


@lru_cache(maxsize=256)
def _references(source: str) -> tuple[str, ...]:
    """Names of the templates that a shipped template extends, includes and imports: it names them all by constants."""
    return tuple(filter(None, find_referenced_templates(_LOADING.parse(source))))


def _date_filter(language: Language) -> Callable[..., str]:
    @lru_cache(maxsize=4096)
    def written(day: date, form: str = "long") -> str:
        """A date in one of Babel's four lengths, or by a skeleton of its fields ("MMMd": Jun 3, 3. Juni)."""
        if form in {"full", "long", "medium", "short"}:
            return format_date(day, form, locale=language.locale)
        return format_skeleton(form, day, locale=language.locale)

    return written


def _wrap(text: str, indent: str = "") -> str:
    """Text at 72 columns; long words, such as links, stay whole."""
    return fill(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def locate_error(error: Exception, name: str, load: Callable[[str], tuple[str, str]]) -> TemplateError:
    """An error while the template `name` was rendered, at the line of its file, or of one that it uses.

    `load` gives a template's text and file. MJML has no lines left: there it is the first that names what is missing.
    """
    if isinstance(error, jinja2.TemplateSyntaxError):
        file = error.filename or error.name or name
        return TemplateError(file, _written_line(file, error.lineno), error.message or "cannot be read")
    reason = _plainly(str(error) if isinstance(error, jinja2.TemplateError) else f"{type(error).__name__}: {error}")
    frames = [frame for frame in extract_tb(error.__traceback__) if frame.filename.endswith((".txt.j2", _HTML))]
    if frames:
        file = frames[-1].filename
        return TemplateError(file, _written_line(file, frames[-1].lineno or 0), reason)
    source, file = load(name)
    named = _NAMED.search(str(error))
    if named is not None:
        word = re.compile(rf"\b{named[1] or named[2]}\b")
        for text, where in [(source, file), *map(load, re.findall(r"[\"'](email/[\w.-]+)[\"']", source))]:
            found = word.search(text)
            if found is not None:
                return TemplateError(where, text.count("\n", 0, found.start()) + 1, reason)
    return TemplateError(file, 0, reason)


def _written_line(file: str, line: int) -> int:
    """The line that its author knows: HTML is compiled with line ends of its own, in place of spaces."""
    if not file.endswith(_HTML):
        return line
    written = Path(file).read_text(encoding="utf-8-sig")
    before = mjml.in_lines(written).splitlines(keepends=True)[: line - 1]
    return written.count("\n", 0, sum(map(len, before))) + 1


def _plainly(reason: str) -> str:
    """Jinja's words for a field that is not there, in ours, with the nearest that is."""
    found = _NO_FIELD.search(reason)
    if found is None:
        return reason
    known = [field.name for field in fields(getattr(context, found[1]))]
    near = get_close_matches(found[2], known, n=1)
    return f"a {found[1]} has no {found[2]!r}" + (f"; did you mean {near[0]!r}?" if near else "")
