"""The languages of mails and pages: one gettext catalogue each, `locale/de.po` in the folder of templates for German.

English is in the templates themselves. To add French, add `locale/fr.po`; no code needs to change.
"""

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po

from digest.errors import TemplateError, UsageError
from digest.mail.context import LanguageInfo

DEFAULT_LANGUAGE = "en"

_LINE = re.compile(r'(?:msgctxt|msgid|msgid_plural|msgstr|msgstr\[\d\])?\s*"(?:[^"\\]|\\.)*"')
_PLACEHOLDER = re.compile(r"%%|%\(\w+\)s|%")


@dataclass(frozen=True, slots=True)
class Language:
    """One language: `code` as in `lang="…"` ("de", "pt-BR"), its format of dates and numbers, and its translations."""

    code: str
    locale: Locale
    translations: NullTranslations

    @property
    def name(self) -> str:
        """The language's name in the language itself: "Deutsch"."""
        return self.locale.get_display_name() or self.code

    @property
    def info(self) -> LanguageInfo:
        """What templates see of it."""
        direction = self.locale.text_direction
        return LanguageInfo(self.code, direction, "right" if direction == "rtl" else "left")


class Languages:
    """English and the languages that have a catalogue."""

    def __init__(self, folders: Iterable[Path]) -> None:
        """A catalogue in an earlier folder replaces one of the same name in a later folder. Raises TemplateError."""
        files = {file.stem: file for folder in reversed(list(folders)) for file in folder.glob("locale/*.po")}
        found = [Language(DEFAULT_LANGUAGE, Locale(DEFAULT_LANGUAGE), NullTranslations())]
        found += [read_catalogue(file) for _, file in sorted(files.items())]
        self._by_code: Mapping[str, Language] = {language.code: language for language in found}

    def __iter__(self) -> Iterator[Language]:
        return iter(self._by_code.values())

    def find(self, code: str) -> Language:
        """Return the language with this code, else the one without its region (de-AT: de), else English."""
        return self._by_code.get(code) or self._by_code.get(code.partition("-")[0]) or self._by_code[DEFAULT_LANGUAGE]

    def checked(self, code: str) -> str:
        """Return the code in its normal form. Raises UsageError, with the known codes, if there is no such language."""
        normal = code.strip().replace("_", "-").casefold()
        found = next((known for known in self._by_code if known.casefold() == normal), None)
        if found is None:
            raise UsageError(f"no language {code!r}; there are {', '.join(self._by_code)} (locale/FILE.po adds one)")
        return found


def read_catalogue(file: Path) -> Language:
    """Read a gettext catalogue, named after its locale ("pt_BR.po"). Raises TemplateError with file and line."""
    try:
        locale = Locale.parse(file.stem)
    except (ValueError, UnknownLocaleError):
        raise TemplateError(str(file), 0, "is not named after a language, as de.po and pt_BR.po are") from None
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
        for number, line in enumerate(lines, 1):
            # Babel accepts a missing quote and drops a letter instead.
            if line.strip() and not line.startswith("#") and not _LINE.fullmatch(line.strip()):
                raise TemplateError(str(file), number, "is not a line of a catalogue; is a quote missing?")
        catalogue = read_po(lines, locale=locale, abort_invalid=True)
        compiled = io.BytesIO()
        write_mo(compiled, catalogue)
        compiled.seek(0)
        translations = GNUTranslations(compiled)
        for count in range(200):
            translations.ngettext("one", "many", count)  # so that a faulty plural rule fails here, not in a mail
    except PoFileError as error:
        raise TemplateError(str(file), error.lineno + 1, str(error)) from None
    except (OSError, ValueError, LookupError, ArithmeticError) as error:
        raise TemplateError(str(file), 0, f"cannot be read: {error}") from None
    # A placeholder that the template does not fill would fail in the mail.
    for message in catalogue:
        originals = [message.id] if isinstance(message.id, str) else list(message.id)
        translated = [message.string] if isinstance(message.string, str) else list(message.string or ())
        known = {"%%", *(name for text in originals for name in _PLACEHOLDER.findall(text))}
        for text in translated if message.id else ():
            unknown = next((name for name in _PLACEHOLDER.findall(text) if name not in known), None)
            if unknown is not None:
                hint = " (write a per cent sign as %%)" if unknown == "%" else ""
                reason = f"{text!r}: {unknown} is not in the original{hint}"
                raise TemplateError(str(file), message.lineno or 0, reason)
    return Language(file.stem.replace("_", "-"), locale, translations)
