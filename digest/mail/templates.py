"""The templates of mails and pages: which files they are, how they are compiled, what they may call.

An admin's folder overrides the shipped templates file by file. Each template is compiled once for each language.
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
from digest.spelling import did_you_mean

_PACKAGE = Path(__file__).resolve().parent.parent
_FOLDERS = (_PACKAGE / "templates", _PACKAGE.parent / "templates")  # in a wheel, in a checkout
_USED = ("email/", "web/")  # the folders of templates; other files are used if these name them
_HTML, _TEXT = ".html.j2", ".txt.j2"
_TEXT_WIDTH = 72

# What evaluating an expression of a template can raise, besides Jinja's own errors.
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

_UNDEFINED = re.compile(r"'(\w+)' is undefined|no attribute '(\w+)'")
_NO_FIELD = re.compile(r"'digest\.mail\.context\.(\w+) object' has no attribute '(\w+)'")


def shipped_folder() -> Path:
    """Return the folder of the shipped templates."""
    return next(folder for folder in _FOLDERS if (folder / "email").is_dir())


class Templates:
    """The shipped templates, and the admin's that override them. Each is compiled when it is first used."""

    def __init__(self, overriding: Path | None = None) -> None:
        """Raise TemplateError if `overriding` is not a folder, or if a catalogue of translations is faulty."""
        if overriding is not None and not overriding.is_dir():
            raise TemplateError(str(overriding), 0, "no such folder; set templates.path to a folder, or leave it empty")
        folders = [shipped_folder()] if overriding is None else [overriding, shipped_folder()]
        self._overriding = overriding
        self.languages = Languages(folders)
        self._files = jinja2.FileSystemLoader([str(folder) for folder in folders], encoding="utf-8-sig")
        self._environments: dict[str, jinja2.Environment] = {}

    def environment(self, language: Language) -> jinja2.Environment:
        """Jinja with the translations, dates and numbers of one language."""
        if language.code in self._environments:
            return self._environments[language.code]

        @lru_cache(maxsize=4096)
        def format_day(day: date, form: str = "long") -> str:
            """Return a date in one of Babel's four lengths, or by a skeleton ("MMMd": Jun 3, 3. Juni)."""
            if form in {"full", "long", "medium", "short"}:
                return format_date(day, form, locale=language.locale)
            return format_skeleton(form, day, locale=language.locale)

        def wrap(text: str, indent: str = "") -> str:
            """Return the text in lines of at most 72 columns. Longer words, such as links, are not broken."""
            return fill(
                text,
                _TEXT_WIDTH,
                initial_indent=indent,
                subsequent_indent=indent,
                break_long_words=False,
                break_on_hyphens=False,
            )

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
            "date": format_day,
            "number": lambda number: format_decimal(number, locale=language.locale),
            "wrap": wrap,
        }
        self._environments[language.code] = environment
        return environment

    def render(self, name: str, language: Language, mail: Mail) -> str:
        """Render the template `name` ("email/digest.mjml.j2") for one mail. Raises TemplateError."""
        with self.errors_located(name):
            return self.environment(language).get_template(name).render(mail=mail)

    def file(self, name: str) -> str:
        """Return the file of the template `name`."""
        return self._load(name)[1]

    def lines(self, name: str) -> int:
        """Return how many lines that file has."""
        return self._load(name)[0].count("\n") + 1

    def overridden_files(self) -> list[str]:
        """Return the names of the shipped files that the admin's folder overrides."""
        return [name for name in self._admins_files() if (shipped_folder() / name).is_file()]

    def is_changed(self, name: str, language: Language) -> bool:
        """Return True if the admin's folder has translations of `language`, or a template that `name` makes use of."""
        if self._overriding is None:
            return False
        if any((self._overriding / f"locale/{code}.po").is_file() for code in (language.code, str(language.locale))):
            return True
        used, own = [name], set(self._admins_files())
        for each in used:
            if each in own:
                return True
            used += [other for other in _references(self._load(each)[0]) if other not in used]
        return False

    def unused_files(self) -> dict[str, str]:
        """Return the files in the admin's folder that are not used, each with the name that may be meant, or ""."""
        files, folder = self._admins_files(), shipped_folder()
        texts = "".join(self._load(name)[0] for name in files if name.startswith(_USED))
        shipped = [str(file.relative_to(folder)) for used in _USED for file in folder.glob(f"{used}*")]
        return {
            f"{self._overriding}/{name}": next(iter(get_close_matches(name, shipped, n=1, cutoff=0.7)), "")
            for name in files
            if name not in shipped and name not in texts and not re.fullmatch(r"locale/[^/]+\.po", name)
        }

    def _admins_files(self) -> list[str]:
        """Return the files in the admin's folder that look like templates, without editors' backup files."""
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
        """Context manager: turns errors in the template `name` into TemplateError, with file and line."""
        try:
            yield
        except jinja2.TemplateNotFound as error:
            raise TemplateError(name, 0, f"needs {error.name}, which does not exist") from None
        except RENDER_ERRORS as error:
            raise _located(error, name, self._load) from None

    def _source(self, environment: jinja2.Environment, name: str) -> tuple[str, str | None, Callable[[], bool]]:
        """Return what Jinja compiles for `name`: MJML as HTML, and HTML in short lines."""
        source, file = self._load(name)
        environment.parse(source, name, file)  # a syntax error is raised here, with the line of the author's file
        if name.endswith(".mjml.j2"):
            source = mjml.compile_mjml(mjml.read(name, self._load))
        elif name.endswith(_HTML):
            source = mjml.in_lines(source)
        return source, file, lambda: True

    def _load(self, name: str) -> tuple[str, str]:
        """Return the text of a template as its author wrote it, and its file."""
        try:
            source, file, _ = self._files.get_source(_LOADING, name)
        except UnicodeDecodeError as error:
            file = next(str(Path(folder, name)) for folder in self._files.searchpath if Path(folder, name).is_file())
            line = error.object.count(b"\n", 0, error.start) + 1
            raise TemplateError(file, line, "is not UTF-8; save it as UTF-8") from None
        return source, file or name


