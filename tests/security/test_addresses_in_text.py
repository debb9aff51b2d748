"""Addresses in running text, such as a server's reply, are hidden from the log."""

import pytest

from digest.security import addresses


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("550 <ann@example.org>: unknown", "550 <(address)>: unknown"),
        ("to 'ann.b+c@sub.example.org', again", "to '(address)', again"),
        ("\N{GREEK SMALL LETTER MU}@example.org", "(address)"),
        ("a @ b, @decorated and 3@", "a @ b, @decorated and 3@"),
        ("x" * 100_000 + "@" * 1000, "x" * 100_000 + "@" * 1000),
    ],
)
def test_addresses_in_running_text_are_hidden(text: str, hidden: str) -> None:
    assert addresses.hide_in(text) == hidden
