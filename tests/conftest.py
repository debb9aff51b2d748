"""What many tests need."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from digest.store import Store


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