_LOADING = jinja2.Environment(autoescape=True, extensions=["jinja2.ext.i18n"])  # finds and parses, renders nothing


@lru_cache(maxsize=256)
def _references(source: str) -> tuple[str, ...]:
    """Return the templates that a template extends, includes or imports. Shipped ones name them by constants."""
    return tuple(filter(None, find_referenced_templates(_LOADING.parse(source))))


def _located(error: Exception, name: str, load: Callable[[str], tuple[str, str]]) -> TemplateError:
    """Return the TemplateError for an error in the template `name`, with the file and line that caused it.

    `load` gives a template's text and file. HTML compiled from MJML has no line numbers of the author's file: its line
    is the first one that names what is undefined.
    """
    if isinstance(error, jinja2.TemplateSyntaxError):
        file = error.filename or error.name or name
        return TemplateError(file, _authors_line(file, error.lineno), error.message or "cannot be read")
    reason = str(error) if isinstance(error, jinja2.TemplateError) else f"{type(error).__name__}: {error}"
    missing = _NO_FIELD.search(reason)
    if missing is not None:
        hint = did_you_mean(missing[2], [field.name for field in fields(getattr(context, missing[1]))])
        reason = f"a {missing[1]} has no {missing[2]!r}{hint}"
    frames = [frame for frame in extract_tb(error.__traceback__) if frame.filename.endswith((_TEXT, _HTML))]
    if frames:
        file = frames[-1].filename
        return TemplateError(file, _authors_line(file, frames[-1].lineno or 0), reason)
    source, file = load(name)
    undefined = _UNDEFINED.search(str(error))
    if undefined is not None:
        word = re.compile(rf"\b{undefined[1] or undefined[2]}\b")
        for text, where in [(source, file), *map(load, re.findall(r"[\"'](email/[\w.-]+)[\"']", source))]:
            found = word.search(text)
            if found is not None:
                return TemplateError(where, text.count("\n", 0, found.start()) + 1, reason)
    return TemplateError(file, 0, reason)


def _authors_line(file: str, line: int) -> int:
    """Return the line in the author's file: compiled HTML has additional line ends, in place of spaces."""
    if not file.endswith(_HTML):
        return line
    written = Path(file).read_text(encoding="utf-8-sig")
    before = mjml.in_lines(written).splitlines(keepends=True)[: line - 1]
    return written.count("\n", 0, sum(map(len, before))) + 1
