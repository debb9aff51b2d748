"""Reading config.toml: what is wrong with it is said with the file, the key and how to mend it."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from digest.config.loaded import Config, Secrets
from digest.config.sections import ConfigFile, SourceConfig, did_you_mean
from digest.errors import ConfigError


def load(file: Path) -> Config:
    """The configuration in `file`. Raises ConfigError."""
    try:
        written = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(str(file), "", "no such file; `digest init` writes one, --config names another") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(file), "", f"cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(file), "", f"is not TOML: {error}") from None
    return _parse(written, file)


def _parse(written: dict[str, Any], file: Path) -> Config:
    """The configuration in a dictionary as TOML gives it, as if read from `file`. Raises ConfigError."""
    try:
        checked = ConfigFile.model_validate(written)
        environment = Secrets()
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(str(file), _dotted(first["loc"]), _reason(first)) from None
    return Config.model_construct(file=file.absolute(), secrets=environment, **dict(checked))


def _dotted(location: Iterable[int | str]) -> str:
    """("source", 0, "kind") -> "source[1].kind": people count from one."""
    dotted = ""
    for part in location:
        dotted += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return dotted.lstrip(".")


def _reason(error: ErrorDetails) -> str:
    match error["type"]:
        case "extra_forbidden":
            known = _keys_beside(error["loc"])
            return f"unknown key{did_you_mean(str(error['loc'][-1]), known)}"
        case "missing":
            return "is missing"
        case "value_error":
            return str(error["ctx"]["error"])
        case _:
            return f"{error['msg'][0].lower()}{error['msg'][1:]}, not {error['input']!r}"


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    """The keys known in the section where `location` lies."""
    model: Any = ConfigFile
    for part in location[:-1]:
        if isinstance(part, str):
            annotation = model.model_fields[part].annotation
            model = SourceConfig if part == "source" else annotation
    return [f.alias or name for name, f in model.model_fields.items()]
