"""One branch of a run that is waited for: a run of its own whose last payload comes back."""

from __future__ import annotations

import asyncio

from actors.kernel import ReplySlot
from actors.runs.entrance import branch_start
from actors.runs.services import Door
from actors.runs.walk import WalkState
from protocol.errors import RunCancelled
from protocol.process import AnswerBegun, CancelProcess, Failure, Reply, StartProcess


def shared(state: WalkState, branches: int, *, unbounded: bool = False) -> tuple[int, WalkState]:
    """The steps each of so many branches may take, an equal share of those that are left, and what the run has then.

    `unbounded`: nobody knows how many branches there will be, so each may take what the run has.
    """
    left = state.budget - state.steps
    if unbounded:
        return left, state
    share = left // (branches + 1)
    return share, state._replace(budget=state.budget - share * branches)


class RunBranch:
    """A branch that begins when it is asked to."""

    __slots__ = ("_door", "_slot", "_start")

    def __init__(self, door: Door, start: StartProcess, wid: str, node: str, payload: bytes, budget: int) -> None:
        self._door = door
        self._slot: ReplySlot[Reply] = ReplySlot()
        branch = branch_start(start, wid, node, payload, budget)
        self._start = branch._replace(reply_to=self._slot, tells_payload=True)

    async def run(self) -> bytes:
        """Run it to its end: its last payload. Raises what it failed with, or Overloaded; cancelling ends it."""
        process = self._door.start(self._start)
        try:
            reply = await self._slot
        except asyncio.CancelledError:
            process.tell(CancelProcess("the node that waited for this branch was cancelled"))
            raise
        if isinstance(reply, Failure):
            raise reply.error
        if isinstance(reply, AnswerBegun):
            raise RunCancelled("a branch streams nothing")
        return reply.body
