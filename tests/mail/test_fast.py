"""Fast rendering gives byte for byte what Jinja gives for the same mail."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.mail import Composer, Templates, template_check
from digest.mail.cards import PaperCache
from digest.mail.html_budget import Fit
from digest.mail.mail_renderer import HTML, SUBJECT, TEXT, MailRenderer
from digest.models import AnnounceType, Digest, DigestItem, Evidence, Field, Paper
from tests.builders import a_delivery, a_digest, a_paper, a_subscriber, an_item, at
from tests.mail.samples import HTML_REST, REST, composer, overriding, two_papers

COMPOSER = composer()
PARTS = (HTML, TEXT, SUBJECT)


def check_same(made: Composer, digest: Digest, *, welcome: bool = False, max_abstract: int = 280) -> None:
    """Both ways of writing each part give the same bytes, and the fast renderer did render it."""
    renderer, _ = made._renderer(digest.subscriber.language)
    trending = tuple(DigestItem(paper=paper, profile="", score=0, evidence=()) for paper in digest.trending)
    outline = made._outline(digest, Fit(digest.items, trending, max_abstract), welcome=welcome)
    for part in PARTS:
        assert renderer.render_part(part, outline) == renderer.render_with_jinja(part, outline)
    assert renderer.slow_templates == {}


TEXT_OF_PAPERS = st.text(st.sampled_from("ab é&<>\"'图😀\u0301\u202e\0\n-=."), max_size=200)


@st.composite
def items(draw: st.DrawFn) -> list[DigestItem]:
    drawn = []
    for number in range(draw(st.integers(0, 5))):
        paper = Paper(
            id=str(number),
            title=draw(TEXT_OF_PAPERS),
            abstract=draw(TEXT_OF_PAPERS),
            authors=tuple(draw(st.lists(TEXT_OF_PAPERS, max_size=4))),
            categories=tuple(draw(st.lists(TEXT_OF_PAPERS, max_size=4))),
            url=draw(st.sampled_from(("", "https://x.org/a?b=1&c=2"))),
            announce_type=draw(st.sampled_from(AnnounceType)),
            published_at=draw(st.sampled_from((None, at("2026-06-02 04:00")))),
            upvotes=draw(st.sampled_from((None, 0, 1, 1000))),
        )
        spans = draw(st.lists(st.tuples(st.sampled_from(Field), st.integers(0, 210), st.integers(0, 210)), max_size=8))
        evidence = [Evidence(field=f, start=min(a, b), end=max(a, b), rule="r") for f, a, b in spans]
        drawn.append(
            DigestItem(
                paper=paper,
                profile=draw(st.sampled_from(("P & Q", "Your keywords"))),
                score=1.0,
                evidence=tuple(sorted(evidence, key=lambda e: (list(Field).index(e.field), e.start, e.end))),
                also=tuple(draw(st.lists(TEXT_OF_PAPERS, max_size=2))),
            )
        )
    return drawn


@given(items(), st.booleans(), st.sampled_from(("en", "de")), st.sampled_from((80, 120, 300)))
@settings(max_examples=2 * settings().max_examples)
def test_fast_rendering_gives_the_bytes_of_jinja(
    some: Sequence[DigestItem], welcome: bool, language: str, most: int
) -> None:
    digest = a_digest(
        some,
        subscriber=a_subscriber(id=7, language=language),
        trending=tuple(item.paper for item in some[:2]),
        more=("x",) * (len(some) % 3),
    )
    check_same(COMPOSER, digest, welcome=welcome, max_abstract=most)


def test_matches_that_touch_overlap_or_are_cut_off_are_marked_as_by_jinja() -> None:
    paper = a_paper("abcdefgh", "word " * 100)
    spans = [(0, 2), (2, 3), (4, 6), (4, 6), (5, 8)]
    found = [Evidence(field=Field.TITLE, start=a, end=b, rule="r") for a, b in spans]
    found += [Evidence(field=Field.ABSTRACT, start=a, end=b, rule="r") for a, b in ((0, 4), (70, 90), (200, 204))]
    check_same(COMPOSER, a_digest([replace(an_item(paper), evidence=tuple(found))]), max_abstract=80)


def test_a_changed_paper_is_rendered_again() -> None:
    made = composer()
    for title in ("As it was", "As it is"):
        page = made.render(a_delivery(a_digest([an_item(a_paper(title, id="same"))]))).readable_html
        assert title in page


def test_changed_upvotes_are_rendered_again() -> None:
    made = composer()
    for upvotes in (1, 2):
        paper = a_paper(upvotes=upvotes)
        rendered = made.render(a_delivery(a_digest([an_item(a_paper("x"))], trending=(paper,))))
        assert f"{upvotes} upvote" in rendered.readable_text


CARD = "{% for s in card.title %}{% if s.hit %}<b>{% endif %}{{ s.text }}{% if s.hit %}</b>{% endif %}{% endfor %}"
MACRO = """{% macro mark(text) %}<i>{{ text }}</i>{% endmacro %}
{% for s in card.title %}{{ mark(s.text) if s.hit else s.text }}{% endfor %}"""
REASONS = """{% for r in card.reasons %}
{{ r.text }} {{ r.place }} <a href='{{ r.mute_url }}'>a</a> <a href='{{ r.mute_url }}'>b</a>
{% endfor %}"""
PAGE = """<mjml><mj-body><mj-section><mj-column><mj-text>
{% for section in mail.sections %}<h2>{{ section.name }}</h2>{% for card in section.cards %}CARD{% endfor %}{% endfor %}
HTML_REST</mj-text></mj-column></mj-section></mj-body></mjml>""".replace("HTML_REST", HTML_REST)


@pytest.mark.parametrize(
    "card",
    [
        CARD,
        "{{ card.plain_title | upper }} {{ card.authors }}",
        MACRO,
        "{{ loop.first }} {% if loop.last %}end{% endif %} {{ card.also or 'nobody else' }}",
        REASONS,
    ],
)
def test_an_overridden_template_with_plain_loops_is_rendered_fast(tmp_path: Path, card: str) -> None:
    made = composer(overriding(tmp_path, "digest.mjml.j2", PAGE.replace("CARD", card)))
    check_same(made, template_check.full_digest(a_subscriber(id=7)))
    check_same(made, two_papers())
    assert made.slow_templates == {}


@pytest.mark.parametrize(
    ("card", "why"),
    [
        ("{{ card.title[0].text }}", "more is done with a list of the subscriber than to write it"),
        ("{{ card.also | upper }}", "upper is applied to a text that differs between subscribers"),
        ("{{ card.also is string }}", "string is applied to a text that differs between subscribers"),
        ("{% filter upper %}{{ card.also }}{% endfilter %}", "upper is applied to"),
        ("{% set x %}{{ card.also }}{% endset %}{{ x | upper }}", "upper is applied to"),
        ("{{ (card.also ~ '').split('N')[0] }}", "more is done with also than to write it"),
        ("{{ {'Networks': 'n'}[card.also] | default('?') }}", "more is done with also than to write it"),
        ("{{ many | default('none') }}", "default is applied to a text that differs between subscribers"),
        ("{{ card.also | tojson }}", "tojson is applied to a text that differs between subscribers"),
        ("{{ mail.count }}", "'mail' is undefined within the loop over card"),
        ("{{ loop.index }}", "has no attribute 'index' within the loop over card"),
        ("{% for s in card.title %}[{{ s.text }}]{% endfor %}", "more than marks around its matches"),
        (CARD + CARD, "shows its title or its abstract twice"),
        ("{% set f = 'email/words.txt.j2' %}{% include f %}", "the name of an included file is not a constant"),
    ],
)
def test_a_template_that_cannot_be_split_is_rendered_by_jinja_and_reported(tmp_path: Path, card: str, why: str) -> None:
    folder = overriding(tmp_path, "digest.mjml.j2", PAGE.replace("CARD", card))
    made = composer(folder)
    rendered = made.render(a_delivery(two_papers()))
    ((file, reason),) = made.slow_templates.items()
    assert file == str(folder / "email" / "digest.mjml.j2")
    assert why in reason
    assert "Efficient models" in rendered.readable_html


@pytest.mark.parametrize(
    "text",
    [
        "{{ mail.email | lower }}",
        "{{ mail.name | title }}",
        "{{ mail.email | replace('@', ' at ') }}",
        "{% set ns = namespace(n=0) %}{% for s in mail.sections %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
        "{{ {'a': 1}.get(mail.email, 'none') }}",
        "{% set many = 1 %}{% for s in mail.sections %}{% if many | default(false) %}x{% endif %}{% endfor %}",
        "{% for s in mail.sections %}{{ loop.index }}{% endfor %}",
        "{{ (mail.name ~ '').split(' ')[0] }}",
    ],
)
def test_expressions_that_need_the_real_value_are_rendered_by_jinja(tmp_path: Path, text: str) -> None:
    made = composer(overriding(tmp_path, "digest.txt.j2", f"{text} {REST}"))
    renderer, _ = made._renderer("en")
    reader = a_subscriber("A.Reader@Example.org", id=7, name="ada reader")
    outline = made._outline(replace(two_papers(), subscriber=reader), Fit(two_papers().items, (), 280), welcome=False)
    assert renderer.render_part(TEXT, outline) == renderer.render_with_jinja(TEXT, outline)
    assert list(made.slow_templates) == [str(tmp_path / "email" / "digest.txt.j2")]


def test_loop_first_may_be_used_anywhere_in_a_loop(tmp_path: Path) -> None:
    text = "{% for s in mail.sections %}{% for x in ([1] if loop.first else []) %}y{% endfor %}z{% endfor %}"
    made = composer(overriding(tmp_path, "digest.txt.j2", f"{text} {REST}"))
    assert made.render(a_delivery(two_papers())).readable_text.startswith("yzz ")
    check_same(made, two_papers())


def test_each_language_is_rendered_in_its_own_words() -> None:
    cache = PaperCache()
    templates = Templates()
    english, german = (MailRenderer(templates, templates.languages.find(code), cache) for code in ("en", "de"))
    outline = COMPOSER._outline(two_papers(), Fit(two_papers().items, (), 280), welcome=False)
    texts: list[Any] = [renderer.render_part(TEXT, outline) for renderer in (english, german, english)]
    assert b"Unsubscribe" in texts[0]
    assert b"Abbestellen" in texts[1]
    assert texts[2] == texts[0]
