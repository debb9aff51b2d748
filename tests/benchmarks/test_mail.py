"""The benchmark of mails runs, and its rivals make what ours makes."""

import json
import subprocess
import sys

from tests.benchmarks.harness import Case
from tests.benchmarks.mail import cases
from tests.builders import needs_recordings


def results(case: Case) -> dict[str, list[bytes]]:
    return {method.name: list(method.run(3)) for method in case.methods}  # type: ignore[call-overload]


@needs_recordings
def test_every_method_does_its_case() -> None:
    by_case = {case.name: results(case) for case in cases(3)}
    for name in ("render", "scattered", "cold"):
        assert by_case[name]["digest"] == by_case[name]["jinja"]
        assert len(by_case[name]["digest"][0]) > 30_000
    assert by_case["render"]["join"] == by_case["render"]["digest"]
    assert all(len(made) == 3 for made_by in by_case.values() for made in made_by.values())


def test_a_run_prints_a_line_for_each_method() -> None:
    code = (
        "from tests.benchmarks.harness import *\n"
        "methods = [Method('digest', lambda n: None), Method('rival', lambda n: None, 2)]\n"
        "main('x', lambda quick: [Case('c', 8, methods)])"
    )
    ran = subprocess.run([sys.executable, "-c", code, "--quick", "--json"], capture_output=True, text=True, check=True)
    ours, rival = map(json.loads, ran.stdout.splitlines())
    assert set(ours) == {"case", "method", "n", "measured", "seconds", "rate", "peak_mb"}
    assert (ours["method"], ours["n"], ours["measured"]) == ("digest", 8, 8)
    assert (rival["method"], rival["n"], rival["measured"]) == ("rival", 8, 2)
