"""Classifies rejections as HARD or SOFT by their enhanced status and words, for bounces and for SMTP replies.

Unclear rejections are SOFT: a wrong HARD loses a reader, a wrong SOFT is only counted.
"""

import re

from digest.models import Bounce, BounceKind
from digest.transport.smtp_connection import one_line

MAX_REPLY = 500  # characters of a reply that are stored and looked at

_STATUS = r"[245]\.[0-7]\.\d{1,3}"
_STATUS_AFTER_CODE = re.compile(rf"(?<![\w.])[245]\d\d[ :-]{{1,3}}#?({_STATUS})(?!\.?\d)")
_ANY_STATUS = re.compile(rf"(?<![\w.])({_STATUS})(?!\.?\d)")
_CODE = re.compile(r"(?<![\w.#])([45])\d\d(?![\w.])")
_STARTS_WITH_4YZ = re.compile(r"\W{0,9}4\d\d(?![\w.])")

# RFC 3463, and RFC 7505 for 5.1.10. The others do not say that the address is invalid: 5.1.7 and 5.1.8 are about the
# sender's address (counting them would suppress every reader while our own domain is misconfigured), 5.2.2 to 5.2.4
# about a mailbox that exists, 5.3 and 5.5 about the systems, 5.4 the network, 5.6 the content, 5.7 policy.
_INVALID_ADDRESS = {"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"}
# Servers also use these for want of a better status, so known words decide: X.Y.0, 5.7.1 (not authorised) and 5.4.4
# (unable to route; the RFC's own example is a domain without records).
_VAGUE = re.compile(r"5\.\d\.0|4\.0\.0|5\.7\.1|5\.4\.4|")

# Phrases that servers use, the first match decides: kind, fitting status or "-", and pattern.
_PHRASES = r"""
# A guess.
SOFT -      may not exist|\bmight\b|perhaps|one of the following
SOFT 5.2.2  box (?:is |was )?(?:over ?)?full|over ?quota|quota|(?:mail ?box|account|user) (?:size )?(?:has )?exceed
            |(?:not enough|insufficient|out of) (?:system |disk )?(?:storage|space)
SOFT 5.3.4  too (?:big|large)|(?:message|mail|message size|size|length) exceeds|maximum (?:message )?size
SOFT 5.1.8  sender address|of sender|sender's|sender (?:domain|is|was|has|rejected|denied|refused|blocked|invalid|not)
            |(?:unauthenticated|unknown|invalid|valid) sender|sender verif|mail ?from\b|malformed sender
            |(?:sending|sender) domain|purported responsible address|\b(?:from|return|reply to) address
            |\byour (?:\w+ ){0,2}(?:address|domain)\b
# Here "Host not found" is about our own host.
SOFT 5.7.1  \b(?:helo|ehlo)\b|client host|\byour (?:\w+ ){0,2}(?:host|server|ip)\b
SOFT 5.6.0  \bin (?:a |the )?(?:\w+ )?header|header error
SOFT 5.4.6  hop count|too many hops|\bloop
SOFT 5.7.1  spam|blocked|(?:block|black) ?list|banned|polic(?:y|ies)|dmarc|\bspf\b|dkim|dns ?bl|reputation|\brdns
            |\bptr\b|reverse dns|virus|content rej|unsolicited|\bube\b|abuse|complaint|relay|access denied|forbidden
            |not (?:allowed|permitted|authorized)|prohibited|authenticat|mail rejected
SOFT 4.4.1  (?:connection|operation) (?:timed out|refused)|unable to connect|lost connection|network error|no route to
            |able to establish|accept our requests|refused to talk|socket error
SOFT 4.4.7  message expired|failing for a long time|giving up(?! on)|for too long|queue too long|retry time\w* exceeded
SOFT -      too many|\brate\b|frequen|throttl|gr[ae]y ?list|temporar|try again|\blater\b|on hold
SOFT 5.4.4  find a gateway
HARD 5.1.10 null mx
HARD 5.1.2  (?:host|domain) unknown|unknown (?:host|domain)|(?:host|domain)(?: name| or domain name)?(?: was)? not found
            |invalid domain|(?:no such|non ?existent) (?:host|domain)|domain (?:name )?(?:does not|doesn't) exist
            |bad destination system|nxdomain|find a mail exchanger|find any host
HARD 5.1.3  malformed (?:recipient )?address|bad (?:recipient |destination )?address syntax|illegal user
HARD 5.2.1  (?:account|mailbox|user|address)(?: is| has been| was)? (?:disabled|inactive|deactivated|closed|terminated)
            |inactive (?:e ?mail )?(?:address|account|mailbox|user)
HARD 5.1.1  (?:user|recipient|mailbox|account|address|addressee)s? (?:name )?(?:is |was )?
            (?:unknown|invalid|not (?:found|known|recognized|recognised)|does not exist|doesn't exist|not exist)
            |(?:unknown|invalid|no such|non ?existent) (?:local |virtual |e ?mail )?
            (?:user|recipient|mailbox|account|address)
            |no mailbox here by that name|is not a (?:registered|valid|known) (?:\w+ )?(?:user|recipient|mailbox)
            |not listed in (?:\w+ ){0,3}directory|recipient no longer|doesn't have an? (?:\w+ )?account
            |address you entered couldn't be found
            |account that you tried to reach does not exist|no longer (?:valid|in use)
# Japanese: the address is not found, or not listed, in the directory.
            |ディレクトリには見つかりません|ディレクトリのリストにありません
HARD 5.4.4  unroute?able address
"""
_LINES = re.sub(r"(\n#.*)?\n {12}", "", _PHRASES).strip().split("\n")  # indented lines continue the pattern
_TABLE = tuple(
    (BounceKind[kind], status.strip("-"), re.compile(pattern, re.IGNORECASE))
    for kind, status, pattern in (line.split(maxsplit=2) for line in _LINES if not line.startswith("#"))
)


