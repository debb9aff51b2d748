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
