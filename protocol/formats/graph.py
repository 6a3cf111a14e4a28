"""The part both JSON formats share: a map of nodes becomes a Flow.

A flow is compiled whole or refused: one fatal problem anywhere in it and it is not served, but every problem is found,
each with its path. What the Go program tolerates at run time (an edge to nowhere, an unknown node type, a second
connection of an output) is a warning, and the flow is served as it would have been there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from protocol import codec
from protocol.errors import Problem
from protocol.flow import Durability, Flow, Node, Script, Start
from protocol.formats.document import join, show
from protocol.formats.options import node_options, start_options
from protocol.formats.script import NODE_SCRIPT, Place, Source, build, choose_source

STARTERS: Final = frozenset({"starter", "httpstart"})
KNOWN_KINDS: Final = STARTERS | {
    "js", "gorutine", "parallel", "http", "db", "mail", "template", "dromedary", "dromedary_callback",
}  # fmt: skip
"""Node types the runtime carries out; others are plugins' or answer `Type node not found` when they are reached."""
FIRST_OUTPUT: Final = "output_1"

_VERB: Final = re.compile(r"[A-Z][A-Z-]{0,30}\Z")
_MODULE_NAME: Final = re.compile(r"[A-Za-z_][\w-]*(?: [A-Za-z][\w-]*)?\Z", re.ASCII)

T = TypeVar("T")


@dataclass(slots=True)
class Findings:
    """Problems found while a flow is read."""

    problems: list[Problem] = field(default_factory=list)

    def error(self, path: str, message: str) -> None:
        """The flow cannot be served."""
        self.problems.append(Problem(path, message))

    def warn(self, path: str, message: str) -> None:
        """The flow is served all the same."""
        self.problems.append(Problem(path, message, fatal=False))

    @property
    def fatal(self) -> bool:
        """Whether anything found so far refuses the flow."""
        return any(problem.fatal for problem in self.problems)


@dataclass(frozen=True, slots=True)
class Draft:
    """A flow as a format found it: nodes in document order, not yet believed."""

    app: str
    name: str
    path: str
    nodes: Mapping[str, tuple[str, Any]]
    """Node id → (its path, its raw value)."""
    manual: bool
    """True for the manuals' flat shape: scripts are bodies, an output `output` is the first output."""


@dataclass(frozen=True, slots=True)
class _Box:
    """A node whose shape is known to be right."""

    id: str
    path: str
    kind: str
    data: dict[str, Any]
    outputs: dict[str, str | None]


def compile_flow(draft: Draft, modules: Mapping[str, str], findings: Findings) -> Flow | None:
    """The flow, or None when a fatal problem was found; problems are added to `findings`."""
    boxes = [_box(node_id, path, raw, draft, findings) for node_id, (path, raw) in draft.nodes.items()]
    sound = [box for box in boxes if box is not None]
    nodes = [_node(box, draft, modules, findings) for box in sound]
    starts = [_start(box, findings) for box in sound if box.kind in STARTERS]
    if findings.fatal:
        return None
    usable = tuple(start for start in starts if start is not None)
    if not usable:
        findings.warn(draft.path, "no usable start node: nothing can run this flow over HTTP")
    return Flow(
        app=draft.app,
        name=draft.name,
        nodes={node.id: node for node in nodes},
        starts=usable,
        hash=_hash(draft, sound, nodes),
        answer_with_payload=draft.manual or any(box.kind == "httpstart" for box in sound),
    )


def _box(node_id: str, path: str, raw: Any, draft: Draft, findings: Findings) -> _Box | None:
    if not isinstance(raw, dict):
        findings.error(path, f"must be an object with `data`, not {_word(raw)}")
        return None
    outputs = _outputs(path, raw.get("outputs"), draft, findings)
    data = raw.get("data")
    if not isinstance(data, dict):
        findings.error(join(path, "data"), f"must be an object with `type`, not {_word(data)}")
        return None
    kind = data.get("type")
    if not isinstance(kind, str):
        message = "missing: every node needs a type" if kind is None else f"must be a string, not {_word(kind)}"
        findings.error(f"{path}.data.type", message)
        return None
    return _Box(node_id, path, kind, data, outputs)


