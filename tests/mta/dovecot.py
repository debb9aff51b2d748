"""A Dovecot that serves IMAP."""

import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.mta.running import NOBODY, a_folder, a_free_port, needs, running

needs_dovecot = needs("dovecot")

# Without a penalty, who gave a wrong password is answered at once, and so are the other tests from the same address.
_SETTINGS = """
protocols = imap
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{certificate}
disable_plaintext_auth = no
auth_failure_delay = 0
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={nobody} gid={nobody} home={folder}/mail/%u
}}
mail_location = maildir:~/Maildir
last_valid_uid = {nobody}
"""


_PASSWORD = "Übung-3"


class Account:
    """A user of IMAP, with an INBOX of their own."""

    password = _PASSWORD

    def __init__(self, dovecot: "Dovecot", username: str) -> None:
        self.username = username
        self.port = dovecot.port
        self.tls_port = dovecot.tls_port
        self._maildir = dovecot.folder / "mail" / username / "Maildir"
        self._delivered = 0

    def deliver(self, *contents: bytes) -> None:
        """Put mails into the INBOX, as a mail server does."""
        parts = [self._maildir / part for part in ("tmp", "new", "cur")]
        for part in parts:
            part.mkdir(parents=True, exist_ok=True)
        for folder in (self._maildir.parent, self._maildir, *parts):
            os.chown(folder, NOBODY, NOBODY)
        for content in contents:
            self._delivered += 1
            draft = self._maildir / "tmp" / f"{self._delivered:010}.test"
            draft.write_bytes(content)
            os.chown(draft, NOBODY, NOBODY)
            draft.rename(self._maildir / "new" / draft.name)


class Dovecot:
    """IMAP with TLS and without. It takes a second to stop: start one, and give each test an account of its own."""

    def __init__(self, certificate: Path) -> None:
        """`certificate` is a PEM file that holds its key as well."""
        self.port = 0  # known once it serves: plain, and STARTTLS
        self.tls_port = 0  # TLS from the first byte
        self.folder = Path()
        self._certificate = certificate
        self._stack = ExitStack()
        self._accounts = 0

    @property
    def log(self) -> str:
        """What it did so far."""
        return (self.folder / "log").read_text()

    def account(self) -> Account:
        """A new one."""
        self._accounts += 1
        return Account(self, f"user{self._accounts}")

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = stack.enter_context(a_folder("dovecot"))
            self.port, self.tls_port = a_free_port(), a_free_port()
            (self.folder / "mail").mkdir()
            os.chown(self.folder / "mail", NOBODY, NOBODY)
            file = self.folder / "dovecot.conf"
            file.write_text(
                _SETTINGS.format(
                    folder=self.folder,
                    port=self.port,
                    tls_port=self.tls_port,
                    certificate=self._certificate,
                    password=_PASSWORD,
                    nobody=NOBODY,
                )
            )
            stack.enter_context(running(["dovecot", "-F", "-c", str(file)], self.port, self.folder / "log"))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()
