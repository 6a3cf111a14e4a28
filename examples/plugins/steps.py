"""Custom steps: functions that do nodes of a type of their own. No class is needed.

{"data": {"type": "discount", "percent": 10, "field": "order.total"}, "outputs": {"output_1": …, "output_2": …}}
"""

from __future__ import annotations

import statistics
from typing import Any

from nflow_runtime import Context, NodeError, NodeResult, Response, node


@node("discount")
async def discount(payload: Any, context: Context) -> Any:
    """Takes some percent off a number of the payload; what is free then goes on at output_2."""
    total = context.fill("{{" + str(context.data.get("field", "total")) + "}}")
    percent = context.data.get("percent", 0)
    if not isinstance(total, int | float) or not isinstance(percent, int | float) or not 0 <= percent <= 100:
        raise NodeError("a discount needs a number, and a percentage from 0 to 100")
    reduced = round(total * (100 - percent) / 100, 2)
    changed = {**payload, "total": reduced}
    return (changed, "output_2") if reduced == 0 else changed


@node("summary", seconds=5)
def summary(payload: Any, context: Context) -> NodeResult:
    """A plain function: it may block, for it runs on a thread. This one answers the client, too."""
    values = payload.get("values") if isinstance(payload, dict) else None
    if not values or not all(isinstance(value, int | float) for value in values):
        raise NodeError("a summary needs `values`, a list of numbers")
    found = {"mean": statistics.fmean(values), "median": statistics.median(values), "count": len(values)}
    return NodeResult({**payload, "summary": found}, response=Response(found, headers={"X-Flow": context.flow}))
