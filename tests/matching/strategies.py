"""Hypothesis strategies: RULES covers the whole rule language, PAPERS contains what such rules look for."""

from hypothesis import strategies as st

from digest.models import Paper
from tests.builders import a_paper

_WORDS = st.sampled_from(
    "cat cats dog audio visual audiovisual Schrödinger net nets multi systems studies x the 模型 扩散 がん मॉडल".split()
)
_NAMES = st.sampled_from(
    "LeCun Yann Y. Y Song Han S. Hinton Geoffrey G. O'Neill Jean-Pierre Schrödinger 韩松 韩 cats Li X-Y. de".split()
)
_CATEGORIES = st.sampled_from(
    ["cs.LG", "cs.CL", "quant-ph", "cat.dog", "math", "math-ph", "cond-mat.stat-mech", "stat.ML"]
)

_COMPOUNDS = st.lists(_WORDS, min_size=1, max_size=3).map("-".join)
_TEXTS = st.lists(_WORDS | _COMPOUNDS, max_size=12).map(" ".join) | st.lists(_WORDS, max_size=8).map("".join)
_AUTHORS = st.lists(_NAMES, min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from([" ".join(parts), ", ".join(parts[::-1])])
)


def _paper(title: str, abstract: str, authors: list[str], categories: list[str]) -> Paper:
    return a_paper(title, abstract, id=f"{title}/{abstract}", authors=tuple(authors), categories=tuple(categories))


PAPERS = st.builds(
    _paper, _TEXTS, _TEXTS, st.lists(_AUTHORS | _TEXTS, max_size=3), st.lists(_CATEGORIES, max_size=2, unique=True)
)

_PREFIXES = st.sampled_from(["ca*", "aud*", "schr*", "multi-ne*", "扩散*", "st*"])
_TERMS = _WORDS | _COMPOUNDS | _PREFIXES
_PHRASES = _TERMS | st.lists(_TERMS, min_size=2, max_size=3).map(" ".join)


@st.composite
def _shown(draw: st.DrawFn) -> str:
    return draw(st.sampled_from(["{}", "{}", '"{}"', "“{}”"])).format(draw(_PHRASES))


_SHOWN = _shown()
_ASKED_NAMES = (
    _AUTHORS | _AUTHORS.map('"{}"'.format) | _NAMES.map("{}_y".format) | st.sampled_from(["Hin* G", "le* y*"])
)
_ASKED_CATEGORIES = _CATEGORIES | st.sampled_from(
    ["cs.*", "cs", "CS.lg", "quan*", '"cs.LG"', "cat dog", "math.*", "stat.*", "Cond-Mat.*", "cat.*"]
)

_FIELDS = st.sampled_from(["title:", "ti:", "abs:", "abstract: ", "all:", "ALL:"])
_TAGS = st.sampled_from(["[tiab]", " [Title/Abstract]", "[Title]", "[ab]", "[Text Word]", "[all]", " [All Fields]"])

_ATOMS = st.one_of(
    _SHOWN,
    st.tuples(_FIELDS, _SHOWN).map("".join),
    st.tuples(_SHOWN, _TAGS).map("".join),
    st.tuples(st.sampled_from(["author:", "au:"]), _ASKED_NAMES).map("".join),
    st.tuples(_ASKED_NAMES, st.sampled_from(["[au]", " [Author]"])).map("".join),
    st.sampled_from(["Hinton GE[au]", '"LeCun Y"[1au]', "Li XY [Author]"]),
    st.tuples(st.sampled_from(["category:", "cat:"]), _ASKED_CATEGORIES).map("".join),
)

_SIDES = st.one_of(
    _SHOWN,
    _SHOWN.map("all:{}".format),
    st.tuples(_SHOWN, _SHOWN).map("({0[0]} OR {0[1]})".format),
    st.tuples(_SHOWN, _SHOWN).map("({0[0]} OR title:{0[1]})".format),
)
_DISTANCES = st.integers(0, 5) | st.just(50)
_NEAR = st.one_of(
    st.builds("{} NEAR/{} {}".format, _SIDES, _DISTANCES, _SIDES),
    st.builds("title:{} NEAR/{} ti:{}".format, _SHOWN, _DISTANCES, _SHOWN),
    st.builds("({} NEAR/{} {})[Abstract]".format, _SIDES, _DISTANCES, _SIDES),
)

_JOINED = st.sampled_from(
    [
        "{} AND {}", "{} OR {}", "{} ANDNOT {}", "{} AND NOT {}", "{} NOT {}", "({} AND {})", "({} OR {})",
        "({} ANDNOT {})", "{} AND ({} OR NOT cat)", "title:({} OR {})", "abs:({} AND {})", "all:({} OR {})",
        "({} OR {})[ti]", "NOT NOT ({}) AND {}", "{} AND (NOT ({}) AND NOT dog OR NOT nets)",
    ]
)  # fmt: skip

RULES = st.recursive(
    _ATOMS | _NEAR, lambda inner: st.tuples(_JOINED, inner, inner).map(lambda t: t[0].format(*t[1:])), max_leaves=6
)
