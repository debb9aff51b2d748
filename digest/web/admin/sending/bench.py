"""A composer of the desk's own: pages try mails on it while those of the day are written in another thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from digest.app import App
from digest.mail import Composer, Templates
from digest.models import Schedule, Subscriber

_Stamp = tuple[tuple[str, int, int], ...]


class Bench:
    """Composers for one page at a time, made when the first asks. Safe to share between threads."""

    def __init__(self, app: App, *, follows_files: bool = False) -> None:
        """`follows_files`: made anew when a file in the admin's folder of templates has changed."""
        self._app = app
        self._folder = app.config.path(app.config.templates.path) if app.config.templates.path else None
        self._watched = self._folder if follows_files else None
        self._lock = threading.Lock()
        self._made: App | None = None
        self._stamp: _Stamp = ()

    @property
    def folder(self) -> Path | None:
        """The admin's folder of templates."""
        return self._folder

    @contextmanager
    def composer(self) -> Iterator[Composer]:
        """What writes mails; for nobody else meanwhile. Raises TemplateError, ConfigError."""
        with self._lock:
            yield self._current().composer

    @contextmanager
    def templates(self) -> Iterator[Templates]:
        """Its templates. Raises TemplateError."""
        with self._lock:
            yield self._current().templates

    def _current(self) -> App:
        """The same newsletter once more: all that it makes of its configuration it makes for itself."""
        stamp = _stamp(self._watched)
        if self._made is None or stamp != self._stamp:
            self._made, self._stamp = App(self._app.config, self._app.store), stamp
        return self._made


def _stamp(folder: Path | None) -> _Stamp:
    """What tells whether the files of a folder have changed."""
    if folder is None:
        return ()
    files = ((file, file.stat()) for file in sorted(folder.rglob("*")) if file.is_file())
    return tuple((str(file), stat.st_mtime_ns, stat.st_size) for file, stat in files)


def new_reader(timezone: str, language: str) -> Subscriber:
    """Somebody who has changed nothing of what a newsletter gives to new readers."""
    return Subscriber(email="reader@digest.invalid", schedule=Schedule(timezone=timezone), language=language)
