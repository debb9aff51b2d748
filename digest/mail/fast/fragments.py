"""Templates rendered once and filled in many times.

A template is taken apart at its loops over the reader's own records (`{% for card in section.cards %}`). Each part is
rendered by Jinja once for all records that differ only in their slots: texts that are written out and nothing else.
What comes of it is the literal text with holes. A template that does more with a slot than to write it, or looks out of
its loop, is UnsplittableError, and is rendered by ordinary Jinja for every mail.
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

_MARK = re.compile("\x01([^\x02]*)\x02")  # control characters, which no text of a mail holds


class UnsplittableError(Exception):
    """Why a template cannot be taken apart, for its author."""


@dataclass(frozen=True, slots=True)
class RecordType:
    """A kind of record: which of its fields are slots, and which are loops over records of what kind."""

    record: type
    slots: frozenset[str]
    loops: Mapping[str, "RecordType"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Position:
    """`loop`, as far as a part may ask for it."""

    first: bool
    last: bool


@dataclass(frozen=True, slots=True)
class Loop:
    """A hole that the records of a field fill, one after another."""

    field: str
    part: "Fragment"


Hole = str | Loop  # the name of a slot, or a loop
Cut = list[tuple[str, Hole | None]]  # literal text and the hole behind it; the last has none


@dataclass(frozen=True, slots=True)
class Fragment:
    """What stands in one loop of a template (or outside all), without what stands in the loops within it."""

    kind: RecordType
    variable: str  # what the template calls the record
    template: jinja2.Template
    loops: tuple[Loop, ...]
    asks_position: bool  # uses `loop`
    as_text: bool  # not HTML: slots are written by str()

    def cut(self, record: Any, position: Position = Position(first=True, last=True)) -> Cut:
        """The part rendered for one record. Raises UnsplittableError."""
        slots = {name: Placeholder(name, bool(getattr(record, name)), as_text=self.as_text) for name in self.kind.slots}
        loops = {name: Placeholder("", bool(getattr(record, name)), as_text=False) for name in self.kind.loops}
        with_holes = replace(record, **slots, **loops)
        try:
            rendered = self.template.render({self.variable: with_holes, "loop": position})
        except jinja2.UndefinedError as error:
            raise UnsplittableError(f"{error.message} within the loop over {self.variable}") from None
        literal, *rest = _MARK.split(rendered)
        cut: Cut = []
        for name, following in zip(rest[::2], rest[1::2], strict=True):
            cut.append((literal, self._hole(name)))
            literal = following
        return [*cut, (literal, None)]

    def _hole(self, name: str) -> Hole:
        if name.startswith("#"):
            return self.loops[int(name[1:])]
        if name in self.kind.slots:
            return name
        raise UnsplittableError(f"more is done with a text of {self.variable} than to write it")


class Placeholder:
    """Stands for a text (or a loop) while a part is rendered. It can be written, and asked whether it is empty."""

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
        raise UnsplittableError(f"more is done with {self._name or 'a list of the reader'} than to write it")

    __hash__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __getattr__ = __getitem__ = __iter__ = __len__ = __contains__ = _refuse
    __add__ = __radd__ = __mod__ = __mul__ = __int__ = __float__ = __index__ = _refuse
    __format__ = _refuse


def split_template(environment: jinja2.Environment, name: str, kind: RecordType, variable: str) -> Fragment:
    """The template `name` as parts. Raises UnsplittableError, and Jinja's errors."""
    tree, file = _parsed(environment, name)
    return _Splitter(_watchful(environment), name, file).part(tree.body, kind, variable)


def _watchful(environment: jinja2.Environment) -> jinja2.Environment:
    """The same environment, in which nothing is done with a slot, or with what it looks like when it is written.

    Nor with what is not defined: it may well be, outside the part.
    """
    watchful = environment.overlay()
    watchful.filters = {name: _watched(name, environment.filters[name]) for name in environment.filters}
    watchful.tests = {name: _watched(name, cast(Any, environment.tests[name])) for name in environment.tests}
    call = watchful.call  # type: ignore[attr-defined]

    def watched_call(context: Context, function: Any, /, *arguments: Any, **named: Any) -> Any:
        _refuse_marked(getattr(function, "__name__", "a call"), [getattr(function, "__self__", None)])
        return call(context, function, *arguments, **named)

    watchful.call = watched_call  # type: ignore[attr-defined]
    return watchful


