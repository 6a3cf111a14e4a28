"""Reads the nFlow designer's Drawflow export.

    {"drawflow": {flow name: {"data": {node id: {"data": {...}, "outputs": {...}, ...}}}}}

Of a node only `data` and `outputs` mean anything (`id name class html typenode pos_x pos_y inputs` are the drawing),
and of the top only `drawflow`. Normally a flow has the one key `data`; every other key that holds an object is one more
map of nodes of the same flow (Go: playbook.go).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from protocol.errors import Problem
from protocol.flow import Flow
from protocol.formats.document import Document, join
from protocol.formats.graph import Draft, Findings, compile_flow

TOP = "drawflow"


def read_playbook(
    document: Document, app: str, modules: Mapping[str, str]
) -> Iterator[tuple[Flow | None, list[Problem]]]:
    """Each flow of the export with its problems, None when it is refused. First come the problems of the top."""
    top = document.value
    flows = top[TOP]
    yield None, [Problem(join("", key), "ignored: only `drawflow` is read", fatal=False) for key in top if key != TOP]
    if TOP in document.doubled_keys(top):
        yield None, [Problem(TOP, "written more than once: it is not clear which one is meant")]
        return
    if not isinstance(flows, dict):
        yield None, [Problem(TOP, "must be an object of flows")]
        return
    if not flows:
        yield None, [Problem(TOP, "empty: it has no flows", fatal=False)]
    doubled = set(document.doubled_keys(flows))
    for name, raw in flows.items():
        findings = Findings()
        path = join(TOP, name)
        if name in doubled:
            findings.error(path, "written more than once: it is not clear which flow is meant")
        yield _flow(document, app, name, path, raw, modules, findings), findings.problems


def _flow(
    document: Document, app: str, name: str, path: str, raw: Any, modules: Mapping[str, str], findings: Findings
) -> Flow | None:
    findings.problems += document.blemishes(raw, path)
    if not isinstance(raw, dict):
        findings.error(path, "must be an object with `data`")
        return None
    nodes: dict[str, tuple[str, Any]] = {}
    for sub, boxes in raw.items():
        at = join(path, sub)
        if not isinstance(boxes, dict):
            if sub == "data":
                findings.error(at, "must be an object of nodes")
            else:
                findings.warn(at, "ignored: not an object of nodes")
            continue
        for node_id, box in boxes.items():
            if node_id in nodes:
                findings.error(join(at, node_id), f"the node id is taken already by {nodes[node_id][0]}")
            nodes[node_id] = (join(at, node_id), box)
    if not raw:
        findings.warn(path, "empty: it has no nodes")
    return compile_flow(Draft(app, name, path, nodes, manual=False), modules, findings)
