"""Templates: ours, an admin's, and those that are refused."""

from pathlib import Path

import pytest

from digest.errors import TemplateError
from digest.mail.templates import Templates, compile_mjml
from tests.mail.samples import composer, two_papers


def mjml(inner: str) -> str:
    return f"<mjml><mj-body>\n<mj-section><mj-column>{inner}</mj-column></mj-section></mj-body></mjml>"


def test_tokens_come_through_mjml_as_they_were() -> None:
    token = "{% if a < b and c > 1 %}{{ \"x\" | replace('&', '<') }}{% endif %}"
    html = compile_mjml(mjml(f'<mj-text color="{{{{ c["k"] }}}}">{token}</mj-text>'), "x")
    assert token in html
    assert '{{ c["k"] }}' in html


def test_comments_do_not_reach_the_mail() -> None:
    html = compile_mjml(mjml("<mj-text>{# secret #}<!-- {{ hidden }} -->shown</mj-text>"), "x")
    assert "shown" in html
    assert "secret" not in html
    assert "hidden" not in html


@pytest.mark.parametrize(
    ("inner", "line", "reason"),
    [
        ('<mj-image src="x" width="{{ w }}px" />', 2, "MJML loses {{ w }} here"),
        ("<mj-txt>x</mj-txt>", 2, "<mj-txt> is not known to MJML"),
        ("<mj-text>x", 0, "MJML says: "),
    ],
)
def test_a_template_that_mjml_would_damage_is_refused(inner: str, line: int, reason: str) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_mjml(mjml(inner), "file.mjml.j2")
    assert (caught.value.file, caught.value.line) == ("file.mjml.j2", line)
    assert reason in caught.value.reason


def overriding(tmp_path: Path, name: str, text: str) -> Path:
    (tmp_path / "email").mkdir()
    (tmp_path / "email" / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_a_file_in_the_admins_folder_replaces_ours_alone(tmp_path: Path) -> None:
    folder = overriding(tmp_path, "digest.subject.txt.j2", "Papers & more: {{ mail.count }}")
    rendered = composer(folder).render(two_papers())
    assert rendered.subject == "Papers & more: 2"
    assert "2 new papers for you" in rendered.text


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("one\n{% if %}", 2, "Expected an expression"),
        ("one\ntwo {{ mail.cuont }}", 2, "has no attribute 'cuont'"),
        ("one\n\n{{ mial }}", 3, "'mial' is undefined"),
        ("{% include 'email/nowhere.txt.j2' %}", 0, "needs email/nowhere.txt.j2"),
        ("{{ mail.__class__.__mro__ }}", 0, "unsafe"),
    ],
)
def test_a_faulty_template_is_refused_with_file_and_line(tmp_path: Path, text: str, line: int, reason: str) -> None:
    folder = overriding(tmp_path, "digest.subject.txt.j2", text)
    with pytest.raises(TemplateError) as caught:
        composer(folder).render(two_papers())
    assert reason in caught.value.reason
    assert caught.value.line == line


def test_a_syntax_error_in_mjml_has_the_line_its_author_knows(tmp_path: Path) -> None:
    folder = overriding(tmp_path, "digest.mjml.j2", "<mjml>\n<mj-body>\n{% for %}\n</mj-body></mjml>")
    with pytest.raises(TemplateError) as caught:
        composer(folder).render(two_papers())
    assert caught.value.line == 3


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="no such folder"):
        Templates(tmp_path / "nowhere")
