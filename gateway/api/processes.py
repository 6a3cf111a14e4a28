"""`/api/processes`: the runs under way, and those that wait for their client (nFlow: the process list outside debug).

What a live run is doing is asked of its actor, under a deadline; a durable run that has ended is read from the journal.
Payloads are shown with their secrets masked, as the tracker stores them. A suspended run lives in its client's session:
`step` is for that client, by its cookie, and is answered by the workflow itself; all else is for the admin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Any, Final, Protocol

from actors.catalogue import Catalogue
from actors.functions.caller import SessionView
from actors.guards.redaction import mask
from actors.kernel import ReplySlot
from actors.runs.processes import Admission
from actors.sessions import suspended
from gateway.api.administration import PAGE
from gateway.api.call import ApiAnswer, ApiError, Call
from gateway.api.execution import filled, passed_on
from gateway.api.table import Auth, Link, Route
from gateway.exchange import Exchanges
from gateway.session_cookie import SessionCookie
from protocol.codec import dumps, loads_from_script
from protocol.errors import AskError, BadDocument, NotWaiting, Overloaded, Problem
from protocol.flow import Durability
from protocol.process import DescribeProcess, ProcessDescription, Reply, Request, StartProcess
from protocol.tracking import ProcessRecord, StepRecord

_TAG: Final = "processes"
_ONE: Final = "/api/processes/{id}"
_ANSWER_SECONDS: Final = 2.0
_ADMIN: Final = (401, 403)
_OLDEST: Final = {"id": "$response.body#/processes/0/id"}
_LISTED: Final = tuple(Link(name, _OLDEST) for name in ("getProcess", "getProcessState", "killProcess"))


class Journal(Protocol):
    """Where durable runs are written down."""

    def process(self, wid: str) -> Awaitable[ProcessRecord | None]:
        """The run as last committed. Raises Unavailable."""

    def steps(self, wid: str) -> Awaitable[tuple[StepRecord, ...]]:
        """The steps it has completed, in order. Raises Unavailable."""


class Processes:
    """The family of processes."""

    def __init__(
        self,
        admission: Admission,
        journal: Journal | None,
        catalogue: Catalogue,
        exchanges: Exchanges,
        cookie: SessionCookie,
        session: Callable[[str], SessionView],
        new_wid: Callable[[], str],
        durability: Durability,
    ) -> None:
        """`session`: a view of the session with this id. `durability`: of flows that do not say."""
        self._admission = admission
        self._journal = journal
        self._catalogue = catalogue
        self._exchanges = exchanges
        self._cookie = cookie
        self._session = session
        self._new_wid = new_wid
        self._durability = durability

    def routes(self) -> tuple[Route, ...]:
        """Its routes."""
        admin = Auth.ADMIN
        return (
            Route(
                "GET", "/api/processes", "listProcesses", "The runs under way, the oldest first", self.list, _TAG,
                admin, {200: ("A page of runs", "Processes")}, (400, *_ADMIN), query=PAGE, links=_LISTED,
            ),
            Route(
                "GET", _ONE, "getProcess", "A run: as it is now, else as the journal has it", self.get, _TAG, admin,
                {200: ("The run", "ProcessDetail")}, (404, 503, *_ADMIN),
            ),
            Route(
                "DELETE", _ONE, "killProcess", "End a run", self.kill, _TAG, admin,
                {202: ("The run was told to end: within 100 ms", "Killed")}, (404, *_ADMIN),
            ),
            Route(
                "GET", f"{_ONE}/state", "getProcessState", "The payload of a run, secrets masked", self.state, _TAG,
                admin, {200: ("The payload", "ProcessPayload")}, (404, 503, *_ADMIN),
            ),
            Route(
                "POST", f"{_ONE}/step", "stepProcess",
                "Go on with a suspended run of the caller's own session; the workflow answers", self.step, _TAG,
                Auth.SESSION, {200: ("Whatever the workflow answers", None)}, (400, 408, 409, 413, 415, 503),
                body="StepInput", json_only=True, workflow=True,
            ),
        )  # fmt: skip

    async def list(self, call: Call) -> ApiAnswer:
        """A page of runs; those that end while they are asked are left out."""
        limit, offset = call.numbers["limit"], call.numbers["offset"]
        active = self._admission.active
        total, page = len(active), list(islice(active, offset, offset + limit))
        found = await asyncio.gather(*map(self._live, page))
        shown = [self._shown(each) for each in found if each is not None]
        return ApiAnswer.of({"processes": shown, "total": total, "limit": limit, "offset": offset})

    async def get(self, call: Call) -> ApiAnswer:
        """One run."""
        live = await self._live(call.variables["id"])
        if live is not None:
            return ApiAnswer.of({**self._shown(live), "live": True})
        record, steps = await self._written(call.variables["id"])
        told = {
            "id": record.wid, "app": record.app, "flow": record.flow, "hash": record.flow_hash, "state": record.state,
            "node": steps[-1].node if steps else "", "live": False, "steps": len(steps),
            "journal": [
                {
                    "node": step.node, "visit": step.visit, "attempt": step.attempt, "outcome": step.outcome,
                    "started": step.started, "ended": step.ended,
                }
                for step in steps
            ],
        }  # fmt: skip
        return ApiAnswer.of(told)

    async def state(self, call: Call) -> ApiAnswer:
        """What the run carries."""
        live = await self._live(call.variables["id"])
        if live is not None:
            return _payload(live.wid, live.state.value, live.node, live.payload)
        record, steps = await self._written(call.variables["id"])
        node, payload = (steps[-1].node, steps[-1].output) if steps else ("", b"null")
        return _payload(record.wid, record.state, node, payload)

    async def kill(self, call: Call) -> ApiAnswer:
        """Have the run end."""
        wid = call.variables["id"]
        if not self._admission.cancel(wid, "killed by an operator"):
            raise _no_process(wid)
        return ApiAnswer.of({"id": wid, "message": "Process killed"}, 202)

    # --- going on with a suspended run ---

    async def step(self, call: Call) -> Any:
        """Resume as a form's next request would."""
        given = call.object()
        node, payload = given.get("node"), given.get("payload", {})
        wrong = []
        if not isinstance(node, str) or not node:
            wrong.append(Problem("body.node", "must be the id of a node that was offered"))
        if not isinstance(payload, dict):
            wrong.append(Problem("body.payload", "must be an object"))
        if wrong:
            raise BadDocument(wrong)
        shown = self._cookie.find(call.headers)
        waiting = await self._waiting(shown.session, call.variables["id"])
        slot: ReplySlot[Reply] = ReplySlot()
        start = self._resumed(call, waiting, str(node), dumps(payload), shown.session, slot)
        again = shown.session if shown.old else ""
        return await self._exchanges.run(
            start, slot, lambda reply: self._exchanges.respond(call.request, start, reply, again)
        )

    async def _waiting(self, session: str, wid: str) -> suspended.Suspended:
        """The suspended run of this session. Raises NotWaiting."""
        if not session:
            raise NotWaiting("a suspended run waits in its client's session: send the session cookie it was given")
        found = suspended.of_process(await self._session(session).read(suspended.MAP), wid)
        if found is None:
            raise NotWaiting(f"no run {wid} waits in this session; it went on, ended, or belongs to another client")
        return found

    def _resumed(
        self, call: Call, run: suspended.Suspended, node: str, payload: bytes, session: str, slot: ReplySlot[Reply]
    ) -> StartProcess:
        flow = next((each for each in self._catalogue.flows if (each.app, each.name) == (run.app, run.flow)), None)
        if flow is None or not flow.starts:
            raise NotWaiting(f"workflow {run.app}/{run.flow} is no longer served")
        start = next((each for each in flow.starts if each.auth), flow.starts[0])
        path = filled(start, run.variables)
        headers = [line for line in call.headers if not (call.token.admin and line[0].lower() == b"authorization")]
        request = Request(
            "POST", path, "", (), (), passed_on(headers, payload), payload, call.remote, call.origin.scheme,
            client=call.origin.client,
        )  # fmt: skip
        return StartProcess(
            self._new_wid(), flow, start, run.variables, path, request, payload,
            start.durability if start.durability is not None else self._durability, slot, None, session, node,
        )  # fmt: skip

    # --- asking ---

    async def _live(self, wid: str) -> ProcessDescription | None:
        run = self._admission.active.get(wid)
        if run is None:
            return None
        try:
            described: ProcessDescription = await run[0].ask(DescribeProcess(), _ANSWER_SECONDS)
        except (AskError, Overloaded):  # it has just ended
            return None
        return described

    async def _written(self, wid: str) -> tuple[ProcessRecord, tuple[StepRecord, ...]]:
        record = await self._journal.process(wid) if self._journal is not None else None
        if record is None or self._journal is None:
            raise _no_process(wid)
        return record, await self._journal.steps(wid)

    def _shown(self, run: ProcessDescription) -> dict[str, Any]:
        entry = self._admission.active.get(run.wid)
        now = asyncio.get_running_loop().time()
        return {
            "id": run.wid, "app": run.app, "flow": run.flow, "hash": run.hash, "state": run.state.value,
            "node": run.node, "label": run.label, "kind": run.kind, "method": run.method, "path": run.path,
            "steps": run.steps, "age": round(now - entry[1], 3) if entry is not None else 0.0,
        }  # fmt: skip


def _payload(wid: str, state: str, node: str, payload: bytes) -> ApiAnswer:
    return ApiAnswer.of({"id": wid, "state": state, "node": node, "payload": loads_from_script(mask(payload))})


def _no_process(wid: str) -> ApiError:
    return ApiError(404, f"no run {wid[:80]!r} is under way, and the journal, which keeps durable runs, has none")
