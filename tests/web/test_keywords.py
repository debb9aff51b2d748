"""Where mistakes in rules are shown."""

import pytest

from digest.web.forms import marked, read_keywords, read_lines, readable


def marks(text: str) -> str:
    """The text with [ ] around what is marked."""
    _, keywords = read_lines(text)
    return "".join(f"[{piece.text}]" if piece.wrong else piece.text for piece in marked(keywords))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cats\ndogs OR\nbirds", "cats\ndogs [OR]\nbirds"),
        ("cats AND OR dogs", "cats AND [OR] dogs"),
        ("(cats", "[(cats]"),
        ("  (cats  ", "  [(cats]  "),
        ("cats)\n\ndogs)", "cats[)]\n\ndogs[)]"),
        ('a "cat', 'a ["cat]'),
        ("cats", "cats"),
        ("", ""),
    ],
)
def test_the_word_with_the_mistake_is_marked_and_the_text_is_whole(text: str, shown: str) -> None:
    assert marks(text) == shown


def test_a_fault_of_the_whole_text_is_marked_at_its_beginning() -> None:
    text = "cats dogs\n" + "bird\n" * 100_001
    assert marks(text)[:12] == "[cats] dogs\n"


def test_lines_with_mistakes_are_left_out_and_the_others_keep_their_numbers() -> None:
    _, keywords = read_lines("cats AND\n\ndogs\n(birds\nfish\n")
    assert readable(keywords) == "\n\ndogs\n\nfish\n"


def test_lines_are_read_as_they_stand_where_nothing_may_be_left_away() -> None:
    assert read_lines("\n\ncats AND\n")[1].mistakes[0].line == 3
    assert read_keywords("\r\n\r\ncats AND\r\n")[1].mistakes[0].line == 1
