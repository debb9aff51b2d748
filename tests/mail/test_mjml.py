"""MJML with Jinja in it is compiled correctly or refused."""

import re

import pytest

from digest.errors import TemplateError
from digest.mail.mjml import compile_mjml, in_lines, read


def compiled(text: str, **included: str) -> str:
    files = {"file": (text, "file.mjml.j2")} | {f"email/{n}.mjml": (t, f"{n}.mjml") for n, t in included.items()}
    return compile_mjml(read("file", files.__getitem__))


def mjml(inner: str) -> str:
    return f"<mjml><mj-body>\n<mj-section><mj-column>{inner}</mj-column></mj-section></mj-body></mjml>"


def test_tokens_come_through_mjml_as_they_were() -> None:
    token = "{% if a < b and c > 1 %}{{ \"x\" | replace('&', '<') }}{% endif %}"
    html = compiled(mjml(f'<mj-text color="{{{{ c["k"] }}}}">{token}</mj-text>'))
    assert token in html
    assert '{{ c["k"] }}' in html


def test_comments_do_not_reach_the_mail() -> None:
    html = compiled(mjml("<mj-text>{# secret #}<!-- {{ hidden }} -->shown</mj-text>"))
    assert "shown" in html
    assert "secret" not in html
    assert "hidden" not in html


def test_conditional_comments_for_outlook_are_kept() -> None:
    assert "<!--[if mso]>{{ x }}<![endif]-->" in compiled(mjml("<mj-raw><!--[if mso]>{{ x }}<![endif]--></mj-raw>"))


def test_an_included_file_is_inserted() -> None:
    text = mjml('<mj-text>before</mj-text><mj-include path="email/part.mjml" />')
    assert "<b>within</b>" in compiled(text, part="<mj-text><b>within</b></mj-text>")


@pytest.mark.parametrize(
    ("inner", "line", "reason"),
    [
        ('<mj-image src="x" width="{{ w }}px" />', 2, "MJML loses {{ w }} here"),
        ('<mj-social mode="{% if x %}vertical{% endif %}" />', 2, "MJML loses {% if x %} here"),
        ("<mj-txt>x</mj-txt>", 2, "MJML has no <mj-txt>"),
        ("<mj-text>\n<mj-button>x</mj-button></mj-text>", 3, "MJML drops <mj-button> here"),
        ("\n<mj-text>x", 3, "<mj-text> is not closed"),
        ("\nx</mj-text>", 3, "</mj-text> closes a tag that is not open here"),
    ],
)
def test_a_template_that_mjml_would_damage_is_refused(inner: str, line: int, reason: str) -> None:
    with pytest.raises(TemplateError) as caught:
        compiled(mjml(inner))
    assert reason in caught.value.reason
    assert (caught.value.file, caught.value.line) == ("file.mjml.j2", line)


@pytest.mark.parametrize(
    "inner",
    [
        "<mj-text css-class='mine'>x</mj-text>",
        """<mj-text color="{{ 'red' if count > 3 else 'blue' }}" css-class="mine">x</mj-text>""",
        "<mj-include path='email/part.mjml'></mj-include>",
        "<mj-include path='email/part.mjml' />",
    ],
)
def test_mjml_may_be_written_in_all_its_ways(inner: str) -> None:
    assert "mine" in compiled(mjml(inner), part='<mj-text css-class="mine">x</mj-text>')


def test_defaults_of_tags_that_are_not_used_may_be_lost() -> None:
    head = '<mj-head><mj-attributes><mj-text align="{{ a }}" /></mj-attributes></mj-head>'
    assert "<b>x</b>" in compiled(f"<mjml>{head}<mj-body><mj-raw><b>x</b></mj-raw></mj-body></mjml>")


def test_a_text_to_be_translated_stays_as_it_is() -> None:
    text = '{% trans %}Go to <a href="https://example.org/a-page-of-ours">our<br>page</a>{% endtrans %}'
    assert text in compiled(mjml(f"<mj-text>{text}</mj-text>"))
    assert in_lines(text) == text


def test_a_fault_behind_a_long_token_has_its_line() -> None:
    with pytest.raises(TemplateError, match="file.mjml.j2:4: MJML has no <mj-nonsense>"):
        compiled(mjml("<mj-text>{{ a\n| default('x' * 999) }}</mj-text>\n<mj-nonsense />"))


def test_a_statement_that_mjml_repeats_is_refused() -> None:
    with pytest.raises(TemplateError, match="MJML repeats"):
        compiled(mjml('<mj-text align="{% if x %}left{% endif %}">x</mj-text>'))


def test_a_tag_that_is_not_closed_is_named_where_it_was_opened() -> None:
    with pytest.raises(TemplateError, match="file.mjml.j2:2: <mj-body> is not closed"):
        compiled("<mjml>\n<mj-body>\n<mj-section></mj-section>")


def test_styles_that_would_not_be_inlined_are_refused() -> None:
    with pytest.raises(TemplateError, match="file.mjml.j2:2: inline styles are not supported"):
        compiled('<mjml><mj-head>\n<mj-style inline="inline">a{}</mj-style></mj-head><mj-body></mj-body></mjml>')


def test_a_fault_in_an_included_file_has_that_files_line() -> None:
    text = mjml('<mj-text>before</mj-text>\n\n<mj-include path="email/part.mjml" />')
    with pytest.raises(TemplateError) as caught:
        compiled(text, part="\n\n<mj-nonsense />")
    assert (caught.value.file, caught.value.line) == ("part.mjml", 3)
    with pytest.raises(TemplateError) as caught:
        compiled(text + "<mj-more />", part="<mj-text>x</mj-text>")
    assert (caught.value.file, caught.value.line) == ("file.mjml.j2", 4)


def test_an_included_file_may_include_no_other() -> None:
    with pytest.raises(TemplateError, match="part.mjml: is included itself"):
        compiled(mjml('<mj-include path="email/part.mjml" />'), part='<mj-include path="email/part.mjml" />')


def test_lines_are_broken_inside_tags() -> None:
    html = '<td style="color:red;background:{{ a > b }}"><b>x</b><a href="https://example.org/x">y</a>'
    assert in_lines(html) == html.replace("<td ", "<td\n")  # the other tags are short
    assert max(map(len, compiled(mjml("<mj-text>x</mj-text>" * 30)).splitlines())) < 700
    assert re.sub(r"\s", "", in_lines(html)) == re.sub(r"\s", "", html)
