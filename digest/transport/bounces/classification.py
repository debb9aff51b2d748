"""Says what a rejection means, in a bounce or in the reply of an SMTP session.

Whether it is about the reader, about us or about one mail; HARD or SOFT; and whether it asks us to send more slowly.
Unclear rejections are SOFT: a wrong HARD loses a reader, a wrong SOFT is only counted.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from digest.models import Bounce, BounceKind, SmtpStage
from digest.transport.bounces.parsing import find_addresses
from digest.transport.smtp_connection import one_line

MAX_REPLY = 500  # characters of a reply that are stored and looked at

_STATUS = r"[245]\.[0-7]\.\d{1,3}"
_STATUS_AFTER_CODE = re.compile(rf"(?<![\w.])[245]\d\d[ :-]{{1,3}}#?({_STATUS})(?!\.?\d)")
_ANY_STATUS = re.compile(rf"(?<![\w.])({_STATUS})(?!\.?\d)")
_CODE = re.compile(r"(?<![\w.#])([45])\d\d(?![\w.])")
_STARTS_WITH_4YZ = re.compile(r"\W{0,9}4\d\d(?![\w.])")
# RFC 5321, 4.2.3: about the mail; 550, 551 and 553 are about the address.
_MAIL_CODE = re.compile(r"\W{0,9}55[24](?![\w.])")

# RFC 3463, RFC 7505 for 5.1.10, and Exchange Online for the last three. The others do not say that the address is
# invalid: 5.2.2 to 5.2.4 are about a mailbox that exists, 5.3 and 5.5 about the systems, 5.4 about the network.
_INVALID_ADDRESS = {"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.1.350", "5.1.351", "5.4.310"}
# About the sender: its address (X.1.7, X.1.8, and X.1.90 to X.1.99, Exchange Online's limits), its own quota (X.4.5) or
# loop (X.4.6), and what the server thinks of it (X.7). Counting these would suppress every reader while our own domain
# is misconfigured.
_US = re.compile(r"[45]\.(?:1\.(?:[78]|9\d)|4\.[56]|7\.\d{1,3})")
_THIS_MAIL = re.compile(r"[45]\.(?:2\.3|3\.4|6\.\d{1,3})")  # too big, or its content
# Servers also use these for want of a better status, so known words decide: X.Y.0, 5.7.1 (not authorised) and 5.4.4
# (unable to route; the RFC's own example is a domain without records).
_VAGUE = re.compile(r"5\.\d\.0|5\.0\.\d{1,3}|4\.0\.0|5\.7\.1|5\.4\.4|")

_MAX_UNKNOWN = 6  # words, with the code and the status
_NAMES_RECIPIENT = re.compile(
    r"user|recip|mail ?box|address|account|alias|customer|member|person|domain|destinat|empf(?:ä|ae)ng|benutz|postfach"
    r"|adress|utilis|usuari|utent|buz(?:ó|o)n|casella|gebruik",
    re.IGNORECASE,
)

# What a server answers to a client that sends too much. 421 also closes the connection, 432 is Exchange's limit on
# connections, 454 Amazon's "throttling failure"; 4.7 with 450 or 451 delays a client that is not trusted yet.
_SLOWER_CODE = re.compile(r"\W{0,9}(?:(?:421|432|454)(?![\w.])|45[01][ -]4\.7\.\d|452[ -]4\.3\.\d)")
_SLOWER_STATUS = re.compile(r"4\.7\.28")  # Gmail: an unusual rate of mail
_SLOWER_WORDS = re.compile(
    r"\brates?\b|\brate ?limit|throttl|\btoo many\b(?! (?:hops|dns))|\btoo fast\b|\bslow(?:er)? ?down\b|\bconcurren",
    re.IGNORECASE,
)


class About(StrEnum):
    """What a rejection is about."""

    READER = "reader"  # the address or its mailbox: counts
    US = "us"  # our address, our server or how much we send
    MAIL = "mail"  # the size or the content of this mail, or a fault of the server


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rejection means."""

    kind: BounceKind  # HARD, SOFT, or OTHER if it says nothing of the reader although its words would be HARD
    about: About
    slower: bool  # it asks us to send more slowly


