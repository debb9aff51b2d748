"""What many tests need."""

import gc
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import settings

from digest.app import App
from digest.store import Store
from tests.browsing import launched
from tests.builders import a_pem
from tests.commandline import CONFIG, NEWSLETTER, Cli

pytest_plugins = ["tests.built_once"]

# The same examples each time and no deadline: a build fails for what changed, not for luck or a busy machine.
settings.register_profile("steady", max_examples=40, derandomize=True, deadline=None)
# Others each time, for nightly builds: pytest --hypothesis-profile=thorough
settings.register_profile("thorough", max_examples=2_000, deadline=None)
settings.load_profile("steady")


# Each takes half a minute or more. Started first, they leave no process alone with one of them at the end.
_SLOW_FILES = {
    *("test_api_schema.py", "test_browser.py", "test_admin_journey.py", "test_journey.py", "test_admin_security.py"),
    *("test_kills.py", "test_processes.py", "test_docs.py", "test_editor.py", "test_looks.py", "test_script.py"),
}


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Return one process more than there are cores: a quarter of the time, tests wait for disks, servers and pauses."""
    return (yield) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow files first; the tests of a file stay together, in their order."""
    items.sort(key=lambda item: item.path.name not in _SLOW_FILES and "benchmarks" not in item.path.parts)
    gc.freeze()  # the modules and tests stay: the garbage collector need not look through them


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new database on disk."""
    with Store.open(tmp_path / "digest.db") as opened:
        yield opened


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """A newsletter at https://digest.example.org."""
    file = tmp_path / "config.toml"
    file.write_text(NEWSLETTER, encoding="utf-8")
    with App.open(file) as opened:
        yield opened


@pytest.fixture(scope="session")
def rsa_pem() -> bytes:
    """A private key as `openssl genrsa` makes it."""
    return a_pem(rsa.generate_private_key(65537, 2048))


@pytest.fixture(scope="session")
def ed25519_pem() -> bytes:
    """A private key as `openssl genpkey -algorithm ed25519` makes it."""
    return a_pem(ed25519.Ed25519PrivateKey.generate())


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own settings and secrets have no say in tests."""
    for name in (
        "DIGEST_CONFIG",
        "DIGEST_SECRET_KEY",
        "DIGEST_SMTP_PASSWORD",
        "DIGEST_IMAP_PASSWORD",
        "DIGEST_DKIM_KEY_FILE",
        "DIGEST_DEBUG",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line in an empty folder."""
    return Cli(tmp_path, monkeypatch, capsys)


@pytest.fixture
def cli(bare: Cli) -> Cli:
    """The command line beside a config.toml whose one source serves a paper on cats and one on dogs."""
    bare.configure(CONFIG)
    bare.write_papers("A study of cats", "A study of dogs")
    return bare


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, for the tests of one file."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with sync_api.sync_playwright() as driver:
        opened = launched(driver)
        yield opened
        opened.close()
