"""An admin's own templates: used file by file, or refused with file and line before anything is sent."""

from pathlib import Path

import pytest

from digest.errors import TemplateError
from digest.mail import Templates
from digest.mail.html_budget import MAX_HTML_BYTES
from digest.models import MailKind
from tests.builders import a_delivery
from tests.mail.samples import REST, composer, overriding, two_papers

PAGE = "<mjml><mj-body><mj-section><mj-column><mj-text>\n{}\n</mj-text></mj-column></mj-section></mj-body></mjml>"


def test_the_shipped_templates_work_in_every_language() -> None:
    made = composer()
    made.check()
    assert made.slow_templates == {}


def test_an_admins_file_overrides_only_the_shipped_file_of_that_name(tmp_path: Path) -> None:
    folder = overriding(tmp_path, "digest.subject.txt.j2", "Papers & more: {{ mail.count }}")
    rendered = composer(folder).render(a_delivery(two_papers()))
    assert rendered.subject == "Papers & more: 2"
    assert "2 new papers for you" in rendered.readable_text


def test_an_overridden_card_is_used_in_the_shipped_digest(tmp_path: Path) -> None:
    made = composer(overriding(tmp_path, "card.html.j2", "<h3>* {{ card.plain_title }}</h3>"))
    assert "<h3>* Low-precision" in made.render(a_delivery(two_papers())).readable_html
    assert made.slow_templates == {}


def test_an_overridden_head_is_used_in_every_mail(tmp_path: Path) -> None:
    made = composer(overriding(tmp_path, "head.mjml", "<mj-style>.mine { color: red }</mj-style>"))
    for delivery in (a_delivery(two_papers()), a_delivery()):
        assert ".mine { color: red }" in made.render(delivery).readable_html


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("one\n{% if %}", 2, "Expected an expression"),
        ("one\ntwo {{ mail.cuont }}", 2, "a DigestMail has no 'cuont'; did you mean 'count'?"),
        ("one\n\n{{ mial }}", 3, "'mial' is undefined"),
        ("{% include 'email/nowhere.txt.j2' %}", 0, "needs email/nowhere.txt.j2"),
        ("\n{{ mail.__class__.__mro__ }}", 2, "unsafe"),
        ("\n\n{{ 1 / 0 }}", 3, "ZeroDivisionError"),
        ("{{ mail.dated_on | date('long', 7) }}", 1, "TypeError"),
        ("{{ mail.count | nonsense }}", 1, "No filter named 'nonsense'"),
        ("{{ mail.sections.append(1) }}", 1, "no attribute 'append'"),
    ],
)
def test_a_faulty_template_is_refused_with_file_and_line(tmp_path: Path, text: str, line: int, reason: str) -> None:
    folder = overriding(tmp_path, "digest.subject.txt.j2", text)
    with pytest.raises(TemplateError) as caught:
        composer(folder).check()
    assert reason in caught.value.reason
    assert caught.value.line == line


def test_a_syntax_error_in_mjml_has_the_line_its_author_knows(tmp_path: Path) -> None:
    folder = overriding(tmp_path, "digest.mjml.j2", "<mjml>\n<mj-body>\n{% for %}\n</mj-body></mjml>")
    with pytest.raises(TemplateError) as caught:
        composer(folder).check()
    assert caught.value.line == 3


def test_an_undefined_variable_in_a_card_is_reported_with_the_cards_line(tmp_path: Path) -> None:
    folder = overriding(tmp_path, "card.html.j2", "<h3>\n\n{{ card.titel }}</h3>")
    with pytest.raises(TemplateError) as caught:
        composer(folder).check()
    assert (caught.value.file, caught.value.line) == (str(folder / "email" / "card.html.j2"), 3)


@pytest.mark.parametrize(
    ("name", "text", "variable"),
    [
        ("digest.mjml.j2", PAGE.format("No way out."), "mail.unsubscribe_url"),
        ("digest.txt.j2", "No\nway\nout.", "mail.unsubscribe_url"),
        ("confirmation.mjml.j2", PAGE.format("No way in."), "mail.action_url"),
        ("sign-in.txt.j2", "No\nway\nin.", "mail.action_url"),
    ],
)
def test_a_mail_that_lost_the_link_its_reader_needs_is_refused(
    tmp_path: Path, name: str, text: str, variable: str
) -> None:
    folder = overriding(tmp_path, name, text)
    with pytest.raises(TemplateError) as caught:
        composer(folder).message(a_delivery(two_papers()))
    assert (caught.value.file, caught.value.line) == (str(folder / "email" / name), 3)
    assert caught.value.reason == f"ends without {{{{ {variable} }}}} where every subscriber sees it"