def _outputs(path: str, raw: Any, draft: Draft, findings: Findings) -> dict[str, str | None]:
    at = join(path, "outputs")
    if raw is None:
        return {}
    if isinstance(raw, list) and not raw:  # an empty PHP-style map, which some exports write
        return {}
    if not isinstance(raw, dict):
        findings.error(at, f"must be an object of outputs, not {_word(raw)}")
        return {}
    outputs = {name: _target(join(at, name), output, draft, findings) for name, output in raw.items()}
    if draft.manual and "output" in outputs:
        # The manuals call the only output `output`; scripts start with next = "output_1" in both shapes.
        outputs.setdefault(FIRST_OUTPUT, outputs["output"])
    return outputs


def _target(path: str, output: Any, draft: Draft, findings: Findings) -> str | None:
    if not isinstance(output, dict):
        findings.error(path, f"must be an object with `connections`, not {_word(output)}")
        return None
    connections = output.get("connections")
    at = join(path, "connections")
    if connections is None or connections == []:
        return None
    if not isinstance(connections, list):
        findings.error(at, f"must be a list, not {_word(connections)}")
        return None
    targets = [_connected(join(at, index), connection, findings) for index, connection in enumerate(connections)]
    if len(targets) > 1:
        findings.warn(at, f"only the first of {len(targets)} connections is followed; use a gorutine node to fork")
    first = targets[0]
    if first is not None and first not in draft.nodes:
        findings.warn(join(at, 0), f"leads to {show(first)}, which is no node of this flow: the run ends there")
        return None
    return first


def _connected(path: str, connection: Any, findings: Findings) -> str | None:
    if not isinstance(connection, dict):
        findings.error(path, f"must be an object with `node`, not {_word(connection)}")
        return None
    node = connection.get("node")
    if isinstance(node, str):
        return node
    findings.error(join(path, "node"), f"must be a node id as a string, not {_word(node)}")
    return None


def _node(box: _Box, draft: Draft, modules: Mapping[str, str], findings: Findings) -> Node:
    label = box.data.get("name_box", "")
    if not isinstance(label, str):
        findings.error(f"{box.path}.data.name_box", f"must be a string, not {_word(label)}")
        label = ""
    if box.kind not in KNOWN_KINDS:
        message = f"{show(box.kind)} is no built-in node type: unless a plugin brings it, the run fails there"
        findings.warn(f"{box.path}.data.type", message)
    script = None
    if box.kind == "js":
        script = _script(box, draft, modules, findings)
    elif (built_in := modules.get(NODE_SCRIPT + box.kind)) is not None and not findings.fatal:
        place = Place(draft.app, draft.name, box.id, box.outputs, f"{box.path}.data.type")
        script = build(Source(built_in, "main", module=box.kind), box.data, place)
    options = node_options(box.data, join(box.path, "data"), findings.error) if box.kind not in STARTERS else None
    return Node(box.id, box.kind, label or box.id, box.data, box.outputs, script, options)


def _script(box: _Box, draft: Draft, modules: Mapping[str, str], findings: Findings) -> Script | None:
    wrong = [key for key in ("compile", "code", "script") if not isinstance(box.data.get(key, ""), str | None)]
    for key in wrong:
        findings.error(f"{box.path}.data.{key}", f"must be a string, not {_word(box.data[key])}")
    if findings.fatal:  # the flow is refused already, and its data may not even be writable as JSON
        return None
    source = choose_source(box.data, modules, main_required=not draft.manual)
    if source is None:
        findings.warn(join(box.path, "data"), "a js node without `code` or `script`: it fails when it is reached")
        source = Source("", "main")
    elif source.module is None and source.text == box.data.get("script") and _MODULE_NAME.match(source.text):
        message = f"there is no module {show(source.text)}, so this is taken as source text"
        findings.warn(f"{box.path}.data.script", message)
    place = Place(draft.app, draft.name, box.id, box.outputs, f"{box.path}.data.{source.key}")
    return build(source, box.data, place)


