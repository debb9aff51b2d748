"""Signed links."""

from datetime import timedelta

import pytest

from digest.security.links import TOKEN_LIFETIMES, Links, Scope, Token, encode_time
from tests.builders import NOW, at

LINKS = Links("https://digest.example.org/papers/", b"k" * 32)


def token(url: str) -> str:
    return url.rpartition("/")[2]


def test_a_link_is_valid_for_its_subscriber_and_scope() -> None:
    url = LINKS.url(Scope.UNSUBSCRIBE, 17, 2)
    assert url.startswith("https://digest.example.org/papers/unsubscribe/")
    assert LINKS.verify(Scope.UNSUBSCRIBE, token(url)) == Token(17, 2)


def test_a_link_says_what_it_is_about() -> None:
    url = LINKS.url(Scope.FEED, 17, 2, about="6a1fd0f0")
    assert LINKS.verify(Scope.FEED, token(url)) == Token(17, 2, "6a1fd0f0")
    assert LINKS.verify(Scope.FEED, token(url).replace("6a1fd0f0", "6a1fd0f1")) is None


def test_the_same_link_can_be_written_again() -> None:
    first, again = (LINKS.url(Scope.PREFERENCES, 17, 2, written_at=NOW) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("scope", TOKEN_LIFETIMES)
def test_a_link_expires_when_its_time_is_over(scope: Scope) -> None:
    read = LINKS.verify(scope, token(LINKS.url(scope, 17, 2, about="ab", written_at=NOW)))
    assert read == Token(17, 2, "ab", NOW + TOKEN_LIFETIMES[scope])
    assert not read.has_expired(NOW + TOKEN_LIFETIMES[scope] - timedelta(seconds=1))
    assert read.has_expired(NOW + TOKEN_LIFETIMES[scope])


def test_the_links_that_unsubscribe_and_that_a_feed_reader_keeps_never_expire() -> None:
    assert set(Scope) - set(TOKEN_LIFETIMES) == {Scope.UNSUBSCRIBE, Scope.FEED}
    for scope in (Scope.UNSUBSCRIBE, Scope.FEED):
        read = LINKS.verify(scope, token(LINKS.url(scope, 17, 2)))
        assert read is not None
        assert not read.has_expired(at("2999-01-01"))


def test_when_a_link_expires_cannot_be_changed() -> None:
    url = token(LINKS.url(Scope.PAUSE, 17, 2, written_at=NOW))
    later = url.replace(encode_time(NOW + TOKEN_LIFETIMES[Scope.PAUSE]), encode_time(at("2999-01-01")))
    assert later != url
    assert LINKS.verify(Scope.PAUSE, later) is None


def test_a_link_from_before_links_expired_has_expired() -> None:
    older = "17.2." + LINKS._mac(Scope.PAUSE, "17.2")
    read = LINKS.verify(Scope.PAUSE, older)
    assert read is not None
    assert read.has_expired(NOW)


def test_a_link_that_expires_is_never_written_without_saying_when() -> None:
    with pytest.raises(ValueError, match="expires"):
        LINKS.url(Scope.PAUSE, 17, 2)


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.UNSUBSCRIBE])
def test_a_link_is_invalid_for_another_scope(scope: Scope) -> None:
    assert LINKS.verify(scope, token(LINKS.url(Scope.UNSUBSCRIBE, 17, 2))) is None


def test_a_link_signed_with_another_key_is_invalid() -> None:
    other = Links(LINKS.base_url, b"o" * 32)
    assert other.verify(Scope.UNSUBSCRIBE, token(LINKS.url(Scope.UNSUBSCRIBE, 17, 2))) is None


@pytest.mark.parametrize(
    "forged",
    ["", "17.2", "17.2.", "18.2.{mac}", "17.3.{mac}", "x.2.{mac}", "-17.2.{mac}", "17.2.{mac}.x", "١.2.{mac}",
     "17.2.0.{mac}", "17.2..{mac}", "17.2.{mac}\n", "17.2.{mac}x"],
)  # fmt: skip
def test_a_forged_token_is_invalid(forged: str) -> None:
    mac = LINKS.url(Scope.UNSUBSCRIBE, 17, 2).rpartition(".")[2]
    assert LINKS.verify(Scope.UNSUBSCRIBE, forged.format(mac=mac)) is None


def test_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[object] = []

    def compare(one: object, other: object) -> bool:
        compared.append(other)
        return one == other

    monkeypatch.setattr("hmac.compare_digest", compare)
    written = LINKS.token(Scope.UNSUBSCRIBE, 17, 3)
    mac = written.rpartition(".")[2]
    assert LINKS.verify(Scope.UNSUBSCRIBE, written) is not None
    assert LINKS.verify(Scope.CONFIRM, written) is None
    assert compared == [mac, mac]
