"""Signed links."""

import pytest

from digest.links import Links, Scope, Token

LINKS = Links("https://digest.example.org/papers/", b"k" * 32)


def token(url: str) -> str:
    return url.rpartition("/")[2]


def test_a_link_opens_what_it_was_written_for() -> None:
    url = LINKS.url(Scope.UNSUBSCRIBE, 17, 2)
    assert url.startswith("https://digest.example.org/papers/unsubscribe/")
    assert LINKS.read(Scope.UNSUBSCRIBE, token(url)) == Token(17, 2)


def test_a_link_says_what_it_is_about() -> None:
    url = LINKS.url(Scope.READ, 17, 2, about="6a1fd0f0")
    assert LINKS.read(Scope.READ, token(url)) == Token(17, 2, "6a1fd0f0")
    assert LINKS.read(Scope.READ, token(url).replace("6a1fd0f0", "6a1fd0f1")) is None


def test_the_same_link_can_be_written_again() -> None:
    assert LINKS.url(Scope.PREFERENCES, 17, 2) == LINKS.url(Scope.PREFERENCES, 17, 2)


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.UNSUBSCRIBE])
def test_a_link_of_one_scope_opens_no_other(scope: Scope) -> None:
    assert LINKS.read(scope, token(LINKS.url(Scope.UNSUBSCRIBE, 17, 2))) is None


def test_another_key_opens_nothing() -> None:
    other = Links(LINKS.base_url, b"o" * 32)
    assert other.read(Scope.UNSUBSCRIBE, token(LINKS.url(Scope.UNSUBSCRIBE, 17, 2))) is None


@pytest.mark.parametrize(
    "forged",
    ["", "17.2", "17.2.", "18.2.{mac}", "17.3.{mac}", "x.2.{mac}", "-17.2.{mac}", "17.2.{mac}.x", "١.2.{mac}",
     "17.2.0.{mac}", "17.2..{mac}", "17.2.{mac}\n", "17.2.{mac}x"],
)  # fmt: skip
def test_a_forged_token_opens_nothing(forged: str) -> None:
    mac = LINKS.url(Scope.UNSUBSCRIBE, 17, 2).rpartition(".")[2]
    assert LINKS.read(Scope.UNSUBSCRIBE, forged.format(mac=mac)) is None
