"""A misspelt name is answered with the known name that is near, and only with that."""

import pytest

from digest.spelling import did_you_mean, nearest

KNOWN = ["port", "host", "name", "timezone", "postal_address", "run", "Cats", "reader@example.org", "Europe/Berlin"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("prot", "port"),
        ("hst", "host"),
        ("nmae", "name"),
        ("rnu", "run"),
        ("Cast", "Cats"),
        ("Time Zone", "timezone"),
        ("postal-adress", "postal_address"),
        ("raeder@example.org", "reader@example.org"),
        ("reader@exmaple.org", "reader@example.org"),
        ("europe/berln", "Europe/Berlin"),
    ],
)
def test_one_mistake_in_four_letters_is_near(written: str, meant: str) -> None:
    assert nearest(written, KNOWN) == meant
    assert did_you_mean(written, KNOWN) == f"; did you mean {meant!r}?"


@pytest.mark.parametrize(
    "written",
    [
        *("password", "p", "", "postal", "tls", "Dogs", "x" * 10_000),
        "editor@example.org",  # only the domain is the same
        "reader@elsewhere.net",
        *("Europe", "Europe/Paris", "Europe/Berlin/Mitte", "reader2@example.org", "port2"),
    ],
)
def test_what_is_not_near_is_not_suggested(written: str) -> None:
    assert nearest(written, KNOWN) == did_you_mean(written, KNOWN) == ""


def test_the_nearest_of_several_is_suggested() -> None:
    assert nearest("feeds", ["feeder", "feed", "weeds"]) == "feed"
    assert nearest("Feeds", ["feed", "FEEDS"]) == "FEEDS"
