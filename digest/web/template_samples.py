"""Sample values of dataclasses, made from their annotations, to try page templates with."""

import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

_BY_TYPE: Mapping[type, Sequence[object]] = {
    bool: (False, True),
    int: (0, 1, 2, 30),
    float: (0.0, 0.05, 30.0),
    date: (date(2026, 6, 3),),
    datetime: (datetime(2026, 6, 3, 7, tzinfo=UTC),),
    types.NoneType: (None,),
}


@dataclass(frozen=True, slots=True)
class Samples:
    """Names the values that a field is tried with, where its type alone does not say: `Annotated[str, Samples(…)]`."""

    values: tuple[object, ...]

    def __init__(self, *values: object) -> None:
        """From the emptiest value to the fullest."""
        object.__setattr__(self, "values", values)


class Fault:
    """Marks a field that says what is wrong, `Annotated[bool, Fault()]`: its fullest sample is that nothing is.

    So the fullest instance of a page shows all its contents, not a complaint in their place.
    """


@cache
def samples_of(annotation: Any) -> Sequence[Any]:
    """Return values of a type, from the emptiest to the fullest.

    For a dataclass: one instance with the emptiest value of each field, one with the fullest of each, and between them
    both of these with single fields changed. Their number grows with the sum of the fields' values, not with their
    product.

    Raises TypeError for a type that it has no values for.
    """
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        named = next((each.values for each in args[1:] if isinstance(each, Samples)), None)
        values = named if named is not None else samples_of(args[0])
        return values[::-1] if any(isinstance(each, Fault) for each in args[1:]) else values
    if origin in {Union, types.UnionType}:
        options = sorted(args, key=lambda arg: arg is not types.NoneType)
        return [value for option in options for value in samples_of(option)]
    if origin is tuple and args[-1] is not Ellipsis:
        columns = [samples_of(arg) for arg in args]
        return [tuple(column[row % len(column)] for column in columns) for row in range(max(map(len, columns)))]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        keys, values = (samples_of(arg) for arg in args)
        return [{}, {key: values[at % len(values)] for at, key in enumerate(keys)}, {keys[-1]: values[-1]}]
    if isinstance(origin, type) and issubclass(origin, Collection):
        make = frozenset if issubclass(origin, frozenset) else tuple
        values = samples_of(args[0])
        return [make(()), make(values), make((values[-1], values[-1]))]
    if isinstance(annotation, type):
        return _of_class(annotation)
    raise TypeError(f"no samples of {annotation!r}")


def _of_class(kind: type) -> Sequence[Any]:
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    if issubclass(kind, Enum):
        return list(kind)
    if issubclass(kind, str):  # also Markup
        return [kind(""), kind("text")]
    if is_dataclass(kind):
        return list(_instances(kind))
    raise TypeError(f"no samples of {kind!r}")


def _instances(kind: type) -> Iterator[Any]:
    hints = get_type_hints(kind, include_extras=True)
    choices = {field.name: samples_of(hints[field.name]) for field in fields(kind)}
    empty, full = ({name: values[end] for name, values in choices.items()} for end in (0, -1))
    for values in (empty, *_from_empty(choices, empty), *_from_full(choices, full, empty), full):
        with suppress(ValueError):  # of a record that refuses values which do not fit each other
            yield kind(**values)


_Instance = Mapping[str, Any]  # field -> value


def _from_empty(choices: Mapping[str, Sequence[Any]], empty: _Instance) -> Iterator[_Instance]:
    """Yield `empty` with one field changed to each of its values; of a dataclass within only to its fullest."""
    for name, values in choices.items():
        yield from ({**empty, name: value} for value in (values[-1:] if is_dataclass(values[-1]) else values[1:]))


def _from_full(choices: Mapping[str, Sequence[Any]], full: _Instance, empty: _Instance) -> Iterator[_Instance]:
    """Yield `full` with one field changed to each of its values, and with two neighbours empty."""
    for name, values in choices.items():
        yield from ({**full, name: value} for value in values[:-1])
    for pair in pairwise(choices):
        yield {**full, **{name: empty[name] for name in pair}}
