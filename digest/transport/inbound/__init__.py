"""Where mail that came back is read from: files, a Maildir on this machine, a mailbox elsewhere."""

from digest.transport.inbound.files import read_path
from digest.transport.inbound.imap import ImapMailbox
from digest.transport.inbound.inbox import MOST_BYTES, Inbound, Inbox
from digest.transport.inbound.maildir import MaildirInbox

__all__ = ["MOST_BYTES", "ImapMailbox", "Inbound", "Inbox", "MaildirInbox", "read_path"]
