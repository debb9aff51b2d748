"""BibTeX and RIS: any text of a paper stays in its field."""

import re
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.web.public.paper import Reference, bibtex, ris
from tests.builders import a_paper, at
from tests.mail.samples import PAPER
from tests.web.papers import HOSTILE

URL = "https://arxiv.org/abs/2606.00001"


def reference(*keys: str, url: str = URL, **rest: Any) -> Reference:
    return Reference(paper=a_paper(**rest), keys=keys, url=url)


def title_of(text: str) -> str:
    found = re.search(r"^  title = \{(.*)\},?$", bibtex(reference(title=text)), re.MULTILINE)
    assert found is not None
    return found[1]


def test_a_paper_of_arxiv_as_bibtex() -> None:
    assert bibtex(Reference(paper=PAPER, keys=["doi:10.1000/x_y"], url=URL)) == (
        "@misc{arxiv:2606.00001,\n"
        "  title = {{Low-precision} training of audio–visual nets \\& friends},\n"
        "  author = {A. Author and B. Author and C. Author and D. Author},\n"
        "  year = {2026},\n"
        "  eprint = {2606.00001},\n"
        "  archivePrefix = {arXiv},\n"
        "  primaryClass = {cs.LG},\n"
        "  doi = {10.1000/x_y},\n"
        "  url = {https://arxiv.org/abs/2606.00001}\n"
        "}\n"
    )


def test_a_paper_with_a_doi_as_ris() -> None:
    paper = a_paper(
        "A  title", "One\r\ntwo.", id="doi:10.1000/x", authors=("Ada L.", "Émile"), published_at=at("2025-02-03")
    )
    assert ris(Reference(paper=paper, keys=[], url=URL)) == (
        "TY  - JOUR\r\nTI  - A title\r\nAU  - Ada L.\r\nAU  - Émile\r\nPY  - 2025\r\nAB  - One two.\r\n"
        f"DO  - 10.1000/x\r\nUR  - {URL}\r\nER  - \r\n"
    )


def test_a_paper_only_on_arxiv_is_unpublished() -> None:
    assert ris(Reference(paper=PAPER, keys=[], url=URL)).startswith("TY  - UNPB\r\n")


@pytest.mark.parametrize(
    ("title", "written"),
    [
        ("100% of $x_1 & #2", r"100\% of \$x\_1 \& \#2"),
        ("a~b^c", r"a\textasciitilde{}b\textasciicircum{}c"),
        ("a\\b", r"a\textbackslash{}b"),
        ("one } two", r"one \textbraceright{} two"),
        ("the BERT of iOS", "the {BERT} of {iOS}"),
        ("Schrödinger 图", "{Schrödinger} 图"),
        ("the #BERT", r"the {{\#BERT}}"),
    ],
)
def test_special_characters_are_escaped_and_capitals_kept(title: str, written: str) -> None:
    assert title_of(title) == written


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("Lovelace, Ada", "Lovelace, Ada"),
        ("Bed and Breakfast", "{Bed and Breakfast}"),
        ("and", "{and}"),
        ("others", "{others}"),
        ("a, b, c", "{a, b, c}"),
        ("A & B", r"A \& B"),
    ],
)
def test_a_name_is_one_name(name: str, written: str) -> None:
    assert f"  author = {{{written} and Z}}," in bibtex(reference(authors=(name, "Z")))


def test_an_id_is_a_key_that_needs_no_escaping() -> None:
    assert bibtex(reference(id='doi:10.1/a,b{c}"d e%')).startswith("@misc{doi:10.1/a-b-c-d-e-,\n")


WILD = st.text(alphabet=st.one_of(st.characters(), st.sampled_from("{}\\\r\n\x85\u2028,@=%\0\x1b")), max_size=60)


def check_bibtex(entry: str) -> None:
    """One entry whose braces are in pairs, and in which every line is a field of its own."""
    depths = list(accumulate({"{": 1, "}": -1}.get(character, 0) for character in entry.removeprefix("@misc")))
    assert min(depths[:-2]) == 1
    assert depths[-1] == 0
    assert entry.endswith("\n}\n")
    first, *fields, last, end = entry.split("\n")
    assert re.fullmatch(r"@misc\{[A-Za-z0-9:./-]*,", first)
    assert all(re.fullmatch(r"  [A-Za-z]+ = \{.*\},?", field) for field in fields)
    assert (last, end) == ("}", "")
    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]", entry)


def check_ris(record: str) -> None:
    """One record, each line of it a field."""
    lines = record.split("\r\n")
    assert lines[0] in {"TY  - JOUR", "TY  - UNPB"}
    assert lines[-2:] == ["ER  - ", ""]
    assert all(re.fullmatch(r"(TI|AU|PY|AB|DO|UR)  - .+", line) for line in lines[1:-2])
    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]", "".join(lines))
    assert "\n" not in "".join(lines)


@given(WILD, WILD, WILD, WILD)
def test_nothing_that_a_paper_says_begins_a_field(title: str, name: str, key: str, url: str) -> None:
    found = reference(
        f"doi:{key}",
        f"arxiv:{key}",
        url=url,
        title=f"T{title}",
        abstract=name,
        authors=(name, title),
        categories=(key,),
        id=key,
    )
    check_bibtex(bibtex(found))
    check_ris(ris(found))


def test_a_hostile_paper_is_one_entry() -> None:
    hostile = Reference(paper=HOSTILE, keys=["arxiv:a}b\n@x"], url=URL)
    check_bibtex(bibtex(hostile))
    check_ris(ris(hostile))
