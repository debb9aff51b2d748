"""What is done when an answer is out, beside it, so that nobody can tell by the time what it was."""

import threading
import traceback
from collections import deque
from collections.abc import Callable

import structlog

from digest.errors import DigestError

log = structlog.get_logger()


class Afterwards:
    """Does one thing after another in a thread of its own: pages do not wait for it, however long the database does.

    A daemon: what waits for the database longer than the program may take to stop does not keep it.
    """

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        """`changed` is told, in another thread, when something is done."""
        self._changed = changed
        self._waiting: deque[tuple[Callable[[], None], str]] = deque()
        self._turn = threading.Condition()
        self._busy = False
        self._thread: threading.Thread | None = None
        self.stopping = threading.Event()  # set when the program stops: what takes long ends where it may

    def begin(self, act: Callable[[], None], *, page: str) -> None:
        """Do something soon. `page` is what the log calls it if it fails."""
        with self._turn:
            self._waiting.append((act, page))
            self._turn.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="afterwards", daemon=True)
                self._thread.start()

    def finish(self, seconds: float) -> bool:
        """Wait until all that has begun is done, `seconds` at most. Whether it is."""
        with self._turn:
            done = self._turn.wait_for(lambda: not self._waiting and not self._busy, seconds)
            if not done:
                log.error("stopped before everything was done", undone=len(self._waiting) + self._busy)
            return done

    def _run(self) -> None:
        while True:
            with self._turn:
                self._busy = False
                self._turn.notify_all()
                self._turn.wait_for(lambda: self._waiting)
                act, page = self._waiting.popleft()
                self._busy = True
            self._do(act, page)

    def _do(self, act: Callable[[], None], page: str) -> None:
        try:
            act()
            self._changed()
        except DigestError as error:
            log.error("page failed afterwards", page=page, reason=str(error))
        except Exception:  # noqa: BLE001  (one that nobody foresaw must not end those that follow)
            # Not log.exception: it may show local variables, and tokens and addresses among them.
            log.error("page failed afterwards", page=page, stack=traceback.format_exc())
