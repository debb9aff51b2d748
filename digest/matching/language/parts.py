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
    if from_left:
        return _in_turn(parts)
    alternatives: list[list[Joined]] = []
    for one in parts:
        if one.operator == "OR" or not alternatives:
            alternatives.append([])
        alternatives[-1].append(one)
    return _in_turn([Joined(part, "OR") for each in alternatives if (part := _in_turn(each)) is not None])


def _in_turn(parts: Sequence[Joined]) -> Part | None:
    """Parts joined one after another, each to all of those before it."""
    found: Part | None = None
    for one in parts:
        if found is None:
            found = Part(f"NOT {one.part.within('AND', 'OR')}") if one.negated else one.part
        elif one.operator == "AND":
            operator = "" if one.negated else "AND "
            found = Part(f"{found.within('OR')} {operator}{_signed(one)}", "AND")
        elif found != one.part or one.negated:  # else it is said twice: "cancer"[Mesh] OR "cancer"[tiab]
            found = Part(f"{found.text} OR {_signed(one)}", "OR")
    return found


def _signed(one: Joined) -> str:
    return f"NOT {one.part.within('AND', 'OR')}" if one.negated else one.part.within("OR")
