"""Subscribers as they are shown and sent."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from digest import models
from digest.app import App
from digest.errors import NotFoundError
from digest.models import SubscriberState
from digest.store import Transaction, profiles, subscribers
from digest.subscribers import fields
from digest.subscribers.schedule import format_days, parse_days, parse_send_at, parse_timezone
from digest.web.api.fields import Address, Line, Rules, Wanted
from digest.web.api.problems import told_as


class Subscriber(BaseModel):
    """Somebody who gets digests, or did, or may."""

    id: int = Field(examples=[12])
    email: str = Field(examples=["reader@example.org"])
    name: str
    state: SubscriberState
    timezone: str = Field(examples=["Europe/Berlin"])
    send_at: str = Field(examples=["07:00"])
    days: str = Field(examples=["daily", "mon,thu"])
    language: str = Field(examples=["en"])
    max_papers: int
    announce: str = Field(description="How the papers they want are announced.", examples=["all", "new,cross"])
    trending: bool = Field(description="Whether they want popular papers besides.")
    profiles: list[str] = Field(description="The shared profiles that they follow, by name.")
    resumes_at: datetime | None = Field(description="Of who pauses: when they want to hear again.")
    last_digest_at: datetime | None


class SubscriberInFull(Subscriber):
    """The same, with what only one has."""

    keywords: str = Field(description="Rules of their own; empty for none.")
    created_at: datetime | None
    confirmed_at: datetime | None


class Choices(Wanted):
    """What somebody may choose. What is left out, or null, stays as it is."""

    name: Line | None = None
    timezone: Line | None = Field(None, examples=["Europe/Berlin"])
    send_at: Line | None = Field(None, examples=["07:00"])
    days: Line | None = Field(None, description="daily, weekdays, or some.", examples=["mon,thu"])
    language: Line | None = Field(None, examples=["en"])
    max_papers: int | None = Field(None, ge=1, le=fields.MAX_PAPERS)
    announce: Line | None = Field(None, description="all, or of new,cross,updates.", examples=["new,cross"])
    trending: bool | None = None
    profiles: list[Line] | None = Field(None, max_length=500, description="Names of shared profiles to follow.")
    keywords: Rules | None = Field(None, description="Rules of their own, mutes included; empty leaves none.")


class NewSubscriber(Choices):
    """Somebody to add. What is left out is as the newsletter has it."""

    email: Address = Field(examples=["reader@example.org"])
    confirmed: bool = Field(False, description="They have agreed already; else a mail asks them.")


_SCHEDULE: dict[str, Callable[[str], Any]] = {
    "timezone": parse_timezone,
    "send_at": parse_send_at,
    "days": parse_days,
}


def changed(app: App, tx: Transaction, before: models.Subscriber, choices: Choices) -> models.Subscriber:
    """Somebody with other choices. Raises UsageError, and Refused 422 for a profile that is not there."""
    said = choices.model_dump(exclude_none=True)
    plain: dict[str, Callable[[Any], tuple[str, Any]]] = {
        "name": lambda name: ("name", fields.one_line(name)),
        "language": lambda code: ("language", app.templates.languages.checked(code)),
        "max_papers": lambda most: ("max_papers", most),
        "announce": lambda written: ("announce_types", fields.parse_announce(written)),
        "trending": lambda wants: ("wants_trending", wants),
        "profiles": lambda names: ("profiles", _known_profiles(tx, names)),
    }
    schedule = {name: parse(said[name]) for name, parse in _SCHEDULE.items() if name in said}
    values = dict(chosen(said[name]) for name, chosen in plain.items() if name in said)
    return replace(before, schedule=replace(before.schedule, **schedule), **values)


def _known_profiles(tx: Transaction, names: list[str]) -> tuple[str, ...]:
    """In the order of the store, so that the same ones are no change."""
    known = [profile.name for profile in profiles.list_shared(tx)]
    missing = [name for name in names if name not in known]
    with told_as(422):
        if missing:
            raise NotFoundError("profile", missing[0], known, listed_by="digest profile list")
    return tuple(name for name in known if name in names)


def get(tx: Transaction, number: int) -> models.Subscriber:
    """The subscriber of that number. Raises NotFoundError."""
    found = subscribers.find_by_id(tx, number)
    if found is None:
        raise NotFoundError("subscriber", str(number), listed_by="digest subscriber list")
    return found


def record(s: models.Subscriber) -> Subscriber:
    """Somebody, as shown among others."""
    return Subscriber(**_values(s))


def in_full(tx: Transaction, number: int) -> SubscriberInFull:
    """Somebody as they are now. Raises NotFoundError."""
    s = get(tx, number)
    own = profiles.find_personal(tx, number)
    return SubscriberInFull(**_values(s), **subscribers.get_dates(tx, number), keywords=own.rules if own else "")


def _values(s: models.Subscriber) -> dict[str, Any]:
    return {
        "id": s.id,
        "email": s.email,
        "name": s.name,
        "state": s.state,
        "timezone": s.schedule.timezone,
        "send_at": f"{s.schedule.send_at:%H:%M}",
        "days": format_days(s.schedule.days),
        "language": s.language,
        "max_papers": s.max_papers,
        "announce": fields.format_announce(s.announce_types),
        "trending": s.wants_trending,
        "profiles": list(s.profiles),
        "resumes_at": s.resumes_at,
        "last_digest_at": s.last_digest_at,
    }
