"""Splits a template into fragments that Jinja renders once and that are filled in for every mail.

A template is split at its loops over the subscriber's own records (`{% for card in section.cards %}`). Jinja renders
each fragment once for all records that differ only in their placeholders: texts that the template writes and nothing
else. The result is literal text with gaps. A template that does more with such a text than write it, or that uses
variables from outside the loop, raises UnsplittableError; ordinary Jinja then renders it for every mail.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, NoReturn, cast

import jinja2
from jinja2 import nodes
from jinja2.runtime import Context
from jinja2.visitor import NodeTransformer
from markupsafe import Markup

_GAP = re.compile("\x01([^\x02]*)\x02")  # control characters, which no text of a mail holds


class UnsplittableError(Exception):
    """The template cannot be split. The message tells its author why."""


@dataclass(frozen=True, slots=True)
class RecordType:
    """A class of records, with its fields that are placeholders and its fields that hold further records."""

    record: type
    placeholders: frozenset[str]
    loops: Mapping[str, "RecordType"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Position:
    """What a fragment may ask of Jinja's `loop`."""

    first: bool
    last: bool


@dataclass(frozen=True, slots=True)
class Loop:
    """A gap that is filled with the records of `field`, one after another."""

    field: str
    fragment: "Fragment"


Gap = str | Loop  # the name of a placeholder, or a loop


@dataclass(frozen=True, slots=True)
class Fragment:
    """The body of one loop of a template, or the text outside all loops, without the loops inside it."""

    record_type: RecordType
    variable: str  # the template's name for the record
    template: jinja2.Template
    loops: tuple[Loop, ...]
    asks_position: bool  # uses `loop`
    as_text: bool  # not HTML: placeholders are written by str()

    def prerender(
        self, record: Any, position: Position = Position(first=True, last=True)
    ) -> list[tuple[str, Gap | None]]:
        """Render the fragment for one record, as literal texts, each with the gap behind it; the last has None.

        Raises UnsplittableError.
        """
        names, loops = self.record_type.placeholders, self.record_type.loops
        filled = {name: Placeholder(name, bool(getattr(record, name)), as_text=self.as_text) for name in names}
        filled |= {name: Placeholder("", bool(getattr(record, name)), as_text=False) for name in loops}
        try:
            rendered = self.template.render({self.variable: replace(record, **filled), "loop": position})
        except jinja2.UndefinedError as error:
            raise UnsplittableError(f"{error.message} within the loop over {self.variable}") from None
        literal, *rest = _GAP.split(rendered)
        found: list[tuple[str, Gap | None]] = []
        for name, following in zip(rest[::2], rest[1::2], strict=True):
            if not name.startswith("#") and name not in names:
                raise UnsplittableError(f"more is done with a text of {self.variable} than to write it")
            found.append((literal, self.loops[int(name[1:])] if name.startswith("#") else name))
            literal = following
        return [*found, (literal, None)]


class Placeholder:
    """Stands in for a text or a loop in `prerender`. It can be written, and tested for being empty."""

    __slots__ = ("_as_text", "_filled", "_name")

    def __init__(self, name: str, filled: bool, *, as_text: bool) -> None:
        self._name = name
        self._filled = filled
        self._as_text = as_text

    def __html__(self) -> Markup:
        if not self._name:
            self._refuse()
        return Markup(f"\x01{self._name}\x02")  # noqa: S704

    def __str__(self) -> str:
        if not self._as_text:
            self._refuse()
        return f"\x01{self._name}\x02"

    def __bool__(self) -> bool:
        return self._filled

    def _refuse(self, *_: object) -> NoReturn:
        raise UnsplittableError(f"more is done with {self._name or 'a list of the subscriber'} than to write it")

    __hash__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __getattr__ = __getitem__ = __iter__ = __len__ = __contains__ = _refuse
    __add__ = __radd__ = __mod__ = __mul__ = __int__ = __float__ = __index__ = _refuse
    __format__ = _refuse


def split_template(environment: jinja2.Environment, name: str, record_type: RecordType, variable: str) -> Fragment:
    """Split the template `name`, which sees one record as `variable`. Raises UnsplittableError and Jinja's errors."""
    # Filters, tests and methods refuse placeholders: they would get the placeholder's own text for the subscriber's.
    # They refuse undefined names, too, because outside the fragment such a name may be defined.
    guarded = environment.overlay()
    guarded.filters = {key: _guarded(key, environment.filters[key]) for key in environment.filters}
    guarded.tests = {key: _guarded(key, cast(Any, environment.tests[key])) for key in environment.tests}
    call = guarded.call  # type: ignore[attr-defined]

    def guarded_call(context: Context, function: Any, /, *arguments: Any, **named: Any) -> Any:
        _refuse_placeholders(getattr(function, "__name__", "a call"), [getattr(function, "__self__", None)])
        return call(context, function, *arguments, **named)

    guarded.call = guarded_call  # type: ignore[attr-defined]
    tree, file = _parse(environment, name)
    return _Splitter(guarded, name, file, record_type, variable).fragment(tree.body)