def _start(box: _Box, findings: Findings) -> Start | None:
    """The way in this starter opens; None when it opens none."""
    data, at = box.data, join(box.path, "data")
    first = box.outputs.get(FIRST_OUTPUT)
    if first is None:
        findings.warn(join(box.path, "outputs"), f"start node skipped: its {FIRST_OUTPUT} leads to no node")
        return None
    method = _text(data, ("method",), at, findings)
    pattern = _text(data, ("path", "urlpattern") if box.kind == "httpstart" else ("urlpattern", "path"), at, findings)
    auth = _auth(data, at, findings)
    durability = _durability(data, at, findings)
    finish = _flag(data, "finish_on_disconnect", at, findings)
    schema, compress = start_options(data, at, findings.error)
    if method is None or pattern is None:
        return None
    if not _VERB.match(method.upper()):
        findings.error(
            join(at, "method"), f"{show(method)} is no HTTP method: write GET, POST, PUT, PATCH, DELETE, ANY"
        )
        return None
    if not pattern.startswith("/"):
        findings.warn(at, f"start node skipped: the path {show(pattern)} does not begin with / and so matches nothing")
        return None
    return Start(
        node=box.id,
        method=method.upper(),
        pattern=pattern,
        first=first,
        auth=auth,
        body_as_payload=box.kind == "httpstart",
        durability=durability,
        finish_on_disconnect=finish,
        schema=schema,
        compress=compress,
    )


def _text(data: Mapping[str, Any], keys: tuple[str, ...], at: str, findings: Findings) -> str | None:
    """The first of these keys that is there, which must be a string."""
    for key in keys:
        if key in data:
            value = data[key]
            if isinstance(value, str):
                return value
            findings.error(join(at, key), f"must be a string, not {_word(value)}")
            return None
    findings.error(join(at, keys[0]), "missing: a start node needs it")
    return None


def asks_for_login(data: Mapping[str, Any]) -> bool:
    """Whether this node's `nflow_auth` asks for it: any text but "false" does, the empty one too (Go: auth hook)."""
    flag = data.get("nflow_auth", False)
    return flag != "false" if isinstance(flag, str) else bool(flag)


def _auth(data: Mapping[str, Any], at: str, findings: Findings) -> bool:
    flag = data.get("nflow_auth", False)
    if not isinstance(flag, str | bool | None):
        findings.error(join(at, "nflow_auth"), f'must be "true", "false" or a boolean, not {_word(flag)}')
    return asks_for_login(data)


def _durability(data: Mapping[str, Any], at: str, findings: Findings) -> Durability | None:
    value = data.get("durability")
    if value is None or value == "":
        return None
    names = [kind.value for kind in Durability]
    if value in names:
        return Durability(value)
    shown = show(value) if isinstance(value, str) else _word(value)
    findings.error(join(at, "durability"), f"must be one of {', '.join(names)}, not {shown}")
    return None


def _flag(data: Mapping[str, Any], key: str, at: str, findings: Findings) -> bool | None:
    value = data.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):  # the designer's forms write every value as text
        return bool(value == "true")
    findings.error(join(at, key), "must be true or false")
    return None


def _hash(draft: Draft, boxes: list[_Box], nodes: list[Node]) -> str:
    """What a run's behaviour hangs on, and nothing of the drawing: positions, HTML and classes may change freely."""
    sources = {node.id: node.script.source for node in nodes if node.script is not None}
    content = {
        box.id: [box.data, box.outputs, sources.get(box.id) if box.kind != "js" or "script" in box.data else None]
        for box in boxes
    }
    return hashlib.sha256(codec.canonical(["manual" if draft.manual else "playbook", content])).hexdigest()


def _word(value: Any) -> str:
    """A JSON value's type in words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a boolean"
    words = {dict: "an object", list: "a list", str: "a string", int: "a number", float: "a number"}
    return words.get(type(value), "something that is not JSON")
