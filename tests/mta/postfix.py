"""A Postfix that delivers here only."""

import os
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.mta.running import NOBODY, a_folder, a_free_port, needs, running

needs_postfix = needs("postfix")

# Every mailbox is a virtual one: no user of this machine gets any mail. Who is not there is told apart only after their
# mail was taken. Nothing leaves: neither is it taken, nor is an SMTP client among the services.
_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mx.{domain}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_peername_lookup = no
notify_classes =
alias_maps =
mydestination =
recipient_delimiter = +
virtual_mailbox_domains = {domain}, {bounce_domain}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{{ {reader}=reader/, @{bounce_domain}=bounces/ }}
virtual_uid_maps = static:{nobody}
virtual_gid_maps = static:{nobody}
transport_maps = inline:{{ {{ {full} = error:5.2.2 mailbox full }} }}
smtpd_reject_unlisted_recipient = no
smtpd_relay_restrictions = reject_unauth_destination
default_transport = error:5.4.4 mail is delivered here only
"""

# service type private unprivileged chroot wakeup processes command
_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""

_QUEUE = ["active", "bounce", "corrupt", "defer", "deferred", "hold", "incoming", "private", "public", "saved", "trace"]


class Postfix:
    """Takes every mail to its two domains, and delivers to Maildirs.

    There is a mailbox for `reader`, and one for all of the bounce domain. Mail to anybody else is taken, too, and comes
    back to its envelope sender a moment later as a delivery status notification: 5.2.2 from `full`, 5.1.1 from others.
    """

    domain = "example.org"
    bounce_domain = "bounces.example.org"
    reader = "reader@example.org"
    full = "full@example.org"

    def __init__(self) -> None:
        self.port = 0  # known once it serves
        self.folder = Path()
        self._stack = ExitStack()

    @property
    def inbox(self) -> Path:
        """The Maildir of `reader`."""
        return self.folder / "mail" / "reader"

    @property
    def bounces(self) -> Path:
        """The Maildir of the bounce domain."""
        return self.folder / "mail" / "bounces"

    @property
    def log(self) -> str:
        """What it did so far."""
        return (self.folder / "log").read_text()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = stack.enter_context(a_folder("postfix"))
            self.port = a_free_port()
            self._write_configuration()
            settings = str(self.folder / "etc")
            # Not `postfix start`: that looks over a whole installation for a second, and leaves it in the background.
            master = [f"{_setting(settings, 'daemon_directory')}/master", "-d", "-c", settings]
            stack.enter_context(running(master, self.port, self.folder / "log"))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()

    def _write_configuration(self) -> None:
        for name in ("etc", "queue", "queue/pid", "mail"):
            (self.folder / name).mkdir()
        for name in ("data", *(f"queue/{part}" for part in _QUEUE)):
            (self.folder / name).mkdir()
            shutil.chown(self.folder / name, "postfix")
        for maildir in (self.inbox, self.bounces):
            for part in (maildir, maildir / "tmp", maildir / "new", maildir / "cur"):
                part.mkdir()
                shutil.chown(part, NOBODY, NOBODY)
        main = _MAIN.format(
            folder=self.folder,
            domain=self.domain,
            bounce_domain=self.bounce_domain,
            reader=self.reader,
            full=self.full,
            nobody=NOBODY,
        )
        for name, content in (("main.cf", main), ("master.cf", _MASTER.format(port=self.port))):
            file = self.folder / "etc" / name
            file.write_text(content)
            os.utime(file, (0, 0))  # it waits while a file looks as if it were still being written


def _setting(settings: str, name: str) -> str:
    asked = subprocess.run(["postconf", "-c", settings, "-h", name], check=True, capture_output=True, text=True)
    return asked.stdout.strip()
