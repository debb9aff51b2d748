"""MJML with Jinja in it -> HTML with the same Jinja, by mrml, once.

Only templates ever go through MJML, never a paper's text. Every Jinja token is shielded from mrml, which chokes on some
and repeats others, and counted afterwards: a template in which one was lost is refused, and so is one in which mrml
would drop a tag.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from mjml import mjml2html

from digest.errors import TemplateError

_TOKEN = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_COMMENT = re.compile(r"\{#.*?#\}|<!--(?!\[if).*?-->", re.DOTALL)
_SHIELD = re.compile(r"zqj(\d+)qz")
_INCLUDE = re.compile(r"<mj-include\s+path=\"([^\"]*)\"\s*/>")
_TAG = re.compile(r"<(mj[\w-]*)([^<>]*)")
_HTML_TAG = re.compile(r"<[a-zA-Z][\w:]*(\s+)[^<>]{30}")
_KNOWN_TAGS = frozenset(
    "mjml mj-accordion mj-accordion-element mj-accordion-text mj-accordion-title mj-all mj-attributes mj-body "
    "mj-breakpoint mj-button mj-carousel mj-carousel-image mj-class mj-column mj-divider mj-font mj-group mj-head "
    "mj-hero mj-image mj-navbar mj-navbar-link mj-preview mj-raw mj-section mj-social mj-social-element mj-spacer "
    "mj-style mj-table mj-text mj-title mj-wrapper".split()
)
_CLASSED_TAGS = frozenset("mj-button mj-column mj-divider mj-image mj-section mj-spacer mj-table mj-text".split())


@dataclass(frozen=True, slots=True)
class Source:
    """A template's text with what it includes put in, and where each stretch of it comes from."""

    text: str
    origins: tuple[tuple[int, str, str, int], ...]  # where it begins in `text`, file, that file's text, where in that

    def place(self, position: int) -> tuple[str, int]:
        """The file and the line in it that a position in `text` comes from."""
        starts = [start for start, *_ in self.origins]
        start, file, text, offset = self.origins[max(0, bisect_right(starts, position) - 1)]
        return file, text.count("\n", 0, offset + position - start) + 1

    def error(self, position: int, reason: str) -> TemplateError:
        """An error at a position in `text`."""
        return TemplateError(*self.place(position), reason)


def read(name: str, load: Callable[[str], tuple[str, str]]) -> Source:
    """The template `name` with its `<mj-include path="…" />` put in. `load` gives a name's text and file.

    Raises TemplateError for a file that includes another when it is included itself.
    """
    text, file = load(name)
    pieces: list[str] = []
    origins: list[tuple[int, str, str, int]] = []
    done = length = 0

    def add(piece: str, file: str, whole: str, offset: int) -> None:
        nonlocal length
        origins.append((length, file, whole, offset))
        pieces.append(piece)
        length += len(piece)

    for found in _INCLUDE.finditer(text):
        add(text[done : found.start()], file, text, done)
        inner, inner_file = load(found[1])
        if "<mj-include" in inner:
            raise TemplateError(inner_file, 0, "is included itself and may not include another")
        add(inner, inner_file, inner, 0)
        done = found.end()
    add(text[done:], file, text, done)
    return Source("".join(pieces), tuple(origins))


def compile_mjml(source: Source) -> str:
    """HTML with the same Jinja tokens, in lines short enough for a mail. Raises TemplateError with file and line.

    An expression may stand twice in the HTML (mrml repeats some attributes); a statement may not.
    """
    text = _COMMENT.sub(lambda comment: re.sub(r"[^\n]", " ", comment.group()), source.text)
    _check_tags(text, source)
    tokens = list(_TOKEN.finditer(text))
    numbers = iter(range(len(tokens)))
    shielded = _TOKEN.sub(lambda _: f"zqj{next(numbers)}qz", text)
    html = _mrml(shielded, source)
    found = Counter(int(n) for n in _SHIELD.findall(html))
    for number, token in enumerate(tokens):
        if not found[number]:
            raise source.error(token.start(), f"MJML loses {token.group()} here")
        if found[number] > 1 and token.group().startswith("{%"):
            raise source.error(token.start(), f"MJML repeats {token.group()} here")
    _check_nothing_dropped(text, source)
    return _restored(_in_lines(html), [token.group() for token in tokens])


def in_lines(html: str) -> str:
    """A Jinja template of HTML with a line end in each longer tag, where none is seen."""
    tokens = [token.group() for token in _TOKEN.finditer(html)]
    numbers = iter(range(len(tokens)))
    return _restored(_in_lines(_TOKEN.sub(lambda _: f"zqj{next(numbers)}qz", html)), tokens)


def _in_lines(shielded: str) -> str:
    return _HTML_TAG.sub(lambda tag: tag.group().replace(tag[1], "\n", 1), shielded)


def _restored(shielded: str, tokens: list[str]) -> str:
    return _SHIELD.sub(lambda shield: tokens[int(shield[1])], shielded)


def _mrml(shielded: str, source: Source) -> str:
    try:
        html: str = mjml2html(shielded, fonts={})  # or it has readers fetch fonts, and so tells others that they read
    except ValueError as error:
        raise source.error(0, f"MJML says: {error}") from None
    return html


def _check_tags(text: str, source: Source) -> None:
    for tag in _TAG.finditer(text):
        if tag[1] not in _KNOWN_TAGS:
            raise source.error(tag.start(), f"<{tag[1]}> is not known to MJML")
        if tag[1] == "mj-style" and "inline" in tag[2]:
            raise source.error(tag.start(), "MJML does not inline styles here; write them in style attributes")


def _check_nothing_dropped(text: str, source: Source) -> None:
    """Compile a copy whose tags are all marked, and look for the marks."""
    marked: dict[int, re.Match[str]] = {}
    body = text.rfind("<mj-body")

    def mark(tag: re.Match[str]) -> str:
        if tag.start() < body or tag[1] not in _CLASSED_TAGS:
            return tag.group()
        marked[tag.start()] = tag
        name = f"zqt{tag.start()}qz"
        if "css-class=" in tag[2]:
            return tag.group().replace('css-class="', f'css-class="{name} ', 1)
        return f'<{tag[1]} css-class="{name}"{tag[2]}'

    numbers = iter(range(text.count("{")))
    html = _mrml(_TOKEN.sub(lambda _: f"zqj{next(numbers)}qz", _TAG.sub(mark, text)), source)
    kept = {int(n) for n in re.findall(r"zqt(\d+)qz", re.sub(r"<mj[^<>]*", "", html))}  # a tag left as it is: no HTML
    for position, tag in marked.items():
        if position not in kept:
            raise source.error(position, f"MJML drops <{tag[1]}> here")
