"""Mail in files: each format is recognised, and any content can be read."""

import mailbox
import os
import threading
import tracemalloc
from email.message import Message
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.errors import TransportError, UsageError
from digest.models import Message as Outgoing
from digest.pipeline.bounces import BounceAuthenticator, process_bounces
from digest.store import Store
from digest.transport.inbound import MAX_BYTES, InboundMail, MaildirInbox, read_path
from digest.transport.maildir import MaildirTransport
from tests.builders import MEMBERSHIP, NOW
from tests.mail.samples import LINKS

MAIL = b"Subject: one\n\nbody\n"
FROM = b"From MAILER-DAEMON Wed Jun  3 07:00:00 2026\n"
LINE = b"x" * 998 + b"\n"


def contents(path: Path) -> list[bytes]:
    return [inbound.content for inbound in read_path(path)]


def mbox(folder: Path, *pieces: bytes) -> Path:
    path = folder / "mbox"
    path.write_bytes(b"".join(pieces))
    return path


def test_a_message_is_given_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.eml"
    path.write_bytes(b"\xff\x00 no mail at all\r\n\nFrom x\n")
    assert list(read_path(path)) == [InboundMail(name=str(path), content=path.read_bytes())]


def test_an_empty_file_holds_no_mail(tmp_path: Path) -> None:
    assert contents(mbox(tmp_path)) == []


def test_an_mbox_holds_many_and_counts_them(tmp_path: Path) -> None:
    path = mbox(tmp_path, FROM, MAIL, b"\n", FROM, b"Subject: two\n\n", b"\n")
    assert list(read_path(path)) == [
        InboundMail(name=f"{path}:1", content=MAIL),
        InboundMail(name=f"{path}:2", content=b"Subject: two\n\n"),
    ]


@pytest.mark.parametrize(
    "separator",
    [
        b"From a@example.org Wed Jun  3 07:00:00 2026\n",
        b"From a@example.org  Wed Jun 3 7:00 2026 +0200\r\n",
        b'From "a b"@example.org Wed Jun  3 07:00:00 UTC 2026 remote from mail\n',
        b"From 1234567890@xxx Wed Jun 03 07:00:00 +0000 2026\n",
        b"From - Wed Jun 03 07:00:00 2026\n",
        b"From \n",
        b"From - \r\n",
    ],
)
def test_mboxes_of_different_programs_are_read(tmp_path: Path, separator: bytes) -> None:
    assert contents(mbox(tmp_path, separator, MAIL, separator, MAIL)) == [MAIL, MAIL]


def test_a_sentence_that_begins_with_from_is_no_new_mail(tmp_path: Path) -> None:
    text = MAIL + b"\nFrom what we know, 07:00 is too early.\n"
    assert contents(mbox(tmp_path, FROM, text, b"\n", FROM, MAIL)) == [text, MAIL]


def test_a_line_that_was_quoted_for_the_mbox_is_as_it_was(tmp_path: Path) -> None:
    quoted = [b">From the start\n", b">>From a reply\n", b"> From afar\n", b">Fro\n"]
    (content,) = contents(mbox(tmp_path, FROM, *quoted))
    assert content == b"From the start\n>From a reply\n> From afar\n>Fro\n"


@given(st.lists(st.binary(max_size=200).map(lambda body: body.replace(b"\r", b"")), min_size=1, max_size=5))
def test_an_mbox_written_by_python_can_be_read(tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes]) -> None:
    mails = [b"Subject: x\n\n" + body.replace(b"\n>", b"\n") + b"\n" for body in bodies]
    path = tmp_path_factory.mktemp("mails") / "mbox"
    written = mailbox.mbox(path)
    for mail in mails:
        written.add(mail)
    written.close()
    assert contents(path) == mails


def test_a_maildir_is_read_with_what_was_seen_already(tmp_path: Path) -> None:
    folder = mailbox.Maildir(tmp_path / "mail", create=True)
    folder.add(MAIL)
    seen = mailbox.MaildirMessage(message("two"))
    seen.set_subdir("cur")
    seen.set_flags("S")
    folder.add(seen)
    (tmp_path / "mail" / "tmp" / "draft").write_bytes(b"not yet")
    assert contents(tmp_path / "mail") == [MAIL, message("two").as_bytes()]


def test_a_folder_of_eml_files_is_read_by_name_and_nothing_else_in_it(tmp_path: Path) -> None:
    for name in ("b.eml", "a.EML", "notes.txt", ".hidden.eml"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "folder.eml").mkdir()
    (tmp_path / "nowhere.eml").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe.eml")
    assert contents(tmp_path) == [b"a.EML", b"b.eml"]


def test_a_pipe_that_is_named_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writing = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(FROM + MAIL + FROM + MAIL,))
    writing.start()
    assert contents(tmp_path / "pipe") == [MAIL, MAIL]
    writing.join()


@pytest.mark.parametrize("first", [b"", FROM])
def test_of_a_huge_mail_only_the_beginning_is_read(tmp_path: Path, first: bytes) -> None:
    huge = MAIL + LINE * 2000
    assert contents(mbox(tmp_path, first, huge)) == [huge[:MAX_BYTES]]


def test_a_line_without_end_hides_no_mail_behind_it(tmp_path: Path) -> None:
    endless = b"x" * (64 * 1024) + FROM  # where a piece of the line begins, it looks like a new mail
    assert contents(mbox(tmp_path, FROM, endless, b"\n", FROM, MAIL)) == [endless, MAIL]


def test_a_big_mbox_is_never_in_memory(tmp_path: Path) -> None:
    path = mbox(tmp_path, FROM, MAIL, b"x" * 20_000_000, b"\n\n", *[FROM, MAIL, LINE * 100, b"\n"] * 200)
    tracemalloc.start()
    count = sum(1 for _ in read_path(path))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 201
    assert most < 5_000_000


