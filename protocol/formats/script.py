"""From a node's source text to what a sandbox is sent.

A Script carries everything the sandbox must know that does not change between runs, and a key over all of it: equal
keys mean equal behaviour, so a warm sandbox may keep what it compiled. Which text of a node is its source:
`compile` (already transpiled), else `code`, else `script`, which names a module when such a module exists and is source
otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from protocol import codec
from protocol.flow import Realm, Script
from protocol.formats.reach import awaits, changes_built_ins, needs_of, reads_own_data

NODE_SCRIPT: Final = "node:"
"""Before a node type, the name of the module that does nodes of this type."""

Entry = Literal["main", "body", "async"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a script stands: what its static globals say."""

    app: str
    flow: str
    node: str
    outputs: Mapping[str, str | None]
    path: str = ""
    """Of the text, within its document."""


@dataclass(frozen=True, slots=True)
class Source:
    """The text chosen for a node."""

    text: str
    entry: Entry
    module: str | None = None
    """Name of the module the text is of."""
    key: str = "script"
    """Of the node's data, where the text or the module's name is."""


def choose_source(data: Mapping[str, Any], modules: Mapping[str, str], *, main_required: bool) -> Source | None:
    """The source of a `js` node, or None when it has none.

    `main_required`: `code` must define `main`, as in Go. False (the manuals' shape): it is a function body with a
    `return`. A `script` that is source is a body always, since only the manuals write it so; a body may define `main`.
    """
    for key in ("compile", "code"):
        if text := data.get(key):
            return Source(text, "main" if main_required else body_entry(text), key=key)
    script = data.get("script")
    if not script:
        return None
    if script in modules:
        return Source(modules[script], "main", module=script)
    return Source(script, body_entry(script))


def body_entry(text: str) -> Entry:
    """How a function body is to be run."""
    return "async" if awaits(text) else "body"


def build(source: Source, data: Mapping[str, Any], place: Place) -> Script:
    """Prepare the source of one node. `data` is the node's own, already known to be writable as JSON.

    `nflow_data` is the whole of `data`, source included, as in Go; it is left empty when the text cannot reach it,
    which spares most scripts their own source a second time.
    """
    statics = codec.dumps(
        {
            "nflow_data": data if reads_own_data(source.text) else {},
            "current_box": place.node,
            "__outputs": {name: target for name, target in place.outputs.items() if target is not None},
            "__flow_name": place.flow,
            "__flow_app": place.app,
        }
    )
    needs = needs_of(source.text)
    realm = Realm.FRESH if changes_built_ins(source.text) else Realm.WARM
    parts = [source.text, source.entry, sorted(needs), realm.value, statics.decode()]
    key = hashlib.sha256(codec.dumps(parts)).hexdigest()
    return Script(key, source.text, source.entry, needs, statics, realm, place.path)
