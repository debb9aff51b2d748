"""Where mail that came back is read from: files, a Maildir on this machine, a mailbox elsewhere."""

from digest.transport.inbound.files import read_path
from digest.transport.inbound.imap import ImapMailbox
from digest.transport.inbound.inbox import MAX_BYTES, InboundMail, Inbox
from digest.transport.inbound.maildir import MaildirInbox

__all__ = ["MAX_BYTES", "ImapMailbox", "InboundMail", "Inbox", "MaildirInbox", "read_path"]
