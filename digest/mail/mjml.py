"""MJML with Jinja in it -> HTML with the same Jinja, by mrml, once.

Only templates ever go through MJML, never a paper's text. Every Jinja token is shielded from mrml, which chokes on some
and repeats others, and counted afterwards: a template in which one was lost is refused, and so is one in which mrml
would drop a tag.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from mjml import mjml2html

from digest.errors import TemplateError

# A text to be translated is one token: its markup has to stay as the catalogues have it.
_TOKEN = re.compile(r"\{%[-+]?\s*trans\b.*?\bendtrans\s*[-+]?%\}|\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_COMMENT = re.compile(r"\{#.*?#\}|<!--(?!\[if).*?-->", re.DOTALL)
_SHIELD = re.compile(r"zqj(\d+)qz")
_INCLUDE = re.compile(r"<mj-include\s+path=([\"'])(?P<path>[^\"']*)\1\s*(?:/>|>\s*</mj-include>)")
_TAG = re.compile(r"<(/?)(mj[\w-]*)([^<>]*)")
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
        inner, inner_file = load(found["path"])
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
    tokens = list(_TOKEN.finditer(text))
    shielded = _Shielded(source, _numbered(text), tokens)
    _check_tags(shielded)
    html = _mrml(shielded.text, source)
    found = Counter(int(n) for n in _SHIELD.findall(html))
    defaults = text.find("<mj-attributes"), text.find("</mj-attributes")  # of tags that may not be there
    for number, token in enumerate(tokens):
        if not found[number] and not defaults[0] < token.start() < defaults[1]:
            raise source.error(token.start(), f"MJML loses {token.group()} here")
        if found[number] > 1 and token.group().startswith("{%"):
            raise source.error(token.start(), f"MJML repeats {token.group()} here")
    _check_nothing_dropped(shielded)
    return _restored(_in_lines(html), [token.group() for token in tokens])


def in_lines(html: str) -> str:
    """A Jinja template of HTML with a line end in each longer tag, where none is seen."""
    return _restored(_in_lines(_numbered(html)), [token.group() for token in _TOKEN.finditer(html)])


def _numbered(text: str) -> str:
    """The text with a number for each token, which MJML takes for a word."""
    numbers = count()
    return _TOKEN.sub(lambda _: f"zqj{next(numbers)}qz", text)


def _in_lines(shielded: str) -> str:
    return _HTML_TAG.sub(lambda tag: tag.group().replace(tag[1], "\n" + tag[1][1:], 1), shielded)


def _restored(shielded: str, tokens: list[str]) -> str:
    return _SHIELD.sub(lambda shield: tokens[int(shield[1])], shielded)


def _mrml(shielded: str, source: Source) -> str:
    try:
        html: str = mjml2html(shielded, fonts={})  # or it has readers fetch fonts, and so tells others that they read
    except ValueError as error:
        raise source.error(0, f"MJML says: {error}") from None
    return html


@dataclass(frozen=True, slots=True)
class _Shielded:
    """A source whose tokens are numbers, which MJML takes for words."""

    source: Source
    text: str
    tokens: Sequence[re.Match[str]]

    def error(self, tag: re.Match[str], reason: str) -> TemplateError:
        """An error at a tag of the shielded text."""
        before = _SHIELD.findall(self.text[: tag.start()])
        longer = sum(len(self.tokens[int(n)].group()) - len(f"zqj{n}qz") for n in before)
        return self.source.error(tag.start() + longer, reason)


def _check_tags(shielded: _Shielded) -> None:
    """Every tag is known and closed, and none asks for what mrml does not do."""
    begun: list[re.Match[str]] = []
    for tag in _TAG.finditer(shielded.text):
        end, name, rest = tag.groups()
        if name not in _KNOWN_TAGS:
            raise shielded.error(tag, f"<{name}> is not known to MJML")
        if name == "mj-style" and "inline" in rest:
            raise shielded.error(tag, "MJML does not inline styles here; write them in style attributes")
        if not end:
            begun += [] if rest.endswith("/") else [tag]
        elif name not in {opened[2] for opened in begun}:
            raise shielded.error(tag, f"</{name}> closes what is not open here")
        else:
            opened = begun.pop()
            if opened[2] != name:
                raise shielded.error(opened, f"<{opened[2]}> is not closed")
    if begun:
        raise shielded.error(begun[-1], f"<{begun[-1][2]}> is not closed")


def _check_nothing_dropped(shielded: _Shielded) -> None:
    """Compile a copy whose tags are all marked, and look for the marks."""
    body = shielded.text.rfind("<mj-body")
    tags = [tag for tag in _TAG.finditer(shielded.text, body) if not tag[1] and tag[2] in _CLASSED_TAGS]
    starts = {tag.start() for tag in tags}
    marked = _TAG.sub(lambda tag: _marked(tag) if tag.start() in starts else tag.group(), shielded.text)
    html = re.sub(r"<mj[^<>]*", "", _mrml(marked, shielded.source))  # a tag that was left as it is, is no HTML
    kept = {int(start) for start in re.findall(r"zqt(\d+)qz", html)}
    for tag in tags:
        if tag.start() not in kept:
            raise shielded.error(tag, f"MJML drops <{tag[2]}> here")


def _marked(tag: re.Match[str]) -> str:
    """The tag with a class of its own, by which it is found again in the HTML."""
    mark = f"zqt{tag.start()}qz"
    classed, times = re.subn(r"css-class=([\"'])", rf"css-class=\1{mark} ", tag.group(), count=1)
    return classed if times else f'<{tag[2]} css-class="{mark}"{tag[3]}'
