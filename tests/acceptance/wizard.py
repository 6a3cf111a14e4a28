"""The people of the wizard example, and a client that walks it past any browser."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

from tests.acceptance.servers import Answer, Server

EXAMPLES = Path(__file__).parents[2] / "examples"
PEOPLE = {"ana": "clave de ana", "luis": "clave de luis"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def import_people(server: Server) -> None:
    """Give the server's store its people, from an nFlow database."""
    source = server.folder / "people.sqlite"
    with closing(sqlite3.connect(source)) as people:
        people.execute("create table users (id integer primary key, username, password, rol, active)")
        for name, password in PEOPLE.items():
            secret = hashlib.new("sha512_256", password.encode()).hexdigest()
            people.execute("insert into users values (null, ?, ?, 'traveller', 1)", (name, secret))
        people.commit()
    command = [sys.executable, "-m", "gateway", "import", str(source), "-c", str(server.folder / "config.toml")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


class Walker:
    """Keeps the cookie and the node at which the last form goes on."""

    def __init__(self, server: Server, cookie: str = "", node: str = "") -> None:
        self.server = server
        self.cookie = cookie
        self.node = node

    def get(self, path: str) -> Answer:
        """A page."""
        return self._came(self.server.get(path, headers=self._headers()))

    def send(self, path: str, **values: str | list[str]) -> Answer:
        """The form of the last page."""
        body = urlencode({"nflow_next_node_run": self.node, **values}, doseq=True)
        return self._came(self.server.post(path, body=body, headers={**FORM, **self._headers()}))

    def log_in(self, user: str) -> Answer:
        """From nobody to the page that was asked for before."""
        self.get("/nflow_login")
        return self.send("/nflow_login", username=user, password=PEOPLE[user])

    def _headers(self) -> dict[str, str]:
        return {"Cookie": self.cookie} if self.cookie else {}

    def _came(self, answer: Answer) -> Answer:
        if given := answer.headers["Set-Cookie"]:
            self.cookie = given.partition(";")[0]
        offered = re.search(r'name="nflow_next_node_run" value="([^"]+)"', answer.text)
        self.node = offered[1] if offered else ""
        return answer
