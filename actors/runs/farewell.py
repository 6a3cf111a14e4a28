"""The end of a run: what of it stays in the client's session, written before its answer leaves, and its log entry."""

from __future__ import annotations

from typing import Final, NamedTuple

from actors.catalogue.live import Triggers
from actors.functions.caller import SessionView
from actors.runs.entrance import AUTH_SESSION, LOG_FLOW, log_flow
from actors.runs.walk import Suspend
from actors.sessions import suspended
from protocol.codec import dumps
from protocol.errors import BadDocument, LimitExceeded, NflowError, NotWaiting, Overloaded, RunCancelled, Unavailable
from protocol.flow import Durability, Start
from protocol.process import Answer, AnswerBegun, Failure, Reply, StartProcess
from protocol.refs import NOBODY

MOST_TOLD: Final = 1000
"""Characters of an error in the log: a script may throw a text of any length."""


class Farewell(NamedTuple):
    """All is written: this may be answered."""

    reply: Answer | Failure
    session: str
    """Id of a session that began, or changed its id; else empty."""


async def settle(
    reply: Answer | Failure,
    session: SessionView,
    start: StartProcess,
    suspend: Suspend | None,
    resumed: suspended.Suspended | None,
    turned_from: str,
    created: float,
) -> Farewell:
    """Write what must be there when the client comes again. What cannot be written is the answer."""
    flow = start.flow
    try:
        if suspend is not None and (suspend.offered or resumed is not None):  # else it could never go on
            waiting = suspended.Suspended(
                flow.app, flow.name, flow.hash, suspend.node, suspend.payload.decode(), start.variables,
                suspend.offered, start.wid, created, start.start.auth or (resumed is not None and resumed.login),
            )  # fmt: skip
            kept = suspended.offer(await session.read(suspended.MAP), waiting, resumed)
            await session.remove(suspended.MAP, kept.drop)
            await session.write(suspended.MAP, kept.put)
        elif resumed is not None and not isinstance(reply, Failure):
            ended = suspended.begin_fresh(await session.read(suspended.MAP), flow.app, flow.name)
            await session.remove(suspended.MAP, ended)
        if turned_from:
            await session.write(AUTH_SESSION, {"redirect_url": turned_from})
        return Farewell(reply, await session.commit())
    except NflowError as error:
        return Farewell(reply if isinstance(reply, Failure) else Failure(error), "")


def failure_level(error: NflowError) -> str:
    """A script that took more than it may is its author's to know of; anything else may be the operator's."""
    return "warn" if isinstance(error, LimitExceeded) else "error"


def failure_line(error: NflowError, start: StartProcess) -> str:
    """What failed, for the log; empty: others tell it.

    Of a run that somebody waits for these are not told: what its client did, overload and outages, which would be a
    line a request and have lines of their own where they begin. A branch's is told by the run that waits.
    """
    if isinstance(error, RunCancelled):
        return ""
    told = str(error)
    told = told if len(told) <= MOST_TOLD else told[:MOST_TOLD] + "…"
    if start.reply_to is NOBODY:
        return f"{start.flow.name}: this run answers nobody, and failed: {told}"
    if start.tells_payload or isinstance(error, BadDocument | NotWaiting | Overloaded | Unavailable):
        return ""
    return f"{start.flow.name} failed: {told}"


def log_start(triggers: Triggers, wid: str, start: StartProcess, reply: Reply, steps: int) -> StartProcess:
    """The run that calls the app's `log()` with what happened in this one. Nobody waits for it."""
    match reply:
        case Answer(status) | AnswerBegun(status):
            outcome, told = status, ""
        case Failure(error):
            outcome, told = 0, str(error)
    entry = {
        "wid": start.wid,
        "app": start.flow.app,
        "flow": start.flow.name,
        "method": start.request.method,
        "path": start.request.path,
        "status": outcome,
        "error": told,
        "steps": steps,
    }
    way_in = Start(LOG_FLOW, "ANY", "", LOG_FLOW)
    return StartProcess(
        wid, log_flow(triggers, start.flow.app), way_in, (), LOG_FLOW, start.request, dumps(entry), Durability.NONE,
        NOBODY,
        parent=start.wid,
    )  # fmt: skip