def test_a_template_that_leaves_no_room_for_papers_is_refused(tmp_path: Path) -> None:
    text = PAGE.format("word " * 20_000 + "{{ mail.unsubscribe_url }}")
    with pytest.raises(TemplateError, match=f"digest.mjml.j2:1: takes 1.* bytes for .*; at most {MAX_HTML_BYTES} are"):
        composer(overriding(tmp_path, "digest.mjml.j2", text)).check()


def test_a_text_without_end_is_refused(tmp_path: Path) -> None:
    text = "{% for i in range(9999) %}{{ 'x' * 500 }}{% endfor %} {{ mail.unsubscribe_url }}"
    with pytest.raises(TemplateError, match="digest.txt.j2:1: takes "):
        composer(overriding(tmp_path, "digest.txt.j2", text)).check()


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("digest.subject.txt.j2", "", "digest.subject.txt.j2:1: gives no subject"),
        ("card.html.j2", "", "ends without {{ card.plain_title }} where every subscriber sees it (with your email"),
        ("digest.txt.j2", REST.replace("{{ c.plain_title }}", ""), "digest.txt.j2:1: ends without {{ card.plain_title"),
        (
            "digest.txt.j2",
            REST.replace("{{ mail.newsletter.postal_address }}", ""),
            "{{ mail.newsletter.postal_address }}",
        ),
        ("card.html.j2", "<h3>{{ card.plain_title }}", "has a <h3> that is not closed"),
        ("card.html.j2", "{{ card.plain_title }}</td>", "has a <div> that is not closed, or closed where none is open"),
        (
            "card.html.j2",
            "{{ card.plain_title }}<script>x</script>",
            "has a <script>, which mail programs",
        ),
        ("card.html.j2", "{{ card.plain_title }}<mj-text>x</mj-text>", "has a <mj-text>"),
    ],
)
def test_a_mail_that_lacks_what_its_reader_needs_is_refused(tmp_path: Path, name: str, text: str, reason: str) -> None:
    with pytest.raises(TemplateError) as caught:
        composer(overriding(tmp_path, name, text)).check()
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("email/cards.html.j2", "email/card.html.j2"),
        ("emails/card.html.j2", "email/card.html.j2"),
        ("card.html.j2", "email/card.html.j2"),
        ("email/card.html", "email/card.html.j2"),
        ("fr.po", ""),
    ],
)
def test_an_unused_file_is_reported_with_the_nearest_name(tmp_path: Path, name: str, meant: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    assert Templates(tmp_path).unused_files() == {str(tmp_path / name): meant}


def test_an_admins_file_that_another_includes_is_used(tmp_path: Path) -> None:
    overriding(tmp_path, "card.html.j2", '{% include "email/mine.html.j2" %}')
    overriding(tmp_path, "mine.html.j2", "x")
    overriding(tmp_path, ".card.html.j2.swp", "x")
    assert Templates(tmp_path).unused_files() == {}
    assert Templates(tmp_path).overridden_files() == ["email/card.html.j2"]


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    made = composer(overriding(tmp_path, "digest.subject.txt.j2", "\ufeffPapers"))
    assert made.render(a_delivery(two_papers())).subject == "Papers"


@pytest.mark.parametrize(
    "fault", ["{{ 1 / 0 }}", "{{ card.plain_title | datum }}", "{{ card.published_on | date('x', 1) }}"]
)
def test_a_fault_in_a_card_has_its_own_line(tmp_path: Path, fault: str) -> None:
    text = f'<h3 class="a-class-that-is-long" style="color:red">\n<b class="another-that-is-long">x</b></h3>\n{fault}'
    with pytest.raises(TemplateError) as caught:
        composer(overriding(tmp_path, "card.html.j2", text)).check()
    assert (caught.value.file, caught.value.line) == (str(tmp_path / "email" / "card.html.j2"), 3)


@pytest.mark.parametrize(
    "hidden",
    [
        "<!--[if mso]><a href='{{ mail.unsubscribe_url }}'>x</a><![endif]-->",
        "<div style='display:none'><a href='{{ mail.unsubscribe_url }}'>x</a></div>",
        "<img src='{{ mail.unsubscribe_url }}'>",
        "<a href='{{ mail.unsubscribe_url }}/broken'>x</a>",
        "{% if mail.count < 20 %}<a href='{{ mail.unsubscribe_url }}'>x</a>{% endif %}",
        "{% if mail.name %}<a href='{{ mail.unsubscribe_url }}'>x</a>{% endif %}",
        "{{ mail.unsubscribe_url }}",
    ],
)
def test_an_unsubscribe_link_that_not_every_subscriber_sees_is_refused(tmp_path: Path, hidden: str) -> None:
    with pytest.raises(TemplateError, match="ends without {{ mail.unsubscribe_url }} where every subscriber sees it"):
        rest = REST.replace("{{ mail.unsubscribe_url }}", "")
        composer(overriding(tmp_path, "digest.mjml.j2", PAGE.format(hidden + rest))).check()


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("{{ card.plain_title | upper | safe }}", "writes a paper's text as if it were HTML"),
        ("{% autoescape false %}{{ card.plain_title | upper }}{% endautoescape %}", "writes a paper's text"),
        ('<a href="{{ card.plain_title }}">x</a>', "has a link that is not http"),
    ],
)
def test_a_template_that_would_let_a_paper_write_the_mail_is_refused(tmp_path: Path, card: str, reason: str) -> None:
    with pytest.raises(TemplateError, match=reason):
        composer(overriding(tmp_path, "card.html.j2", card)).check()


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("digest.txt.j2", "{% include 'email/digest.txt.j2' %}", "RecursionError"),
        ("digest.txt.j2", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "RecursionError"),
        ("digest.txt.j2", "{{ ('x' * 100) * 10**12 }}", "MemoryError"),
    ],
)
def test_a_template_without_end_is_refused(tmp_path: Path, name: str, text: str, reason: str) -> None:
    with pytest.raises(TemplateError, match=reason):
        composer(overriding(tmp_path, name, text)).check()


