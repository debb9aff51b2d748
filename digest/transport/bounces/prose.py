"""Bounces without a report: what mail systems write for people to read."""

import re
from collections.abc import Iterable, Iterator

from digest.models import Bounce, BounceKind
from digest.transport.bounces import answers, meaning, odd
from digest.transport.bounces.addresses import all_in, bare
from digest.transport.bounces.parts import Mail

_MOST_RECIPIENTS = 50
_MOST_TEXT = 1 << 14  # characters, for each recipient
_DELAY_SUBJECT = re.compile(r"^\W{0,9}warning|\bdelay(?:ed)?\b|: warning$", re.IGNORECASE)
_DELAY = re.compile(
    r"only a (?:temporary|warning)|this is (?:just )?a warning|not yet been delivered|still being retried"
    r"|will (?:be retried|continue to (?:try|be made))|no action is required on your part|(?:not|n't) need to re-?send",
    re.IGNORECASE,
)
_FAILURE = re.compile(
    r"undeliver|(?:not|n't|unable to|error|trouble|failed) (?:be |been |was |in |while )?(?:attempting to )?deliver"
    r"|fail(?:ed|ure)\b|returned? (?:mail|to sender)|did not reach|could not|error sending",
    re.IGNORECASE,
)
_REFUSAL = re.compile(r"(?<![\w.#\[/])([45]\d\d)(?:[ :-]|$)[ \t]*\S|(?<![\w.\[])[45]\.\d\.\d{1,3}(?!\.?\d)")
_QUOTED = re.compile(r"(?:^|\n)[ \t]*(?:>>>|\.\.\. while|sent <<<)[^\n]*", re.IGNORECASE)
_NEXT = re.compile(r"\s*(?:$|giving up|i'm not going|-{3}|<<<|([2-5]\d\d)[ -])", re.IGNORECASE)
_SENDMAIL = re.compile(r"^5\d\d (?:5\.\d\.\d{1,3} )?<([^<>\s]{3,320})>\.\.\. ", re.MULTILINE)


def read(mail: Mail) -> tuple[Bounce, ...]:
    """What the mail says to people, one bounce a recipient; empty if it tells of no failure."""
    if _DELAY_SUBJECT.search(mail.fields.get("subject", "")) or _DELAY.search(mail.prose):
        return (Bounce(kind=BounceKind.OTHER, recipient=next(iter(_recipients(mail)), "")),)
    named = list(_named(mail))
    if not named and not _tells_failure(mail):
        return ()
    recipients = named or _recipients(mail) or [""]
    return tuple(_bounce(recipient, mail, recipients) for recipient in recipients[:_MOST_RECIPIENTS])


def said_of(recipient: str, text: str, others: Iterable[str] = ()) -> str:
    """The remote server's words on a recipient in a text: a refusal if there is one, or else what makes most sense."""
    text = text[:_MOST_TEXT]
    others = [other for other in others if other != recipient]
    about = _about(recipient, text, others)
    passages = [about] if others else [about, text]
    refusals = [refusal for passage in passages if (refusal := _refusal(_QUOTED.sub("\n", passage)))]
    for said in refusals:
        if meaning.is_known(said) or meaning.status_in(said):
            return said
    if others and refusals:  # what else stands there may be about another recipient
        return refusals[0]
    paragraphs = [paragraph for passage in passages for paragraph in re.split(r"\n[ \t]*\n", passage)]
    known = (paragraph for paragraph in paragraphs if meaning.is_known(paragraph))
    return next(known, refusals[0] if refusals else about)


def _bounce(recipient: str, mail: Mail, recipients: list[str]) -> Bounce:
    reply = said_of(recipient, mail.prose, recipients if len(recipients) > 1 else ())
    status = meaning.status_in(reply) or meaning.derived(reply)
    return Bounce(kind=meaning.classify(status, reply), recipient=recipient, status=status, reply=meaning.sane(reply))


def _named(mail: Mail) -> Iterator[str]:
    """The recipients of which somebody who knows this kind of bounce says that they failed."""
    failed = [bare(value) for value in mail.fields.get("x-failed-recipients", "").split(",")]  # Exim, Google
    if any(failed):
        return filter(None, dict.fromkeys(failed))
    listed = [found for line in _SENDMAIL.findall(mail.prose) if (found := bare(line))]
    return iter(dict.fromkeys(listed) or [address for address in odd.failed(mail) if address in mail.prose])


def _recipients(mail: Mail) -> list[str]:
    """The addresses that the text is likely to speak of: those we wrote to, or else any but ours and its author's."""
    not_theirs = {answers.author(mail), *all_in(mail.fields.get("to", ""))}
    written_to = [address for address in all_in(mail.returned.get("to", "")) if address not in not_theirs]
    told = [address for address in all_in(mail.prose) if address not in not_theirs]
    return [address for address in told if address in written_to] or told[:1] or written_to[:1]


def _tells_failure(mail: Mail) -> bool:
    return bool(_FAILURE.search(mail.fields.get("subject", "")) or _FAILURE.search(mail.prose)) or meaning.has_code(
        mail.prose
    )


def _about(recipient: str, text: str, others: list[str]) -> str:
    """The lines from the recipient's own down to the next one's."""
    lines = text.split("\n")
    at = [number for number, line in enumerate(lines) if recipient and recipient in line]
    if not at:
        return text
    end = next((n for n in range(at[0] + 1, len(lines)) if any(o in lines[n] for o in others)), len(lines))
    return "\n".join(lines[at[0] : end])


def _refusal(text: str) -> str:
    """The first refusal in a text, with the lines that go on with it; "" if there is none."""
    found = _REFUSAL.search(text)
    if found is None:
        return ""
    # A bare status may stand behind the words: "no such mailbox. (#5.1.1)".
    start = found.start() if found[1] else text.rfind("\n", 0, found.start()) + 1
    first, *rest = text[start : start + 4 * meaning.LONGEST].split("\n")
    lines = [first]
    for line in rest:
        after = _NEXT.match(line)
        if after and (after[1] is None or after[1] != found[1]):
            break
        lines.append(line)
    return "\n".join(lines)
