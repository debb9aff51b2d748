"""A browser in which an admin is signed in at the desk."""

import re
from dataclasses import dataclass
from typing import Any

from httpx2 import Response
from starlette.testclient import TestClient

from digest.installation import Installation
from digest.models import Admin, Role
from digest.store import admins
from digest.web.desk import _hash
from tests.builders import NOW
from tests.web.html import faults_of

DESK = "desk@example.org"


@dataclass(frozen=True)
class AtDesk:
    """Asks for pages, which have to be valid, and posts the forms of one that was asked for."""

    client: TestClient
    cookie: str

    def get(self, path: str) -> Response:
        return self.client.get(path, headers={"Cookie": self.cookie})

    def text(self, path: str) -> str:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        assert (faults := faults_of(answer.text)) == [], faults
        return answer.text

    def post(self, path: str, /, **form: Any) -> Response:
        csrf = re.search(r'name="csrf" value="(\w+)"', self.text("/admin/log"))
        assert csrf is not None
        return self.client.post(path, data={"csrf": csrf[1]} | form, headers={"Cookie": self.cookie})

    def done(self, path: str, /, **form: Any) -> str:
        """The page that follows what was posted."""
        answer = self.post(path, **form)
        assert answer.status_code == 303, answer.text
        return self.text(answer.headers["Location"])


def at_desk(here: Installation, client: TestClient, *, role: Role = Role.ADMIN) -> AtDesk:
    """Somebody who was signed in without a password."""
    token = f"token-of-{role}"
    with here.store.write() as tx:
        admin = admins.add(
            tx, Admin(email=DESK if role is Role.ADMIN else "editor@example.org", role=role, password="x"), now=NOW
        )
        admins.begin_session(tx, admin, _hash(token), now=NOW, expires_at=NOW.replace(year=2027))
    return AtDesk(client, f"__Secure-digest-desk={token}")


def refuses_an_editor(here: Installation, client: TestClient, *paths: str) -> bool:
    """Whether an editor can neither look nor act there."""
    editor = at_desk(here, client, role=Role.EDITOR)
    headers = {"Cookie": editor.cookie}
    said = {client.get(path, headers=headers).status_code for path in paths}
    said |= {client.post(path, headers=headers).status_code for path in paths}
    return said <= {403, 405} and 403 in said
