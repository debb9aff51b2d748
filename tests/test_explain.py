"""Why a subscriber got a paper, or did not: every verdict, from a real store."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from digest.errors import NotFoundError, SuppressedError
from digest.explain import Explanation, Verdict, explain
from digest.matching import compile_rules
from digest.models import (
    AnnounceType,
    Bounce,
    BounceKind,
    DeliveryState,
    Paper,
    Subscriber,
    SubscriberState,
    SuppressionReason,
)
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.pipeline.deliver import lease_due_deliveries
from digest.pipeline.publish import publish, publish_welcome
from digest.pipeline.selection import SelectionSettings
from digest.store import Store, bounces, deliveries, outbox, papers, profiles, subscribers
from digest.store.outbox import AttemptResult
from digest.subscribers.schedule import paused
from tests.builders import MEMBERSHIP, NOW, a_paper, a_subscriber, at

PUBLISHING = SelectionSettings(first_digest_days=1, welcome_days=7, trending=1, domain="example.org")
EMAIL = "reader@example.org"


def see(store: Store, *seen: Paper, when: str = "2026-06-03 06:00") -> None:
    with store.write() as tx:
        papers.add(tx, seen, first_seen_at=at(when), edition_on=at(when).date())


def subscribe(store: Store, keywords: str = "cats", *, shared: str = "", **rest: Any) -> Subscriber:
    """A subscriber with keywords, who follows a profile of `shared` rules."""
    with store.write() as tx:
        if shared:
            profiles.add(tx, "Shared", compile_rules(shared), by="tests", now=NOW)
        added = subscribers.add(tx, a_subscriber(EMAIL, profiles=("Shared",) if shared else (), **rest), now=NOW)
        profiles.set_personal(tx, added.id, compile_rules(keywords), now=NOW)
        return added


def run(store: Store, when: str = "2026-06-03 07:00") -> None:
    publish(store, compiled_profiles(store), PUBLISHING, now=at(when))


def compiled_profiles(store: Store) -> CompiledProfiles:
    return CompiledProfiles(store, store.file.with_suffix(".profiles"))


def asked(store: Store, paper: str = "test:cats", now: str | datetime = "2026-06-03 08:00") -> Explanation:
    moment = now if isinstance(now, datetime) else at(now)
    with store.read() as tx:
        return explain(
            tx,
            EMAIL,
            paper,
            compiled_profiles=compiled_profiles(store),
            selection_settings=PUBLISHING,
            membership=MEMBERSHIP,
            now=moment,
        )


def settle(store: Store, state: DeliveryState, reply: str) -> None:
    """One attempt at the only delivery there is."""
    with store.write() as tx:
        claimed = lease_due_deliveries(tx, MEMBERSHIP, worker="w", now=NOW, clock=NOW, limit=9)
        again_at = at("2026-06-03 07:05") if state is DeliveryState.DEFERRED else None
        settled = [AttemptResult(delivery_id=d.id, state=state, reply=reply, next_at=again_at) for d in claimed]
        outbox.record_results(tx, settled, worker="w", now=at("2026-06-03 07:01"))


def got_cats(store: Store) -> None:
    subscribe(store, shared="cats")
    see(store, a_paper("cats"))
    run(store)


def test_a_paper_that_is_not_known(store: Store) -> None:
    subscribe(store)
    found = asked(store, "arxiv:2504.17830")
    assert (found.verdict, found.paper, found.title) == (Verdict.UNKNOWN_PAPER, "arxiv:2504.17830", "")


def test_a_paper_that_was_not_known_at_that_time(store: Store) -> None:
    subscribe(store)
    see(store, a_paper("cats"), when="2026-06-03 09:00")
    found = asked(store, now="2026-06-03 08:00")
    assert found.verdict is Verdict.UNKNOWN_PAPER
    assert found.facts[-1] == "that is after 2026-06-03 08:00 UTC, the time asked about"


def test_a_sent_paper_is_explained_with_section_score_and_matches(store: Store) -> None:
    got_cats(store)
    settle(store, DeliveryState.SENT, "250 2.0.0 Ok")
    found = asked(store)
    assert found.verdict is Verdict.SHOWN
    assert found.answer == "Yes: it was in their digest."
    assert found.place is not None
    assert (found.place.slot_at, found.place.section, found.place.rules) == (NOW, "Your keywords", ("cats",))
    assert found.place.score == pytest.approx(2.0)
    assert found.facts[1:4] == (
        "in the digest of 2026-06-03 07:00 UTC, section 'Your keywords', score 2.0; also matched by Shared",
        "rule 'cats' matched in title ('cats')",
        f"delivery {found.place.delivery} was sent at 2026-06-03 07:01 UTC: 250 2.0.0 Ok",
    )


def test_a_bounce_after_delivery_is_explained_with_the_servers_reply(store: Store) -> None:
    got_cats(store)
    settle(store, DeliveryState.SENT, "250 ok")
    with store.write() as tx:
        (delivery,) = deliveries.list_newest(tx)
        back = Bounce(kind=BounceKind.HARD, status="5.1.1", reply="no such user")
        bounces.add(tx, back, pseudonym="p", delivery_id=delivery.id, fingerprint="f", now=at("2026-06-03 07:30"))
    assert "it bounced at 2026-06-03 07:30 UTC: hard 5.1.1 no such user" in asked(store).facts


@pytest.mark.parametrize(
    ("state", "answer", "fact"),
    [
        (DeliveryState.FAILED, "No: it was", "has failed: 550 no"),
        (
            DeliveryState.DEFERRED,
            "Not yet: it is",
            "deferred at attempt 1; the next attempt is at 2026-06-03 07:05 UTC: 550 no",
        ),
        (DeliveryState.IN_DOUBT, "Perhaps", "is in doubt: 550 no; `digest outbox resolve` decides"),
    ],
)
def test_a_failed_mail_is_explained_with_the_servers_reply(
    store: Store, state: DeliveryState, answer: str, fact: str
) -> None:
    got_cats(store)
    settle(store, state, "550 no")
    found = asked(store)
    assert found.verdict is Verdict.SHOWN
    assert found.answer.startswith(answer)
    assert any(said.endswith(fact) for said in found.facts)


def test_a_waiting_mail_is_explained_with_the_hold(store: Store) -> None:
    got_cats(store)
    with store.write() as tx:
        outbox.start_hold(tx, "a new server", now=NOW)
    found = asked(store)
    assert found.answer == "Not yet: it is in a digest that has not been sent."
    assert "sending is on hold since 2026-06-03 07:00 UTC (a new server)" in found.facts


def test_a_paper_that_did_not_fit_has_its_place(store: Store) -> None:
    subscribe(store, "cats\nbest^9", max_papers=1)
    see(store, a_paper("best"), a_paper("cats"))
    run(store)
    found = asked(store)
    assert found.verdict is Verdict.DID_NOT_FIT
    assert found.place is not None
    assert (found.place.number, found.place.shown) == (1, 1)
    place = "number 1 after the 1 paper of the digest of 2026-06-03 07:00 UTC; max_papers is 1"
    assert place in found.facts


def test_a_popular_paper(store: Store) -> None:
    subscribe(store)
    see(store, a_paper("cats"), a_paper("dogs", upvotes=9))
    run(store)
    settle(store, DeliveryState.SENT, "250 ok")
    found = asked(store, "test:dogs")
    assert (found.verdict, found.answer[:4]) == (Verdict.TRENDING, "Yes:")


def test_a_popular_paper_in_a_mail_that_failed_was_not_got(store: Store) -> None:
    subscribe(store)
    see(store, a_paper("cats"), a_paper("dogs", upvotes=9))
    run(store)
    settle(store, DeliveryState.FAILED, "550 no")
    assert asked(store, "test:dogs").answer == "No: it was in their digest, but that email could not be delivered."


def test_a_paper_sent_under_an_id_that_was_merged_is_found(store: Store) -> None:
    see(store, a_paper("felines", id="test:older"), when="2026-05-01 06:00")
    got_cats(store)
    with store.write() as tx:
        papers.merge(tx, younger="test:cats", older="test:older")
    found = asked(store, "test:cats")
    assert (found.verdict, found.paper) == (Verdict.SHOWN, "test:older")
    assert "test:cats is known as test:older" in found.facts
    assert "they have it as test:cats, which was merged into this paper since" in found.facts


@pytest.mark.parametrize("named", ["2504.17830", "https://arxiv.org/abs/2504.17830v2", "arxiv:2504.17830"])
def test_a_paper_is_found_however_its_id_is_written(store: Store, named: str) -> None:
    subscribe(store)
    see(store, a_paper("cats", id="arxiv:2504.17830"))
    assert asked(store, named).paper == "arxiv:2504.17830"


def test_a_paper_of_the_next_digest_is_announced(store: Store) -> None:
    subscribe(store)
    run(store)
    see(store, a_paper("cats"), when="2026-06-03 07:30")
    found = asked(store)
    assert found.verdict is Verdict.NEXT
    assert found.place is not None
    assert found.place.slot_at == at("2026-06-04 07:00")


def test_a_paper_that_does_not_fit_into_the_next_digest_is_announced(store: Store) -> None:
    subscribe(store, "cats\nbest^9", max_papers=1)
    run(store)
    see(store, a_paper("best"), a_paper("cats"), when="2026-06-03 07:30")
    assert asked(store).verdict is Verdict.NEXT_DOES_NOT_FIT


def test_a_popular_paper_of_the_next_digest_is_announced(store: Store) -> None:
    subscribe(store)
    run(store)
    see(store, a_paper("cats"), a_paper("dogs", stars=9), when="2026-06-03 07:30")
    assert asked(store, "test:dogs").verdict is Verdict.NEXT_TRENDING


@pytest.mark.parametrize("state", [SubscriberState.PENDING, SubscriberState.UNSUBSCRIBED, SubscriberState.SUPPRESSED])
def test_an_inactive_subscriber_gets_nothing(store: Store, state: SubscriberState) -> None:
    subscribe(store, state=state)
    see(store, a_paper("cats"))
    found = asked(store)
    assert found.verdict.value == state.value
    assert f"they are {state.value}" in found.facts


def test_since_when_a_subscriber_is_pending_or_unsubscribed(store: Store) -> None:
    with store.write() as tx:
        asked_of = MEMBERSHIP.add(tx, a_subscriber(EMAIL, state=SubscriberState.PENDING), origin="page", now=NOW)
    see(store, a_paper("cats"), when="2026-06-03 07:30")
    assert "they are pending since 2026-06-03 07:00 UTC" in asked(store).facts
    with store.write() as tx:
        MEMBERSHIP.unsubscribe(tx, asked_of, origin="page", now=at("2026-06-03 07:10"))
    found = asked(store)
    assert found.verdict is Verdict.UNSUBSCRIBED
    assert "they are unsubscribed since 2026-06-03 07:10 UTC" in found.facts
    assert "their address is suppressed since 2026-06-03 (unsubscribed: page)" in found.facts


def test_a_pause_is_explained_with_the_digest_after_it(store: Store) -> None:
    added = subscribe(store)
    with store.write() as tx:
        subscribers.save(tx, paused(added, at("2026-06-04 00:00")))
    see(store, a_paper("cats"), when="2026-06-03 07:30")
    found = asked(store)
    assert found.verdict is Verdict.PAUSED
    assert "they are paused, until 2026-06-04 00:00 UTC" in found.facts
    assert "the digest after their pause, at 2026-06-04 07:00 UTC, is expected to contain it" in found.facts


def test_a_pause_without_an_end_promises_nothing(store: Store) -> None:
    added = subscribe(store)
    with store.write() as tx:
        subscribers.save(tx, paused(added, None))
    see(store, a_paper("cats"))
    found = asked(store)
    assert found.verdict is Verdict.PAUSED
    assert not any("after their pause" in fact for fact in found.facts)


def test_a_digest_from_before_the_pause_is_what_decided(store: Store) -> None:
    subscribe(store, "birds")
    see(store, a_paper("cats"))
    run(store)
    with store.write() as tx:
        subscribers.save(tx, paused(subscribers.get(tx, EMAIL), None))
    assert asked(store).verdict is Verdict.NO_MATCH


def test_a_paper_from_before_their_first_digest_looked_back(store: Store) -> None:
    subscribe(store)
    see(store, a_paper("cats"), when="2026-06-01 06:00")
    run(store)
    found = asked(store)
    assert found.verdict is Verdict.TOO_EARLY
    looks = "that digest contains papers first seen after 2026-06-02 07:00 UTC, and no older ones"
    assert looks in found.facts


def test_a_paper_from_before_the_first_digest_that_is_still_to_come(store: Store) -> None:
    subscribe(store)
    see(store, a_paper("cats"), when="2026-06-01 06:00")
    assert asked(store).verdict is Verdict.TOO_EARLY


def test_a_digest_after_a_long_pause_looks_back_thirty_days(store: Store) -> None:
    added = subscribe(store)
    run(store)
    with store.write() as tx:
        subscribers.save(tx, paused(subscribers.get(tx, added.email), at("2026-08-01 00:00")))
    see(store, a_paper("cats"), when="2026-06-20 06:00")
    assert "the digest after their pause is not expected to contain it" in asked(store, now="2026-06-20 08:00").facts
    see(store, a_paper("young cats"), when="2026-07-20 06:00")
    run(store, "2026-08-01 07:00")
    found = asked(store, now="2026-08-01 08:00")
    assert found.verdict is Verdict.TOO_EARLY
    assert asked(store, "test:young cats", now="2026-08-01 08:00").verdict is Verdict.SHOWN


def test_a_welcome_looks_back_further(store: Store) -> None:
    added = subscribe(store, "birds")
    see(store, a_paper("cats"), when="2026-05-30 06:00")
    publish_welcome(store, compiled_profiles(store), added, PUBLISHING, now=NOW)
    assert asked(store).verdict is Verdict.NO_MATCH


def test_a_subscriber_who_follows_nothing(store: Store) -> None:
    subscribe(store, "")
    see(store, a_paper("cats"))
    run(store)
    found = asked(store)
    assert found.verdict is Verdict.FOLLOWS_NOTHING
    assert "that digest was empty: follows no profile and has no keywords" in found.facts


def test_if_no_rule_matches_near_misses_are_explained(store: Store) -> None:
    subscribe(store, "birds\ncats AND horses", shared="fish")
    see(store, a_paper("cats"))
    run(store)
    found = asked(store)
    assert found.verdict is Verdict.NO_MATCH
    assert found.facts[-2:] == (
        "their own keywords: 'cats AND horses' almost matched: the paper has 'cat', not 'horse'",
        "profile 'Shared': the paper contains no word of its rules in the fields that they look in",
    )


def test_a_line_of_their_own_that_keeps_it_out_is_named(store: Store) -> None:
    subscribe(store, "-title:cats", shared="cats")
    see(store, a_paper("cats"))
    run(store)
    found = asked(store)
    assert found.verdict is Verdict.MUTED
    assert "their own keywords, line 1: -title:cats excludes it from their digest" in found.facts


def test_a_shared_profile_keeps_a_paper_out_of_itself_alone(store: Store) -> None:
    subscribe(store, "", shared="cats\n-survey")
    see(store, a_paper("cats: a survey"))
    run(store)
    found = asked(store, "test:cats: a survey")
    assert found.verdict is Verdict.MUTED
    assert "profile 'Shared', line 2: -survey excludes it from that profile" in found.facts


def test_a_paper_that_was_announced_in_a_way_that_they_do_not_want(store: Store) -> None:
    subscribe(store, announce_types=frozenset({AnnounceType.NEW}))
    see(store, a_paper("cats", announce_type=AnnounceType.REPLACE))
    run(store)
    found = asked(store)
    assert found.verdict is Verdict.ANNOUNCE_TYPE
    assert found.facts[-1] == "announced as replace; they want new"


def test_rules_that_cannot_be_read(store: Store) -> None:
    subscribe(store, "", shared="cats")
    with store.write() as tx:
        broken = replace(compile_rules("cats"), text='"cats')
        profiles.edit(tx, "Shared", rules=broken, by="tests", now=NOW)
    see(store, a_paper("cats"))
    run(store)
    found = asked(store)
    assert found.verdict is Verdict.UNREADABLE
    assert found.facts[-1].startswith("profile 'Shared' has invalid rules and matches nothing: ")


def test_rules_that_match_since_papers_were_chosen(store: Store) -> None:
    added = subscribe(store, "birds")
    see(store, a_paper("cats"))
    for day in (3, 4, 5, 6):
        run(store, f"2026-06-0{day} 07:00")
    with store.write() as tx:
        profiles.set_personal(tx, added.id, compile_rules("cats"), now=NOW)
    assert asked(store, now="2026-06-06 08:00").verdict is Verdict.CHANGED


def test_rules_that_were_changed_in_time_bring_it_with_the_next_digest(store: Store) -> None:
    added = subscribe(store, "birds")
    see(store, a_paper("cats"))
    run(store)
    with store.write() as tx:
        profiles.set_personal(tx, added.id, compile_rules("cats"), now=NOW)
    assert asked(store).verdict is Verdict.NEXT


def test_an_unknown_address_is_reported_with_a_similar_one(store: Store) -> None:
    with store.write() as tx:
        subscribers.add(tx, a_subscriber("reeder@example.org"), now=NOW)
    with pytest.raises(NotFoundError, match=r"did you mean 'reeder@example\.org'"):
        asked(store)


def test_an_address_that_is_no_subscribers_and_may_not_be_mailed(store: Store) -> None:
    with store.write() as tx:
        MEMBERSHIP.suppress(tx, EMAIL, SuppressionReason.ADMIN, "asked by letter", now=NOW)
    with pytest.raises(SuppressedError, match=r"suppressed since 2026-06-03 \(admin: asked by letter\)"):
        asked(store)
