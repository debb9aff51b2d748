"""With mails that really arrive: confirming, signing in, one-click unsubscribing, and returning by the goodbye link."""

import re
import tomllib
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage

import httpx2
import pytest

from digest.app import App
from digest.transport.smtp_server import SmtpServer
from digest.web.app import create_app
from digest.web.server import listen, serving, url_of
from tests.commandline import Cli
from tests.mta import wait_until
from tests.smtp import Postbox

EMAIL = "reader@example.org"


@pytest.fixture
def postbox() -> Iterator[tuple[Postbox, int]]:
    kept = Postbox()
    with SmtpServer(kept) as server:
        yield kept, server.port


@pytest.fixture
def newsletter(cli: Cli, postbox: tuple[Postbox, int]) -> Iterator[Cli]:
    """A newsletter whose mails go to the post box, and whose links lead to pages that are really served."""
    listener = listen("127.0.0.1", 0)
    config = cli.folder / "config.toml"
    config.write_text(config.read_text().replace("https://digest.example.org", url_of(listener)))
    smtp = f"[delivery.smtp]\nhost = '127.0.0.1'\nport = {postbox[1]}\n"
    cli.configure(f"[delivery]\ntransport = 'smtp'\n{smtp}")
    with App.open(config) as app, serving(create_app(app), listener, on_loss=lambda: None):
        yield cli


def test_leaving_by_one_click_and_coming_back(newsletter: Cli, postbox: tuple[Postbox, int]) -> None:
    newsletter.ok("subscriber", "add", EMAIL, "--keywords", "cats", "--confirmed")
    newsletter.ok("run", "--everyone")
    digest = only_mail(postbox[0])
    assert "A study of cats" in text_of(digest)
    assert digest["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    newsletter.write_papers("A study of cats", "More on cats")
    newsletter.ok("ingest")
    newsletter.ok("publish", "--everyone")
    assert waiting(newsletter) == ["digest"]
    link = re.fullmatch(r"<(http://127\.0\.0\.1:\d+/unsubscribe/[^>]+)>", digest["List-Unsubscribe"])
    assert link is not None
    with httpx2.Client() as mail_program:
        assert mail_program.post(link[1], data={"List-Unsubscribe": "One-Click"}).status_code == 200

    newsletter.ok("deliver")  # what was queued meanwhile is not sent
    goodbye = only_mail(postbox[0])
    assert goodbye["Subject"] == "You have unsubscribed from Daily Papers"
    assert newsletter.ok("subscriber", "show", EMAIL, "--json").record["state"] == "unsubscribed"

    back = re.search(r"http://127\.0\.0\.1:\d+/confirm/\S+", text_of(goodbye))
    assert back is not None
    with httpx2.Client() as browser:
        asked = browser.get(back.group())
        assert "Confirm subscription" in asked.text
        assert newsletter.ok("subscriber", "show", EMAIL, "--json").record["state"] == "unsubscribed"
        assert "You’re subscribed" in browser.post(back.group()).text
    assert newsletter.ok("subscriber", "show", EMAIL, "--json").record["state"] == "active"

    newsletter.ok("deliver")
    welcome = only_mail(postbox[0])
    assert "Welcome to Daily Papers" in text_of(welcome)


def test_joining_and_signing_in(newsletter: Cli, postbox: tuple[Postbox, int]) -> None:
    newsletter.ok("ingest")
    with httpx2.Client(base_url=base_url(newsletter)) as browser:
        assert "Check your inbox" in browser.post("/subscribe", data={"email": EMAIL, "rules": "cats"}).text
        wait_for(newsletter, "confirmation")
        newsletter.ok("deliver")
        yes = link_in(only_mail(postbox[0]), "confirm")
        assert "You’re subscribed" in browser.post(yes).text
        assert "A study of cats" in text_of(delivered(newsletter, postbox[0]))
        assert browser.cookies["digest"]

    with httpx2.Client(base_url=base_url(newsletter)) as another:
        assert "Check your inbox" in another.post("/sign-in", data={"email": EMAIL}).text
        wait_for(newsletter, "sign-in")
        enter = link_in(delivered(newsletter, postbox[0]), "sign-in")
        assert "Sign in to Daily Papers" in another.get(enter).text
        assert another.cookies.get("digest") is None
        assert another.post(enter).headers["Location"] == "/settings"
        assert another.cookies["digest"]


def base_url(newsletter: Cli) -> str:
    config = tomllib.loads((newsletter.folder / "config.toml").read_text(encoding="utf-8"))
    return str(config["newsletter"]["base_url"])


def wait_for(newsletter: Cli, kind: str) -> None:
    """Until a page has queued a mail beside its answer."""
    wait_until(lambda: waiting(newsletter) == [kind], f"a mail of the kind {kind}")


def link_in(mail: EmailMessage, scope: str) -> str:
    found = re.search(rf"http://127\.0\.0\.1:\d+/{scope}/\S+", text_of(mail))
    assert found is not None
    return found.group()


def delivered(newsletter: Cli, postbox: Postbox) -> EmailMessage:
    newsletter.ok("deliver")
    return only_mail(postbox)


def only_mail(postbox: Postbox) -> EmailMessage:
    """The one mail that has arrived since the last time."""
    ((recipient, raw),) = postbox.mails
    postbox.mails.clear()
    assert recipient == EMAIL
    return message_from_bytes(raw, policy=policy.default)


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def waiting(newsletter: Cli) -> list[str]:
    """The kinds of mails that are queued."""
    records = newsletter.ok("outbox", "list", "--json").records
    return [record["kind"] for record in records if record["state"] == "queued"]
