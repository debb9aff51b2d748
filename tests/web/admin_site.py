"""A browser in which somebody is signed in at the desk."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from httpx2 import Response
from starlette.testclient import TestClient

from digest.app import App
from digest.models import Admin, Role
from digest.store import admins, audit
from tests.builders import NOW
from tests.web.html import faults_of

DESK, EDITOR = "desk@example.org", "editor@example.org"


@dataclass(frozen=True)
class AtDesk:
    """Asks for pages with the cookie of a session, and posts with its CSRF token. Pages are valid HTML."""

    client: TestClient
    cookie: str
    csrf: str

    def get(self, path: str, **rest: Any) -> Response:
        """An answer of whatever kind."""
        return self.client.get(path, headers={"Cookie": self.cookie}, **rest)

    def read(self, path: str, status: int = 200) -> str:
        """A page, its tags on one line each. Nothing hostile is anything but text there."""
        answer = self.get(path)
        assert answer.status_code == status, (path, answer.text)
        assert faults_of(answer.text) == []
        assert not re.search(r"<script>alert|<img|<b>|[\x00\x1b]", answer.text)
        return re.sub(r"(?<=<)(\w+)\n", r"\1 ", answer.text)

    def post(self, path: str, /, **form: Any) -> Response:
        """What a form is answered with."""
        return self._posted(path, form)

    def send(self, path: str, content: bytes | str, *, name: str = "people.csv", **form: Any) -> Response:
        """The same of a form with a file."""
        return self._posted(path, form, files={"file": (name, content, "text/csv")})

    def done(self, path: str, /, **form: Any) -> str:
        """The page that follows what was posted."""
        answer = self.post(path, **form)
        assert answer.status_code == 303, answer.text
        return self.read(answer.headers["Location"])

    def _posted(self, path: str, form: dict[str, Any], **rest: Any) -> Response:
        answer = self.client.post(path, data={"csrf": self.csrf} | form, headers={"Cookie": self.cookie}, **rest)
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            assert faults_of(answer.text) == []
        return answer


def an_admin(app: App, email: str = DESK, role: Role = Role.ADMIN) -> Admin:
    """One who has no password that anybody knows, added once: to hash one takes a while on purpose."""
    with app.store.write() as tx:
        unusable = Admin(email=email, role=role, password="the hash of no password")
        return admins.find(tx, email) or admins.add(tx, unusable, now=NOW)


def session(app: App, role: Role = Role.ADMIN, email: str = "") -> str:
    """The token of a new session, of somebody who is added where they are not there."""
    admin = an_admin(app, email or (DESK if role is Role.ADMIN else EDITOR), role)
    token = secrets.token_urlsafe()
    with app.store.write() as tx:
        hashed = hashlib.sha256(token.encode()).hexdigest()
        admins.begin_session(tx, admin, hashed, now=NOW, expires_at=NOW + timedelta(hours=12))
    return token


def signed_in(app: App, client: TestClient, role: Role = Role.ADMIN, email: str = "") -> AtDesk:
    """Somebody's browser."""
    cookie = f"__Secure-digest-desk={session(app, role, email)}"
    page = client.get("/admin/tokens", headers={"Cookie": cookie}).text
    csrf = re.search(r'name="csrf" value="(\w+)"', page)
    assert csrf is not None
    return AtDesk(client, cookie, csrf[1])


def refuses_an_editor(app: App, client: TestClient, *paths: str) -> bool:
    """Whether an editor can neither look nor act there."""
    editor = signed_in(app, client, Role.EDITOR)
    answers = [ask(path) for path in paths for ask in (editor.get, editor.post)]
    said = {answer.status_code for answer in answers}
    return said <= {403, 405} and 403 in said


def logged(app: App) -> list[tuple[str, str, str]]:
    """The audit log, newest first."""
    with app.store.read() as tx:
        return [(change.who, change.what, change.subject) for change in audit.list_changes(tx, limit=100)]
