"""The flows that can be run: the one table every request is looked up in.

`Catalogue` is read by a plain call (a look-up must not wait in a mailbox); only the keeper writes it, and always whole,
so a reader sees one version or the next, never a mixture. A bad document leaves the good flows served and its problems
in the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from actors.kernel import Actor
from protocol.errors import Problem
from protocol.flow import Flow, Realm
from protocol.formats import read
from protocol.routing import RouteTable


class Catalogue:
    """The flows and their routes, as of now."""

    __slots__ = ("flows", "problems", "table")

    def __init__(self) -> None:
        self.flows: tuple[Flow, ...] = ()
        self.table = RouteTable.build(())
        self.problems: tuple[Problem, ...] = ()

    def replace(self, flows: tuple[Flow, ...], problems: tuple[Problem, ...]) -> None:
        """Take a new set of flows, whole."""
        self.table = RouteTable.build(flows)
        self.flows = flows
        self.problems = problems + tuple(self.table.conflicts)


class Flows(Actor[None]):
    """Keeper of the catalogue: reads the documents at start."""

    def __init__(self, catalogue: Catalogue, documents: Mapping[str, Path], realm: Realm = Realm.WARM) -> None:
        self._catalogue = catalogue
        self._documents = documents
        """App name → file."""
        self._realm = realm
        self._log = structlog.get_logger("flows")

    def started(self) -> None:
        """Read every document. Files are small and this happens before the door opens, so it may block."""
        flows: list[Flow] = []
        problems: list[Problem] = []
        for app, path in self._documents.items():
            try:
                document = path.read_bytes()
            except OSError as error:
                problems.append(Problem(str(path), f"cannot be read: {error.strerror}"))
                continue
            reading = read(document, app)
            flows.extend(reading.flows if self._realm is Realm.WARM else map(_always_fresh, reading.flows))
            problems.extend(Problem(f"{path.name}: {p.path}", p.message, p.fatal) for p in reading.problems)
        self._catalogue.replace(tuple(flows), tuple(problems))
        for problem in self._catalogue.problems:
            (self._log.error if problem.fatal else self._log.warning)(
                "flow", path=problem.path, problem=problem.message
            )

    def receive(self, message: Any) -> None:
        """The keeper takes no messages yet."""


def _always_fresh(flow: Flow) -> Flow:
    """The flow with every script in a new realm for each run (`server.realm = "fresh"`)."""
    nodes = {
        name: replace(node, script=replace(node.script, realm=Realm.FRESH)) if node.script is not None else node
        for name, node in flow.nodes.items()
    }
    return replace(flow, nodes=nodes)
