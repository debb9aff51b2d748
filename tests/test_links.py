"""Signed links."""

import pytest

from digest.links import Links, Scope

LINKS = Links("https://digest.example.org/papers/", b"k" * 32)


def token(url: str) -> str:
    return url.rpartition("/")[2]


def test_a_link_opens_what_it_was_written_for() -> None:
    url = LINKS.url(Scope.UNSUBSCRIBE, 17, 2)
    assert url.startswith("https://digest.example.org/papers/unsubscribe/")
    assert LINKS.subscriber_of(Scope.UNSUBSCRIBE, token(url)) == (17, 2)


def test_the_same_link_can_be_written_again() -> None:
    assert LINKS.url(Scope.PREFERENCES, 17, 2) == LINKS.url(Scope.PREFERENCES, 17, 2)


def test_a_link_of_one_scope_opens_no_other() -> None:
    assert LINKS.subscriber_of(Scope.PREFERENCES, token(LINKS.url(Scope.UNSUBSCRIBE, 17, 2))) is None


def test_another_key_opens_nothing() -> None:
    other = Links(LINKS.base_url, b"o" * 32)
    assert other.subscriber_of(Scope.UNSUBSCRIBE, LINKS.token(Scope.UNSUBSCRIBE, 17, 2)) is None


@pytest.mark.parametrize(
    "forged", ["", "17.2", "17.2.", "18.2.{mac}", "17.3.{mac}", "x.2.{mac}", "-17.2.{mac}", "17.2.{mac}.x", "١.2.{mac}"]
)
def test_a_forged_token_opens_nothing(forged: str) -> None:
    mac = LINKS.token(Scope.UNSUBSCRIBE, 17, 2).rpartition(".")[2]
    assert LINKS.subscriber_of(Scope.UNSUBSCRIBE, forged.format(mac=mac)) is None
