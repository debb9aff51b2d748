"""Page templates are tried with sample data: the shipped ones here, an admin's own when the pages start."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Annotated

import jinja2
import pytest
from jinja2.meta import find_referenced_templates

from digest.mail import Templates
from digest.mail.templates import shipped_folder
from digest.web.page_templates import PAGES, samples_of, try_page_template
from digest.web.rendering import Samples, Site

SITE = Site(
    name="Digest",
    postal_address="1 Street",
    contact="contact@example.org",
    url="https://example.org/digest",
    path="/digest",
    style_url="/style.css",
    script_url="/script.js",
    desk_script_url="/desk.js",
    indexed=True,
    can_join=True,
    notices=("privacy", "imprint"),
    has_inbox=True,
)


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Inner:
    colour: Colour
    done: Annotated[str, Samples("", "saved")]


@dataclass(frozen=True)
class Outer:
    shown: bool
    inner: Inner | None
    several: tuple[Inner, ...]
    counts: Mapping[Colour, int]

    def __post_init__(self) -> None:
        if self.shown and self.inner is None:
            raise ValueError("nothing to show")


def test_every_shipped_page_renders_with_every_sample_in_german() -> None:
    templates = Templates()
    for name in PAGES:
        try_page_template(templates, SITE, name, templates.languages.find("de"))


def test_every_shipped_page_renders_in_english_and_the_samples_reach_every_expression(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: dict[str, str] = {}
    reached: set[str] = set()
    load = Templates._load

    def marked(templates: Templates, name: str) -> tuple[str, str]:
        if not name.startswith("web/"):
            return load(templates, name)
        source, file = load(templates, name)
        first, *rest = source.split("{{")
        marks = {f"{name}:{number}": part for number, part in enumerate(rest)}
        written.update(marks)
        return first + "".join(f"{{{{ mark('{mark}') }}}}{{{{{part}" for mark, part in marks.items()), file

    def mark(name: str) -> str:
        reached.add(name)
        return ""

    templates = Templates()
    english = templates.languages.find("en")
    environment = templates.environment(english).overlay()  # with templates of its own
    environment.globals = {**environment.globals, "mark": mark}
    monkeypatch.setattr(Templates, "_load", marked)
    monkeypatch.setattr(templates, "environment", lambda _language: environment)
    for name in PAGES:
        try_page_template(templates, SITE, name, english)
    missed = {name: part[:70] for name, part in written.items() if name not in reached}
    assert not {name: part for name, part in missed.items() if "other lines also find all of these" not in part}


def test_there_are_no_other_languages() -> None:
    assert [language.code for language in Templates().languages] == ["en", "de"]


def test_every_template_is_a_page_or_a_part_of_one() -> None:
    folder = shipped_folder() / "web"
    parser = jinja2.Environment(autoescape=True, extensions=["jinja2.ext.i18n"])
    parts = {
        name
        for file in folder.glob("*.j2")
        for name in find_referenced_templates(parser.parse(file.read_text(encoding="utf-8")))
    }
    rest = {f"web/{file.name}" for file in folder.glob("*.j2")} - parts
    assert rest <= {f"web/{name}" for name in PAGES}
    assert all((folder / name).is_file() for name in PAGES)


def test_samples_have_every_value_of_a_field_beside_empty_and_full_ones() -> None:
    inner = samples_of(Inner)
    assert {(one.colour, one.done) for one in inner} == {(colour, done) for colour in Colour for done in ("", "saved")}
    outer = samples_of(Outer)
    assert outer[0] == Outer(shown=False, inner=None, several=(), counts={})
    assert outer[-1] == Outer(shown=True, inner=inner[-1], several=(inner[-1],) * 2, counts={Colour.BLUE: 30})
    assert {one.inner for one in outer} == {None, *inner}
    assert any(one.several == tuple(inner) for one in outer)


def test_samples_keep_to_what_a_dataclass_allows() -> None:
    assert not any(one.shown and one.inner is None for one in samples_of(Outer))


def test_samples_are_few_enough_to_try_them_all_at_every_start() -> None:
    assert max(len(samples_of(kind)) for kind in PAGES.values()) < 400


def test_a_type_without_samples_is_named() -> None:
    with pytest.raises(TypeError, match="no samples of <class 'complex'>"):
        samples_of(complex)


def test_site_of_the_samples_is_complete() -> None:
    assert all(getattr(SITE, field.name) for field in fields(Site))
