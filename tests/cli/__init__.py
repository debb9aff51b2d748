"""What a command did."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ran:
    """Exit code, data and messages of one command."""

    code: int | str
    out: str
    err: str

    @property
    def records(self) -> list[Any]:
        """What `--json` printed, one object a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def record(self) -> Any:
        """The only object that `--json` printed."""
        (one,) = self.records
        return one
