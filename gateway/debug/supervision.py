"""`GET /debug/supervisor`: the supervision tree as it stands, as JSON or as a drawing.

Bounded in depth and breadth: what is left out is counted, so that a look at ten thousand runs costs what a look at a
hundred does. Runs and sessions are named by numbers, never by what their clients hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from actors.kernel import ActorState
from gateway.api.call import ApiAnswer, Call
from gateway.api.schemas import COUNT, TEXT, a_list, an_object
from gateway.api.table import Choice, Query, Route
from gateway.debug.parts import TEXT_PLAIN, DebugParts, debug_route

_MOST_ACTORS: Final = 5_000
"""Of one answer, whatever was asked for."""
_BOUNDS: Final = (
    Query("depth", 8, 32, "Storeys below the root that are shown", 1),
    Query("children", 100, 1_000, "Children shown of each actor, the oldest first", 1),
)
_FORMAT: Final = (Choice("format", ("json", "text"), "A tree of objects, or a drawing"),)


class Supervision:
    """The family of the tree."""

    def __init__(self, parts: DebugParts) -> None:
        self._parts = parts

    def routes(self) -> tuple[Route, ...]:
        """Its routes."""
        actor = an_object(
            {
                "name": TEXT, "path": TEXT, "state": TEXT, "restarts": COUNT, "age": {"type": "number"},
                "mailbox": an_object({"depth": COUNT, "lost": COUNT, "oldest": {"type": "number"}}),
                "children": a_list({"type": "object"}),
            },
            last_crash={"type": ["object", "null"]}, hidden=COUNT,
        )  # fmt: skip
        tree = an_object(
            {"actors": COUNT, "restarts": COUNT, "crashes": COUNT, "dead_letters": COUNT, "tree": a_list(actor)}
        )
        return (
            debug_route("GET", "supervisor", "getSupervisionTree", "The supervision tree", self.tree,
                        ("Every actor: state, mailbox, restarts, last crash, age", tree), query=_BOUNDS,
                        choices=_FORMAT, other_media=(TEXT_PLAIN,)),
        )  # fmt: skip

    async def tree(self, call: Call) -> ApiAnswer:
        """Look at it."""
        system, events = self._parts.system, self._parts.events
        top = system.snapshot(call.numbers["depth"], call.numbers["children"])
        room = [_MOST_ACTORS]
        roots = [self._told(state, room) for state in top.children]
        if call.words["format"] == "text":
            lines = [line for root in roots for line in drawn(root)]
            return ApiAnswer(200, ("\n".join(lines) + "\n").encode(), content_type=f"{TEXT_PLAIN}; charset=utf-8")
        return ApiAnswer.of(
            {
                "actors": _MOST_ACTORS - room[0],
                "restarts": events.restarts.total(), "crashes": events.crashes.total(),
                "escalations": events.escalations.total(), "mailbox_overflows": events.overflows,
                "dead_letters": system.dead_letters, "tree": roots,
            }
        )  # fmt: skip

    def _told(self, state: ActorState, room: list[int]) -> dict[str, Any]:
        """One actor and what is below it. `room`: how many actors the answer has room for."""
        room[0] -= 1
        children = []
        for child in state.children:
            if room[0] <= 0:
                break
            children.append(self._told(child, room))
        return {
            "name": state.path.rpartition("/")[2],
            "path": state.path,
            "state": state.state,
            "mailbox": {"depth": state.mailbox, "lost": state.lost, "oldest": round(state.oldest_seconds, 3)},
            "restarts": state.restarts,
            "last_crash": self._crash(state),
            "age": round(state.age_seconds, 3),
            "children": children,
            "hidden": state.hidden + len(state.children) - len(children),
        }

    def _crash(self, state: ActorState) -> dict[str, Any] | None:
        if state.crash_seconds is None:
            return None
        kind, _, message = state.last_crash.partition(": ")
        when = self._parts.wall() - state.crash_seconds
        return {"type": kind, "message": self._parts.mask(message)[:500], "when": round(when, 3)}


def drawn(actor: dict[str, Any], indent: str = "", branch: str = "") -> Iterator[str]:
    """An actor and all below it, a line each."""
    mailbox, crash = actor["mailbox"], actor["last_crash"]
    told = [f"{actor['state']:<10}", f"age {actor['age']:.0f}s", f"mail {mailbox['depth']}"]
    told += [f"lost {mailbox['lost']}"] if mailbox["lost"] else []
    told += [f"oldest {mailbox['oldest']:.3f}s"] if mailbox["depth"] else []
    told += [f"restarts {actor['restarts']}"] if actor["restarts"] else []
    told += [f"last crash {crash['type']}: {crash['message']!r}"] if crash else []
    yield f"{indent}{branch}{actor['name']}  {'  '.join(told)}"
    below = indent + {"": "", "├ ": "│ ", "└ ": "  "}[branch]
    children, hidden = actor["children"], actor["hidden"]
    for place, child in enumerate(children, 1):
        yield from drawn(child, below, "├ " if place < len(children) or hidden else "└ ")
    if hidden:
        yield f"{below}└ … and {hidden} more"
