"""Keeps an error that concerns one subscriber from affecting the others."""

from collections.abc import Callable, Sequence
from traceback import format_tb
from typing import TypeVar

import structlog

from digest.errors import DigestError, StoreError
from digest.text import printable_line

log = structlog.get_logger()

T = TypeVar("T")
_MAX_REASON = 300  # characters


def describe_fault(error: Exception) -> str:
    """Return an error on one line, to be stored with what it concerns."""
    text = str(error) if isinstance(error, DigestError) else f"internal error: {type(error).__name__}: {error}"
    return printable_line(text)[:_MAX_REASON]


def log_fault(event: str, error: Exception, **facts: object) -> None:
    """Log an error with its stack, but without values, which may be addresses."""
    log.error(event, **facts, reason=describe_fault(error), stack="".join(format_tb(error.__traceback__)))


def do_for_all(
    items: Sequence[T], act: Callable[[Sequence[T]], object], *, failed: Callable[[T, Exception], None]
) -> None:
    """Call `act` with all items. If it raises, call it with each half, and so on: `failed` gets the items that fail.

    `act` must undo what it did if it raises. Raises StoreError, which is about the whole database.
    """
    if not items:
        return
    try:
        act(items)
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001  (whatever it is, it must not stop the others)
        if len(items) == 1:
            failed(items[0], error)
            return
        middle = len(items) // 2
        do_for_all(items[:middle], act, failed=failed)
        do_for_all(items[middle:], act, failed=failed)
