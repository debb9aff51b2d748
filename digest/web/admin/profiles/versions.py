"""What a shared profile was, version by version, also one that was removed; and any of it again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from zoneinfo import ZoneInfo

from digest.admin import profile_actions, profile_diff
from digest.models import Admin, Profile, ProfileVersion
from digest.store import Store, profiles
from digest.web.context import isolated
from digest.web.pages import Answer, Page, Redirect, Visit, parse_number
from digest.web.rendering import local
from digest.web.template_samples import Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedVersion:
    """A line of the history; `at` is a local time."""

    number: int
    at: str  # "2026-06-03 07:00"
    who: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The versions of a profile, newest first."""

    id: int
    name: str
    removed: bool
    versions: tuple[ListedVersion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownVersion:
    """One version, and by lines what it changed: each with "+", "-", " " or "@" before it."""

    id: int
    name: str  # that it had then
    removed: bool
    is_newest: bool
    version: ListedVersion
    rules: str
    diff: tuple[tuple[Annotated[str, Samples("+", "-", " ", "@")], str], ...]


@dataclass(frozen=True, slots=True)
class Removed:
    """The profiles that were removed, by name."""

    profiles: tuple[Profile, ...]
    just_now: bool = False


@dataclass(frozen=True, slots=True)
class LookingBack:
    """The pages at /admin/profiles/ID/history and below it, and at /admin/profiles/removed."""

    store: Store
    timezone: ZoneInfo

    def history(self, visit: Visit, _admin: Admin) -> Answer:
        """GET. Raises NotFoundError."""
        with self.store.read() as tx:
            profile = profiles.get_by_id_or_removed(tx, visit.id)
            removed = profiles.find_by_id(tx, visit.id) is None
            kept = profile_diff.with_descriptions(profiles.list_versions(tx, visit.id))
        return _history(profile, [_listed(version, words, self.timezone) for version, words in kept], removed=removed)

    def look(self, visit: Visit, _admin: Admin) -> Answer:
        """GET one version. Raises NotFoundError."""
        with self.store.read() as tx:
            profile = profiles.get_by_id_or_removed(tx, visit.id)
            removed = profiles.find_by_id(tx, visit.id) is None
            before, version = profiles.get_version(tx, profile, parse_number(visit.path["version"]))
            newest = profiles.list_versions(tx, visit.id)[0].number
        return _version(
            ShownVersion(
                id=visit.id,
                name=isolated(version.name),
                removed=removed,
                is_newest=version.number == newest,
                version=_listed(version, profile_diff.describe(before, version), self.timezone),
                rules=version.rules,
                diff=signed(profile_diff.diff(before, version)),
            )
        )

    def restore(self, visit: Visit, admin: Admin) -> Answer:
        """POST: the rules of that version become the profile's again. Raises NotFoundError, UsageError."""
        with self.store.write() as tx:
            known = profiles.get_by_id_or_removed(tx, visit.id)
            number = parse_number(visit.path["version"])
            profile_actions.restore_version(tx, known, number, by=admin.email, now=visit.now)
        return Redirect(path=f"/admin/profiles/{visit.id}?done=restored")

    def removed(self, visit: Visit, _admin: Admin) -> Answer:
        """GET the list of the removed."""
        with self.store.read() as tx:
            gone = profiles.list_removed(tx)
        return _removed(gone, just_now=visit.query.get("done") == "removed")


def _listed(version: ProfileVersion, words: str, timezone: ZoneInfo) -> ListedVersion:
    at = local(version.saved_at, timezone)
    return ListedVersion(number=version.number, at=at, who=version.saved_by, words=words)


def signed(diff: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The lines of a unified diff, each parted from its sign; without the two that name the texts."""
    return tuple((line[:1] or " ", "" if line.startswith("@@") else line[1:]) for line in diff[2:])


def _history(profile: Profile, listed: Sequence[ListedVersion], *, removed: bool) -> Page:
    shows = History(id=profile.id, name=isolated(profile.name), removed=removed, versions=tuple(listed))
    return Page(template="desk-history.html.j2", shows=shows)


def _version(shows: ShownVersion) -> Page:
    return Page(template="desk-version.html.j2", shows=shows)


def _removed(gone: Sequence[Profile], *, just_now: bool = False) -> Page:
    return Page(template="desk-removed.html.j2", shows=Removed(tuple(gone), just_now))
