"""The one graph model. Every format compiles to it; the engine knows no format.

A flow is frozen and carries the hash of its content, so a journal row can name the exact version it ran.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from protocol.errors import Problem, Refusal


class Durability(Enum):
    """What is kept of a run. `design`: per flow none / tracked / durable."""

    NONE = "none"
    """Nothing is written."""
    TRACKED = "tracked"
    """One lossy tracker row for each finished node; nobody waits for it."""
    DURABLE = "durable"
    """Tracker rows, and the journal: the run goes on only once its step is committed."""


class Realm(Enum):
    """Which JavaScript realm a script runs in."""

    WARM = "warm"
    """One realm with frozen intrinsics per (tenant, flow version), proven clean after every run."""
    FRESH = "fresh"
    """A new realm for every run; built-ins may be extended. Chosen for scripts that write to a prototype."""


@dataclass(frozen=True, slots=True)
class Script:
    """A compiled-for-sending script: its text and what of the request it must be given."""

    key: str
    """Content key, unique to source, shape and node parameters: what a warm sandbox remembers it by."""
    source: str
    """The author's text, untouched."""
    entry: str
    """`"main"`: the source must define `main`, which is called; `"body"`: a function body whose `return` is the result,
    `main` is called if it is defined; `"async"`: the same with `await` at top level."""
    needs: frozenset[str]
    """Names of the request globals the text can reach (`header`, `form`, …): only these are sent."""
    statics: bytes
    """JSON object of what never changes between runs: nflow_data, current_box, __outputs, __flow_name, __flow_app."""
    realm: Realm = Realm.WARM
    path: str = ""
    """Where in its document the text stands: `drawflow.Home.data.n1.data.code`."""
    blocked: Callable[[], Refusal] | None = None
    """Asked for a refusal in place of a run. Set on scripts that the static analysis does not let run."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failing node is tried, and how long between."""

    attempts: int
    """All of them, the first included."""
    wait_seconds: float
    backoff: float
    """Each wait is so many times the one before."""
    max_wait_seconds: float

    def wait_after(self, attempt: int) -> float:
        """Seconds to wait after this failed attempt, the first being 1."""
        return min(self.max_wait_seconds, self.wait_seconds * self.backoff ** min(attempt - 1, 64))


@dataclass(frozen=True, slots=True)
class Cache:
    """How long a node's result may stand for a new one."""

    seconds: float
    key: Any = None
    """What of the payload the result hangs on: a value with `{{path}}` in it. None: the whole payload."""


@dataclass(frozen=True, slots=True)
class Options:
    """What an author asked of the runtime for one node."""

    retry: Retry | None = None
    timeout_seconds: float | None = None
    """Of one attempt."""
    input: Mapping[str, Any] | None = None
    """The node's payload: name → value with `{{path}}` into the run's payload. None: the run's own."""
    output: Mapping[str, Any] | None = None
    """What goes into the run's payload: name → value with `{{path}}` into the node's. None: the node's is the run's."""
    cache: Cache | None = None


class Schema(Protocol):
    """What an input must look like."""

    document: Any
    """The JSON Schema as written."""

    def problems(self, value: Any) -> list[Problem]:
        """What is wrong with it, each with its path."""


@dataclass(frozen=True, slots=True)
class Node:
    """One box of the graph."""

    id: str
    kind: str
    """The author's `data.type`; kinds nobody registered answer `Type node not found` when they are reached."""
    label: str
    """`name_box`, or the id."""
    data: Mapping[str, Any]
    """The author's parameters, as written."""
    outputs: Mapping[str, str | None]
    """Output name → id of the node it leads to; None when the output exists but is connected to nothing."""
    script: Script | None = None
    """Present on nodes that are done by a sandbox."""
    options: Options | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """One way into a flow over HTTP."""

    node: str
    method: str
    """Upper case verb, or `ANY`."""
    pattern: str
    """Path with `:name` segments, as written."""
    first: str
    """Id of the first node to run."""
    auth: bool = False
    """The starter's `nflow_auth`."""
    body_as_payload: bool = False
    """True: a JSON body is the first payload (the manuals' shape). False: only query and form values are (Go)."""
    durability: Durability | None = None
    """None: the configured default."""
    finish_on_disconnect: bool | None = None
    """Whether a run goes on when its client leaves. None: GET and HEAD are cancelled, other methods finish."""
    schema: Schema | None = None
    """Of a JSON body, else of the first payload; what does not fit is answered with 400 before a run begins."""
    compress: bool = False
    """Whether answers are compressed for clients that take it."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One workflow: nodes by id and the ways in."""

    app: str
    name: str
    nodes: Mapping[str, Node]
    starts: tuple[Start, ...]
    hash: str
    """Hex SHA-256 of the canonical content (ids, kinds, data, outputs): equal documents, equal hashes."""
    tenant: str = "default"
    answer_with_payload: bool = False
    """True: a run in which no node answered answers its last payload as JSON (the manuals). False: 200, empty (Go)."""
