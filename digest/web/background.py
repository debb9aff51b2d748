"""Work that a response does not wait for, so that its timing tells nothing about what was done."""

import threading
import traceback
from collections import deque
from collections.abc import Callable

import structlog

from digest.errors import DigestError

log = structlog.get_logger()


class Background:
    """Runs one function after another in a thread of its own.

    The thread is a daemon: a function that waits for the database does not keep the program from ending. (An executor's
    thread is none: Python waits for it at the end, however long.)
    """

    def __init__(self, done: Callable[[], None] = lambda: None) -> None:
        """`done` is called, in that thread, after each function that succeeded."""
        self._done = done
        self._waiting: deque[tuple[Callable[[], None], str]] = deque()
        self._is_running = False
        self._changed = threading.Condition()
        self.stopping = threading.Event()  # set when the program stops: long functions end early

    def submit(self, act: Callable[[], None], *, page: str) -> None:
        """Run `act` soon. If it fails, the log names `page`."""
        with self._changed:
            self._waiting.append((act, page))
            if not self._is_running:
                threading.Thread(target=self._run, name="background", daemon=True).start()
                self._is_running = True

    def finish(self, seconds: float) -> bool:
        """Wait until everything submitted is done, at most `seconds`. Returns True if it is."""
        with self._changed:
            done = self._changed.wait_for(lambda: not self._is_running, seconds)
            if not done:
                log.error("stopped with work left in the background", unfinished=len(self._waiting) + 1)
            return done

    def shut_down(self, seconds: float) -> None:
        """Finish what can be done within `seconds`, and drop what has not begun by then."""
        self.finish(seconds)
        with self._changed:
            self._waiting.clear()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._is_running = False
                    self._changed.notify_all()
                    return
                act, page = self._waiting.popleft()
            try:
                act()
                self._done()
            except DigestError as error:
                log.error("page failed in the background", page=page, reason=str(error))
            except Exception:  # noqa: BLE001  (an unforeseen fault must not stop what was submitted after it)
                # Not log.exception: it may show local variables, and tokens and addresses among them.
                log.error("page failed in the background", page=page, stack=traceback.format_exc())