def _guarded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)  # keeps Jinja's mark that the function takes its context, too
    def checked(*arguments: Any, **named: Any) -> Any:
        _refuse_placeholders(name, (*arguments, *named.values()))
        return function(*arguments, **named)

    return checked


def _refuse_placeholders(name: str, values: Iterable[object]) -> None:
    for value in values:
        if isinstance(value, (Placeholder, jinja2.Undefined)) or (isinstance(value, str) and "\x01" in value):
            raise UnsplittableError(f"{name} is applied to a text that differs between subscribers")


def _names(node: nodes.Node) -> Iterator[nodes.Name]:
    """Yield the names used in a node, without those inside its loops: there `loop` means the inner loop."""
    # Counting those, too, would give right mails, but a card would be prerendered for each of its places in the list:
    # mails of papers that are rendered for the first time would take half as long again.
    if isinstance(node, nodes.Name):
        yield node
    for inner in node.iter_child_nodes(only=["iter"] if isinstance(node, nodes.For) else None):
        yield from _names(inner)


def _parse(environment: jinja2.Environment, name: str) -> tuple[nodes.Template, str | None]:
    if environment.loader is None:
        raise UnsplittableError("the environment has no loader")
    source, file, _ = environment.loader.get_source(environment, name)
    return environment.parse(source, name, file), file


class _Splitter(NodeTransformer):
    """Makes one fragment: replaces loops over a record's own records by gaps, and includes by the included text."""

    def __init__(
        self,
        environment: jinja2.Environment,
        name: str,
        file: str | None,
        record_type: RecordType,
        variable: str,
        macros: Sequence[nodes.Node] = (),
    ) -> None:
        """`macros` are the definitions outside the fragment that it may use."""
        self._environment = environment
        self._name = name
        self._file = file
        self._record_type = record_type
        self._variable = variable
        self._macros = list(macros)
        self._loops: list[Loop] = []

    def fragment(self, body: list[nodes.Node]) -> Fragment:
        """Return the fragment of `body`, with the fragments of its loops."""
        macros = list(self._macros)
        kept = [node for statement in body for node in self._replace(statement)]
        tree = nodes.Template([*macros, *kept], lineno=1)
        tree.set_environment(self._environment)
        code = self._environment.compile(tree, self._name, self._file)
        return Fragment(
            self._record_type,
            self._variable,
            jinja2.Template.from_code(self._environment, code, self._environment.make_globals(None)),
            tuple(self._loops),
            asks_position=any(name.name == "loop" for node in kept for name in _names(node)),
            as_text=self._name.endswith(".txt.j2"),
        )

    def _replace(self, node: nodes.Node) -> list[nodes.Node]:
        result = self.visit(node)
        if isinstance(node, (nodes.Import, nodes.FromImport, nodes.Macro)):
            self._macros.append(node)
        return result if isinstance(result, list) else [result]

    def visit_Include(self, node: nodes.Include) -> Any:  # noqa: N802  (jinja2's name)
        """Inline the included file."""
        if not isinstance(node.template, nodes.Const) or node.ignore_missing:
            raise UnsplittableError("the name of an included file is not a constant")
        included, _ = _parse(self._environment, node.template.value)
        return [new for old in included.body for new in self._replace(old)]

    def visit_For(self, node: nodes.For) -> Any:  # noqa: N802
        """Make a plain loop over the record's own records a fragment of its own."""
        match node:
            case nodes.For(
                target=nodes.Name(name=target),
                iter=nodes.Getattr(node=nodes.Name(name=self._variable), attr=attribute),
                else_=[],
                test=None,
                recursive=False,
            ) if attribute in self._record_type.loops:
                inner = self._record_type.loops[attribute]
                splitter = _Splitter(self._environment, self._name, self._file, inner, target, self._macros)
                self._loops.append(Loop(attribute, splitter.fragment(node.body)))
                return nodes.Output([nodes.TemplateData(f"\x01#{len(self._loops) - 1}\x02")], lineno=node.lineno)
        return self.generic_visit(node)
