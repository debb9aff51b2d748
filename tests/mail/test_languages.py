"""Translations of mails and pages."""

from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

from digest.errors import TemplateError, UsageError
from digest.mail import Templates
from digest.mail.templates import shipped_folder
from digest.models import OWN_KEYWORDS
from tests.builders import a_delivery, a_digest, a_paper, a_subscriber, an_item
from tests.mail.samples import composer

HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'


def catalogue(folder: Path, name: str, text: str) -> Path:
    (folder / "locale").mkdir()
    (folder / "locale" / name).write_text(HEADER + text, encoding="utf-8")
    return folder


def said_in_templates() -> set[object]:
    """Every message of the templates, plurals as pairs."""
    said: set[object] = {OWN_KEYWORDS}
    for file in [*shipped_folder().glob("email/*"), *shipped_folder().glob("web/*")]:
        with file.open("rb") as source:
            for _, _, message, _ in babel_extract(source, ("_", "ngettext"), (), {"trim_blocks": "true"}):
                texts = [m for m in ([message] if isinstance(message, str) else message or ()) if m]
                said.add(texts[0] if len(texts) == 1 else tuple(texts[:2]))
    return said


def test_german_translates_every_text_and_no_other() -> None:
    with (shipped_folder() / "locale" / "de.po").open("rb") as file:
        german = {message.id: message.string for message in read_po(file) if message.id}
    assert set(german) == said_in_templates()
    assert all(all(text) if isinstance(text, tuple) else text for text in german.values())


def test_adding_a_language_is_adding_a_file(tmp_path: Path) -> None:
    folder = catalogue(tmp_path, "pt_BR.po", 'msgid "Unsubscribe"\nmsgstr "Cancelar"\n')
    digest = a_digest([an_item(a_paper())], subscriber=a_subscriber(id=7, language="pt-BR"))
    rendered = composer(folder).render(a_delivery(digest))
    assert ">Cancelar</a>" in rendered.readable_html
    assert 'lang="pt-BR"' in rendered.readable_html
    assert "quarta-feira, 3 de junho de 2026" in rendered.readable_text


def test_a_language_from_right_to_left_turns_the_mail(tmp_path: Path) -> None:
    folder = catalogue(tmp_path, "ar.po", 'msgid "Unsubscribe"\nmsgstr "إلغاء الاشتراك"\n')
    digest = a_digest([an_item(a_paper())], subscriber=a_subscriber(id=7, language="ar"))
    page = composer(folder).render(a_delivery(digest)).readable_html
    assert '<html\nlang="ar" dir="rtl"' in page
    assert "text-align:right" in page
    assert "direction:ltr" not in page


def test_an_admins_catalogue_overrides_the_shipped_one(tmp_path: Path) -> None:
    folder = catalogue(tmp_path, "de.po", 'msgid "Unsubscribe"\nmsgstr "Weg damit"\n')
    digest = a_digest([an_item(a_paper())], subscriber=a_subscriber(id=7, language="de"))
    assert "Weg damit" in composer(folder).render(a_delivery(digest)).readable_text


@pytest.mark.parametrize(
    ("name", "text", "line", "reason"),
    [
        ("klingon.po", "", 0, "is not named after a language"),
        ("fr.po", 'msgid "a"\nnonsense\n', 5, "is not a line of a catalogue"),
        ("fr.po", 'msgid "updated"\nmsgstr "mis à jour\n', 5, "is a quote missing?"),
        ("fr.po", 'msgid "a"\nmsgid_plural "b"\nmsgstr[7] "x"\n', 4, "num_plurals"),
        ("fr.po", 'msgid "Sent to %(email)s."\nmsgstr "Pour %(mail)s."\n', 4, "%(mail)s is not in the original"),
        ("fr.po", 'msgid "updated"\nmsgstr "100 % neuf"\n', 4, "% is not in the original"),
        ("fr.po", '"Plural-Forms: nplurals=2; plural=foo;\\n"\n', 0, "cannot be read"),
        ("fr.po", '"Plural-Forms: nplurals=2; plural=n/0;\\n"\n', 0, "cannot be read"),
    ],
)
def test_a_catalogue_that_would_spoil_mails_is_refused(
    tmp_path: Path, name: str, text: str, line: int, reason: str
) -> None:
    folder = catalogue(tmp_path, name, text)
    with pytest.raises(TemplateError) as caught:
        Templates(folder)
    assert (caught.value.file, caught.value.line) == (str(folder / "locale" / name), line)
    assert reason in caught.value.reason


def test_a_language_that_is_not_there_is_refused_with_those_that_are() -> None:
    languages = Templates().languages
    assert languages.checked("de") == "de"
    with pytest.raises(UsageError, match="no language 'tlh'; there are en, de"):
        languages.checked("tlh")


def test_a_per_cent_sign_is_written_twice(tmp_path: Path) -> None:
    folder = catalogue(tmp_path, "fr.po", 'msgid "Trending"\nmsgstr "100%% neuf"\n')
    digest = a_digest(
        [an_item(a_paper())], trending=(a_paper("x", stars=1),), subscriber=a_subscriber(id=7, language="fr")
    )
    assert "100% neuf" in composer(folder).render(a_delivery(digest)).readable_text
