"""What one run leaves behind: tracker rows nobody waits for, its journal records where it is durable, its times in the
numbers, its spans in the trace, and with debug lines in the log a line for each node.

The run's own row goes to the journal when it begins and when its state changes; a step record goes alone otherwise. The
number of the record the run must wait for is kept here, so a late or foreign answer of the journal changes nothing.
What is switched off costs one comparison.
"""

from __future__ import annotations

import base64
import logging
from typing import Any, Final

import structlog

from actors.runs.services import Services
from actors.runs.walk import Perform, StepEnded, WalkState
from protocol.codec import dumps
from protocol.errors import NflowError
from protocol.flow import Durability
from protocol.process import Answer, Failure, ProcessDescription, ProcessState, StartProcess
from protocol.refs import Ref
from protocol.tracking import ProcessRecord, Record, StepRecord, TrackerRow

FAILED: Final = "!error"
"""The outcome of a node that failed: see `StepEnded`."""
_logger = logging.getLogger(__name__)
"""Asked for its level only: it knows without a look at the log."""


class RunRecords:
    """The writer of one run."""

    __slots__ = (
        "_began", "_begun", "_debugged", "_ended", "_figures", "_journal", "_ref", "_services", "_since", "_start",
        "_track", "_wall", "awaited", "trace", "username",
    )  # fmt: skip

    def __init__(self, start: StartProcess, services: Services, ref: Ref[Any]) -> None:
        durability = start.durability
        if durability is Durability.DURABLE and services.journal is None:
            raise RuntimeError("a durable run needs a journal")
        self._start = start
        self._ref = ref
        self._services = services
        self._journal = services.journal if durability is Durability.DURABLE else None
        self._track = services.track if durability is not Durability.NONE else None
        self._wall = services.wall
        self._begun: int | None = 0
        """Number of the record that began the run; None once the journal has it."""
        self._ended = False
        self._since = self._began = services.wall()
        """When the run began, and the node that is being done. Unix seconds."""
        self._figures = services.figures.flow(start.flow) if services.figures is not None else None
        self._debugged = _logger.isEnabledFor(logging.DEBUG)
        self.trace = services.tracing.run(start.wid) if services.tracing is not None else None
        """Its spans; None: nobody traces it."""
        self.username = ""
        """Of who is logged in, once a login has been checked."""
        self.awaited = 0
        """Number of the record whose commit the run waits for."""

    def begin(self) -> None:
        """The run begins."""
        if self._journal is not None:
            self._begun = self._write(ProcessState.RUN, (), with_process=True)

    def enter(self, command: Perform) -> None:
        """A node is begun, or tried again."""
        self._began = self._wall()
        if self.trace is not None:
            self.trace.enter(command.node, command.visit)

    def failing(self, error: NflowError) -> None:
        """What is being done has failed; it may be tried again."""
        if self.trace is not None:
            self.trace.failing(error)

    def step(self, step: StepEnded) -> None:
        """A node is finished."""
        began, now = self._began, self._wall()
        if self._figures is not None:
            self._figures.node(step.node, max(0.0, now - began), failed=step.outcome == FAILED)
        if self.trace is not None:
            self.trace.leave(step.node, step.visit, step.outcome)
        if self._debugged:
            self._debug(step, max(0.0, now - began))
        if self._track is not None:
            self._track(self._row(step, began, now))
        if self._journal is None:
            return
        record = StepRecord(
            self._start.wid, step.node.id, step.visit, step.attempt, step.outcome, step.payload, began, now
        )  # fmt: skip
        self._ended = step.ends is not None
        state = step.ends or ProcessState.RUN
        number = self._write(state, (record,), with_process=self._ended or self._begun is not None)
        if step.wait:
            self.awaited = number

    def end(self, state: ProcessState, reply: Answer | Failure) -> None:
        """The run is over; written unless its last step said so already."""
        if self._journal is not None and not self._ended:
            self._write(state, (), with_process=True)
        if self.trace is not None:
            self.trace.end(state, reply)

    def left(self, *, well: bool) -> None:
        """The run is gone, its answer with it."""
        if self._figures is not None and not self._start.waits:
            self._figures.ended(max(0.0, self._wall() - self._since), well=well)
        if self.trace is not None:
            self.trace.left()

    def committed(self, number: int) -> bool:
        """The journal has this record. True when it is the one the run waits for."""
        if number == self._begun:
            self._begun = None
        return number == self.awaited

    def _write(self, state: ProcessState, steps: tuple[StepRecord, ...], *, with_process: bool) -> int:
        number = self._services.numbers.next()
        process = self._process(state) if with_process else None
        if self._journal is not None:
            self._journal.tell(Record(number, process, steps, self._ref))
        return number

    def _process(self, state: ProcessState) -> ProcessRecord:
        start, now = self._start, self._wall()
        owner, epoch = self._services.owner, self._services.epoch
        return ProcessRecord(
            start.wid, start.flow.tenant, start.flow.app, start.flow.name, start.flow.hash, _input(start), state.value,
            owner, epoch, None, now, now,
        )  # fmt: skip

    def _debug(self, step: StepEnded, seconds: float) -> None:
        """Where a run went, for `-v`; never what it carried."""
        flow, node = self._start.flow, step.node
        how = "failed" if step.outcome == FAILED else "ended"
        structlog.get_logger("runs").debug(
            f"{node.kind} node {node.label or node.id} {how}", next=step.next_node, visit=step.visit,
            duration_ms=round(seconds * 1000, 3), wid=self._start.wid, app=flow.app, flow=flow.name, node=node.id,
        )  # fmt: skip

    def _row(self, step: StepEnded, began: float, now: float) -> TrackerRow:
        request, node = self._start.request, step.node
        return TrackerRow(
            self._start.wid, node.id, node.label, node.kind, request.path, self.username, step.next_node,
            (now - began) * 1000.0, now, step.order, step.payload, request.remote, request.address,
            request.header(b"user-agent"), request.query_string, self._services.settings.hostname,
            request.header(b"host"),
        )  # fmt: skip


def describe(start: StartProcess, walk: WalkState) -> ProcessDescription:
    """The run as it is now, for operators."""
    node, flow, request = walk.node, walk.flow, start.request
    identity = (node.id, node.label, node.kind) if node is not None else ("", "", "")
    state = ProcessState.WAIT if start.waits and walk.steps <= 1 else ProcessState.RUN
    return ProcessDescription(
        start.wid, flow.app, flow.name, flow.hash, state, *identity, walk.steps, walk.payload,
        request.method, request.path,
    )  # fmt: skip


def _input(start: StartProcess) -> bytes:
    """What is needed to start the run again."""
    request = start.request
    return dumps(
        {
            "start": start.start.node,
            "first": start.start.first,
            "endpoint": start.endpoint,
            "variables": start.variables,
            "payload": start.payload.decode("utf-8", "replace"),
            "method": request.method,
            "path": request.path,
            "query": request.query_string,
            "headers": [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers],
            "body": base64.b64encode(request.body).decode("ascii"),
        }
    )
