"""Admins, their API tokens, and what they changed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What an admin may do."""

    EDITOR = "editor"  # profiles only
    ADMIN = "admin"  # everything

    def allows(self, needed: "Role") -> bool:
        """Return True if this role includes the other."""
        return self is Role.ADMIN or self is needed


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """A person who can sign in to the admin pages."""

    email: str
    role: Role
    password: str  # as argon2 writes it: algorithm, costs, salt and hash
    id: int = 0  # 0 before it is stored
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of the audit log."""

    at: datetime
    who: str  # an admin's address, or "command line"
    what: str  # as a command: "outbox hold"
    subject: str = ""  # what was changed
    id: int = 0  # ascending; 0 before it is stored


class TokenScope(StrEnum):
    """What a token allows: to read something, or to change it. Neither includes the other."""

    PROFILES_READ = "profiles:read"
    PROFILES_WRITE = "profiles:write"
    SUBSCRIBERS_READ = "subscribers:read"  # and suppressions
    SUBSCRIBERS_WRITE = "subscribers:write"
    DELIVERIES_READ = "deliveries:read"
    DELIVERIES_WRITE = "deliveries:write"  # and holding all sending
    SUBMISSIONS_READ = "submissions:read"
    SUBMISSIONS_WRITE = "submissions:write"
    OPERATIONS_READ = "operations:read"  # today, sources, bounces, the log

    @property
    def required_role(self) -> Role:
        """The role that a token's owner needs."""
        return Role.EDITOR if self in {TokenScope.PROFILES_READ, TokenScope.PROFILES_WRITE} else Role.ADMIN


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A token of the API: its name and its rights. The token itself is not stored."""

    owner: Admin
    name: str
    scopes: frozenset[TokenScope]  # as chosen when it was made
    expires_at: datetime
    id: int = 0  # 0 before it is stored
    created_at: datetime | None = None

    @property
    def active_scopes(self) -> tuple[TokenScope, ...]:
        """The scopes that its owner's role still allows, in their usual order."""
        return tuple(s for s in TokenScope if s in self.scopes and self.owner.role.allows(s.required_role))

    def __str__(self) -> str:
        return f'token "{self.name}" of {self.owner.email}'
