"""What operators see of the tree: one frozen picture, taken at once, holding no live object."""

from __future__ import annotations

from dataclasses import dataclass

from actors.kernel.cell import Cell
from actors.kernel.state import RUNNING


@dataclass(frozen=True, slots=True)
class ActorState:
    """One actor and what is below it."""

    path: str
    state: str
    """`starting`, `running`, `busy` (its handler awaits), `stopping`, `ending`, `restarting` (between incarnations)."""
    mailbox: int
    """Messages that wait."""
    oldest_seconds: float
    """How long the oldest of them has waited; 0 when none does."""
    lost: int
    """Messages its bounded mailbox refused or dropped so far."""
    restarts: int
    last_crash: str
    """`ValueError: …`; empty when it never crashed."""
    age_seconds: float
    """Age of the current incarnation."""
    children: tuple[ActorState, ...]


def portray(cell: Cell, now: float) -> ActorState:
    """The state of a cell and its children at loop time `now`."""
    mail = cell.mail
    return ActorState(
        path=cell.path,
        state="busy" if cell.state is RUNNING and cell.task is not None else cell.state.value,
        mailbox=len(mail) if mail else 0,
        oldest_seconds=max(0.0, now - mail[0][1]) if mail else 0.0,
        lost=cell.gate.lost if cell.gate is not None else 0,
        restarts=max(0, cell.incarnation - 1),
        last_crash=cell.history.last_crash if cell.history is not None else "",
        age_seconds=max(0.0, now - cell.born),
        children=tuple(
            portray(child, now)
            for child in (cell.nursery.children.values() if cell.nursery is not None else ())
            if isinstance(child, Cell)
        ),
    )
