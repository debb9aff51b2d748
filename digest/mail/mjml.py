"""Compiles MJML with Jinja in it to HTML with the same Jinja, once, with the library mrml.

Only templates go through MJML, never a paper's text. mrml fails on some Jinja tokens and repeats others, so each token
is replaced by a numbered word and counted afterwards. A template that would lose a token or a tag is refused.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from mjml import mjml2html

from digest.errors import TemplateError

# A text to be translated is one token: its markup must stay as it is in the catalogues.
_TOKEN = re.compile(r"\{%[-+]?\s*trans\b.*?\bendtrans\s*[-+]?%\}|\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_COMMENT = re.compile(r"\{#.*?#\}|<!--(?!\[if).*?-->", re.DOTALL)
_NUMBERED = re.compile(r"zqj(\d+)qz")
_INCLUDE = re.compile(r"<mj-include\s+path=([\"'])(?P<path>[^\"']*)\1\s*(?:/>|>\s*</mj-include>)")
_TAG = re.compile(r"<(/?)(mj[\w-]*)([^<>]*)")
_HTML_TAG = re.compile(r"<[a-zA-Z][\w:]*(\s+)[^<>]{30}")
_KNOWN_TAGS = frozenset(
    "mjml mj-accordion mj-accordion-element mj-accordion-text mj-accordion-title mj-all mj-attributes mj-body "
    "mj-breakpoint mj-button mj-carousel mj-carousel-image mj-class mj-column mj-divider mj-font mj-group mj-head "
    "mj-hero mj-image mj-navbar mj-navbar-link mj-preview mj-raw mj-section mj-social mj-social-element mj-spacer "
    "mj-style mj-table mj-text mj-title mj-wrapper".split()
)
# Tags that take a css-class, and that mrml drops without an error where they may not be.
_CLASSED_TAGS = frozenset("mj-button mj-column mj-divider mj-image mj-section mj-spacer mj-table mj-text".split())


@dataclass(frozen=True, slots=True)
class Source:
    """A template's text with its includes inserted, as pieces that know where they come from."""

    pieces: tuple[tuple[str, str, str, int], ...]  # a piece, its file, that file's text, the piece's start in that text

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(piece for piece, *_ in self.pieces)

    def error(self, position: int, reason: str) -> TemplateError:
        """Return an error at a position in `text`, with the file and line that it comes from."""
        pieces = list(self.pieces)
        while len(pieces) > 1 and position >= len(pieces[0][0]):
            position -= len(pieces.pop(0)[0])
        _, file, whole, start = pieces[0]
        return TemplateError(file, whole.count("\n", 0, start + position) + 1, reason)


def read(name: str, load: Callable[[str], tuple[str, str]]) -> Source:
    """Read the template `name` and insert its `<mj-include path="…" />`. `load` gives a name's text and file.

    Raises TemplateError if an included file includes another.
    """
    text, file = load(name)
    pieces: list[tuple[str, str, str, int]] = []
    done = 0
    for found in _INCLUDE.finditer(text):
        inner, inner_file = load(found["path"])
        if "<mj-include" in inner:
            raise TemplateError(inner_file, 0, "is included itself and may not include another file")
        pieces += [(text[done : found.start()], file, text, done), (inner, inner_file, inner, 0)]
        done = found.end()
    return Source((*pieces, (text[done:], file, text, done)))


def compile_mjml(source: Source) -> str:
    """Compile to HTML with the same Jinja tokens, in lines short enough for a mail. Raises TemplateError.

    An expression may occur twice in the HTML, because mrml repeats some attributes; a statement may not.
    """
    text = _COMMENT.sub(lambda comment: re.sub(r"[^\n]", " ", comment.group()), source.text)
    tokens = list(_TOKEN.finditer(text))
    without_tokens = _TOKEN.sub(lambda token: "x" * len(token.group()), text)  # every tag keeps its position
    _check_tags(source, without_tokens)
    html = _mrml(source, _number_tokens(text))
    found = Counter(int(n) for n in _NUMBERED.findall(html))
    defaults = text.find("<mj-attributes"), text.find("</mj-attributes")  # of tags that the template may not have
    for number, token in enumerate(tokens):
        if not found[number] and not defaults[0] < token.start() < defaults[1]:
            raise source.error(token.start(), f"MJML loses {token.group()} here")
        if found[number] > 1 and token.group().startswith("{%"):
            raise source.error(token.start(), f"MJML repeats {token.group()} here")
    _check_nothing_dropped(source, without_tokens)
    return _restore_tokens(_break_tags(html), [token.group() for token in tokens])


def in_lines(html: str) -> str:
    """Return a Jinja template of HTML with a line end inside each long tag, where it is invisible."""
    return _restore_tokens(_break_tags(_number_tokens(html)), [token.group() for token in _TOKEN.finditer(html)])


def _number_tokens(text: str) -> str:
    numbers = count()
    return _TOKEN.sub(lambda _: f"zqj{next(numbers)}qz", text)


def _break_tags(html: str) -> str:
    return _HTML_TAG.sub(lambda tag: tag.group().replace(tag[1], "\n" + tag[1][1:], 1), html)


def _restore_tokens(html: str, tokens: list[str]) -> str:
    return _NUMBERED.sub(lambda number: tokens[int(number[1])], html)


def _mrml(source: Source, text: str) -> str:
    try:
        html: str = mjml2html(text, fonts={})  # without its fonts, which mail programs would fetch from Google
    except ValueError as error:
        raise source.error(0, f"MJML says: {error}") from None
    return html


def _check_tags(source: Source, text: str) -> None:
    """Check that every tag is known and closed, and that no `mj-style` is inline, which mrml does not support."""
    opened: list[re.Match[str]] = []
    for tag in _TAG.finditer(text):
        end, name, rest = tag.groups()
        if name not in _KNOWN_TAGS:
            raise source.error(tag.start(), f"MJML has no <{name}>")
        if name == "mj-style" and "inline" in rest:
            raise source.error(tag.start(), "inline styles are not supported in mj-style; use style attributes")
        if not end:
            opened += [] if rest.endswith("/") else [tag]
        elif name not in {before[2] for before in opened}:
            raise source.error(tag.start(), f"</{name}> closes a tag that is not open here")
        elif (last := opened.pop())[2] != name:
            raise source.error(last.start(), f"<{last[2]}> is not closed")
    if opened:
        raise source.error(opened[-1].start(), f"<{opened[-1][2]}> is not closed")


def _check_nothing_dropped(source: Source, text: str) -> None:
    """Compile a copy in which each tag has a css-class of its own, and check that the HTML has all these classes."""
    body = text.rfind("<mj-body")
    tags = {tag.start(): tag for tag in _TAG.finditer(text, body) if not tag[1] and tag[2] in _CLASSED_TAGS}

    def marked(tag: re.Match[str]) -> str:
        if tag.start() not in tags:
            return tag.group()
        mark = f"zqt{tag.start()}qz"
        classed, times = re.subn(r"css-class=([\"'])", rf"css-class=\1{mark} ", tag.group(), count=1)
        return classed if times else f'<{tag[2]} css-class="{mark}"{tag[3]}'

    html = re.sub(r"<mj[^<>]*", "", _mrml(source, _TAG.sub(marked, text)))  # a tag left as it is, is no HTML
    kept = {int(start) for start in re.findall(r"zqt(\d+)qz", html)}
    for start, tag in tags.items():
        if start not in kept:
            raise source.error(start, f"MJML drops <{tag[2]}> here")
