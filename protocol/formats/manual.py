"""Reads the flat shape the manuals show, one flow to a document.

    {node id: {"data": {"type": "httpstart", "method": "POST", "path": "/api/x"}, "outputs": {"output": {...}}}, ...}

The Go program never ran it; its manuals promise it, so here it runs: the start is `httpstart` with `path`, the one
output is `output`, a script is a function body whose `return` is the next payload, a JSON body is the first payload,
and a run in which no node answered answers with its last payload.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol.flow import Flow
from protocol.formats.document import Document, join
from protocol.formats.graph import Draft, Findings, compile_flow


def looks_manual(top: dict[str, Any]) -> bool:
    """Whether some value of this object is a node."""
    return any(isinstance(node, dict) and ("data" in node or "outputs" in node) for node in top.values())


def read_manual(document: Document, app: str, modules: Mapping[str, str], findings: Findings) -> Flow | None:
    """The flow of the document, named like the app; None when it is refused."""
    nodes: dict[str, tuple[str, Any]] = {}
    findings.problems += document.blemishes(document.value, "")
    for node_id, node in document.value.items():
        if isinstance(node, dict):
            nodes[node_id] = (join("", node_id), node)
        else:
            findings.warn(join("", node_id), "ignored: not a node")
    return compile_flow(Draft(app, app, "document", nodes, manual=True), modules, findings)