def test_a_template_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    folder = overriding(tmp_path, "digest.txt.j2", "")
    (folder / "email" / "digest.txt.j2").write_bytes("\nGrüße".encode("latin-1"))
    with pytest.raises(TemplateError, match="email/digest.txt.j2:2: is not UTF-8; save it as UTF-8"):
        composer(folder).check()


@pytest.mark.parametrize(("name", "line"), [("note.txt.j2", 3), ("words.txt.j2", 3)])
@pytest.mark.parametrize("fault", ["{{ 1 / 0 }}", "{{ mial }}"])
def test_a_fault_names_its_file_and_line(tmp_path: Path, name: str, line: int, fault: str) -> None:
    text = f"\n\n{fault}\n{{% macro in_place(place) %}}{{% endmacro %}}{{% macro welcome(n) %}}{{% endmacro %}}"
    folder = overriding(tmp_path, name, text)
    with pytest.raises(TemplateError) as caught:
        composer(folder).check()
    assert (caught.value.file, caught.value.line) == (str(folder / "email" / name), line)


def test_an_error_that_only_some_subscribers_would_meet_is_found_by_the_check(tmp_path: Path) -> None:
    text = "{% if mail.name %}\n{{ mail.nmae }}{% endif %} " + REST
    with pytest.raises(TemplateError, match="digest.txt.j2:2: a DigestMail has no 'nmae'; did you mean 'name'"):
        composer(overriding(tmp_path, "digest.txt.j2", text)).check()


def test_an_error_in_a_rare_mail_is_found_before_a_common_one_is_sent(tmp_path: Path) -> None:
    folder = overriding(tmp_path, "goodbye.subject.txt.j2", "{{ mial }}")
    with pytest.raises(TemplateError, match="goodbye.subject"):
        composer(folder).message(a_delivery(two_papers()))


def test_a_template_cannot_turn_the_subject_into_headers(tmp_path: Path) -> None:
    made = composer(overriding(tmp_path, "confirmation.subject.txt.j2", "One\nBcc: x@example.org\n\nTwo"))
    assert made.render(a_delivery(kind=MailKind.CONFIRMATION)).subject == "One Bcc: x@example.org Two"


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="no such folder"):
        Templates(tmp_path / "nowhere")
