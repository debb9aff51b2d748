"""Work that a response does not wait for, so that its timing tells nothing about what was done."""

import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import structlog

from digest.errors import DigestError

log = structlog.get_logger()


class Background:
    """Runs one function after another in a thread of its own."""

    def __init__(self, done: Callable[[], None] = lambda: None) -> None:
        """`done` is called, in that thread, after each function that succeeded."""
        self._done = done
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="background")
        self._unfinished: set[Future[None]] = set()
        self.stopping = threading.Event()  # set when the program stops: long functions end early

    def submit(self, act: Callable[[], None], *, page: str) -> None:
        """Run `act` soon. If it fails, the log names `page`."""
        future = self._executor.submit(self._run, act, page)
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)

    def finish(self, seconds: float) -> bool:
        """Wait until everything submitted is done, at most `seconds`. Returns True if it is."""
        unfinished = wait(set(self._unfinished), seconds).not_done
        if unfinished:
            log.error("stopped with work left in the background", unfinished=len(unfinished))
        return not unfinished

    def shut_down(self, seconds: float) -> None:
        """Finish what can be done within `seconds`, and drop what has not begun by then."""
        self.finish(seconds)
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _run(self, act: Callable[[], None], page: str) -> None:
        try:
            act()
            self._done()
        except DigestError as error:
            log.error("page failed in the background", page=page, reason=str(error))
        except Exception:  # noqa: BLE001  (an unforeseen fault must not stop what was submitted after it)
            # Not log.exception: it may show local variables, and tokens and addresses among them.
            log.error("page failed in the background", page=page, stack=traceback.format_exc())
