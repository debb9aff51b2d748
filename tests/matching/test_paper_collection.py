"""Trying rules on papers in memory."""

from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from digest.errors import RuleError
from digest.matching.paper_collection import Comparison, Findings, PaperCollection
from digest.models import Paper, Profile
from tests.builders import NOW, a_paper, a_profile

MONDAY, TUESDAY = date(2026, 6, 1), date(2026, 6, 2)


def collection(*titles: str) -> PaperCollection:
    """Papers of Tuesday, first seen just now."""
    return PaperCollection([(a_paper(title, first_seen_at=NOW), TUESDAY) for title in titles])


def found(on: PaperCollection, *profiles: Profile, begin: int = 0, limit: int = 10) -> Findings:
    everything = on.seen_after(NOW - timedelta(days=365))
    return on.find(profiles, everything, counted_after=None, begin=begin, limit=limit)


def titles(findings: Findings) -> list[str]:
    return [item.paper.title for item in findings.items]


def test_the_best_papers_come_first_and_a_rare_word_counts_more() -> None:
    papers = collection("cat", "cat two", "dog", "cat dog")
    assert titles(found(papers, a_profile("cat\ndog"))) == ["cat dog", "dog", "cat", "cat two"]


def test_a_page_has_its_own_papers_and_the_count_of_all() -> None:
    papers = collection(*(f"cat {n}" for n in range(7)))
    whole = titles(found(papers, a_profile("cat")))
    pages = [found(papers, a_profile("cat"), begin=begin, limit=3) for begin in (0, 3, 6, 9)]
    assert [titles(page) for page in pages] == [whole[:3], whole[3:6], whole[6:], []]
    assert {page.count for page in pages} == {7}


def test_a_paper_found_by_several_profiles_appears_once_and_names_the_others() -> None:
    (item,) = found(collection("cat dog"), a_profile("cat", "Cats"), a_profile("dog^2", "Dogs")).items
    assert (item.profile, item.also) == ("Dogs", ("Cats",))
    assert [evidence.rule for evidence in item.evidence] == ["dog"]


def test_the_same_profile_twice_is_one() -> None:
    (item,) = found(collection("cat"), a_profile("cat"), a_profile("cat")).items
    assert item.also == ()


@pytest.mark.parametrize(("owner_id", "left"), [(0, []), (None, ["cat bird"])])
def test_only_personal_rules_exclude_a_paper_from_all_profiles(owner_id: int | None, left: Sequence[str]) -> None:
    excludes = a_profile("dog\n-bird", "Other", owner_id=owner_id)
    assert titles(found(collection("cat bird"), a_profile("cat"), excludes)) == left


def test_papers_are_counted_by_day_including_days_without_a_match() -> None:
    dated = [(a_paper("cat"), MONDAY), (a_paper("dog"), MONDAY), (a_paper("x"), date(2026, 6, 3))]
    on = PaperCollection(dated)
    result = on.find(
        [a_profile("cat")], on.dated_within(MONDAY, date(2026, 6, 3)), counted_after=None, begin=0, limit=10
    )
    assert list(result.days.items()) == [(MONDAY, (1, 2)), (TUESDAY, (0, 0)), (date(2026, 6, 3), (0, 1))]


def test_only_papers_of_the_period_count() -> None:
    on = PaperCollection(
        [(a_paper("cat old", first_seen_at=NOW - timedelta(days=8)), MONDAY), (seen("cat new"), TUESDAY)]
    )
    result = on.find([a_profile("cat")], on.seen_after(NOW - timedelta(days=7)), counted_after=None, begin=0, limit=10)
    assert (titles(result), result.count, result.days) == (["cat new"], 1, {TUESDAY: (1, 1)})


def test_nothing_is_found_without_papers() -> None:
    assert found(collection(), a_profile("cat")) == Findings(count=0, items=(), days={})


def test_an_invalid_rule_raises_an_error_with_its_position() -> None:
    with pytest.raises(RuleError) as caught:
        found(collection("cat"), a_profile("dog\ncat AND"))
    assert caught.value.line == 2


