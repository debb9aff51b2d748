"""Finding subscribers by address, state and text, in pages."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from digest.models import SubscriberState
from digest.store import Store, subscriber_search, subscribers
from digest.store.subscriber_search import _FEW, _NEAR, PageCursor, SubscriberFilter
from tests.builders import NOW, a_subscriber

PEOPLE = {
    "ann@example.org": "Ann Özgür",
    "ann.b@example.org": "",
    "bob@uni.example": 'Robert O\'Neill "Bob"',
    "Li@example.net": "李明",
    "zoe@example.org": "Zoë",
}
BY_ADDRESS = ["ann.b@example.org", "ann@example.org", "bob@uni.example", "Li@example.net", "zoe@example.org"]


@pytest.fixture
def people(store: Store) -> Store:
    with store.write() as tx:
        for email, name in PEOPLE.items():
            state = SubscriberState.PAUSED if email.startswith("z") else SubscriberState.ACTIVE
            subscribers.add(tx, a_subscriber(email, name=name, state=state), now=NOW)
    return store


def found(store: Store, text: str = "", state: SubscriberState | None = None) -> list[str]:
    with store.read() as tx:
        page = subscriber_search.list_page(tx, SubscriberFilter(text=text, state=state), PageCursor(limit=100))
    return [s.email for s in page.people]


def of_page(store: Store, wanted: SubscriberFilter, place: PageCursor) -> tuple[list[str], str, str, int | None]:
    with store.read() as tx:
        page = subscriber_search.list_page(tx, wanted, place)
    return [s.email for s in page.people], page.before, page.after, page.total


def test_pages_are_ordered_by_address_in_both_directions(people: Store) -> None:
    one, two, three, four, five = BY_ADDRESS
    first = of_page(people, SubscriberFilter(), PageCursor(limit=2))
    second = of_page(people, SubscriberFilter(), PageCursor(after=first[2], limit=2))
    last = of_page(people, SubscriberFilter(), PageCursor(after=second[2], limit=2))
    assert first == ([one, two], "", two, 5)
    assert second == ([three, four], three, four, 5)
    assert last == ([five], five, "", 5)
    assert of_page(people, SubscriberFilter(), PageCursor(before=last[1], limit=2)) == second
    assert of_page(people, SubscriberFilter(), PageCursor(before=second[1], limit=2)) == first


def test_a_page_can_begin_after_an_address_that_does_not_exist(people: Store) -> None:
    assert of_page(people, SubscriberFilter(), PageCursor(after="c@example.org", limit=1))[0] == ["Li@example.net"]


@pytest.mark.parametrize(
    ("text", "emails"),
    [
        ("uni.ex", ["bob@uni.example"]),
        (" ANN@ ", ["ann@example.org"]),
        ("ÖZG", ["ann@example.org"]),
        ('l "bo', ["bob@uni.example"]),
        ("o'neill", ["bob@uni.example"]),
        ("example.org", ["ann.b@example.org", "ann@example.org", "zoe@example.org"]),
        ("example bob", []),  # all threes of a text may be there, but not in a row
        ("OR", []),
        ("an", ["ann.b@example.org", "ann@example.org"]),  # where an address begins
        ("z", ["zoe@example.org"]),
        ("李", ["Li@example.net"]),
        ("李明", ["Li@example.net"]),
        ("%%%", []),
        ("a* OR b", []),
        ("\0 ann\0", ["ann.b@example.org", "ann@example.org"]),
        ("ann@exa\0mple", []),
        ('"""', []),
    ],
)
@pytest.mark.parametrize(("few", "near"), [(_FEW, _NEAR), (0, _NEAR), (0, 1)])
def test_a_text_is_found_anywhere(
    people: Store, monkeypatch: pytest.MonkeyPatch, few: int, near: int, text: str, emails: list[str]
) -> None:
    monkeypatch.setattr(subscriber_search, "_FEW", few)  # none is few: the addresses are walked through
    monkeypatch.setattr(subscriber_search, "_NEAR", near)  # 1: the others are found by the index
    assert found(people, text) == emails


@pytest.mark.parametrize(("few", "near"), [(_FEW, _NEAR), (0, _NEAR), (0, 2)])
def test_search_results_come_in_pages(people: Store, monkeypatch: pytest.MonkeyPatch, few: int, near: int) -> None:
    monkeypatch.setattr(subscriber_search, "_FEW", few)
    monkeypatch.setattr(subscriber_search, "_NEAR", near)
    one, two, _, _, five = BY_ADDRESS
    wanted = SubscriberFilter(text="example.org")
    assert of_page(people, wanted, PageCursor(limit=2))[:3] == ([one, two], "", two)
    assert of_page(people, wanted, PageCursor(after=two, limit=2))[:3] == ([five], five, "")
    assert of_page(people, wanted, PageCursor(before=five, limit=1))[:3] == ([two], two, two)
    assert of_page(people, wanted, PageCursor(before=two, limit=5))[:3] == ([one], "", one)


def test_state_and_text_are_combined(people: Store) -> None:
    assert found(people, state=SubscriberState.PAUSED) == ["zoe@example.org"]
    assert found(people, "example.org", SubscriberState.PAUSED) == ["zoe@example.org"]
    assert found(people, "zoe", SubscriberState.ACTIVE) == []
    assert of_page(people, SubscriberFilter(state=SubscriberState.ACTIVE), PageCursor(limit=1))[3] == 4


def test_few_matches_are_counted_and_many_are_not(people: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert of_page(people, SubscriberFilter(text="example.org"), PageCursor(limit=1))[3] == 3
    monkeypatch.setattr(subscriber_search, "_FEW", 2)
    assert of_page(people, SubscriberFilter(text="example.org"), PageCursor(limit=1))[3] is None


def test_a_changed_subscriber_is_found_by_the_new_values_only(people: Store) -> None:
    with people.write() as tx:
        bob = subscribers.get(tx, "bob@uni.example")
        subscribers.save(tx, replace(bob, email="robert@post.example", name="Bobby"))
    assert (found(people, "uni.example"), found(people, "neill")) == ([], [])
    assert found(people, "bobby") == found(people, "post.ex") == ["robert@post.example"]


def test_a_removed_subscriber_leaves_nothing_in_the_index_or_the_file(people: Store) -> None:
    def leaves() -> list[bytes]:
        with people.read() as tx:
            return list(tx.scalars(sa.text("SELECT block FROM subscribers_search_data WHERE id > 10 ORDER BY id")))

    with people.write() as tx:
        for email in BY_ADDRESS[1:]:
            subscribers.remove(tx, email)
    people.erase_deleted_rows()
    left = leaves()
    with people.write() as tx:
        tx.execute(sa.text("INSERT INTO subscribers_search (subscribers_search) VALUES ('rebuild')"))
    assert left == leaves() != []
    with people.write() as tx:
        subscribers.remove(tx, BY_ADDRESS[0])
    people.erase_deleted_rows()
    assert leaves() == []
    for file in people.file.parent.glob(f"{people.file.name}*"):
        content = file.read_bytes().lower()
        assert b"@example" not in content
        assert b"neill" not in content
