"""What many tests need."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from digest.store import Store

# The same examples each time and no deadline: a build fails for what changed, not for luck or a busy machine.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new database on disk."""
    with Store.open(tmp_path / "digest.db") as opened:
        yield opened


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own settings and secrets have no say in tests."""
    for name in ("DIGEST_CONFIG", "DIGEST_SECRET_KEY", "DIGEST_SMTP_PASSWORD", "DIGEST_DEBUG"):
        monkeypatch.delenv(name, raising=False)
