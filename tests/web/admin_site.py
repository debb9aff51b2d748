"""A browser in which an admin or editor is signed in, and the audit log."""

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

ADMIN_EMAIL, EDITOR_EMAIL = "desk@example.org", "editor@example.org"


@dataclass(frozen=True)
class AdminBrowser:
    """Requests pages with a session's cookie, and posts forms with its CSRF token. Checks that pages are valid HTML."""

    client: TestClient
    cookie: str
    csrf: str

    def get(self, path: str, **rest: Any) -> Response:
        """Return the response to a GET, whatever its status."""
        return self.client.get(path, headers={"Cookie": self.cookie}, **rest)

    def read(self, path: str, status: int = 200) -> str:
        """Return a page with each tag on one line. Asserts that it contains no hostile markup."""
        answer = self.get(path)
        assert answer.status_code == status, (path, answer.text)
        assert faults_of(answer.text) == []
        assert not re.search(r"<script>alert|<img|<b>|[\x00\x1b]", answer.text)
        return re.sub(r"(?<=<)(\w+)\n", r"\1 ", answer.text)

    def post(self, path: str, /, **form: Any) -> Response:
        """Post a form, and return the response."""
        return self._posted(path, form)

    def upload(self, path: str, content: bytes | str, *, name: str = "people.csv", **form: Any) -> Response:
        """Post a form with a file, and return the response."""
        return self._posted(path, form, files={"file": (name, content, "text/csv")})

    def post_and_follow(self, path: str, /, **form: Any) -> str:
        """Post a form, and return the page that it redirects to."""
        answer = self.post(path, **form)
        assert answer.status_code == 303, answer.text
        return self.read(answer.headers["Location"])

    def _posted(self, path: str, form: dict[str, Any], **rest: Any) -> Response:
        answer = self.client.post(path, data={"csrf": self.csrf} | form, headers={"Cookie": self.cookie}, **rest)
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            assert faults_of(answer.text) == []
        return answer


def an_admin(app: App, email: str = ADMIN_EMAIL, role: Role = Role.ADMIN) -> Admin:
    """Add an admin once, without a usable password: hashing one is slow on purpose."""
    with app.store.write() as tx:
        unusable = Admin(email=email, role=role, password="the hash of no password")
        return admins.find(tx, email) or admins.add(tx, unusable, now=NOW)


def session(app: App, role: Role = Role.ADMIN, email: str = "") -> str:
    """Begin a session of an admin or editor, added if needed, and return its token."""
    admin = an_admin(app, email or (ADMIN_EMAIL if role is Role.ADMIN else EDITOR_EMAIL), role)
    token = secrets.token_urlsafe()
    with app.store.write() as tx:
        hashed = hashlib.sha256(token.encode()).hexdigest()
        admins.begin_session(tx, admin, hashed, now=NOW, expires_at=NOW + timedelta(hours=12))
    return token


def signed_in(app: App, client: TestClient, role: Role = Role.ADMIN, email: str = "") -> AdminBrowser:
    """Return a browser in which an admin or editor is signed in."""
    cookie = f"__Host-digest-desk={session(app, role, email)}"
    page = client.get("/admin/tokens", headers={"Cookie": cookie}).text
    csrf = re.search(r'name="csrf" value="(\w+)"', page)
    assert csrf is not None
    return AdminBrowser(client, cookie, csrf[1])


def refuses_an_editor(app: App, client: TestClient, *paths: str) -> bool:
    """Return True if an editor can neither see the pages nor post to them."""
    editor = signed_in(app, client, Role.EDITOR)
    answers = [ask(path) for path in paths for ask in (editor.get, editor.post)]
    said = {answer.status_code for answer in answers}
    return said <= {403, 405} and 403 in said


def audit_log(app: App) -> list[tuple[str, str, str]]:
    """Return (who, what, subject) of the audit log's entries, newest first."""
    with app.store.read() as tx:
        return [(change.who, change.what, change.subject) for change in audit.list_changes(tx, limit=100)]
