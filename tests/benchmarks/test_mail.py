"""The benchmark of mails runs, and its rivals render the same mails."""

import json
import subprocess
import sys
from typing import Any

from tests.benchmarks.harness import Case
from tests.benchmarks.mail import cases
from tests.builders import needs_recordings


def results(case: Case) -> dict[str, Any]:
    return {method.name: method.run(3) for method in case.methods}


@needs_recordings
def test_every_method_does_its_case() -> None:
    by_case = {case.name: results(case) for case in cases(3)}
    for name in ("render", "scattered", "cold"):
        assert by_case[name]["digest"] == by_case[name]["jinja"]
        assert len(by_case[name]["digest"][0]) > 30_000
    assert by_case["render"]["join"] == by_case["render"]["digest"]
    assert by_case["render"]["copy"] == b"".join(by_case["render"]["digest"])
    for name in ("message", "rsa", "ed25519", "mail"):
        assert {len(made) for made in by_case[name].values()} == {3}


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
