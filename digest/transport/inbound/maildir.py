"""A Maildir that the mail server of this machine delivers to."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from digest.errors import TransportError
from digest.transport.inbound.files import files_in, read_message, shown
from digest.transport.inbound.inbox import InboundMail


class MaildirInbox:
    """See Inbox. Mail in new/ is unread; what is done is moved to cur/ with the flag S, seen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._given: dict[str, Path] = {}

    def unread(self) -> Iterator[InboundMail]:
        """See Inbox."""
        try:
            for path in files_in(self.folder / "new"):
                with suppress(FileNotFoundError):  # a mail program that was looking, too, has moved it
                    inbound = read_message(path)
                    self._given[inbound.name] = path
                    yield inbound
        except OSError as error:
            raise self._failed("read", error) from None

    def mark_read(self, names: Iterable[str]) -> None:
        """See Inbox."""
        seen = self.folder / "cur"
        try:
            seen.mkdir(exist_ok=True)
            for name in names:
                if path := self._given.pop(name, None):
                    with suppress(FileNotFoundError):
                        path.rename(seen / f"{path.name.partition(':2,')[0]}:2,S")
        except OSError as error:
            raise self._failed("written", error) from None

    def _failed(self, what: str, error: OSError) -> TransportError:
        where = shown(Path(error.filename)) if error.filename else shown(self.folder)
        return TransportError(f"the maildir {shown(self.folder)} cannot be {what}: {where}: {error.strerror or error}")
