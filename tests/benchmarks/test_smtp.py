"""The benchmark of handing over runs, where Postfix's test programs are."""

import pytest

from tests.benchmarks.smtp import SIZES, Postfix, cases


def test_every_method_does_its_case() -> None:
    postfix = Postfix.find()
    if postfix is None:
        pytest.skip("smtp-sink and smtp-source are not here")
    with postfix.sink() as port:
        for case in cases(postfix, port, 8):
            assert {method.run(4) for method in case.methods} == {4, None}
    assert set(SIZES) == {"smtp-30k", "smtp-64k"}
