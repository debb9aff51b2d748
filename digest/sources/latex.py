r"""Replaces LaTeX in titles and abstracts by the characters it stands for, where that is safe.

`Schr\"odinger` becomes Schrödinger and `$\alpha$-stable` α-stable. `50% gain`, `p < 0.05 & q` and `costs $5 and $10`
are not LaTeX and are kept. A formula is replaced as a whole or not at all. Every pattern is bounded: no text costs
more than a few passes over it. The names of symbols come from pylatexenc's tables. Its parser is not used: it takes the
`%` of `50% gain` for a comment, and recurses without limit on open braces.
"""

import re
import unicodedata
from functools import cache

from pylatexenc import latex2text

_COMBINING = {
    "`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", "=": "\u0304", "u": "\u0306", ".": "\u0307",
    '"': "\u0308", "r": "\u030a", "H": "\u030b", "v": "\u030c", "d": "\u0323", "c": "\u0327", "k": "\u0328",
    "b": "\u0331",
}  # fmt: skip
_LETTERS = {
    "aa": "å", "AA": "Å", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł",
    "ss": "ß", "i": "ı", "j": "ȷ", "dh": "ð", "DH": "Ð", "dj": "đ", "DJ": "Đ", "th": "þ", "TH": "Þ", "ng": "ŋ",
    "NG": "Ŋ",
}  # fmt: skip
_DOTLESS = {"i": "i", "j": "j", "ı": "i", "ȷ": "j"}

# \"o  \"{o}  \'\i  \'{\i}  \c{c}  \v s  {\"o}: an accent whose name is a letter needs a space or a brace after it.
_ACCENT = re.compile(
    r"""(?P<open>\{)?\\(?:(?P<sign>["'`^~=.])|(?P<name>[uvHcdbkr])(?=[\s{\\]))\s{0,3}"""
    r"""(?:\{\s{0,3}(?:\\(?P<dotless1>[ij])|(?P<letter1>[^\W\d_]))\s{0,3}\}"""
    r"""|\\(?P<dotless2>[ij])(?![A-Za-z])\s{0,3}|(?P<letter2>[^\W\d_]))(?(open)\})"""
)
_NAMED_LETTER = re.compile(rf"(?P<open>\{{)?\\(?P<name>{'|'.join(_LETTERS)})(?![A-Za-z])(?(open)\}}|(?:\{{\}}|\s)?)")
_STYLED = re.compile(
    r"\\(?:emph|uline|underline|text(?:bf|it|rm|sc|sf|sl|tt|up|normal)?|mbox)\s?\{(?P<shown>[^{}\\$]{0,300})\}"
)
_OLD_STYLED = re.compile(r"\{\\(?:em|bf|it|rm|sc|sf|sl|tt)\s(?P<shown>[^{}\\$]{0,300})\}")
_ESCAPED = re.compile(r"\\(?P<sign>[%&#_])")
_LINKED = re.compile(r"\\(?:url\{(?P<url>[^{}\s]{1,500})\}|href\s?\{[^{}\s]{1,500}\}\s?\{(?P<shown>[^{}\\]{1,300})\})")
_QUOTED = re.compile(r"``(?P<shown>[^`'$\\]{1,300})''")

# By pandoc's rule, dollars with a space inside or a digit behind them are money. A macro inside makes it a formula.
_MATHS = re.compile(
    r"(?<![\\$])\$(?![\s$])(?:(?P<dollars>(?:[^$\\]|\\.){1,200}?)(?<![\s\\])\$(?![\d$])"
    r"|(?P<certain>[^$\\]{0,100}\\[A-Za-z](?:[^$\\]|\\.){0,200}?)(?<!\\)\$)"
    r"|\\\((?P<parens>(?:[^\\$]|\\[^()]){1,200})\\\)"
)

