"""Somebody signed in at the desk."""

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from starlette.testclient import TestClient

from digest.installation import Installation
from digest.models import Admin, Role
from digest.store import admins
from tests.builders import NOW
from tests.web.html import faults_of

DESK = "desk@example.org"


@dataclass(frozen=True)
class Seat:
    """Asks for the desk's pages; whatever it is shown is valid HTML."""

    site: TestClient
    cookie: str

    def get(self, path: str) -> Any:
        return self._valid(self.site.get(path, headers={"Cookie": self.cookie}))

    def post(self, path: str, **fields: str) -> Any:
        return self._valid(self.site.post(path, data={"csrf": self.csrf} | fields, headers={"Cookie": self.cookie}))

    @property
    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="(\w+)"', self.get("/admin/profiles").text)
        assert found is not None
        return found[1]

    def text(self, path: str) -> str:
        """What a page says, which is there."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return str(answer.text)

    def _valid(self, answer: Any) -> Any:
        if answer.headers.get("Content-Type", "").startswith("text/html") and "/html" not in str(answer.url):
            assert faults_of(answer.text) == []
        return answer


def seated(here: Installation, site: TestClient, role: Role = Role.ADMIN, email: str = DESK) -> Seat:
    """Without a password, which takes a while on purpose."""
    token = f"{role}-{email}"
    with here.store.write() as tx:
        admin = admins.add(tx, Admin(email=email, role=role, password="-"), now=NOW)
        hashed = hashlib.sha256(token.encode()).hexdigest()
        admins.begin_session(tx, admin, hashed, now=NOW, expires_at=NOW + timedelta(hours=12))
    return Seat(site, f"__Secure-digest-desk={token}")
