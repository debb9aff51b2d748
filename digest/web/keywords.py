"""Keywords as somebody types them on a page: read, or told line by line where they cannot be."""

from dataclasses import dataclass

from digest.errors import RuleError
from digest.matching import compile_rules
from digest.models import CompiledRules


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a rule, and where; line and column count from 1."""

    line: int
    column: int
    reason: str


@dataclass(frozen=True, slots=True)
class Keywords:
    """What a form for keywords shows: the text as it was typed, and its mistakes."""

    text: str = ""
    mistakes: tuple[Mistake, ...] = ()


def read_keywords(typed: str) -> tuple[CompiledRules | None, Keywords]:
    """(the rules, or None where some cannot be read; what the form shows). Browsers write line ends as CRLF."""
    text = typed.replace("\r\n", "\n").strip("\n")
    try:
        return compile_rules(text), Keywords(text)
    except RuleError as error:
        return None, Keywords(text, _mistakes(text) or (_mistake(error),))


def _mistakes(text: str) -> tuple[Mistake, ...]:
    """The mistake of each line that has one."""
    found: list[Mistake] = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            compile_rules(line)
        except RuleError as error:
            found.append(Mistake(number, error.column, error.reason))
    return tuple(found)


def _mistake(error: RuleError) -> Mistake:
    return Mistake(error.line, error.column, error.reason)