def test_names_of_files_are_shown_on_one_line(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"a\nb\xff.eml")).write_bytes(MAIL)
    (inbound,) = read_path(tmp_path)
    assert inbound == InboundMail(name=f"{tmp_path}/a b .eml", content=MAIL)


def test_a_missing_path_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "no\nwhere"
    assert failure(path) == (
        f"{tmp_path}/no where cannot be read: No such file or directory; "
        "name a mail, an mbox or a folder that you may read"
    )


def test_a_folder_without_mail_is_reported(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    assert failure(tmp_path) == f"{tmp_path} holds no mail: neither *.eml files nor a Maildir's new/ and cur/"


def test_a_path_with_a_symlink_loop_is_reported(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "Too many levels of symbolic links" in failure(tmp_path / "loop")


def failure(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        list(read_path(path))
    return str(caught.value)


def message(subject: str) -> Message:
    written = Message()
    written["Subject"] = subject
    written.set_payload("body\n")
    return written


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    """Two mails that just arrived."""
    outgoing = [Outgoing(delivery_id=i, sender="a@x", recipient="b@x", content=MAIL + b"%d" % i) for i in (1, 2)]
    list(MaildirTransport(tmp_path / "mail").send(outgoing))
    return tmp_path / "mail"


def test_new_mail_in_a_maildir_is_unread_until_it_is_marked(maildir: Path) -> None:
    inbox = MaildirInbox(maildir)
    first, second = inbox.unread()
    assert (first.content, second.content) == (MAIL + b"1", MAIL + b"2")
    inbox.mark_read([second.name, "elsewhere/new/3"])
    assert list(MaildirInbox(maildir).unread()) == [first]
    assert [m.get_flags() for m in mailbox.Maildir(maildir) if m.get_subdir() == "cur"] == ["S"]


def test_names_that_an_inbox_did_not_give_move_nothing(maildir: Path) -> None:
    (first, _) = MaildirInbox(maildir).unread()
    MaildirInbox(maildir).mark_read([first.name])
    assert len(list(MaildirInbox(maildir).unread())) == 2


def test_mail_that_another_program_moved_is_skipped(maildir: Path) -> None:
    inbox = MaildirInbox(maildir)
    looking = inbox.unread()
    first = next(looking)
    for path in (maildir / "new").iterdir():
        path.rename(maildir / "cur" / f"{path.name}:2,S")
    assert list(looking) == []
    inbox.mark_read([first.name])
    assert len(list((maildir / "cur").iterdir())) == 2


def test_a_maildir_without_cur_gets_one(maildir: Path) -> None:
    (maildir / "cur").rmdir()
    inbox = MaildirInbox(maildir)
    inbox.mark_read([inbound.name for inbound in inbox.unread()])
    assert len(list((maildir / "cur").iterdir())) == 2


def test_a_missing_maildir_is_reported(tmp_path: Path) -> None:
    with pytest.raises(TransportError) as caught:
        list(MaildirInbox(tmp_path / "mail").unread())
    assert str(caught.value) == (
        f"the maildir {tmp_path}/mail cannot be read: {tmp_path}/mail/new: No such file or directory"
    )


def test_an_unwritable_maildir_is_reported(maildir: Path) -> None:
    (maildir / "cur").rmdir()
    (maildir / "cur").write_text("")
    inbox = MaildirInbox(maildir)
    names = [inbound.name for inbound in inbox.unread()]
    with pytest.raises(TransportError, match=f"^the maildir {maildir} cannot be written: {maildir}/cur: File exists$"):
        inbox.mark_read(names)


@pytest.fixture
def odd_maildir(tmp_path: Path) -> Path:
    """A Maildir of some mails, among things that cannot be read."""
    new = tmp_path / "new"
    new.mkdir()
    (new / "1").symlink_to("/proc/self/mem")  # a file that not even root can read from its beginning
    (new / "2").symlink_to(new / "2")
    (new / "3").mkdir()
    os.mkfifo(new / "4")
    (new / "5").write_bytes(MAIL)
    with (new / "6").open("wb") as huge:
        huge.truncate(1 << 33)
    (new / os.fsdecode(b"7\xff\n")).write_bytes(MAIL)
    return tmp_path


def test_what_cannot_be_read_does_not_hold_up_the_others(odd_maildir: Path) -> None:
    for found in (list(MaildirInbox(odd_maildir).unread()), list(read_path(odd_maildir))):
        told = [(mail.name[-1:], len(mail.content), mail.failure) for mail in found]
        assert [(name, size) for name, size, _ in told[:3]] == [("1", 0), ("5", len(MAIL)), ("6", MAX_BYTES)]
        assert (told[3][1], len(told)) == (len(MAIL), 4)
        assert told[0][2] == "cannot be read: Input/output error"
        assert not any(failure for *_, failure in told[1:])


def test_a_mail_that_cannot_be_marked_as_read_does_not_hold_up_the_others(store: Store, odd_maildir: Path) -> None:
    (odd_maildir / "cur" / "5:2,S" / "x").mkdir(parents=True)
    inbox = MaildirInbox(odd_maildir)
    report = process_bounces(
        store,
        MEMBERSHIP,
        BounceAuthenticator(LINKS, None),
        inbox.unread(),
        now=NOW,
        done=lambda name: inbox.mark_read([name]),
    )
    assert report.read == 4
    assert [name[-1] for name, _ in report.failures] == ["1", "5"]
    assert len(list((odd_maildir / "cur").iterdir())) == 3