def classify(status: str, reply: str) -> BounceKind:
    """Return whether a final rejection is HARD or SOFT.

    `status` is an enhanced status ("5.1.1"), or "" to find one in the reply. `reply` is the server's text, such as
    "550 5.1.1 no such user". Known phrases outweigh the status: servers send 5.1.1 to clients that send too much, and
    5.7.1 or 5.0.0 for unknown users.
    """
    status = more_specific(status, find_status(reply))
    if _is_transient(status, reply):
        return BounceKind.SOFT
    match = find_phrase(reply)
    if match is not None and (match[0] is BounceKind.SOFT or _VAGUE.fullmatch(status)):
        return match[0]
    return BounceKind.HARD if status in _INVALID_ADDRESS else BounceKind.SOFT


def rejection(recipient: str, reply: str, *, reported_status: str = "") -> Bounce:
    """Return the bounce for a final rejection. `reported_status` is the status in a delivery report, if it has one."""
    status = more_specific(reported_status, find_status(reply)) or status_from_phrase(reply)
    stored = one_line(reply[: 4 * MAX_REPLY])[:MAX_REPLY].rstrip()
    return Bounce(kind=classify(status, reply), recipient=recipient, status=status, reply=stored)


def find_status(reply: str) -> str:
    """The enhanced status in a reply, preferably after a code ("550 5.1.1 …"), or ""."""
    start = reply[: 2 * MAX_REPLY]
    found = _STATUS_AFTER_CODE.search(start) or _ANY_STATUS.search(start)
    return found[1] if found else ""


def more_specific(reported: str, found: str) -> str:
    """The more specific of two statuses; if equal, the one `found` in the remote server's own text."""

    def specificity(status: str) -> int:
        return sum(digits not in {"", "0"} for digits in status.split(".")[1:])

    return found if found and specificity(found) >= specificity(reported) else reported


def status_from_phrase(reply: str) -> str:
    """The status that fits a known phrase in the reply, or "". It begins with 4 in a reply of 4yz."""
    phrase = find_phrase(reply)
    status = phrase[1] if phrase else ""
    return f"4{status[1:]}" if status and _is_transient("", reply) else status


def has_code(reply: str) -> bool:
    """Whether a text contains a code of 4yz or 5yz, or an enhanced status."""
    return _CODE.search(reply[:MAX_REPLY]) is not None or bool(find_status(reply))


def _is_transient(status: str, reply: str) -> bool:
    """Whether the server said "later": a status of 4, or a code of 4yz, which outweighs a vague status beside it."""
    code = _CODE.search(reply[:MAX_REPLY])
    if code and status in {"", "4.0.0"}:
        return code[1] == "4"
    return status.startswith("4") or _STARTS_WITH_4YZ.match(reply) is not None


def find_phrase(reply: str) -> tuple[BounceKind, str] | None:
    """The kind and status of the first known phrase. Ignores addresses, hosts and links: their names mean nothing."""
    tokens = reply[: 2 * MAX_REPLY].replace("-", " ").replace("_", " ").replace("’", "'").split()
    words = " ".join(t for t in tokens if not set("@=/") & set(t) and "." not in t.strip(".,:;!?()[]<>'\""))
    return next(((kind, status) for kind, status, pattern in _TABLE if pattern.search(words)), None)
