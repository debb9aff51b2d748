"""Real mail servers on loopback, each in a folder of its own: Debian's packages postfix and dovecot-imapd.

They are started without their packages' settings, by root only (they give their parts to users that can do less), and
nothing of them outlives its `with`.
"""

from tests.mta.dovecot import Account, Dovecot, needs_dovecot
from tests.mta.postfix import Postfix, needs_postfix
from tests.mta.proxy import cut_after
from tests.mta.running import a_free_port, wait_until
from tests.mta.scripted import imap_server, scripted

__all__ = [
    "Account",
    "Dovecot",
    "Postfix",
    "a_free_port",
    "cut_after",
    "imap_server",
    "needs_dovecot",
    "needs_postfix",
    "scripted",
    "wait_until",
]
