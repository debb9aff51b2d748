"""A composer for previews only: the day's mails are composed with another one, in another thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from digest.app import App
from digest.errors import TemplateError, UsageError
from digest.mail import Composer, Templates
from digest.models import Schedule, Subscriber

_Stamp = tuple[tuple[str, int, int], ...]


class PreviewComposer:
    """A composer that one page at a time uses, created when it is first needed. Safe to share between threads."""

    def __init__(self, app: App, *, follows_files: bool = False) -> None:
        """`follows_files`: create it again when a file in the admin's folder of templates has changed."""
        self._app = app
        self.folder = app.config.path(app.config.templates.path) if app.config.templates.path else None
        self._watched = self.folder if follows_files else None
        self._lock = threading.Lock()
        self._copy: App | None = None
        self._stamp: _Stamp = ()

    @contextmanager
    def composer(self) -> Iterator[Composer]:
        """The composer, for this thread alone. Raises UsageError for invalid templates, ConfigError."""
        with self._lock:
            try:
                yield self._current().composer
            except TemplateError as error:  # of a mail: the page that would show it says so
                raise UsageError(str(error)) from None

    @contextmanager
    def templates(self) -> Iterator[Templates]:
        """Its templates, for this thread alone. Raises TemplateError."""
        with self._lock:
            yield self._current().templates

    @property
    def reader(self) -> Subscriber:
        """A made-up subscriber with the newsletter's defaults."""
        newsletter = self._app.config.newsletter
        schedule = Schedule(timezone=newsletter.timezone)
        return Subscriber(email="reader@digest.invalid", schedule=schedule, language=newsletter.language)

    def _current(self) -> App:
        # A second App on the same store: it compiles templates of its own, so neither waits for the other.
        stamp = _stamp(self._watched)
        if self._copy is None or stamp != self._stamp:
            self._copy, self._stamp = App(self._app.config, self._app.store), stamp
        return self._copy


def _stamp(folder: Path | None) -> _Stamp:
    """Names, times and sizes of the files in a folder: they differ when a file has changed."""
    if folder is None:
        return ()
    files = ((file, file.stat()) for file in sorted(folder.rglob("*")) if file.is_file())
    return tuple((str(file), stat.st_mtime_ns, stat.st_size) for file, stat in files)
