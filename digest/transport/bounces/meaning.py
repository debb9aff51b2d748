"""What a status and a server's words mean for an address. Pure, and the same for bounces and for SMTP replies.

A wrong HARD loses a reader; a wrong SOFT is only counted. So what is not clear is SOFT.
"""

import re

from digest.models import BounceKind
from digest.transport.smtp_connection import one_line

LONGEST = 500  # characters of a reply that are kept and looked at

_STATUS = r"[245]\.[0-7]\.\d{1,3}"
_AFTER_CODE = re.compile(rf"(?<![\w.])[245]\d\d[ :-]{{1,3}}#?({_STATUS})(?!\.?\d)")
_ANYWHERE = re.compile(rf"(?<![\w.])({_STATUS})(?!\.?\d)")
_CODE = re.compile(r"(?<![\w.#])([45])\d\d(?![\w.])")
_LATER = re.compile(r"\W{0,9}4\d\d(?![\w.])")

# RFC 3463 (and 7505 for 5.1.10). 5.1.7 and 5.1.8 are the sender's address, 5.2.2 to 5.2.4 a mailbox that is there,
# 5.3 and 5.5 the systems, 5.4 the way, 5.6 the mail, 5.7 policy: none of them says that the reader is gone.
_GONE = {"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"}
# Statuses that servers also send for want of a better one, so that plain words decide: X.Y.0, "not authorised" and
# "unable to route", of which a domain without any records is the standard's own example.
_VAGUE = re.compile(r"5\.\d\.0|4\.0\.0|5\.7\.1|5\.4\.4|")

# What servers are known to say, what first; the status says what is meant. "" means no more than "not this time".
_SAID: tuple[tuple[BounceKind, str, str], ...] = (
    (BounceKind.SOFT, "", r"may not exist|\bmight\b|perhaps|one of the following"),  # who guesses does not know
    (
        BounceKind.SOFT,
        "5.2.2",
        r"box (?:is |was )?(?:over ?)?full|over ?quota|quota|(?:mail ?box|account|user) (?:size )?(?:has )?exceed"
        r"|(?:not enough|insufficient|out of) (?:system |disk )?(?:storage|space)",
    ),
    (
        BounceKind.SOFT,
        "5.3.4",
        r"too (?:big|large)|(?:message|mail|message size|size|length) exceeds|maximum (?:message )?size",
    ),
    (
        BounceKind.SOFT,
        "5.1.8",
        r"sender address|of sender|sender's|sender (?:domain|is|was|has|rejected|denied|refused|blocked|invalid|not)"
        r"|(?:unauthenticated|unknown|invalid|valid) sender|sender verif|mail ?from\b|malformed sender"
        r"|(?:sending|sender) domain|purported responsible address|\b(?:from|return|reply to) address"
        r"|\byour (?:\w+ ){0,2}(?:address|domain)\b",
    ),
    (
        BounceKind.SOFT,
        "5.7.1",
        r"\b(?:helo|ehlo)\b|client host|\byour (?:\w+ ){0,2}(?:host|server|ip)\b",
    ),  # "Host not found" means our own
    (BounceKind.SOFT, "5.6.0", r"\bin (?:a |the )?(?:\w+ )?header|header error"),
    (BounceKind.SOFT, "5.4.6", r"hop count|too many hops|\bloop"),
    (
        BounceKind.SOFT,
        "5.7.1",
        r"spam|blocked|(?:block|black) ?list|banned|polic(?:y|ies)|dmarc|\bspf\b|dkim|dns ?bl|reputation|\brdns|\bptr\b"
        r"|reverse dns|virus|content rej|unsolicited|\bube\b|abuse|complaint|relay|access denied|forbidden"
        r"|not (?:allowed|permitted|authorized)|prohibited|authenticat|mail rejected",
    ),
    (
        BounceKind.SOFT,
        "4.4.1",
        r"(?:connection|operation) (?:timed out|refused)|unable to connect|lost connection|network error|no route to"
        r"|able to establish|accept our requests|refused to talk|socket error",
    ),
    (
        BounceKind.SOFT,
        "4.4.7",
        r"message expired|failing for a long time|giving up(?! on)|for too long|queue too long|retry time\w* exceeded",
    ),
    (
        BounceKind.SOFT,
        "",
        r"too many|\brate\b|frequen|throttl|gr[ae]y ?list|temporar|try again|\blater\b|on hold",
    ),
    (BounceKind.SOFT, "5.4.4", r"find a gateway"),
    (BounceKind.HARD, "5.1.10", r"null mx"),
    (
        BounceKind.HARD,
        "5.1.2",
        r"(?:host|domain) unknown|unknown (?:host|domain)|(?:host|domain)(?: name| or domain name)?(?: was)? not found"
        r"|invalid domain|(?:no such|non ?existent) (?:host|domain)|domain (?:name )?(?:does not|doesn't) exist"
        r"|bad destination system|nxdomain|find a mail exchanger|find any host",
    ),
    (
        BounceKind.HARD,
        "5.1.3",
        r"malformed (?:recipient )?address|bad (?:recipient |destination )?address syntax|illegal user",
    ),
    (
        BounceKind.HARD,
        "5.2.1",
        r"(?:account|mailbox|user|address)(?: is| has been| was)? (?:disabled|inactive|deactivated|closed|terminated)"
        r"|inactive (?:e ?mail )?(?:address|account|mailbox|user)",
    ),
    (
        BounceKind.HARD,
        "5.1.1",
        r"(?:user|recipient|mailbox|account|address|addressee)s? (?:name )?(?:is |was )?"
        r"(?:unknown|invalid|not (?:found|known|recognized|recognised)|does not exist|doesn't exist|not exist)"
        r"|(?:unknown|invalid|no such|non ?existent) (?:local |virtual |e ?mail )?"
        r"(?:user|recipient|mailbox|account|address)"
        r"|no mailbox here by that name|is not a (?:registered|valid|known) (?:\w+ )?(?:user|recipient|mailbox)"
        r"|not listed in (?:\w+ ){0,3}directory|recipient no longer|doesn't have an? (?:\w+ )?account"
        r"|address you entered couldn't be found"
        r"|account that you tried to reach does not exist|no longer (?:valid|in use)"
        # The same in Japanese: it is not found in, or not listed in, the directory.
        r"|ディレクトリには見つかりません|ディレクトリのリストにありません",
    ),
    (BounceKind.HARD, "5.4.4", r"unroute?able address"),
)
_TABLE = tuple((kind, status, re.compile(words, re.IGNORECASE)) for kind, status, words in _SAID)


