"""The conversation between the gateway and one workflow run.

Messages of which one is made for every request are named tuples, here and in the other conversations: a frozen
dataclass of ten fields costs a microsecond to make, a named tuple a fifth of that.

The gateway spawns a process with `StartProcess` and gets exactly one `Answer` or `Failure` at its reply slot.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from protocol.errors import NflowError
from protocol.flow import Durability, Flow, Start
from protocol.refs import NOBODY, Ask, Recipient

Pairs = tuple[tuple[str, str], ...]


class Upload(NamedTuple):
    """One file of a multipart body."""

    field: str
    name: str
    """The file name as the client gave it, never a path of ours."""
    content_type: str
    data: bytes


class Request(NamedTuple):
    """What came in over HTTP, already parsed by the gateway."""

    method: str
    path: str
    """The path as routed, percent-encoded as received."""
    query_string: str
    query: Pairs
    """Decoded query pairs in order."""
    form: Pairs
    """Decoded form fields of the body in order; empty for other bodies."""
    headers: tuple[tuple[bytes, bytes], ...]
    """Header lines in order, as received: decoded only by who needs one."""
    body: bytes
    remote: str
    """Socket address of the peer, `host:port`."""
    scheme: str
    files: tuple[Upload, ...] = ()
    """Files of a multipart body in order."""
    client: str = ""
    """Address of the client: the peer's, or what a trusted proxy says. Empty: the peer's."""

    @property
    def address(self) -> str:
        """The client's address, without a port."""
        return self.client or self.remote.rpartition(":")[0].strip("[]")

    def header(self, name: bytes) -> str:
        """The first header line of this lower-case name; empty when there is none."""
        for each, value in self.headers:
            if each.lower() == name:
                return value.decode("utf-8", "replace")
        return ""


class Answer(NamedTuple):
    """The response of a run."""

    status: int
    content_type: str
    """Empty: no Content-Type header (an empty answer)."""
    body: bytes
    headers: Pairs = ()
    """Further headers in order, repeated names allowed (Set-Cookie)."""
    wid: str = ""
    forked_wid: str = ""
    """Process id of the last branch forked before the answer, for `Dromedary-Wid-2`."""
    file: str = ""
    """A path below `files.root` whose content is the body."""
    session: str = ""
    """Id of a session that began with this run: the client gets its cookie."""


class AnswerBegun(NamedTuple):
    """The head of an answer that comes in chunks. Further words of this answer come through `chunks`."""

    status: int
    content_type: str
    headers: Pairs
    wid: str
    session: str
    chunks: Chunks


class Chunks(Protocol):
    """The rest of a streamed answer, for its one reader."""

    def read(self) -> AsyncGenerator[bytes, None]:
        """Chunks in order. Asking for the next one says that the last was taken. Raises the run's NflowError when it
        failed on the way: the answer is then cut off, not ended."""


class Failure(NamedTuple):
    """The run ended without an answer of its own; the gateway makes the error body."""

    error: NflowError
    node: str = ""
    """Id of the node it failed at."""
    wid: str = ""
    forked_wid: str = ""


Reply = Answer | AnswerBegun | Failure


class StartProcess(NamedTuple):
    """Run `flow` from `start` for this request and reply once."""

    wid: str
    """Process id, UUIDv7 text."""
    flow: Flow
    start: Start
    variables: Pairs
    """Captured path segments, percent-decoded."""
    endpoint: str
    """The routed path (`nflow_endpoint`)."""
    request: Request
    payload: bytes
    """JSON text of the first payload."""
    durability: Durability
    reply_to: Recipient[Reply]
    max_steps: int | None = None
    """Steps the run may take. None: the configured bound; a fork gets a share of its parent's."""
    session: str = ""
    """Id of the client's session, whose cookie was found genuine; empty: it has none."""
    resume: str = ""
    """Id of the node that the client asks to go on at (`nflow_next_node_run`, `nfnext`); empty: a fresh run."""
    tells_payload: bool = False
    """A branch that is waited for: its reply is its last payload, and it has no client."""
    parent: str = ""
    """Process id of the run that began this one; empty: a request did."""
    waits: bool = False
    """Begins at a node that waits for something outside, for as long as the node says; listed as waiting."""

    @property
    def alone(self) -> bool:
        """Whether no client waits for it: a fork, a branch that is joined, a log entry."""
        return self.reply_to is NOBODY or self.tells_payload


@dataclass(frozen=True, slots=True)
class CancelProcess:
    """End the run: a running script is interrupted, its sandbox killed after 100 ms."""

    reason: str


@dataclass(frozen=True, slots=True)
class RunExpired:
    """The run has taken longer than `server.process_seconds`: end it."""


class ProcessState(Enum):
    """Where a run stands; the words of nFlow's process list."""

    RUN = "run"
    WAIT = "wait"
    END = "end"
    ERROR = "error"
    CANCELLED = "cancelled"


class ProcessDescription(NamedTuple):
    """What a run is doing."""

    wid: str
    app: str
    flow: str
    hash: str
    """Of the flow's version."""
    state: ProcessState
    node: str
    """Id of the node being done; empty: none yet, or the login."""
    label: str
    kind: str
    steps: int
    """Nodes stepped onto so far."""
    payload: bytes
    """JSON text: what the node being done was given."""
    method: str
    path: str


@dataclass(frozen=True, slots=True)
class DescribeProcess(Ask[ProcessDescription]):
    """Say what the run is doing."""
