"""Describes to admins what is wrong with a subscriber's stored data. Nothing here reads or writes the database."""

from datetime import datetime

from digest.models import Subscriber
from digest.subscribers.schedule import past


def unknown_zone(subscriber: Subscriber) -> str:
    """Return a sentence about a time zone that is not known, and which one is used instead; "" if it is known."""
    schedule = subscriber.schedule
    if schedule.has_known_zone:
        return ""
    return f"this machine has no time zone {schedule.timezone!r}; the digest comes by {schedule.fallback}"


def future_times(subscriber: Subscriber, now: datetime) -> list[str]:
    """Return the names of stored times that are in the future: they were written while a clock was wrong."""
    times = {
        "confirmed_at": subscriber.confirmed_at,
        "slots_from": subscriber.slots_from,
        "last_slot_at": subscriber.last_slot_at,
        "last_digest_at": subscriber.last_digest_at,
    }
    return [name for name, at in times.items() if at is not None and past(at, now) is None]


def problem_of(subscriber: Subscriber, now: datetime) -> str:
    """Return what is wrong with a subscriber, or why their last digest could not be made; "" if nothing is."""
    found = [subscriber.problem, unknown_zone(subscriber)]
    found += [f"{name} is in the future; the next run corrects it" for name in future_times(subscriber, now)]
    return "; ".join(dict.fromkeys(filter(None, found)))
