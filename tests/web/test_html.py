"""The HTML validator of the tests finds mistakes."""

import pytest

from tests.web.html import faults_of

WHOLE = '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>T</title></head><body>%s</body></html>'


def test_nothing_is_wrong_with_valid_html() -> None:
    assert faults_of(WHOLE % "<p>One <b>and</b> two &amp; three</p>") == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<p>One</div>", "end-tag-too-early"),
        ("<p>One</p></p>", "unexpected-end-tag"),
        ("<p a=1 a=2>One", "duplicate-attribute"),
        ("<b><p>One</b></p>", "adoption-agency-1.3"),
        ("<table><p>One</table>", "unexpected-start-tag-implies-table-voodoo"),
        ("One \0 two", "invalid-codepoint"),
        ("<p>a &nonsense; b", "expected-named-entity"),
        ("<a href='/'><a href='/'>One</a></a>", "unexpected-start-tag-implies-end-tag"),
    ],
)
def test_a_fault_is_named_with_its_line(body: str, fault: str) -> None:
    faults = faults_of(WHOLE % body)
    assert faults[0].startswith("line 2: ")
    assert fault in "".join(faults)
