"""The Maildir transport."""

import mailbox
from pathlib import Path

import pytest

from digest.errors import TransportError
from digest.models import Outcome
from digest.transport.maildir import MaildirTransport
from tests.transport.test_smtp import a_message


def test_mail_programs_can_open_it(tmp_path: Path) -> None:
    receipts = list(MaildirTransport(tmp_path / "outbox").send([a_message(1), a_message(2)]))
    assert [r.outcome for r in receipts] == [Outcome.SENT, Outcome.SENT]
    assert [m["Subject"] for m in mailbox.Maildir(tmp_path / "outbox")] == ["x", "x"]
    assert (tmp_path / "outbox" / receipts[0].reply).read_bytes() == a_message(1).content


def test_a_mail_that_is_sent_again_replaces_itself(tmp_path: Path) -> None:
    transport = MaildirTransport(tmp_path)
    for _ in range(2):
        list(transport.send([a_message(1)]))
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_a_folder_that_cannot_be_written_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TransportError, match="the maildir .*file/outbox cannot be written: Not a directory"):
        list(MaildirTransport(tmp_path / "file" / "outbox").send([a_message(1)]))
