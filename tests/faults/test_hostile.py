"""Nothing in the gallery of hostile inputs falls, and the gallery tells what does."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.faults import hostile
from tests.faults.gallery import Attack


@pytest.mark.parametrize("group", hostile.GROUPS)
def test_no_input_falls(group: str) -> None:
    result = hostile.try_group(group)
    assert result.tried >= 20
    assert result.fallen == []


def test_what_falls_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def group(_random: Random, count: int, folder: Path) -> Iterator[Attack]:
        assert list(folder.iterdir()) == []
        yield Attack("a good one", lambda: None)
        yield Attack("a division", lambda: 1 // (count - count))
        yield Attack("a slow one", lambda: sum(range(100_000)), seconds=0.0)

    monkeypatch.setitem(hostile.GROUPS, "odd", group)
    assert hostile.main(["odd"]) == 1
    printed = capsys.readouterr()
    assert printed.out.split()[-4:-1] == ["odd", "3", "2"]
    assert "a division: Traceback" in printed.err
    assert "ZeroDivisionError" in printed.err
    assert "a slow one: took" in printed.err


def test_an_unknown_group_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        hostile.main(["cats"])
    assert ended.value.code == 2
    assert "no group is called cats" in capsys.readouterr().err