def _watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)  # with it goes Jinja's mark of what is passed to it
    def watched(*arguments: Any, **named: Any) -> Any:
        _refuse_marked(name, (*arguments, *named.values()))
        return function(*arguments, **named)

    return watched


def _refuse_marked(name: str, values: Iterable[object]) -> None:
    for value in values:
        if isinstance(value, (Placeholder, jinja2.Undefined)) or (isinstance(value, str) and "\x01" in value):
            raise UnsplittableError(f"{name} is applied to what is each reader's own")


def _names(node: nodes.Node) -> Iterator[nodes.Name]:
    """The names that are used in it, without those within its loops: there `loop` is another."""
    if isinstance(node, nodes.Name):
        yield node
    for inner in node.iter_child_nodes(only=["iter"] if isinstance(node, nodes.For) else None):
        yield from _names(inner)


def _parsed(environment: jinja2.Environment, name: str) -> tuple[nodes.Template, str | None]:
    if environment.loader is None:
        raise UnsplittableError("templates come from nowhere")
    source, file, _ = environment.loader.get_source(environment, name)
    return environment.parse(source, name, file), file


class _Splitter:
    """Cuts the parts of one template out of its syntax tree."""

    def __init__(self, environment: jinja2.Environment, name: str, file: str | None) -> None:
        self._environment = environment
        self._name = name
        self._file = file

    def part(
        self, body: list[nodes.Node], kind: RecordType, variable: str, around: Sequence[nodes.Node] = ()
    ) -> Fragment:
        """The part that `body` is, and in it the parts of its loops. `around` is what macros it may call."""
        holes = _Holes(self, kind, variable, around)
        kept = [node for statement in body for node in holes.replaced(statement)]
        tree = nodes.Template([*around, *kept], lineno=1)
        tree.set_environment(self._environment)
        code = self._environment.compile(tree, self._name, self._file)
        template = jinja2.Template.from_code(self._environment, code, self._environment.make_globals(None))
        return Fragment(
            kind,
            variable,
            template,
            tuple(holes.loops),
            asks_position=any(name.name == "loop" for node in kept for name in _names(node)),
            as_text=self._name.endswith(".txt.j2"),
        )

    def included(self, name: str) -> list[nodes.Node]:
        """What another template holds."""
        return _parsed(self._environment, name)[0].body


class _Holes(NodeTransformer):
    """Puts holes where the loops over a record's own records stand, and files where they are included."""

    def __init__(self, splitter: _Splitter, kind: RecordType, variable: str, around: Sequence[nodes.Node]) -> None:
        self.loops: list[Loop] = []
        self._macros = list(around)
        self._splitter = splitter
        self._kind = kind
        self._variable = variable

    def replaced(self, node: nodes.Node) -> Iterator[nodes.Node]:
        """The node as it stands in the part."""
        result = self.visit(node)
        if isinstance(node, (nodes.Import, nodes.FromImport, nodes.Macro)):
            self._macros.append(node)
        yield from result if isinstance(result, list) else [result]

    def visit_Include(self, node: nodes.Include) -> Any:  # noqa: N802  (jinja2's name)
        """A file that is included stands here as if it were written here."""
        if not isinstance(node.template, nodes.Const) or node.ignore_missing:
            raise UnsplittableError("which file is included is not said in so many words")
        return [new for old in self._splitter.included(node.template.value) for new in self.replaced(old)]

    def visit_For(self, node: nodes.For) -> Any:  # noqa: N802
        """A plain loop over the record's own records is a part of its own."""
        match node:
            case nodes.For(
                target=nodes.Name(name=target),
                iter=nodes.Getattr(node=nodes.Name(name=self._variable), attr=attribute),
                else_=[],
                test=None,
                recursive=False,
            ) if attribute in self._kind.loops:
                part = self._splitter.part(node.body, self._kind.loops[attribute], target, self._macros)
                self.loops.append(Loop(attribute, part))
                return nodes.Output([nodes.TemplateData(f"\x01#{len(self.loops) - 1}\x02")], lineno=node.lineno)
        return self.generic_visit(node)
