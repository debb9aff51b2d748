"""Lines that may be meant as lists or operators are explained, and split on request."""

import pytest

from digest.matching import parse_rules
from digest.matching.language.hints import Meant, list_hints, split_line

HINTS = [
    ("cats, dogs, birds", Meant.LIST, ["cats", "dogs", "birds"]),
    ("cats,dogs", Meant.LIST, ["cats", "dogs"]),
    ("cats; graph neural network", Meant.LIST, ["cats", "graph neural network"]),
    ("cats, dogs, and birds", Meant.LIST, ["cats", "dogs", "birds"]),
    ("cats, dogs or birds", Meant.LIST, ["cats", "dogs", "birds"]),
    ("猫、狗", Meant.LIST, ["猫", "狗"]),
    ("-cats, dogs", Meant.LIST, ["-cats", "-dogs"]),
    ("  cats, dogs ^2  # pets", Meant.LIST, ["  cats ^2  # pets", "  dogs ^2  # pets"]),
    ("title:cats, dogs", Meant.LIST, ["title:cats", "title:dogs"]),
    ("category:cs.LG, cs.CL", Meant.LIST, ["category:cs.LG", "category:cs.CL"]),
    ("cats, dogs AND birds", Meant.LIST, ["(cats OR dogs) AND birds"]),
    ("cats or dogs", Meant.OR, ["cats", "dogs"]),
    ("cats Or dogs or birds", Meant.OR, ["cats", "dogs", "birds"]),
    ("(cats or dogs) AND birds", Meant.OR, ["(cats OR dogs) AND birds"]),
    ("cats and dogs", Meant.AND, ["cats AND dogs"]),
    ("-cats and dogs", Meant.AND, ["-cats AND dogs"]),
    ("title:cats and dogs", Meant.AND, ["title:(cats AND dogs)"]),
    ("cats  and\tdogs OR birds", Meant.AND, ["(cats AND dogs) OR birds"]),
    ("cats and dogs or birds", Meant.BOTH, ["cats AND dogs OR birds"]),
]


@pytest.mark.parametrize(("line", "meant", "instead"), HINTS, ids=[line for line, _, _ in HINTS])
def test_a_list_or_a_lower_case_operator_is_explained_and_split(line: str, meant: Meant, instead: list[str]) -> None:
    (hint,) = list_hints(f"whole\n{line}\nrest")
    assert (hint.line, hint.meant, list(hint.instead)) == (2, meant, instead)
    text = split_line(f"whole\n{line}\nrest", 2)
    assert text == "\n".join(["whole", *instead, "rest"])
    assert parse_rules(text)
    assert list_hints(text) == []


@pytest.mark.parametrize(
    "line",
    [
        "graph neural network", '"cats, dogs"', '"cats and dogs"', "cats AND dogs", "author:Hinton, Geoffrey",
        "au:LeCun, Y and Hinton", "10,000 genomes", "2,4-D toxicity", "N,N-dimethyl", "cats,", "and cats", "android or",
        "1, 2", "# cats, dogs", "cats, (dogs", "(cats and dogs) NEAR/3 birds", "cats, dogs[tiab]", "or", "",
    ],
)  # fmt: skip
def test_other_lines_have_no_hint(line: str) -> None:
    assert list_hints(line) == []
    assert split_line(line, 1) == line


def test_a_hint_says_in_one_line_what_it_finds_and_what_to_write() -> None:
    assert list(map(str, list_hints("cats, dogs\ncats and dogs\n(a1 or b1) AND c1"))) == [
        "line 1: 'cats, dogs' finds only these words side by side; to find papers with any of these,"
        " write one per line: cats · dogs",
        "line 2: 'cats and dogs' finds only these words side by side; to find papers with all of these,"
        " write cats AND dogs",
        "line 3: 'a1 or b1' finds only these words side by side; to find papers with any of these,"
        " write (a1 OR b1) AND c1",
    ]


def test_a_line_that_is_not_there_is_not_split() -> None:
    for line in (0, -1, 2, 10**9):
        assert split_line("cats, dogs", line) == "cats, dogs"