_SUPERSCRIPT = dict(
    zip("0123456789+-=()abcdefghijklmnoprstuvwxyzT", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᵀ", strict=True)
)
_SUBSCRIPT = dict(zip("0123456789+-=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True))
_RAISED_SIGNS = {"∘": "°", "*": "*", "∗": "*", "⋆": "*", "†": "†", "'": "'", "′": "'"}  # superscripts on the line
_BLACKBOARD = {"C": "ℂ", "H": "ℍ", "N": "ℕ", "P": "ℙ", "Q": "ℚ", "R": "ℝ", "Z": "ℤ"}

_SYMBOL = re.compile(r"\\(?P<name>[A-Za-z]+)|\\(?P<sign>[,;:!%&#_{} ])")
_FONT = re.compile(
    r"\\(?:math(?:rm|bf|it|sf|tt|cal|scr|frak|bb)|text(?:rm|bf|it|sf|tt|sc)?|operatorname\*?|boldsymbol|bm|mbox)"
    r"(?:\s?\{(?P<shown>[^{}\\]{0,60})\}|\s(?P<letter>[A-Za-z]))"
)
_BLACKBOARD_FONT = re.compile(r"\\mathbb\s?(?:\{(?P<inner>[CHNPQRZ])\}|(?P<bare>[CHNPQRZ])(?![A-Za-z]))")
_FRACTION = re.compile(r"\\[td]?frac\s?\{(?P<over>[\w.]{1,8})\}\s?\{(?P<under>[\w.]{1,8})\}")
_ROOT = re.compile(r"\\sqrt\s?\{(?P<under>[^{}\\]{1,40})\}")
_SIZE = re.compile(r"\\(?:left|right|big|Big|bigl|bigr)(?=[\s()\[\]|.\\])\.?")
_SCRIPT = re.compile(r"(?P<kind>[\^_])(?:\{(?P<group>[^{}\\^_]{1,40})\}|(?P<single>[^\s{}\\^_]))")
_PLAIN_GROUP = re.compile(r"\{([^{}\\]{0,60})\}")
_OPEN_BRACE, _CLOSE_BRACE, _LOW = "\ue000", "\ue001", "\ue002"  # \{ \} and a kept _, until all others are gone


def unlatex(text: str) -> str:
    """`text` with its LaTeX replaced by characters where that is safe. Never raises."""
    if "\\" not in text and "$" not in text and "``" not in text:
        return text
    text = _MATHS.sub(lambda m: _formula(m["dollars"] or m["certain"] or m["parens"]) or m.group(), text)
    pieces: list[str] = []
    done = 0
    for formula in _MATHS.finditer(text):  # these could not be replaced, and are kept as they are
        pieces += (_prose(text[done : formula.start()]), formula.group())
        done = formula.end()
    return "".join((*pieces, _prose(text[done:])))


def _prose(text: str) -> str:
    text = _ESCAPED.sub(lambda m: m["sign"], _accented(text))
    for _ in range(3):  # \textbf{\emph{x}}
        text = _OLD_STYLED.sub(lambda m: m["shown"], _STYLED.sub(lambda m: m["shown"], text))
    text = _LINKED.sub(lambda m: m["url"] or m["shown"], text)
    return _QUOTED.sub(lambda m: f"“{m['shown']}”", text)


def _accented(text: str) -> str:
    text = _ACCENT.sub(_accent, text)
    return _NAMED_LETTER.sub(lambda m: _LETTERS[m["name"]], text)


def _accent(found: re.Match[str]) -> str:
    letter = found["letter1"] or found["letter2"] or found["dotless1"] or found["dotless2"]
    whole = unicodedata.normalize("NFC", _DOTLESS.get(letter, letter) + _COMBINING[found["sign"] or found["name"]])
    return whole if len(whole) == 1 else found.group()


def _formula(written: str) -> str:
    """Return a formula in characters, or "" if characters cannot show it."""
    text = _accented(written).replace(r"\{", _OPEN_BRACE).replace(r"\}", _CLOSE_BRACE).replace("~", " ")
    text = _BLACKBOARD_FONT.sub(lambda m: _BLACKBOARD[m["inner"] or m["bare"]], _SIZE.sub("", text))
    symbols = _symbols()
    for _ in range(3):  # nested groups, from the inside out
        text = _SYMBOL.sub(lambda m: symbols.get(m["name"] or m["sign"], m.group()), text)
        text = _FONT.sub(lambda m: m["letter"] or m["shown"], text)
        text = _FRACTION.sub(lambda m: f"{m['over']}/{m['under']}", text)
        text = _ROOT.sub(lambda m: f"√{m['under']}" if len(m["under"]) == 1 else f"√({m['under']})", text)
        text = _SCRIPT.sub(_script, text)
        text = _PLAIN_GROUP.sub(r"\1", text) if "^{" not in text and "_{" not in text and "\\" not in text else text
    if any(sign in text for sign in "\\{}^"):
        return ""
    return text.replace(_OPEN_BRACE, "{").replace(_CLOSE_BRACE, "}").replace(_LOW, "_").strip()


def _script(found: re.Match[str]) -> str:
    """Return a LaTeX superscript or subscript in Unicode. A subscript without characters stays readable: `x_pair`."""
    written = (found["group"] or found["single"]).strip()
    if found["kind"] == "^":
        if written in _RAISED_SIGNS:
            return _RAISED_SIGNS[written]
        raised = "".join(_SUPERSCRIPT.get(c, "") for c in written)
        return raised if len(raised) == len(written) else found.group()
    lowered = "".join(_SUBSCRIPT.get(c, "") for c in written)
    if len(lowered) == len(written) and (len(written) == 1 or not written.isalpha()):
        return lowered
    return f"{_LOW}{written}" if written.replace(".", "").isalnum() else found.group()


@cache
def _symbols() -> dict[str, str]:
    """Return the characters of macros without arguments: `alpha` -> α."""
    context = latex2text.get_default_latex_context_db()
    known = {
        spec.macroname: spec.simplify_repl
        for category in ("latex-base", "advanced-symbols")
        for spec in context.iter_macro_specs([category])
        if isinstance(spec.simplify_repl, str) and "%" not in spec.simplify_repl and spec.macroname != "today"
    }
    ours = {
        "%": "%", "!": "", ",": " ", "phi": "φ", "epsilon": "ε", "ne": "≠", "star": "⋆", "degree": "°", "dots": "…",
        "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "lbrace": _OPEN_BRACE, "rbrace": _CLOSE_BRACE,
        "sim": "~", "mid": "|", "ast": "*", "Pr": "Pr", "deg": "deg", "det": "det", "dim": "dim", "argmax": "argmax",
        "argmin": "argmin", "Leftrightarrow": "⇔", "Rightarrow": "⇒", "leftrightarrow": "↔", "gets": "←",
        "triangle": "△",
    }  # fmt: skip
    for name in ("sqrt", "ensuremath", "{", "}", "backslash", "textbackslash", "\\", "$"):
        known.pop(name, None)
    return known | ours
