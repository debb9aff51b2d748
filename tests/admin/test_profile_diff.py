"""What was changed from one version of a profile to the next."""

from collections.abc import Callable
from time import process_time

import pytest

from digest.admin.profile_actions import describe, diff, with_descriptions
from digest.models import ProfileVersion
from tests.builders import NOW


def a_version(number: int, rules: str, name: str = "Cats") -> ProfileVersion:
    return ProfileVersion(number=number, name=name, rules=rules, saved_at=NOW, saved_by="command line")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("cat", "cat\nlion", "1 line added"),
        ("cat\nlion\npuma", "cat", "2 lines removed"),
        ("cat\nlion", "cat\ntiger\npuma", "2 lines added, 1 line removed"),
        ("cat\ncat", "cat", "1 line removed"),
        ("cat\nlion", "lion\ncat", "lines moved"),
        ("cat\nlion", "cat\r\nlion", "line ends changed"),
        ("cat", "cat\n", "line ends changed"),
        ("cat", "cat", "restored after it was removed"),
    ],
)
def test_a_change_of_rules_is_described_by_its_lines(before: str, after: str, words: str) -> None:
    assert describe(a_version(1, before), a_version(2, after)) == words


def test_a_new_name_is_described() -> None:
    assert describe(a_version(1, "cat"), a_version(2, "cat", "Felines")) == "renamed from 'Cats'"
    both = describe(a_version(1, "cat"), a_version(2, "cat\nlion", "Felines"))
    assert both == "1 line added, renamed from 'Cats'"


def test_the_first_version_is_described_by_its_length() -> None:
    assert describe(None, a_version(1, "cat\nlion\n")) == "first version with 2 lines"
    assert describe(None, a_version(1, "cat")) == "first version with 1 line"


def test_each_version_is_compared_with_the_one_before_it() -> None:
    newest_first = [a_version(3, "lion"), a_version(2, "cat\nlion"), a_version(1, "cat")]
    assert [(version.number, words) for version, words in with_descriptions(newest_first)] == [
        (3, "1 line removed"),
        (2, "1 line added"),
        (1, "first version with 1 line"),
    ]


def test_a_diff_names_both_versions_and_shows_the_lines_around() -> None:
    lines = diff(a_version(1, "cat\nlion\r\n"), a_version(2, "cat\ntiger\n", "Felines"))
    assert lines == ["--- Cats, version 1", "+++ Felines, version 2", "@@ -1,2 +1,2 @@", " cat", "-lion", "+tiger"]


def test_the_diff_of_the_first_version_adds_all_its_lines() -> None:
    assert diff(None, a_version(1, "cat")) == ["--- nothing", "+++ Cats, version 1", "@@ -0,0 +1 @@", "+cat"]


def test_a_diff_without_changed_lines_is_empty() -> None:
    assert diff(a_version(1, "cat\n"), a_version(2, "cat", "Felines")) == []


def the_same_few() -> tuple[list[str], list[str]]:
    old, new = ([f"# {number % 120}" for number in range(begin, begin + 20_000)] for begin in (0, 7))
    return old, new


def every_second_changed() -> tuple[list[str], list[str]]:
    old = [f"word{number}" for number in range(20_000)]
    return old, [f"{line}*" if number % 2 else line for number, line in enumerate(old)]


def in_a_mess() -> tuple[list[str], list[str]]:
    lines = [f"word{number}" for number in range(20_000)]
    return lines, [*lines[::3], *lines[1::3], *lines[2::3]][::-1] + lines[::2]


@pytest.mark.parametrize("texts", [the_same_few, every_second_changed, in_a_mess])
def test_texts_that_take_too_long_to_compare_are_shown_as_replaced(
    texts: Callable[[], tuple[list[str], list[str]]],
) -> None:
    old, new = texts()
    begun = process_time()
    lines = diff(a_version(1, "\n".join(old)), a_version(2, "\n".join(new)))
    assert process_time() - begun < 5  # on a slow machine; else a minute
    assert lines[2] == f"@@ -1,20000 +1,{len(new)} @@"
    assert lines[3:] == [f"-{line}" for line in old] + [f"+{line}" for line in new]


def test_a_long_text_with_many_empty_lines_is_compared() -> None:
    old = "\n".join(f"word{number}\n" for number in range(5_000))
    lines = diff(a_version(1, old), a_version(2, old.replace("word70\n\n", "")))
    assert [line for line in lines[2:] if line[0] != " "] == ["@@ -138,8 +138,6 @@", "-word70", "-"]
