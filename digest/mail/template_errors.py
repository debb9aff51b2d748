"""Faults of templates as their authors know them: the file, the line, and what is wrong in plain words."""

import re
from collections.abc import Callable
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from traceback import extract_tb

import jinja2

from digest.errors import TemplateError
from digest.mail import context, mjml

# What an expression in a template may come to, besides Jinja's own errors.
FAULTS = (
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


def located(error: Exception, name: str, load: Callable[[str], tuple[str, str]]) -> TemplateError:
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
