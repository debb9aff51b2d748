"""A Maildir as the transport: needs nothing installed. A mail appears in new/ completely or not at all."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from digest.errors import TransportError
from digest.models import Message, Outcome, Receipt
from digest.security.files import create_folder, open_file


class MaildirTransport:
    """Writes each mail to its own file. A mail that is sent again after a crash replaces its file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def send(self, messages: Iterable[Message]) -> Iterator[Receipt]:
        """Write each message and yield its receipt; see Transport."""
        try:
            for part in ("tmp", "new", "cur"):
                create_folder(self.folder / part)
            for message in messages:
                name = f"{message.delivery_id:08d}.{hashlib.sha256(message.content).hexdigest()[:16]}.eml"
                draft = self.folder / "tmp" / name
                with open_file(draft) as file:
                    file.write(message.content)
                    file.flush()
                    os.fsync(file.fileno())
                draft.rename(self.folder / "new" / name)
                folder = os.open(self.folder / "new", os.O_RDONLY)
                try:
                    os.fsync(folder)  # else a power cut could lose a mail that is recorded as sent
                finally:
                    os.close(folder)
                yield Receipt(delivery_id=message.delivery_id, outcome=Outcome.SENT, reply=f"new/{name}")
        except OSError as error:
            raise TransportError(f"the maildir {self.folder} cannot be written: {error.strerror or error}") from None
