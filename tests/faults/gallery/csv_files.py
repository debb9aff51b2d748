"""CSV files: mutations of what spreadsheets export. A file is refused on one line, or no row of it is lost."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

from digest.errors import UsageError
from digest.mail import Templates
from digest.subscribers import fields
from digest.subscribers.csv_reading import decode_csv
from tests.faults.gallery import Attack, mutated

_TEXT = '''email,name,timezone,send_at,days,profiles,language,max_papers,announce,trending,paused
ann@example.org,"Doe, ""Ann""",Europe/Berlin,07:00,weekdays,Cats;Dogs,de,25,"new,cross",yes,2026-06-30
bob@example.org,Bób 猫,america/new york,7 PM,Mon-Fri,,en,10.0,all,TRUE,
,,,,,,,,,,
cat@example.org,"two
lines",utc,19:30:00,Mo;Do,Cats,DE,,,no,yes
'''
_SAMPLES = (
    _TEXT.encode(),
    _TEXT.replace(",", ";").replace("\n", "\r\n").encode("utf-8-sig"),
    f"sep=\t\n{_TEXT}".replace(",", "\t").encode("utf-16"),
    b"E-Mail;Notes;;\nann@example.org;x;;\nann@example.org;;;\n",
)
_FIXED = {
    "only quotes": b'email\n"' + b'"' * 300_000,
    "a quote in every row": b"email,name\n" + b'a@example.org,"x\n' * 20_000,
    "many columns": b"email" + b",x" * 100_000,
    "many equal columns": b"email," * 100_000,
    "a long cell in every row": b"email,name\n" + (b"a@example.org," + b"x" * 100_000 + b"\n") * 100,
    "days of spaces": b"email,days\n" + (b"a@example.org,mon" + b" " * 9_900 + b"x\n") * 200,
    "times of digits": b"email,send_at\n" + (b"a@example.org," + b"7" * 9_900 + b"\n") * 200,
    "unlike zones": b"email,timezone\n" + b"".join(b"a@example.org,Mars/Base%d\n" % n for n in range(500)),
    "separators": b"sep=" * 50_000,
}
_SECONDS = 5.0


def attacks(random: Random, count: int, _folder: Path) -> Iterator[Attack]:
    """Mutations of each export, in turn, and files that cost much if a reader is careless."""
    options = fields.SubscriberOptions(languages=Templates().languages, profiles={"Cats", "Dogs"})
    contents = _FIXED | {f"file {n}": mutated(random, _SAMPLES[n % len(_SAMPLES)]) for n in range(count)}
    for name, content in contents.items():

        def read(content: bytes = content) -> None:
            try:
                for row in fields.read_csv(decode_csv(content), options, confirmed=True):
                    if row.subscriber is None and not row.reason:
                        raise AssertionError(f"line {row.line} is lost")
                    _check_line(row.reason)
            except UsageError as error:
                _check_line(str(error))

        yield Attack(f"{name}: {content[:60]!r}", read, _SECONDS)


def _check_line(message: str) -> None:
    if "\n" in message or len(message) > 2_000:
        raise AssertionError(f"not one line: {message[:100]!r}")
