"""Playbooks as the tests draw them: a chain of scripts behind a start node, in the designer's format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Node = dict[str, Any]


def starter(pattern: str, first: str, method: str = "GET", **data: Any) -> Node:
    """A start node that leads to the node `first`."""
    return {"data": {"type": "starter", "method": method, "urlpattern": pattern, **data}, "outputs": edges(first)}


def js(code: str, *targets: str | None, **data: Any) -> Node:
    """A script node; the targets are what output_1, output_2, … lead to."""
    return {"data": {"type": "js", "code": code, **data}, "outputs": edges(*targets)}


def edges(*targets: str | None) -> dict[str, Any]:
    """Outputs in Drawflow's shape."""
    return {
        f"output_{number}": {"connections": [{"node": target, "output": "input_1"}] if target else []}
        for number, target in enumerate(targets, 1)
    }


def chain(pattern: str, *scripts: str, method: str = "GET", **data: Any) -> dict[str, Node]:
    """A flow of scripts one after the other: nodes s (start), n1, n2, …; `data` is the start node's."""
    nodes = {"s": starter(pattern, "n1", method, **data)}
    for number, script in enumerate(scripts, 1):
        code = script if "function main" in script else f"function main() {{ {script} }}"
        nodes[f"n{number}"] = js(code, *([f"n{number + 1}"] if number < len(scripts) else []))
    return nodes


def playbook(*unnamed: dict[str, Node], **flows: dict[str, Node]) -> dict[str, Any]:
    """A designer's export of these flows; those without a name are called Flow1, Flow2, …"""
    named = {f"Flow{number}": nodes for number, nodes in enumerate(unnamed, 1)} | flows
    return {"drawflow": {name: {"data": nodes} for name, nodes in named.items()}}


def write(path: Path, document: Any) -> Path:
    """The document as a file."""
    path.write_text(json.dumps(document), encoding="utf-8")
    return path
