"""The thread that looks at files, compiles documents and has scripts analysed, so that neither slow disks nor large
playbooks hold the loop.

The keeper calls `compile_document` and `judge` itself before the door is open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from actors.catalogue.files import FilesFound, PlaybookFiles
from actors.catalogue.live import AppDocument, LiveApp
from actors.guards.analysis.inspector import Inspector, Verdict
from actors.guards.analysis.ledger import Occasion, ScriptPlace
from actors.kernel import BlockingActor
from protocol.flow import Flow, Realm
from protocol.formats import read
from protocol.refs import Ask


@dataclass(frozen=True, slots=True)
class LookAtFiles(Ask[FilesFound]):
    """Look at every file."""


@dataclass(frozen=True, slots=True)
class Compile(Ask[LiveApp]):
    """Compile a document with these modules."""

    document: AppDocument
    modules: Mapping[str, str]
    modules_hash: str
    realm: Realm
    inspector: Inspector | None = None
    """Who looks through the scripts; None: nobody."""
    occasion: Occasion = "load"


@dataclass(frozen=True, slots=True)
class JudgeScript(Ask[Verdict]):
    """Look through one script that is in no flow."""

    text: str
    place: ScriptPlace
    inspector: Inspector
    occasion: Occasion = "load"


class Reader(BlockingActor[LookAtFiles | Compile | JudgeScript]):
    """Reads for the keeper."""

    def __init__(self, files: PlaybookFiles) -> None:
        self._files = files

    def handle(self, message: LookAtFiles | Compile | JudgeScript) -> FilesFound | LiveApp | Verdict:
        """Do the work."""
        match message:
            case LookAtFiles():
                return self._files.look()
            case Compile():
                return compile_document(message)
            case JudgeScript():
                return judge(message)
            case _:
                assert_never(message)


def compile_document(order: Compile) -> LiveApp:
    """The app of a document; its flows are those that can be served."""
    document = order.document
    reading = read(document.text, document.app, order.modules)
    flows = reading.flows if order.realm is Realm.WARM else tuple(map(_always_fresh, reading.flows))
    problems = reading.problems
    if order.inspector is not None:
        flows, issues = order.inspector.flows(flows, order.occasion)
        problems = (*problems, *issues)
    return LiveApp(document, order.modules_hash, flows, problems)


def judge(order: JudgeScript) -> Verdict:
    """What is said of a script."""
    return order.inspector.script(order.text, order.place, order.occasion)


def _always_fresh(flow: Flow) -> Flow:
    """The flow with every script in a new realm for each run (`server.realm = "fresh"`)."""
    nodes = {
        name: replace(node, script=replace(node.script, realm=Realm.FRESH)) if node.script is not None else node
        for name, node in flow.nodes.items()
    }
    return replace(flow, nodes=nodes)
