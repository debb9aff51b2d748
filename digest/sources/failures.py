"""One source's failure, whatever it is, stays that source's failure."""

from collections.abc import Iterator
from contextlib import contextmanager
from traceback import format_tb

import structlog

from digest.errors import DigestError, SourceError
from digest.sources.parser_process import ParserError

log = structlog.get_logger()


@contextmanager
def contain_failures(source: str) -> Iterator[None]:
    """Raise any exception of the block that this program does not raise on purpose as a SourceError.

    Logs its stack. Errors of the whole database and other DigestErrors pass.
    """
    try:
        yield
    except DigestError:
        raise
    except ParserError as error:
        log.error("internal error", source=source, reason=str(error), stack=error.stack)
        raise _failure(source, str(error)) from error
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        # Only the places in the code: local variables may be tokens.
        log.error("internal error", source=source, reason=said, stack="".join(format_tb(error.__traceback__)))
        raise _failure(source, said) from error


def _failure(source: str, said: str) -> SourceError:
    return SourceError(source, f"internal error: {said}; the log has the details")
