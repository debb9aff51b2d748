"""Pieces of a rule that is put together from somebody else's query."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a rule, and the operator that it would fall apart at: "AND", "OR" or ""."""

    text: str
    loose: str = ""

    def within(self, *loose: str) -> str:
        """The text, in parentheses where it would fall apart at one of these."""
        return f"({self.text})" if self.loose in loose else self.text


@dataclass(frozen=True, slots=True)
class Joined:
    """A part, and how it is joined to those before it."""

    part: Part
    operator: str = "AND"  # or "OR"
    negated: bool = False


def joined(parts: Sequence[Joined], *, from_left: bool = False) -> Part | None:
    """Parts as one; AND binds tighter than OR, unless they are taken from left to right. None where there is none."""
    found: Part | None = None
    for one in parts:
        if found is None:
            found = Part(f"NOT {one.part.within('AND', 'OR')}") if one.negated else one.part
        elif one.operator == "OR":
            if found == one.part and not one.negated:  # "cancer"[Mesh] OR "cancer"[tiab]
                continue
            found = Part(f"{found.text} OR {_signed(one)}", "OR")
        else:
            before = found.within("OR") if from_left else found.text
            loose = "OR" if found.loose == "OR" and not from_left else "AND"
            operator = "" if one.negated else "AND "
            found = Part(f"{before} {operator}{_signed(one)}", loose)
    return found


def _signed(one: Joined) -> str:
    return f"NOT {one.part.within('AND', 'OR')}" if one.negated else one.part.within("OR")
