"""Node kinds that are awaited functions, by name: what the process actor looks a node up in.

A `js` node needs no entry: it has a script, and the sandbox does it. The registry is built at start and then only read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.functions.caller import Caller
from protocol.flow import Node
from protocol.sandbox import ScriptAnswer


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a node."""

    payload: bytes
    """JSON text of the payload after it."""
    next: str = "output_1"
    answer: ScriptAnswer | None = None


@dataclass(frozen=True, slots=True)
class NodeContext:
    """What a node may know of its run."""

    wid: str
    tenant: str
    previous: str
    payload: bytes
    key: str
    """Idempotency key of this visit: `process:node:visit`."""
    caller: Caller | None = None
    """The run as host functions see it: its request, its session."""
    branches: Callable[[Sequence[str], bytes], Sequence[Any]] | None = None
    """Makes a branch of each of these first nodes and a payload: see `parallel.py`."""
    waits: bool = False
    """This run was begun by `wait`, to wait at this node."""
    wait: Callable[[], str] | None = None
    """Begins a run of its own that waits at this node; its process id. Raises Overloaded."""


NodeKind = Callable[[Node, NodeContext], Awaitable[Outcome]]
"""Does one node. Raises a Refusal to fail the run with a clear message."""

Registry = Mapping[str, NodeKind]
