"""The mail's own words in the reader's language: one catalogue a language, in gettext's own file format.

English stands in the templates. `locale/de.po` in the templates' folder is German; adding a language is adding a file.
"""

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po

from digest.errors import TemplateError, UsageError
from digest.mail.context import LanguageInfo

DEFAULT_LANGUAGE = "en"

_LINE = re.compile(r'(?:msgctxt|msgid|msgid_plural|msgstr|msgstr\[\d\])?\s*"(?:[^"\\]|\\.)*"')
_PLACEHOLDER = re.compile(r"%%|%\(\w+\)s|%")


@dataclass(frozen=True, slots=True)
class Language:
    """One language: `code` as in `lang="…"` ("de", "pt-BR"), its rules for dates and numbers, and the words."""

    code: str
    locale: Locale
    translations: NullTranslations

    @property
    def name(self) -> str:
        """Its own name for itself: "Deutsch"."""
        return self.locale.get_display_name() or self.code

    @property
    def info(self) -> LanguageInfo:
        """How it is read, for templates."""
        direction = self.locale.text_direction
        return LanguageInfo(self.code, direction, "right" if direction == "rtl" else "left")


class Languages:
    """The languages that there are catalogues for, and English."""

    def __init__(self, folders: Iterable[Path]) -> None:
        """Catalogues in an earlier folder stand before those of the same name in a later one. Raises TemplateError."""
        files = {file.stem: file for folder in reversed(list(folders)) for file in folder.glob("locale/*.po")}
        read = [Language(DEFAULT_LANGUAGE, Locale(DEFAULT_LANGUAGE), NullTranslations())]
        read += [read_catalogue(file) for _, file in sorted(files.items())]
        self._by_code: Mapping[str, Language] = {language.code: language for language in read}

    def __iter__(self) -> Iterator[Language]:
        return iter(self._by_code.values())

    def find(self, code: str) -> Language:
        """The language itself, or the one it is a variety of (de-AT: de), or English."""
        return self._by_code.get(code) or self._by_code.get(code.partition("-")[0]) or self._by_code[DEFAULT_LANGUAGE]

    def checked(self, code: str) -> str:
        """The code of a language that there is. Raises UsageError with those that there are."""
        normal = code.replace("_", "-")
        if normal not in self._by_code:
            raise UsageError(f"no language {code!r}; there are {', '.join(self._by_code)} (locale/FILE.po adds one)")
        return normal


def read_catalogue(file: Path) -> Language:
    try:
        locale = Locale.parse(file.stem)
    except (ValueError, UnknownLocaleError):
        raise TemplateError(str(file), 0, "is not named as a language is: de.po, pt_BR.po") from None
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
        _check_lines(lines, file)
        catalog = read_po(lines, locale=locale, abort_invalid=True)
        words = _compiled(catalog)
        for count in range(200):
            words.ngettext("one", "many", count)  # its rule of plurals can be computed
    except PoFileError as error:
        raise TemplateError(str(file), error.lineno + 1, str(error)) from None
    except (OSError, ValueError, LookupError, ArithmeticError) as error:
        raise TemplateError(str(file), 0, f"cannot be read: {error}") from None
    for message in catalog:
        _check(message, file)
    return Language(file.stem.replace("_", "-"), locale, words)


def _compiled(catalog: Catalog) -> GNUTranslations:
    compiled = io.BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return GNUTranslations(compiled)


def _check_lines(lines: Iterable[str], file: Path) -> None:
    """Babel reads on over a quote that is missing, and loses a letter."""
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#") and not _LINE.fullmatch(line.strip()):
            raise TemplateError(str(file), number, "is not a line of a catalogue; is a quote missing?")


def _check(message: Message, file: Path) -> None:
    """A placeholder that the template does not fill would fail in the mail."""
    written = [message.id] if isinstance(message.id, str) else list(message.id)
    said = [message.string] if isinstance(message.string, str) else list(message.string or ())
    known = {placeholder.group() for text in written for placeholder in _PLACEHOLDER.finditer(text)}
    for text in said:
        unknown = next((p.group() for p in _PLACEHOLDER.finditer(text) if p.group() not in {*known, "%%"}), None)
        hint = " (a per cent sign is written %%)" if unknown == "%" else ""
        if message.id and unknown is not None:
            raise TemplateError(str(file), message.lineno or 0, f"{text!r}: {unknown} is not in the original{hint}")
