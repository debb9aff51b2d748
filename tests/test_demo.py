"""digest demo: the whole job without configuration."""

import re
import shlex
import subprocess
import sys
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from pathlib import Path

import httpx2
import pytest

from tests.commandline import Cli
from tests.serving import Serving


def mails(folder: Path) -> dict[str, EmailMessage]:
    found = [message_from_bytes(f.read_bytes(), policy=policy.default) for f in (folder / "mail").glob("*.eml")]
    return {str(mail["To"].addresses[0].addr_spec): mail for mail in found}


def test_four_of_five_get_a_mail_and_one_a_reason(bare: Cli) -> None:
    ran = bare.ok("demo")
    arrived = mails(bare.folder / "digest-demo")
    assert sorted(arrived) == [f"{role}@example.org" for role in ("astronomer", "engineer", "librarian", "theorist")]
    assert "botanist@example.org    0       no email: no keyword matched any of 42 new papers" in ran.out
    assert "42 papers, 4 emails: digest-demo/mail/*.eml" in ran.err
    assert "digest demo --serve" in ran.err


@pytest.mark.parametrize("called", [["-m", "digest"], ["folder of scripts/digest"]], ids=" ".join)
@pytest.mark.parametrize("output", ["digest-demo", "my demo"])
def test_what_it_says_to_try_next_works_without_an_activated_environment(
    tmp_path: Path, called: list[str], output: str
) -> None:
    script = tmp_path / "folder of scripts" / "digest"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nimport sys\nfrom digest.cli import main\nsys.exit(main())\n")
    script.chmod(0o755)
    command = [sys.executable, *called] if called[0] == "-m" else [f"./{called[0]}"]
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    run = partial(subprocess.run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    said = run([*command, "demo", "--output", output]).stderr
    found = re.search(r"^  (.* match .*)$", said, re.MULTILINE)
    assert found is not None
    assert "Diffusion" in run(["sh", "-c", found[1]]).stdout
    served = re.search(r"^  (.* demo --serve.*?)    the web pages", said, re.MULTILINE)
    assert served is not None
    assert shlex.split(served[1])[len(command) :] == [
        "demo",
        "--serve",
        *(["--output", output] if " " in output else []),
    ]


def test_every_mail_lies_open_for_a_browser(bare: Cli) -> None:
    bare.ok("demo", "--output", "here")
    files = sorted(f.name for f in (bare.folder / "here" / "mail").iterdir())
    assert len(files) == 8
    for html in (bare.folder / "here" / "mail").glob("*.html"):
        part = message_from_bytes(html.with_suffix(".eml").read_bytes(), policy=policy.default).get_body(("html",))
        assert part is not None
        assert html.read_text(encoding="utf-8") == part.get_content().replace("\r\n", "\n")


def test_other_commands_work_on_what_it_leaves(bare: Cli) -> None:
    bare.ok("demo")
    config = ["--config", "digest-demo/config.toml"]
    assert len(bare.ok("subscriber", "list", "--json", *config).records) == 5
    assert {d["state"] for d in bare.ok("outbox", "list", "--json", *config).records} == {"sent"}
    assert bare.ok("match", "Ricci flow", "--json", *config).record["id"] == "arxiv:math/0211159"


def test_it_can_be_run_again(bare: Cli) -> None:
    bare.ok("demo")
    first = sorted(f.name for f in (bare.folder / "digest-demo" / "mail").iterdir())
    bare.ok("demo")
    assert sorted(f.name for f in (bare.folder / "digest-demo" / "mail").iterdir()) == first


def test_a_folder_with_other_files_is_left_alone(bare: Cli) -> None:
    (bare.folder / "mine").mkdir()
    (bare.folder / "mine" / "digest.db").write_text("precious")
    ran = bare("demo", "--output", "mine")
    assert ran.code == 2
    assert ran.err == "error: mine is not empty; name another folder with --output\n"
    assert [f.name for f in (bare.folder / "mine").iterdir()] == ["digest.db"]


@pytest.mark.parametrize("output", ["file", "file/below"])
def test_an_unusable_folder_is_reported(bare: Cli, output: str) -> None:
    (bare.folder / "file").write_text("")
    ran = bare("demo", "--output", output)
    assert ran.code == 2
    assert ran.err == f"error: {output}: Not a directory; name another folder with --output\n"


def test_it_is_served_with_the_mails_that_arrived(tmp_path: Path) -> None:
    demo = Serving(tmp_path, "demo", "--serve")
    try:
        url = demo.wait_for(r"(?s)\Ahttp://127\.0\.0\.1:\d+\n")
        demo.wait_for("Ctrl-C stops it")
        assert httpx2.get(f"{url.strip()}/").status_code == 200
        inbox = httpx2.get(f"{url.strip()}/inbox").text
        assert inbox.count(".html") == 4
        password = demo.wait_for(r"Admin pages: http://\S+/admin   with admin@example\.org and the password (\S+)")
        entered = httpx2.post(f"{url.strip()}/admin/sign-in", data={"email": "admin@example.org", "password": password})
        assert (entered.status_code, entered.headers["Location"]) == (303, "/admin")
        mail = mails(tmp_path / "digest-demo")["engineer@example.org"]
        assert f"<{url.strip()}/unsubscribe/" in mail["List-Unsubscribe"]
    finally:
        demo.stop()
