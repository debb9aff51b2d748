"""The chart of papers per day."""

from datetime import date, timedelta

from digest.web.admin.profiles.trial import HEIGHT, STEP, Chart, ChartDay, chart


def drawn(*counts: tuple[int, int], compared: bool = True, full: int = 25) -> Chart:
    """The picture of (papers, before) day by day."""
    first = date(2026, 6, 1)
    days = [ChartDay(on=first + timedelta(n), papers=p, before=b, of=99) for n, (p, b) in enumerate(counts)]
    return chart(days, compared=compared, full=full)


def test_the_highest_bar_is_as_high_as_the_picture_and_the_others_in_proportion() -> None:
    made = drawn((10, 10), (5, 5), (0, 0))
    assert [(bar.y, bar.height) for bar in made.bars] == [(0, HEIGHT), (50, 50)]
    assert (made.top, made.width) == (10, 3 * STEP)


def test_one_paper_among_very_many_is_seen() -> None:
    assert drawn((5000, 0), (1, 0)).bars[1].height >= 1


def test_the_line_of_the_saved_rules_has_its_room() -> None:
    made = drawn((5, 10), (0, 0))
    assert made.top == 10
    assert made.line == "0,0.0 10,0.0 10,100.0 20,100.0"


def test_there_is_no_line_where_nothing_is_compared_or_nothing_differs() -> None:
    assert (drawn((5, 10), compared=False).line, drawn((5, 5)).line) == ("", "")
    assert drawn((5, 10), compared=False).top == 5


def test_the_limit_of_a_digest_is_marked_if_it_is_within_the_chart() -> None:
    assert [drawn((most, 0), full=25).mark for most in (24, 25, 50)] == [None, 0, 50]


def test_days_without_any_paper_are_a_picture_too() -> None:
    made = drawn((0, 0), (0, 0))
    assert (made.bars, made.top, made.most.papers) == ((), 1, 0)
