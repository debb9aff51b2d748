"""Who looks after the newsletter on the web, and what they did."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What somebody may do at the desk."""

    EDITOR = "editor"  # profiles, and nothing else
    ADMIN = "admin"  # everything

    def allows(self, needed: "Role") -> bool:
        """Whether who has this role may do what needs the other."""
        return self is Role.ADMIN or self is needed


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """Somebody with a password for the desk."""

    email: str
    role: Role
    password: str  # as argon2 writes it: algorithm, costs, salt and hash
    id: int = 0  # 0 before it is stored
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of the audit log."""

    at: datetime
    who: str  # an admin's address, or the way: "command line"
    what: str  # the command that does the same: "outbox hold"
    subject: str = ""  # what it was done to
    id: int = 0  # they are numbered as they were made; 0 before it is stored


class TokenScope(StrEnum):
    """What a token is good for: to look at something, or to change it. Neither includes the other."""

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
        """Who may have it."""
        return Role.EDITOR if self in {TokenScope.PROFILES_READ, TokenScope.PROFILES_WRITE} else Role.ADMIN


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A token as it is kept: what it is called and good for, and never the token itself."""

    owner: Admin
    name: str
    scopes: frozenset[TokenScope]  # as it was made
    expires_at: datetime
    id: int = 0  # 0 before it is stored
    created_at: datetime | None = None

    @property
    def active_scopes(self) -> frozenset[TokenScope]:
        """What it is good for now: no more than its owner may do."""
        return frozenset(scope for scope in self.scopes if self.owner.role.allows(scope.required_role))

    def __str__(self) -> str:
        return f'token "{self.name}" of {self.owner.email}'