def classify(status: str, reply: str) -> BounceKind:
    """Whether a final refusal is HARD or SOFT.

    `status` is an enhanced status ("5.1.1") or "", in which case one is looked for in the reply. `reply` is what the
    server said, as in "550 5.1.1 no such user". Plain words go before a status: servers say 5.1.1 to those who send
    too much, and 5.7.1 or 5.0.0 to those who write to nobody.
    """
    status = better(status, status_in(reply))
    if is_transient(status, reply):
        return BounceKind.SOFT
    said = _said(reply)
    if said is not None and (said[0] is BounceKind.SOFT or _VAGUE.fullmatch(status)):
        return said[0]
    return BounceKind.HARD if status in _GONE else BounceKind.SOFT


def is_transient(status: str, reply: str) -> bool:
    """The server said "later": a status of 4, or a code of 4yz. A code is better than a vague status beside it."""
    code = _CODE.search(reply[:LONGEST])
    if code and status in {"", "4.0.0"}:
        return code[1] == "4"
    return status.startswith("4") or _LATER.match(reply) is not None


def status_in(reply: str) -> str:
    """The enhanced status that a reply tells, rather after a code ("550 5.1.1 …") than elsewhere; or ""."""
    found = _AFTER_CODE.search(reply[: 2 * LONGEST]) or _ANYWHERE.search(reply[: 2 * LONGEST])
    return found[1] if found else ""


def better(told: str, found: str) -> str:
    """The one of two statuses that says more; of equals what was `found` in the remote server's own words."""
    return found if found and _says(found) >= _says(told) else told


def derived(reply: str) -> str:
    """The status that known words amount to, or "". A reply of 4yz makes it one of 4."""
    said = _said(reply)
    status = said[1] if said else ""
    return f"4{status[1:]}" if status and is_transient("", reply) else status


def has_code(reply: str) -> bool:
    """Whether it looks like a refusal: 4yz or 5yz, or an enhanced status."""
    return _CODE.search(reply[:LONGEST]) is not None or bool(status_in(reply))


def is_known(reply: str) -> bool:
    """Whether it has words whose meaning is known."""
    return _said(reply) is not None


def sane(reply: str) -> str:
    """A reply as one line that is not too long to keep."""
    return one_line(reply[: 4 * LONGEST])[:LONGEST].rstrip()


def _said(reply: str) -> tuple[BounceKind, str] | None:
    words = _words(reply)
    return next(((kind, status) for kind, status, pattern in _TABLE if pattern.search(words)), None)


def _words(reply: str) -> str:
    """The reply without addresses, hosts and links: what a domain is called says nothing."""
    tokens = reply[: 2 * LONGEST].replace("-", " ").replace("_", " ").replace("’", "'").split()
    return " ".join(t for t in tokens if not set("@=/") & set(t) and "." not in t.strip(".,:;!?()[]<>'\""))


def _says(status: str) -> int:
    """How much a status tells: its subject, and its detail."""
    return sum(digits not in {"", "0"} for digits in status.split(".")[1:])
