"""Work that runs after a response has been sent."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import Response

from digest.app import App
from digest.errors import StoreError
from digest.web.app import create_app
from digest.web.auth import public_router
from digest.web.background import Background
from digest.web.dependencies import Context
from digest.web.server import listen, serving, url_of

Act = Callable[[], None]


@pytest.fixture
def afterwards() -> Background:
    return Background()


def test_one_thing_is_done_after_another(afterwards: Background) -> None:
    done: list[int] = []
    for number in range(100):
        afterwards.submit(lambda number=number: done.append(number), page="/x")  # type: ignore[misc]
    assert afterwards.finish(20)
    assert done == list(range(100))
    assert afterwards.finish(0)


@pytest.mark.parametrize(
    ("error", "told"), [(StoreError("locked"), "reason=locked"), (ValueError("unforeseen"), "ValueError: unforeseen")]
)
def test_a_failing_task_is_logged_and_the_next_one_runs(
    afterwards: Background, capsys: pytest.CaptureFixture[str], error: Exception, told: str
) -> None:
    done: list[str] = []
    afterwards.submit(failing(error), page="/subscribe")
    afterwards.submit(lambda: done.append("the next"), page="/subscribe")
    assert afterwards.finish(20)
    said = re.sub(r"\x1b\[[\d;]*m", "", "".join(capsys.readouterr()))
    assert "page failed in the background" in said
    assert "page=/subscribe" in said
    assert told in said
    assert done == ["the next"]


def test_waiting_ends_at_the_timeout(afterwards: Background, capsys: pytest.CaptureFixture[str]) -> None:
    free = threading.Event()

    def slowly() -> None:
        free.wait(20)

    afterwards.submit(slowly, page="/x")
    afterwards.submit(lambda: None, page="/x")
    assert not afterwards.finish(0.01)
    assert "unfinished=2" in "".join(capsys.readouterr())
    free.set()
    assert afterwards.finish(20)


def test_a_function_that_hangs_does_not_keep_the_program_from_ending() -> None:
    program = """
import threading
from digest.web.background import Background
background = Background()
background.submit(threading.Event().wait, page="/hangs")
background.submit(lambda: print("began too late"), page="/waits")
background.shut_down(0.1)
print("shut down")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert "unfinished=2" in re.sub(r"\x1b\[[\d;]*m", "", ended.stdout)
    assert ended.stdout.endswith("shut down\n")


@contextmanager
def served(app: App, act: Act) -> Iterator[str]:
    """A page that does something after its response, really served."""
    router = public_router()

    @router.get("/slow")
    def show(context: Context) -> Response:
        context.run_after_response(act)
        return context.render("mailbox.html.j2")

    asgi = create_app(app)
    cast(Starlette, asgi).router.routes.extend(router.routes)
    listener = listen("127.0.0.1", 0)
    with serving(asgi, listener, on_loss=lambda: None):
        yield f"{url_of(listener)}/slow"


def test_an_answer_does_not_wait_for_it(app: App) -> None:
    free, done = threading.Event(), threading.Event()

    def act() -> None:
        assert free.wait(20)
        done.set()

    with served(app, act) as url, httpx2.Client() as http:
        for _ in range(20):  # more than pages are made at once
            assert http.get(url).status_code == 200
        assert not done.is_set()
        free.set()
        assert done.wait(20)


def test_started_work_is_finished_when_the_program_stops(app: App) -> None:
    begun, ends = threading.Event(), threading.Event()
    done: list[str] = []

    def act() -> None:
        begun.set()
        assert ends.wait(20)
        time.sleep(0.3)  # while the program stops
        done.append("all of it")

    with served(app, act) as url:
        assert httpx2.get(url).status_code == 200
        assert begun.wait(20)
        assert done == []
        ends.set()
    assert done == ["all of it"]


def failing(error: Exception) -> Act:
    def fail() -> None:
        raise error

    return fail
