"""Node kind `parallel`: its branches run at once, each as a run of its own, and are joined before the run goes on.

Every output but `output_1` begins a branch with a copy of the payload. When all have ended, each one's last payload
stands in the run's payload under `field` (default `branches`) by the name of its output, and the run goes on at
`output_1`. A branch that fails fails the node and ends the others, unless `on_error` is "collect": then `{"error": …}`
stands for it. `limit` is how many run at once. What branches answer goes nowhere; they share the run's steps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from actors.nodes.registry import NodeContext, Outcome
from protocol.codec import dumps, loads_from_script
from protocol.errors import NflowError, NodeError
from protocol.flow import Node

MAX_BRANCHES = 64


class Branch(Protocol):
    """One branch that can be run."""

    async def run(self) -> bytes:
        """Run it to its end: its last payload. Raises what it failed with; cancelling ends it."""


Branches = Callable[[Sequence[str], bytes], Sequence[Branch]]
"""Takes the first nodes of branches and the payload."""


async def parallel(node: Node, context: NodeContext) -> Outcome:
    """Run the branches and join them."""
    firsts = {name: first for name, first in node.outputs.items() if name != "output_1" and first is not None}
    if len(firsts) > MAX_BRANCHES:
        raise NodeError(f"a parallel node has at most {MAX_BRANCHES} branches, not {len(firsts)}")
    collect = node.data.get("on_error") == "collect"
    limit = asyncio.Semaphore(_limit(node.data.get("limit")))

    async def ended(branch: Branch) -> Any:
        async with limit:
            try:
                return loads_from_script(await branch.run())
            except NflowError as error:
                if not collect:
                    raise
                return {"error": str(error)}

    branches = context.branches(tuple(firsts.values()), context.payload) if context.branches is not None else ()
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ended(branch)) for branch in branches]
    except BaseExceptionGroup as failures:
        raise _first(failures) from None
    joined = dict(zip(firsts, (task.result() for task in tasks), strict=True))
    payload = loads_from_script(context.payload)
    kept = payload if isinstance(payload, dict) else {}
    return Outcome(dumps({**kept, str(node.data.get("field") or "branches"): joined}))


def _limit(written: Any) -> int:
    if written in (None, ""):
        return MAX_BRANCHES
    try:
        return max(1, min(MAX_BRANCHES, int(written)))
    except (TypeError, ValueError):
        raise NodeError("`limit` of a parallel node must be a whole number") from None


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    error = failures.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
