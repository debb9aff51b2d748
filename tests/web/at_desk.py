"""A browser in which somebody is signed in at the desk."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from httpx2 import Response
from starlette.testclient import TestClient

from digest.installation import Installation
from digest.models import Admin, Role
from digest.store import admins, audit
from tests.builders import NOW
from tests.web.html import faults_of

DESK = "desk@example.org"


@dataclass(frozen=True)
class AtDesk:
    """Asks for pages with the cookie of a session, and posts with its CSRF token."""

    client: TestClient
    cookie: str
    csrf: str

    def get(self, path: str) -> Response:
        return self.client.get(path, headers={"Cookie": self.cookie})

    def read(self, path: str, status: int = 200) -> str:
        """A page, its tags on one line each; it is valid HTML, and nothing hostile is anything but text there."""
        answer = self.get(path)
        assert answer.status_code == status, path
        assert faults_of(answer.text) == []
        assert not re.search(r"<script>alert|<img|<b>|[\x00\x1b]", answer.text)
        return re.sub(r"(?<=<)(\w+)\n", r"\1 ", answer.text)

    def post(self, path: str, **form: Any) -> Response:
        return self.client.post(path, data={"csrf": self.csrf} | form, headers={"Cookie": self.cookie})

    def send(self, path: str, content: bytes | str, *, name: str = "people.csv", **form: Any) -> Response:
        """A form with a file."""
        files = {"file": (name, content, "text/csv")}
        headers = {"Cookie": self.cookie}
        return self.client.post(path, data={"csrf": self.csrf} | form, files=files, headers=headers)


def session(here: Installation, email: str = DESK, role: Role = Role.ADMIN) -> str:
    """The token of a new session of an admin's, who is added where they are not there."""
    token = secrets.token_urlsafe()
    with here.store.write() as tx:
        admin = admins.find(tx, email) or admins.add(tx, Admin(email=email, role=role, password="x"), now=NOW)
        hashed = hashlib.sha256(token.encode()).hexdigest()
        admins.begin_session(tx, admin, hashed, now=NOW, expires_at=NOW + timedelta(hours=12))
    return token


def signed_in(here: Installation, client: TestClient, email: str = DESK, role: Role = Role.ADMIN) -> AtDesk:
    """Somebody's browser."""
    cookie = f"__Secure-digest-desk={session(here, email, role)}"
    page = client.get("/admin/profiles", headers={"Cookie": cookie}).text
    csrf = re.search(r'name="csrf" value="(\w+)"', page)
    assert csrf is not None
    return AtDesk(client, cookie, csrf[1])


def logged(here: Installation) -> list[tuple[str, str, str]]:
    """The audit log, newest first."""
    with here.store.read() as tx:
        return [(change.who, change.what, change.subject) for change in audit.list_changes(tx, limit=20)]
