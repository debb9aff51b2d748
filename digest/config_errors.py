"""What an invalid key of config.toml means, and what to write instead: one line for each error of the models."""

import json
import tomllib
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails, PydanticUndefined

from digest.spelling import did_you_mean
from digest.text import shortened

_MAX_SHOWN = 60  # characters of a wrong value
_MAX_REASON = 500

# Secrets are read from the environment. These are the keys that people write instead: (word in it, section, variable).
_SECRETS = (
    ("pass", "delivery", "DIGEST_SMTP_PASSWORD"),
    ("pass", "bounces", "DIGEST_IMAP_PASSWORD"),
    ("pass", "", "DIGEST_SMTP_PASSWORD or DIGEST_IMAP_PASSWORD"),
    ("key", "dkim", "DIGEST_DKIM_KEY_FILE"),
    ("dkim_key", "", "DIGEST_DKIM_KEY_FILE"),
    ("secret", "", "DIGEST_SECRET_KEY"),
)


def near_or_known(written: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown word: the nearest known one, or all of them."""
    names = sorted(known)
    return did_you_mean(written, names) or f"; known are {', '.join(names)}"


def key_of(error: ErrorDetails) -> str:
    """Return the key of an error as people write it: ("source", 0, "kind") is source[1].kind, counted from one."""
    parts = (f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in error["loc"])
    return "".join(parts).lstrip(".")


def reason_of(error: ErrorDetails, root: type[BaseModel]) -> str:
    """Return what is wrong with a key of the model `root`, and what to write."""
    path = [part for part in error["loc"] if isinstance(part, str)]
    shown = shortened(repr(error["input"]), _MAX_SHOWN)
    match error["type"]:
        case "extra_forbidden":
            reason = _unknown_key(path, root)
        case "missing":
            reason = f"is missing; write {path[-1]} = and its value in quotes"
        case "value_error":
            reason = str(error["ctx"]["error"])
        case "string_too_short":
            reason = "is empty; write a text in quotes"
        case "string_type":
            reason = f"write a text in quotes, not {shown}"
        case "bool_type":
            reason = f"write true or false, not {shown}"
        case "tuple_type" if path == ["source"]:
            reason = "write the line [[source]] above the keys of each source"
        case "tuple_type":
            reason = f'write a list of texts in brackets, such as ["example.org"], not {shown}'
        case "model_type" | "model_attributes_type" | "dict_type":
            reason = f"is a section; write the line [{key_of(error)}] above its keys, not {shown}"
        case _:
            default = _default_of(path, root)
            reason = f"{error['msg'][0].lower()}{error['msg'][1:]}, not {shown}{default}"
    return shortened(reason, _MAX_REASON)


def toml_reason(error: tomllib.TOMLDecodeError) -> str:
    """Return why a file is not TOML, and what to write."""
    hint = "; a text is written in quotes" if str(error).startswith("Invalid value") else ""
    return f"is not TOML: {error}{hint}"


def _unknown_key(path: Sequence[str], root: type[BaseModel]) -> str:
    key = path[-1].lower().replace("-", "_")
    for word, section, variable in _SECRETS:
        if word in key and section in {"", path[0]}:
            return f"unknown key: secrets are never read from this file; set the environment variable {variable}"
    fields = _model_at(path[:-1], root).model_fields
    return f"unknown key{near_or_known(path[-1], [field.alias or name for name, field in fields.items()])}"


def _default_of(path: Sequence[str], root: type[BaseModel]) -> str:
    fields = _model_at(path[:-1], root).model_fields
    field = next((field for name, field in fields.items() if path[-1] in {name, field.alias}), None)
    if field is None or field.default is PydanticUndefined:
        return ""
    return f"; the default is {json.dumps(field.default, ensure_ascii=False)}"


def _model_at(path: Sequence[str], root: type[BaseModel]) -> Any:
    """Return the model of a section. A list of sections has the type tuple[model, ...]."""
    model: Any = root
    for part in path:
        found = model.model_fields[part].annotation
        model = found if isinstance(found, type) and hasattr(found, "model_fields") else found.__args__[0]
    return model
