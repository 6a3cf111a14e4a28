"""`/debug/processes`, `/debug/process/{wid}`, `/debug/sessions`, the pool of sandboxes: what is going on, and its end.

Keys are the Go program's, where it has them. A kill really kills: the script is interrupted, its sandbox ended after
100 ms, and a run that is not there is a 404. Payloads are masked; of sessions there are numbers only.
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Any, Final

from gateway.api.call import ApiAnswer, ApiError, Call
from gateway.api.schemas import COUNT, TEXT, an_object
from gateway.api.table import Query, Route
from gateway.debug.parts import DebugParts, debug_route, operated
from protocol.errors import AskError, Overloaded, Unavailable
from protocol.observation.auditing import AuditKind
from protocol.process import DescribeProcess, ProcessDescription
from protocol.refs import AnyRef

_ANSWER_SECONDS: Final = 2.0
_END_SECONDS: Final = 5.0
_SHOWN_BYTES: Final = 4_096
"""Of a payload in the list; a larger one is shown with its run alone."""
_LIMIT: Final = (Query("limit", 100, 1_000, "Most runs of this answer, the oldest first"),)


class RunPages:
    """The family of runs, sessions and sandboxes."""

    def __init__(self, parts: DebugParts) -> None:
        self._parts = parts

    def routes(self) -> tuple[Route, ...]:
        """Its routes."""
        run = an_object(
            {
                "UUID": TEXT,
                "UUIDBoxCurrent": TEXT,
                "State": TEXT,
                "Type": TEXT,
                "Payload": {},
                "Killeable": {"const": True},
            }
        )
        runs = an_object({"total": COUNT, "processes": {"type": "object", "additionalProperties": run}})
        sessions = an_object({"store": TEXT, "sessions": {"type": ["integer", "null"]}, "live": COUNT})
        pool = an_object({"enabled": {"const": True}, "size": COUNT, "limit": COUNT, "active": COUNT})
        ended = an_object({"message": TEXT, "sessions": COUNT})
        return (
            debug_route("GET", "processes", "debugProcesses", "The runs under way", self.list, ("By their ids", runs),
                        query=_LIMIT),
            debug_route("GET", "process/{wid}", "debugProcess", "One run, its payload masked", self.get,
                        ("As it is now", run), (404,)),
            debug_route("DELETE", "process/{wid}", "debugKillProcess", "End a run", self.kill,
                        ("It has ended", an_object({"message": TEXT, "wid": TEXT})), (404, 503)),
            debug_route("GET", "sessions", "debugSessions", "Numbers of the sessions", self.sessions,
                        ("Now", sessions), (503,)),
            debug_route("DELETE", "sessions", "endSessions", "End every session: all are logged out", self.end_sessions,
                        ("They have ended", ended), (503,)),
            debug_route("GET", "vm-pool", "debugVmPool", "The pool of sandboxes", self.pool, ("Now", pool)),
            debug_route("GET", "vm/pool", "debugVmPoolToo", "The same, by the manuals' path", self.pool, ("Now", pool)),
        )  # fmt: skip

    async def list(self, call: Call) -> ApiAnswer:
        """Those that end while they are asked are left out."""
        active = self._parts.admission.active
        total, page = len(active), [ref for ref, _ in islice(active.values(), call.numbers["limit"])]
        found = await asyncio.gather(*map(_described, page))
        shown = {each.wid: self._shown(each, _SHOWN_BYTES) for each in found if each is not None}
        return ApiAnswer.of({"total": total, "processes": shown})

    async def get(self, call: Call) -> ApiAnswer:
        """One run."""
        entry = self._parts.admission.active.get(call.variables["wid"])
        found = await _described(entry[0]) if entry is not None else None
        if found is None:
            raise ApiError(404, "Process not found")
        return ApiAnswer.of(self._shown(found, None))

    async def kill(self, call: Call) -> ApiAnswer:
        """Have the run end, and see it end."""
        wid, system = call.variables["wid"], self._parts.system
        entry = self._parts.admission.active.get(wid)
        if entry is None:
            raise ApiError(404, "Process not found")
        ended = system.slot()
        system.watch(entry[0], ended)
        self._parts.admission.cancel(wid, "killed by an operator")
        operated(self._parts, call, f"kill {wid}", AuditKind.KILL, wid)
        try:
            async with asyncio.timeout(_END_SECONDS):
                await ended
        except TimeoutError:
            raise Unavailable("the run was told to end, and has not yet") from None
        return ApiAnswer.of({"message": "Process killed", "wid": wid})

    async def sessions(self, call: Call) -> ApiAnswer:
        """How many, never whose."""
        door = self._parts.sessions
        return ApiAnswer.of(
            {
                "store": type(door.store).__name__.removesuffix("Sessions").lower(),
                "sessions": await door.count(),
                "live": door.live,
                "begun": door.begun,
                "saved": door.saved,
                "ended": door.ended,
                "refused": door.refused,
                "available": door.state.available,
            }
        )

    async def end_sessions(self, call: Call) -> ApiAnswer:
        """All of them."""
        ended = await self._parts.sessions.clear()
        operated(self._parts, call, f"end all {ended} sessions")
        return ApiAnswer.of({"message": "Sessions ended", "sessions": ended})

    async def pool(self, call: Call) -> ApiAnswer:
        """As it stands, and since the start."""
        figures, forker = self._parts.pool, self._parts.forker
        state = figures.read() if figures.read is not None else None
        told: dict[str, Any] = dict.fromkeys(("size", "limit", "active", "available", "starting", "waiting"), 0)
        if state is not None:
            told |= {
                "size": state.size, "limit": state.limit, "active": state.busy, "available": state.idle,
                "starting": state.starting, "waiting": state.waiting,
            }  # fmt: skip
        lasting = {
            "created_total": figures.created, "lost_total": figures.lost, "faults_total": figures.faults,
            "forks_total": forker.forks, "zygotes_lost_total": forker.zygotes_lost, "zygote_pid": forker.pid,
            "breakers": figures.breakers(),
        }  # fmt: skip
        return ApiAnswer.of({"enabled": True, **told, **lasting})

    def _shown(self, run: ProcessDescription, most: int | None) -> dict[str, Any]:
        entry = self._parts.admission.active.get(run.wid)
        age = asyncio.get_running_loop().time() - entry[1] if entry is not None else 0.0
        whole = most is None or len(run.payload) <= most
        return {
            "UUID": run.wid, "UUIDBoxCurrent": run.node, "State": run.state.value, "Type": run.kind,
            "Payload": self._parts.masked(run.payload) if whole else None, "PayloadBytes": len(run.payload),
            "Killeable": True, "app": run.app, "flow": run.flow, "label": run.label, "method": run.method,
            "path": self._parts.mask(run.path), "steps": run.steps, "age": round(age, 3),
        }  # fmt: skip


async def _described(ref: AnyRef) -> ProcessDescription | None:
    """What the run is doing; None when it has just ended."""
    try:
        described: ProcessDescription = await ref.ask(DescribeProcess(), _ANSWER_SECONDS)
    except (AskError, Overloaded):
        return None
    return described
