"""Muting a keyword adds a line to the subscriber's own rules."""

import pytest

from digest.errors import RuleError
from digest.subscribers.mutes import add_mute, check_mute, is_muted, remove_mute


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "-survey"),
        ("cats", "cats\n-survey"),
        ("cats\n\n", "cats\n-survey"),
        ("-title:survey", "-title:survey\n-survey"),
    ],
)
def test_muting_a_rule_adds_a_line(before: str, after: str) -> None:
    assert add_mute(before, "survey").text == after
    assert is_muted(after, "survey")
    assert remove_mute(after, "survey").text == before.rstrip("\n")


@pytest.mark.parametrize("before", ["cats\n-surveys", "- Survey\ncats", "-survey # enough\n"])
def test_a_rule_is_muted_once_however_it_is_written(before: str) -> None:
    assert add_mute(before, "survey").text == before
    assert not is_muted(remove_mute(before, "survey").text, "survey")


@pytest.mark.parametrize(
    "rule", ["", " ", "a\nb", "a\n*", "a\r-b", " # note", "cats ^2", "(cats", "-cats", "a AND", "\u2028a"]
)
def test_only_one_rule_can_be_muted_at_a_time(rule: str) -> None:
    for refused in (check_mute, lambda rule: is_muted("cats", rule), lambda rule: add_mute("cats", rule)):
        with pytest.raises(RuleError):
            refused(rule)


def test_other_lines_stay_when_a_rule_is_muted_and_unmuted() -> None:
    assert remove_mute(add_mute("survey\ncats", "survey").text, "survey").text == "survey\ncats"
