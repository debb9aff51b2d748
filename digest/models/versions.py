"""The texts that a shared profile had."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileVersion:
    """A shared profile as it was saved once: the name and the rules that it had from then on."""

    number: int  # from 1, among the versions of its profile
    name: str
    rules: str
    saved_at: datetime
    saved_by: str  # an admin's address, or the way: "command line"; "" where nobody noted it
