"""Runs that wait for their form: what a session keeps of them, and where they may go on.

A run that suspends leaves its payload and the nodes its outputs lead to in the session's map `nflow_suspended`, one
entry for each app and flow. A later request may go on at those nodes only, and at those of the forms this run showed
before, so the browser's Back button works. Pure: the functions take the map as it is kept and give what is to be
changed; what they find damaged counts as not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from protocol.codec import dumps, loads_from_script
from protocol.errors import NotWaiting
from protocol.process import Pairs

MAP: Final = "nflow_suspended"
MOST: Final = 16
"""Suspended runs a session keeps; the oldest goes first."""


class Suspended(NamedTuple):
    """A run that waits."""

    app: str
    flow: str
    hash: str
    """Of the flow's version: the run goes on with the version it began with."""
    node: str
    """Where it was suspended last."""
    payload: str
    """JSON text."""
    variables: Pairs
    """Captured path segments."""
    offered: frozenset[str]
    """Ids of the nodes it may go on at."""
    wid: str
    """Process id of the run that was suspended."""
    created: float
    """Unix seconds."""
    login: bool = False
    """The start it came in by asked for a login: so does going on, by whichever start of the flow."""


class Kept(NamedTuple):
    """What is to be changed in the session's map."""

    put: Mapping[str, Any]
    """Merge these."""
    drop: frozenset[str]
    """Remove these keys first."""


def offer(kept: Mapping[str, Any], run: Suspended, resumed: Suspended | None = None) -> Kept:
    """Keep a run that suspends; `resumed` is what it went on from, whose offers stay open in the same version."""
    if resumed is not None and resumed.hash == run.hash:
        run = run._replace(offered=run.offered | resumed.offered)
    key = _key(run.app, run.flow)
    others = sorted((name for name in kept if name != key), key=lambda name: _created(kept[name]))
    return Kept({key: _written(run)}, frozenset(others[: max(0, len(others) + 1 - MOST)]))


def resume(kept: Mapping[str, Any], app: str, flow: str, node: str) -> Suspended:
    """The run that goes on at this node. Raises NotWaiting unless one of this client was offered it."""
    run = _read(kept.get(_key(app, flow)))
    if run is None or run.app != app or run.flow != flow or node not in run.offered:
        raise not_waiting(node)
    return run


def of_process(kept: Mapping[str, Any], wid: str) -> Suspended | None:
    """The run that was suspended under this process id."""
    found = (_read(value) for value in kept.values())
    return next((run for run in found if run is not None and run.wid == wid), None)


def begin_fresh(kept: Mapping[str, Any], app: str, flow: str) -> frozenset[str]:
    """Keys to remove when a run of this flow begins anew, or has ended: empty when none waits."""
    return frozenset((_key(app, flow),)) & kept.keys()


def merge(payload: str | bytes, form: str | bytes) -> bytes:
    """The payload a resumed run goes on with: JSON object `form` over the kept payload, both without `break` (Go).

    A kept payload that is no object cannot take the form's values and stays as it is; null takes them. Raises
    BadDocument for what is not JSON.
    """
    held = loads_from_script(_bytes(payload), "payload")
    values = loads_from_script(_bytes(form), "form")
    if held is None:
        held = {}
    if not isinstance(held, dict):
        return _bytes(payload)
    merged = held | values if isinstance(values, dict) else held
    merged.pop("break", None)
    return dumps(merged)


def not_waiting(node: str) -> NotWaiting:
    """The refusal to go on at a node that was not offered."""
    shown = node if len(node) <= 80 else node[:80] + "…"
    return NotWaiting(f"no run of yours waits at node {shown}; begin again")


def _key(app: str, flow: str) -> str:
    # Quoted, so that no app and flow together look like another pair.
    return f"{quote(app, safe='')}/{flow}"


def _written(run: Suspended) -> dict[str, Any]:
    return {**run._asdict(), "variables": [list(pair) for pair in run.variables], "offered": sorted(run.offered)}


def _read(value: Any) -> Suspended | None:
    match value:
        case {
            "app": str(app), "flow": str(flow), "hash": str(version), "node": str(node), "payload": str(payload),
            "variables": [*variables], "offered": [*offered], "wid": str(wid), "created": int() | float() as created,
        }:  # fmt: skip
            pairs = tuple((str(pair[0]), str(pair[1])) for pair in variables if _is_pair(pair))
            names = frozenset(name for name in offered if isinstance(name, str))
            login = value.get("login") is True
            return Suspended(app, flow, version, node, payload, pairs, names, wid, created, login)
        case _:
            return None


def _is_pair(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2


def _created(value: Any) -> float:
    run = _read(value)
    return run.created if run is not None else 0.0


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "replace")
