"""Keeps an error in one source from stopping the others."""

from collections.abc import Iterator
from contextlib import contextmanager
from traceback import format_tb

import structlog

from digest.errors import DigestError, SourceError
from digest.sources.parser_process import ParserError

log = structlog.get_logger()


@contextmanager
def contain_failures(source: str) -> Iterator[None]:
    """Raise an unforeseen exception of the block as a SourceError, and log its stack. DigestErrors pass."""
    try:
        yield
    except DigestError:
        raise
    except Exception as error:
        said, stack = f"{type(error).__name__}: {error}", "".join(format_tb(error.__traceback__))
        if isinstance(error, ParserError):
            said, stack = str(error), error.stack
        log.error("internal error", source=source, reason=said, stack=stack)  # no local variables: they may be tokens
        raise SourceError(source, f"internal error: {said}; the log has the details") from error