# Phrases that servers use, the first match decides: kind, what it is about, fitting status or "-", and pattern.
_PHRASES = r"""
# A guess.
SOFT reader -
    may not exist|\bmight\b|perhaps|one of the following
# These name the recipient, but not the reason; other words would be taken for a refusal of us.
SOFT reader -
    recipient (?:address(?:es)? )?rejected ?:? (?:access denied|unverified address)
# What an account of ours may send, and senders that its provider does not know yet.
SOFT us 5.4.5
    \b(?:sending|sender|outbound|outgoing|daily|hourly|monthly|24 hour|relay|sent) (?:\w+ ){0,3}(?:quota|limit)
    |(?:quota|limit) (?:\w+ ){0,6}(?:sender|outgoing|outbound|sending)\b
    |\byour (?:\w+ ){0,3}(?:quota|limit)|(?:message|recipient|connection|credit)s? (?:quota|limit)
    |(?:e ?mails|messages|recipients) per (?:second|minute|hour|day)|\bcredits? (?:limit )?exceeded
SOFT us 5.1.8
    (?<!recipient )(?<!recipient address )(?:address|domain|identity|sender|account) (?:is |was )?
    (?:not|un) ?verified|unverified (?:sender|domain|identity|account|e ?mail)|identit(?:y|ies)\b
    |verify (?:your|the|this) (?:\w+ ){0,2}(?:sender|domain|identity|account|address)
    |send ?as ?denied|\bsend as\b|not owned by|(?:allowed|permitted|authori[sz]ed) to send
    |\byour (?:\w+ ){0,2}account\b|payment required
SOFT reader -
    (?:due to|because of) inactivity
SOFT reader 5.2.2
    box (?:is |was )?(?:over ?)?full|over ?quota|quota|(?:mail ?box|account|user) (?:size )?(?:has )?exceed
    |(?:not enough|insufficient|out of) (?:system |disk )?(?:storage|space)
SOFT mail 5.3.4
    too (?:big|large)|(?:message|mail|message size|size|length) exceeds|maximum (?:message )?size
# Who is told of it may be the sender, too: "returned to sender".
SOFT us 5.1.8
    (?<!to )(?<!to the )(?<!notify )(?<!notify the )(?<!original )(?<!tell the )\bsenders?\b|mail ?from\b
    |absender|exp(?:é|e)diteur|\bremitente|\bremetente|\bmittente|\bafzender|\bavs(?:ä|e)nd(?:are|er)\b|отправител
    |送信者|送信元|差出人|发件人|發件人
    |sending domain|purported responsible address|\b(?:from|return|reply to) address
    |\byour (?:\w+ ){0,2}(?:address|domain)\b|(?:not|n't) (?:be )?accept\w* (?:\w+ ){0,3}from\b
    |messages from (?:\w+ )?(?:weren't|were not|was not)
# Here "Host not found" is about our own host.
SOFT us 5.7.1
    \b(?:helo|ehlo)\b|(?:client|sending|source|connecting) (?:host|server|ip)|\bdynamic\b
    |\byour (?:\w+ ){0,3}(?:host ?(?:name)?|server|ip|network|provider|isp)\b
SOFT mail 5.6.0
    \bin (?:a |the )?(?:\w+ )?header|header error
SOFT us 5.4.6
    hop count|too many hops|\bloop
SOFT us 5.7.1
    spam|blocked|(?:block|black) ?list|banned|polic(?:y|ies)|dmarc|\bspf\b|dkim|dns ?bl|reputation|\brdns
    |\bptr\b|reverse dns|virus|content rej|unsolicited|\bube\b|abuse|complaint|relay|access denied
    |forbidden|(?:not |un)(?:allowed|permitted|authori[sz]ed)|permission denied|prohibited|authenticat|mail rejected
    |message (?:refused|rejected)|white ?list|allow ?list|starttls|tls (?:is )?(?:required|needed)|encryption|log ?in\b
    |callout|malware|phish|suspicious|bulk (?:e ?)?mail|newsletter|content|\bfilter|\barc\b|header does not match
SOFT reader 4.4.1
    (?:connection|operation) (?:timed out|refused)|unable to connect|lost connection|network error
    |no route to|able to establish|accept our requests|refused to talk|socket error
SOFT reader 4.4.7
    message expired|failing for a long time|giving up(?! on)|for too long|queue too long
    |retry time\w* exceeded
SOFT us -
    too many|\brate\b|frequen|throttl|gr[ae]y ?list|too fast|slow(?:er)? ?down|concurren|\bvolume\b
# Gmail's advice "check for typos and try again" follows its reason.
HARD reader 5.1.1
    (?<!ip )address (?:was )?not found|(?<!ip )address (?:couldn't|could not|can't|cannot) be found
    |adresse (?:wurde )?nicht gefunden|adresse (?:est )?introuvable
    |アドレスが見つからな|アドレス不明|受信者が見つかりません
SOFT reader -
    temporar|try again|\blater\b|on hold|malformed or unexpected name server
SOFT mail -
    \bbusy\b|overload|internal (?:\w+ )?error
    |(?:ldap|database|look ?up) (?:\w+ ){0,3}(?:error|fail|down\b|unavailable|problem)
    |system load|server (?:\w+ )?(?:load\b|problem|misconfig)
    |(?:unable to|cannot|can't|could not|couldn't) verify|verification failed
SOFT reader 5.4.4
    find a gateway
HARD reader 5.1.10
    null mx|seems? to reject all mails?|indicated no smtp service
HARD reader 5.1.2
    (?:host|domain) unknown|unknown (?:host|domain)|(?:host|domain)(?: name| or domain name)?(?: was)? not found
    |invalid domain|(?:no such|non ?existent) (?:host|domain)
    |domain (?:name )?(?:does not|doesn't) exist
    |bad destination system|nxdomain|find a mail exchanger|find any host
    |\bno (?:valid |usable |such )?(?:mx|mail exchanger)(?: or a| and no a)?(?: records?)? (?:was |were )?
    (?:found|exists?|defined|available|for|at)|(?:has|have|had|with) no (?:valid )?(?:mx|mail exchanger)
    |(?:does not|doesn't) have (?:an? |any )?(?:valid )?(?:mx|mail exchanger)|without (?:an )?mx
    |no mx record|mx records? point to non ?existent
HARD reader 5.1.3
    malformed (?:recipient )?address|bad (?:recipient |destination )?address syntax|illegal user
HARD reader 5.2.1
    (?:account|mailbox|user|address)(?: is| has been| was)? (?:disabled|inactive|deactivated|closed
    |terminated|deleted|removed)|inactive (?:e ?mail )?(?:address|account|mailbox|user)
HARD reader 5.1.1
    (?:user|recipient|mailbox|account|address|addressee)s? (?:name )?(?:is |was )?
    (?:unknown|invalid|not (?:found|known|recognized|recognised)|does not exist|doesn't exist|not exist)
    |(?:unknown|invalid|no such|non ?exist(?:ent|ing)) (?:local |virtual |e ?mail )?
    (?:user|recipient|mailbox|account|address|person|part\b)
    |no mailbox here by that name|is not a (?:registered|valid|known) (?:\w+ )?(?:user|recipient|mailbox)
    |not listed in (?:\w+ ){0,3}directory|recipient no longer|doesn't have an? (?:\w+ )?account
    |address you entered couldn't be found
    |account that you tried to reach does not exist|no longer (?:valid|in use)
# German, French and Japanese servers. The Japanese: not found, or not listed, in the directory.
    |(?:empf(?:ä|ae)nger|benutzer|postfach|adresse|e ?mail ?adresse) (?:ist |existiert |wurde )?
    (?:unbekannt|nicht(?: (?:bekannt|gefunden|vorhanden))?|existiert nicht)
    |(?:utilisateur|destinataire|adresse|bo(?:î|i)te) (?:\w+ ){0,3}
    (?:inconnue?|inexistante?|n'existe pas)
    |ディレクトリには見つかりません|ディレクトリのリストにありません|宛先(?:の)?(?:メール)?アドレスが存在しません
HARD reader 5.4.4
    unroute?able address
"""
_HEADS = re.compile(r"^(SOFT|HARD) (\w+) (\S+)\n((?:(?: {4}|#).*\n)+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Phrase:
    """A line of the table: what words mean."""

    kind: BounceKind
    about: About
    status: str  # "" if none fits
    pattern: re.Pattern[str]


def _read_phrases() -> Iterator[Phrase]:
    for kind, about, status, lines in _HEADS.findall(_PHRASES):
        pattern = "".join(line.strip() for line in lines.split("\n") if not line.startswith("#"))
        yield Phrase(BounceKind[kind], About(about), status.strip("-"), re.compile(pattern, re.IGNORECASE))


_TABLE = tuple(_read_phrases())

# Links and hosts are no words, since names mean nothing, except these. A blocklist's own host says enough; a link that
# only sounds like one is believed if no known words say otherwise.
_BLOCKLIST_HOST = re.compile(
    r"\b(?:spamhaus|spamcop|sorbs|barracudacentral|uceprotect|abuseat|mailspike|invaluement|surbl|uribl|spfbl|backscatterer"
    r"|senderscore|senderbase|spamrats|nixspam|bl)\.(?:[\w-]+\.)*[a-z]{2,}\b"
    r"|\b[\w-]*(?:dnsbl|rbl|blocklist|blacklist)[\w-]*\.(?:[\w-]+\.)*[a-z]{2,}\b",
    re.IGNORECASE,
)
_LINK = re.compile(r"(?:https?://|www\.)\S{1,300}", re.IGNORECASE)
_BLOCKLIST_LINK = re.compile(
    r"[?&]ip=|(?<![a-z])(?:[a-z]{0,5}bl|zen|block\w*|black\w*|[\w-]*listed|unlist|de-?list\w*|remov\w*|un-?block\w*|abuse|spam\w*"
    r"|reputation|lookup|ip-?check|rbl-?check|sender-?support|snds)(?![a-z])",
    re.IGNORECASE,
)


def judge(reply: str, *, status: str = "", stage: SmtpStage | None = None) -> Verdict:
    """Return what a final rejection means.

    `status` is an enhanced status ("5.1.1"), or "" to find one in the reply. `reply` is the server's text, such as
    "550 5.1.1 no such user". `stage` is the step that it answers, if known. Known phrases outweigh the status: servers
    send 5.1.1 to clients that send too much, and 5.7.1 or 5.0.0 for unknown users.
    """
    status = more_specific(status, find_status(reply))
    phrase = find_phrase(reply)
    kind = _kind(status, reply, phrase)
    slower = asks_to_slow_down(reply)
    about = _about(status, reply, phrase, kind)
    if slower or (stage is not None and stage.is_before_recipient):
        about = About.US
    if about is not About.READER and kind is BounceKind.HARD:
        kind = BounceKind.OTHER  # the unknown domain or address is our own
    return Verdict(kind, about, slower)


def answers_sender(reply: str, senders: Iterable[str], recipient: str) -> bool:
    """Return True if a reply names our addresses and no others. Many servers judge a sender only at RCPT TO."""
    named = find_addresses(reply[:MAX_REPLY].lower())
    return bool(named) and set(named) <= {sender.lower() for sender in senders} - {recipient.lower()}


def asks_to_slow_down(reply: str) -> bool:
    """Return True if a reply says that we send too much: by its code, a status of 4.7.28, or words."""
    if reply.lstrip().startswith("2"):
        return False
    start = reply[: 2 * MAX_REPLY]
    by_code = _SLOWER_CODE.match(start) or _SLOWER_STATUS.fullmatch(find_status(start))
    return bool(by_code or _SLOWER_WORDS.search(_words(start)))


def _kind(status: str, reply: str, phrase: Phrase | None) -> BounceKind:
    if _is_transient(status, reply):
        return BounceKind.SOFT
    if phrase is not None and (phrase.kind is BounceKind.SOFT or _VAGUE.fullmatch(status)):
        return phrase.kind
    # A status may be wrong: in more than a few unknown words, the recipient must at least be named.
    is_believed = phrase is not None or _NAMES_RECIPIENT.search(reply) or len(_words(reply).split()) <= _MAX_UNKNOWN
    return BounceKind.HARD if status in _INVALID_ADDRESS and is_believed else BounceKind.SOFT


def _about(status: str, reply: str, phrase: Phrase | None, kind: BounceKind) -> About:
    start = reply[: 2 * MAX_REPLY]
    knows_address = phrase is not None and phrase.kind is kind is BounceKind.HARD
    by_link = phrase is None and any(map(_BLOCKLIST_LINK.search, _LINK.findall(start)))
    by_status = not knows_address and _US.fullmatch(status)
    if by_link or by_status or _BLOCKLIST_HOST.search(start):
        return About.US
    if _THIS_MAIL.fullmatch(status):
        return About.MAIL
    if phrase is not None:
        return phrase.about
    is_vague = kind is BounceKind.SOFT and _VAGUE.fullmatch(status)
    return About.MAIL if is_vague and _MAIL_CODE.match(reply) else About.READER


def rejection(recipient: str, reply: str, *, reported_status: str = "", stage: SmtpStage | None = None) -> Bounce:
    """Return the bounce for a final rejection. `reported_status` is the status in a delivery report, if it has one."""
    status = more_specific(reported_status, find_status(reply)) or status_from_phrase(reply)
    stored = one_line(reply[: 4 * MAX_REPLY])[:MAX_REPLY].rstrip()
    verdict = judge(reply, status=status, stage=stage)
    return Bounce(
        kind=verdict.kind,
        recipient=recipient,
        status=status,
        reply=stored,
        about_reader=verdict.about is About.READER,
    )


def find_status(reply: str) -> str:
    """Return the enhanced status in a reply, preferably after a code ("550 5.1.1 …"), or "".

    Exchange Online quotes the remote server's own reply behind "->".
    """
    start = reply[: 2 * MAX_REPLY]
    found = _STATUS_AFTER_CODE.search(start) or _ANY_STATUS.search(start)
    quoted = _ANY_STATUS.search(start.partition("->")[2])
    return more_specific(found[1], quoted[1] if quoted and found[1].startswith("5.0.") else "") if found else ""


def more_specific(reported: str, found: str) -> str:
    """Return the more specific of two statuses; if equal, the one `found` in the remote server's own text."""

    def specificity(status: str) -> int:
        return sum(digits not in {"", "0"} for digits in status.split(".")[1:])

    return found if found and specificity(found) >= specificity(reported) else reported


def status_from_phrase(reply: str) -> str:
    """Return the status that fits a known phrase in the reply, or "". It begins with 4 in a reply of 4yz."""
    phrase = find_phrase(reply)
    status = phrase.status if phrase else ""
    return f"4{status[1:]}" if status and _is_transient("", reply) else status


def has_code(reply: str) -> bool:
    """Return whether a text contains a code of 4yz or 5yz, or an enhanced status."""
    return _CODE.search(reply[:MAX_REPLY]) is not None or bool(find_status(reply))


def _is_transient(status: str, reply: str) -> bool:
    """Return True for a status of 4, or a code of 4yz, which outweighs a vague status beside it."""
    code = _CODE.search(reply[:MAX_REPLY])
    if code and status in {"", "4.0.0"}:
        return code[1] == "4"
    return status.startswith("4") or _STARTS_WITH_4YZ.match(reply) is not None


def find_phrase(reply: str) -> Phrase | None:
    """Return the first known phrase in a reply."""
    words = _words(reply[: 2 * MAX_REPLY])
    return next((phrase for phrase in _TABLE if phrase.pattern.search(words)), None)


_EXCHANGE_ERROR = re.compile(r"(?<![\w.-])[A-Z]{4,20}(?:[.:][A-Z][A-Za-z]{1,80}){1,9}(?![\w.-])")
_WORD_OF_NAME = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]+")


def _words(text: str) -> str:
    """Return the words of a text. Addresses, hosts and links are left out: their names mean nothing.

    Exchange's names of errors are words: "STOREDRV.Submission.Exception:SendAsDeniedException".
    """
    text = _EXCHANGE_ERROR.sub(lambda found: _WORD_OF_NAME.sub(r" \g<0>", found[0]).replace(".", " "), text)
    tokens = text.replace("-", " ").replace("_", " ").replace("’", "'").split()
    return " ".join(t for t in tokens if not set("@=/") & set(t) and "." not in t.strip(".,:;!?()[]<>'\""))
