"""The second stage: which papers each subscriber gets."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from digest.matching import compile_rules
from digest.models import AnnounceType, Delivery, MailKind, Subscriber, SubscriberState
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.pipeline.publish import PublishReport, next_publish_at, publish, publish_welcome
from digest.pipeline.selection import SelectionSettings
from digest.store import Store, deliveries, papers, profiles, subscribers
from digest.subscribers.schedule import paused
from tests.builders import MEMBERSHIP, NOW, a_paper, a_subscriber, at

PENDING = SubscriberState.PENDING

PUBLISHING = SelectionSettings(first_digest_days=1, welcome_days=7, trending=2, domain="example.org")


def see(store: Store, *titles: str, when: str = "2026-06-03 06:00") -> None:
    with store.write() as tx:
        papers.add(tx, [a_paper(t) for t in titles], first_seen_at=at(when), edition_on=at(when).date())


def subscribe(store: Store, keywords: str = "cats", email: str = "reader@example.org", **rest: object) -> None:
    with store.write() as tx:
        for name in rest.get("profiles", ()):  # type: ignore[attr-defined]
            if profiles.find(tx, name) is None:
                profiles.add(tx, name, compile_rules(name.lower()), by="tests", now=NOW)
        s = subscribers.add(tx, a_subscriber(email, **rest), now=NOW)
        profiles.set_personal(tx, s.id, compile_rules(keywords), now=NOW)


def compiled_profiles(store: Store) -> CompiledProfiles:
    return CompiledProfiles(store, store.file.with_suffix(".profiles"))


def run(store: Store, now: str = "2026-06-03 07:00", *, everyone: bool = False) -> PublishReport:
    return publish(store, compiled_profiles(store), PUBLISHING, now=at(now), everyone=everyone)


def queued(store: Store) -> list[Delivery]:
    with store.read() as tx:
        return deliveries.list_queued(tx)


def shown(deliveries: Sequence[Delivery]) -> list[list[str]]:
    return [[item.paper.title for item in d.digest.items] for d in deliveries if d.digest]


def test_a_subscriber_whose_hour_has_come_gets_what_their_keywords_ask_for(store: Store) -> None:
    subscribe(store)
    see(store, "cats", "dogs")
    assert run(store) == PublishReport(digests=1)
    assert shown(queued(store)) == [["cats"]]


def test_before_their_hour_nothing_happens(store: Store) -> None:
    subscribe(store)
    see(store, "cats")
    run(store)
    see(store, "more cats", when="2026-06-03 09:00")
    assert run(store, "2026-06-04 06:59") == PublishReport()
    assert next_publish_at(store, now=at("2026-06-04 06:59")) == at("2026-06-04 07:00")


def test_everyone_is_served_now_when_asked_for(store: Store) -> None:
    subscribe(store)
    see(store, "cats")
    run(store)
    see(store, "more cats", when="2026-06-03 09:00")
    assert run(store, "2026-06-03 10:00", everyone=True).digests == 1
    assert shown(queued(store)) == [["cats"], ["more cats"]]


def test_the_same_run_twice_queues_once(store: Store) -> None:
    subscribe(store)
    see(store, "cats")
    run(store)
    assert run(store) == PublishReport()
    assert len(queued(store)) == 1


def test_no_paper_comes_twice(store: Store) -> None:
    subscribe(store)
    see(store, "cats")
    run(store)
    see(store, "more cats", when="2026-06-03 09:00")
    run(store, "2026-06-04 07:00")
    run(store, "2026-06-05 07:00")
    assert shown(queued(store)) == [["cats"], ["more cats"]]


def test_a_paper_that_was_committed_late_is_not_lost(store: Store) -> None:
    subscribe(store)
    see(store, "cats")
    run(store)
    see(store, "late cats", when="2026-06-03 06:59")  # stamped before the digest, committed after it
    run(store, "2026-06-04 07:00")
    assert shown(queued(store)) == [["cats"], ["late cats"]]


def test_a_paper_that_did_not_fit_is_not_sent_tomorrow(store: Store) -> None:
    subscribe(store, max_papers=1)
    see(store, "cats", "cats again")
    run(store)
    assert queued(store)[0].digest is not None
    assert len(queued(store)[0].digest.more) == 1  # type: ignore[union-attr]
    assert run(store, "2026-06-04 07:00").digests == 0


def test_a_first_digest_looks_back_over_the_last_day(store: Store) -> None:
    subscribe(store)
    see(store, "old cats", when="2026-06-02 06:59")
    see(store, "cats", when="2026-06-02 07:01")
    run(store)
    assert shown(queued(store)) == [["cats"]]


def test_a_machine_that_slept_for_days_catches_up_with_one_digest(store: Store) -> None:
    subscribe(store)
    see(store, "cats")
    run(store)
    for day in (4, 5, 6):
        see(store, f"cats of day {day}", when=f"2026-06-0{day} 06:00")
    assert run(store, "2026-06-06 12:00").digests == 1
    assert shown(queued(store))[1:] == [["cats of day 4", "cats of day 5", "cats of day 6"]]


def test_an_empty_digest_is_not_sent_and_its_reason_is_recorded(store: Store) -> None:
    subscribe(store, "birds")
    see(store, "cats")
    assert run(store) == PublishReport(
        empty=1, empty_reasons=(("reader@example.org", "no keyword matched any of 1 new papers"),)
    )
    assert queued(store) == []
    assert run(store, "2026-06-04 07:00").empty_reasons[0][1] == "no new papers"


def test_following_nothing_is_the_reason_of_an_empty_digest(store: Store) -> None:
    subscribe(store, "")
    see(store, "cats")
    assert run(store).empty_reasons == (("reader@example.org", "follows no profile and has no keywords"),)


def test_shared_and_own_keywords_meet_in_one_digest(store: Store) -> None:
    subscribe(store, "cats", profiles=("Dogs",))
    see(store, "cats", "dogs", "cats and dogs")
    run(store)
    (delivery,) = queued(store)
    assert delivery.digest is not None
    assert [(i.profile, i.paper.title, i.also) for i in delivery.digest.items] == [
        ("Your keywords", "cats", ()),
        ("Your keywords", "cats and dogs", ("Dogs",)),
        ("Dogs", "dogs", ()),
    ]


def test_a_keyword_that_floods_counts_less_than_a_rare_one(store: Store) -> None:
    subscribe(store, "cats\ndogs")
    see(store, *(f"cats {n}" for n in range(9)), when="2026-05-20 06:00")
    see(store, "cats", "dogs")
    run(store)
    assert shown(queued(store)) == [["dogs", "cats"]]


def test_a_subscriber_away_for_months_has_the_same_scores_as_the_others(store: Store) -> None:
    see(store, *(f"cats {n}" for n in range(9)), when="2026-02-01 06:00")
    see(store, "cats", "dogs")
    for email, last in (("daily@example.org", "2026-06-02 07:00"), ("away@example.org", "2026-01-02 07:00")):
        subscribe(store, "cats", email)
        with store.write() as tx:
            subscribers.save(tx, replace(subscribers.get(tx, email), last_digest_at=at(last)))
    run(store)
    daily, away = ({item.paper.title: item.score for item in d.digest.items} for d in queued(store) if d.digest)
    assert len(away) == 10
    assert daily == {"cats": away["cats"]}


def test_own_mutes_hold_for_shared_profiles_too(store: Store) -> None:
    subscribe(store, "-loud", profiles=("Dogs",))
    see(store, "loud dogs")
    assert run(store).empty_reasons[0][1] == "every match is muted"


def test_a_shared_profiles_exclusions_hold_for_itself_alone(store: Store) -> None:
    subscribe(store, "cats", profiles=("Dogs\n-loud",))
    see(store, "loud cats", "loud dogs")
    run(store)
    assert shown(queued(store)) == [["loud cats"]]


def test_only_active_subscribers_are_served(store: Store) -> None:
    for i, state in enumerate(SubscriberState):
        subscribe(store, email=f"{i}@example.org", state=state)
    see(store, "cats")
    assert run(store).digests == 1


def test_a_thousand_and_more_subscribers_are_served_in_chunks(store: Store) -> None:
    with store.write() as tx:
        profiles.add(tx, "Cats", compile_rules("cats"), by="tests", now=NOW)
        for i in range(1100):
            subscribers.add(tx, a_subscriber(f"{i}@example.org", profiles=("Cats",)), now=NOW)
    see(store, "cats")
    assert run(store).digests == 1100


def test_the_day_in_a_mail_is_the_subscribers_own(store: Store) -> None:
    subscribe(store, schedule=replace(a_subscriber().schedule, timezone="Pacific/Auckland"))
    see(store, "cats", when="2026-06-03 18:00")
    run(store, "2026-06-03 20:00")
    assert str(queued(store)[0].digest.dated_on) == "2026-06-04"  # type: ignore[union-attr]


def test_without_subscribers_there_is_nothing_to_wait_for(store: Store) -> None:
    assert next_publish_at(store, now=NOW) is None


def test_popular_papers_come_besides_what_was_asked_for(store: Store) -> None:
    subscribe(store)
    popular = [a_paper(f"Dogs {n}", upvotes=n) for n in range(4)]
    with store.write() as tx:
        papers.add(
            tx,
            [*popular, a_paper("cats", upvotes=99), a_paper("Starred", stars=7)],
            first_seen_at=at("2026-06-03 06:00"),
            edition_on=at("2026-06-03").date(),
        )
    run(store)
    (delivery,) = queued(store)
    assert delivery.digest is not None
    assert [(p.title, p.upvotes) for p in delivery.digest.trending] == [("Dogs 3", 3), ("Dogs 2", 2)]
    run(store, "2026-06-04 07:00")
    assert len(queued(store)) == 1  # popularity alone is no reason to write


def test_papers_that_trended_yesterday_or_are_muted_are_not_trending_today(store: Store) -> None:
    subscribe(store, "cats\n-rats")
    with store.write() as tx:
        new = [a_paper("One", upvotes=3), a_paper("Rats", upvotes=9), a_paper("cats 1")]
        papers.add(tx, new, first_seen_at=at("2026-06-03 06:00"), edition_on=at("2026-06-03").date())
    run(store)
    with store.write() as tx:
        new = [a_paper("Two", upvotes=2), a_paper("cats 2")]
        papers.add(tx, new, first_seen_at=at("2026-06-04 06:00"), edition_on=at("2026-06-04").date())
    run(store, "2026-06-04 07:00")
    assert [[p.title for p in d.digest.trending] for d in queued(store) if d.digest] == [["One"], ["Two"]]


def test_a_subscriber_who_confirms_gets_a_welcome_with_the_last_days_at_once(store: Store) -> None:
    subscribe(store)
    see(store, "cats last week", when="2026-05-29 06:00")
    see(store, "cats long ago", when="2026-05-20 06:00")
    with store.read() as tx:
        reader = subscribers.get(tx, "reader@example.org")
    publish_welcome(store, compiled_profiles(store), reader, PUBLISHING, now=at("2026-06-03 12:34"))
    (delivery,) = queued(store)
    assert delivery.kind is MailKind.WELCOME
    assert shown([delivery]) == [["cats last week"]]
    see(store, "more cats", when="2026-06-03 13:00")
    run(store, "2026-06-04 07:00")
    assert shown(queued(store)) == [["cats last week"], ["more cats"]]


def test_a_welcome_goes_out_also_where_nothing_matched(store: Store) -> None:
    subscribe(store)
    with store.read() as tx:
        reader = subscribers.get(tx, "reader@example.org")
    publish_welcome(store, compiled_profiles(store), reader, PUBLISHING, now=NOW)
    (delivery,) = queued(store)
    assert (delivery.kind, shown([delivery])) == (MailKind.WELCOME, [[]])


def test_rules_that_are_no_longer_valid_keep_no_one_from_their_mail(store: Store) -> None:
    subscribe(store, "cats", profiles=("Dogs", "Birds"))
    with store.write() as tx:
        tx.exec_driver_sql("UPDATE profiles SET rules = 'cats ^1e1', compiled = NULL WHERE name != 'Dogs'")
    see(store, "cats", "dogs")
    report = run(store)
    assert shown(queued(store)) == [["dogs"]]
    assert sorted(whose for whose, _ in report.invalid_rules) == [
        "profile 'Birds'",
        "the keywords of reader@example.org",
    ]
    assert all("expected a weight" in reason for _, reason in report.invalid_rules)


def test_the_reason_for_no_mail_counts_only_papers_of_the_readers_own_time(store: Store) -> None:
    subscribe(store, "birds", "new@example.org")
    subscribe(store, "birds", "away@example.org")
    with store.write() as tx:
        subscribers.save(tx, replace(subscribers.get(tx, "away@example.org"), last_digest_at=at("2026-01-02 07:00")))
    see(store, "cats", "dogs", when="2026-05-20 06:00")
    assert dict(run(store).empty_reasons) == {
        "new@example.org": "no new papers",
        "away@example.org": "no keyword matched any of 2 new papers",
    }


def announce(store: Store, *types: AnnounceType) -> None:
    """A paper on cats for each type, the popular one first."""
    with store.write() as tx:
        new = [a_paper(f"cats, {kind}", announce_type=kind, upvotes=9 - n) for n, kind in enumerate(types)]
        papers.add(tx, new, first_seen_at=at("2026-06-03 06:00"), edition_on=at("2026-06-03").date())


def test_papers_announced_in_a_way_that_a_reader_does_not_want_are_neither_shown_nor_more_nor_trending(
    store: Store,
) -> None:
    subscribe(store, announce_types=frozenset({AnnounceType.NEW, AnnounceType.CROSS}), max_papers=1)
    subscribe(store, email="all@example.org", max_papers=1)
    announce(store, *reversed(AnnounceType))
    run(store)
    some, every = (d.digest for d in queued(store) if d.digest)
    assert [item.paper.title for item in some.items] == ["cats, cross"]
    assert (some.more, some.trending) == (("test:cats, new",), tuple(p for p in some.trending if "new" in p.title))
    assert (len(every.items), len(every.more)) == (1, 3)


def test_the_reason_for_no_mail_tells_an_unwanted_type_from_a_mute(store: Store) -> None:
    wants = {"profiles": ("Cats",), "announce_types": frozenset({AnnounceType.NEW})}
    subscribe(store, "", "type@example.org", **wants)
    subscribe(store, "-replace", "both@example.org", **wants)
    subscribe(store, "-cats", "mute@example.org", **wants)
    announce(store, AnnounceType.CROSS, AnnounceType.REPLACE)
    assert dict(run(store).empty_reasons) == {
        "type@example.org": "every match is of a type that they do not want",
        "both@example.org": "every match is muted or of a type that they do not want",
        "mute@example.org": "every match is muted",
    }


def test_a_subscriber_who_wants_no_trending_papers_gets_none(store: Store) -> None:
    subscribe(store, wants_trending=False)
    see(store, "cats")
    with store.write() as tx:
        papers.add(tx, [a_paper("Dogs", upvotes=9)], first_seen_at=at("2026-06-03 06:00"), edition_on=NOW.date())
    run(store)
    assert [d.digest.trending for d in queued(store) if d.digest] == [()]


def pause(store: Store, until: str | None, email: str = "reader@example.org") -> None:
    with store.write() as tx:
        subscribers.save(tx, paused(subscribers.get(tx, email), None if until is None else at(until)))


def state(store: Store) -> Subscriber:
    with store.read() as tx:
        return subscribers.get(tx, "reader@example.org")


def test_a_pause_ends_on_its_date_and_the_next_digest_at_their_hour_catches_up(store: Store) -> None:
    subscribe(store)
    see(store, "cats")
    run(store)
    pause(store, "2026-06-06 00:00")
    for day in (4, 5):
        see(store, f"cats of day {day}", when=f"2026-06-0{day} 06:00")
        assert run(store, f"2026-06-0{day} 07:00") == PublishReport()
    assert run(store, "2026-06-06 00:00") == PublishReport()  # the hours that came meanwhile are no slots of theirs
    assert (state(store).state, state(store).resumes_at) == (SubscriberState.ACTIVE, None)
    assert run(store, "2026-06-06 07:00").digests == 1
    assert shown(queued(store))[1:] == [["cats of day 4", "cats of day 5"]]


def test_a_pause_without_a_date_does_not_end_by_itself(store: Store) -> None:
    subscribe(store)
    see(store, "cats")
    pause(store, None)
    assert run(store, "2026-12-03 07:00") == PublishReport()
    assert state(store).state is SubscriberState.PAUSED


def test_a_catch_up_has_the_best_of_the_last_thirty_days_and_no_more_than_they_want(store: Store) -> None:
    subscribe(store, "cats ^2\ndogs", max_papers=2)
    see(store, "cats", when="2026-03-01 06:00")
    run(store, "2026-03-01 07:00")
    pause(store, "2026-06-03 00:00")
    see(store, "cats too long ago", when="2026-05-04 06:59")
    see(store, "dogs", "cats at first", when="2026-05-05 07:00")
    see(store, "cats at last", when="2026-06-02 07:00")
    run(store)
    (digest,) = (d.digest for d in queued(store)[1:] if d.digest)
    assert [item.paper.title for item in digest.items] == ["cats at first", "cats at last"]
    assert digest.more == ("test:dogs",)
    run(store, "2026-06-04 07:00")
    assert len(queued(store)) == 2  # caught up: what did not fit does not come again


def test_an_hour_at_the_very_moment_when_a_pause_ends_counts(store: Store) -> None:
    subscribe(store, schedule=replace(a_subscriber().schedule, send_at=at("2026-06-03").time()))
    see(store, "cats", when="2026-06-02 12:00")
    pause(store, "2026-06-03 00:00")
    assert run(store, "2026-06-03 00:00").digests == 1


def test_without_ended_pauses_nothing_is_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    subscribe(store)
    pause(store, "2026-06-09 00:00")
    monkeypatch.setattr(Store, "write", None)
    assert run(store) == PublishReport()


def test_subscribers_who_catch_up_and_others_are_served_together(store: Store) -> None:
    for email in ("reader@example.org", "daily@example.org"):
        subscribe(store, email=email)
    see(store, "cats")
    run(store)
    pause(store, "2026-06-20 00:00")
    see(store, "cats meanwhile", when="2026-06-10 06:00")
    run(store, "2026-06-10 07:00")
    see(store, "cats today", when="2026-06-20 06:00")
    assert run(store, "2026-06-20 07:00").digests == 2
    assert shown(queued(store))[-2:] == [["cats today"], ["cats meanwhile", "cats today"]]


def ask(store: Store, email: str = "reader@example.org", *, when: str) -> None:
    with store.write() as tx:
        known = subscribers.find(tx, email) or subscribers.add(tx, a_subscriber(email, state=PENDING), now=at(when))
        MEMBERSHIP.queue_confirmation(tx, known, origin="page", now=at(when))


def emails(store: Store) -> list[str]:
    with store.read() as tx:
        return [s.email for s in subscribers.list_all(tx)]


def test_unconfirmed_subscribers_are_deleted_when_the_link_has_expired(store: Store) -> None:
    ask(store, when="2026-05-01 07:00")
    run(store, "2026-05-31 07:00")
    assert emails(store) == ["reader@example.org"]
    run(store, "2026-05-31 07:01")
    assert emails(store) == []
    with store.read() as tx:
        assert [c.event.value for c in MEMBERSHIP.list_consents(tx, "reader@example.org")] == ["asked"]


def test_subscribers_asked_again_or_confirmed_before_are_kept(store: Store) -> None:
    ask(store, "again@example.org", when="2026-05-01 07:00")
    ask(store, "again@example.org", when="2026-05-20 07:00")
    subscribe(store, email="pending@example.org")
    with store.write() as tx:
        subscribers.save(tx, replace(subscribers.get(tx, "pending@example.org"), state=PENDING))
    run(store, "2026-06-10 07:00")
    assert emails(store) == ["again@example.org", "pending@example.org"]
