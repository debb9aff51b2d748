"""Configuration files: mutations of the example, of values and of bytes. A file is read, or refused on one line."""

import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

from digest.config import load
from digest.errors import ConfigError
from tests.faults.gallery import Attack, mutated

_EXAMPLE = Path(__file__).resolve().parents[3] / "config.example.toml"
_VALUE = re.compile(r"(?m)^(\w+ = )[^#\n]*")
_VALUES = (
    *('""', '" "', '"x"', '"\\u0000"', '"a\\nb"', '"é"', "'\"'", '"' + "x" * 10_000 + '"', '"/dev/null"', '"<>"'),
    *("0", "-1", "1e400", "nan", "-inf", "9" * 400, "0.05", "true", "[]", '[""]', "[1]", '[["x"]]', "{}"),
    *('{ x = "y" }', "1979-05-27", "07:32:00", '"http://["', '"//x"', '"a@b"', '"Doe, J <a@example.org>"'),
    *('"sqlite:///"', '"sqlite:///x/../y"'),
)


def attacks(random: Random, count: int, folder: Path) -> Iterator[Attack]:
    """Change one value of the example, or some of its bytes."""
    example = _EXAMPLE.read_bytes()
    places = list(_VALUE.finditer(example.decode()))
    for number in range(count):
        content, what = mutated(random, example), "bytes"
        if number % 2:
            place, value = random.choice(places), random.choice(_VALUES)
            what = f"{place[1]}{value[:40]}"
            content = f"{example.decode()[: place.end(1)]}{value}{example.decode()[place.end() :]}".encode()

        def read(content: bytes = content) -> None:
            file = folder / "config.toml"
            file.write_bytes(content)
            try:
                load(file).check_own_values()
            except ConfigError as error:
                message = str(error)
                if "\n" in message or len(message) > 1_000 or not message.startswith(str(file)):
                    raise AssertionError(f"not one line that names the file: {message[:200]!r}") from error

        yield Attack(f"configuration {number}: {what}", read)