def test_rule_stats_count_all_papers() -> None:
    dead, floods = collection("cat", "cat 2").rule_stats(a_profile("unheard of\ncat"))
    assert (dead.share, floods.share, floods.floods) == (0, 1, True)


def seen(title: str) -> Paper:
    return a_paper(title, first_seen_at=NOW)


def compared(on: PaperCollection, before: str, after: str, *, limit: int = 10) -> Comparison:
    everything = on.seen_after(NOW - timedelta(days=365))
    return on.compare(a_profile(before), a_profile(after), everything, counted_after=None, limit=limit)


def test_a_comparison_lists_added_and_removed_papers_best_first() -> None:
    change = compared(collection("cat", "cat dog", "dog", "dog bird", "fish"), "cat\nfish", "cat\ndog\nbird^2")
    assert (change.before.count, change.after.count) == (3, 4)
    assert titles(change.after) == ["dog bird", "cat dog", "cat", "dog"]
    assert (change.added.count, titles(change.added)) == (2, ["dog bird", "dog"])
    assert (change.removed.count, titles(change.removed)) == (1, ["fish"])
    assert [evidence.rule for evidence in change.removed.items[0].evidence] == ["fish"]


def test_each_side_of_a_comparison_equals_a_search_of_its_own() -> None:
    papers = collection("cat", "cat dog", "dog", "dog bird", "the cat", "bird")
    rules = ["cat^2\n-dog", "dog\nbird\ntitle:the"]
    change = compared(papers, *rules)
    alone = [found(papers, a_profile(text)) for text in rules]
    assert (change.before.count, change.before.days) == (alone[0].count, alone[0].days)
    assert change.after == alone[1]


def test_the_same_rules_change_nothing() -> None:
    change = compared(collection("cat", "dog"), "cat", "cat")
    assert (change.after.count, change.added.count, change.removed.count) == (1, 0, 0)


def test_a_comparison_limits_the_papers_of_each_part() -> None:
    change = compared(
        collection(*(f"cat {n}" for n in range(5)), *(f"dog {n}" for n in range(5))), "cat", "dog", limit=3
    )
    assert [len(part.items) for part in (change.before, change.after, change.added, change.removed)] == [0, 3, 3, 3]


def test_a_comparison_covers_only_the_given_papers() -> None:
    papers = collection("cat", "dog")
    change = papers.compare(
        a_profile("cat"), a_profile("dog"), papers.dated_within(MONDAY, MONDAY), counted_after=None, limit=10
    )
    assert [part.count for part in (change.before, change.after, change.added, change.removed)] == [0, 0, 0, 0]


def test_many_profiles_are_counted_at_once() -> None:
    papers = collection("cat", "cat dog", "dog", "bird")
    profiles = [a_profile("cat\ndog"), a_profile("fish"), a_profile("cat\n-dog"), a_profile("cat\ndog")]
    everything = papers.seen_after(NOW - timedelta(days=365))
    assert papers.count_matches(profiles, everything) == [3, 0, 1, 3]
    assert papers.count_matches(profiles, ~everything) == [0, 0, 0, 0]
    assert (papers.count_days(everything), papers.count_days(~everything)) == (1, 0)


def test_cached_rules_have_the_same_stats() -> None:
    titles = ("cat", "cat dog", "dog", "bird", "birdsong")
    papers = collection(*titles)
    texts = ("cat\nbirds*", "cat\nbirdson", "-cat\ndog", "cat\nbirds*\nbirdson", "dog AND cat\ncat")
    for text in (*texts, *texts):
        assert papers.rule_stats(a_profile(text)) == collection(*titles).rule_stats(a_profile(text))


def test_the_cache_of_rules_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.matching.paper_collection._MOST_CACHED", 3)
    papers = collection("cat")
    for n in range(20):
        assert [record.papers for record in papers.rule_stats(a_profile(f"cat\nword{n}"))] == [1, 0]
    assert len(papers._cache) <= 10
