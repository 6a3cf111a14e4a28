"""The keeper of the zygotes: gives sandboxes their processes.

Two zygotes stand ready: when the working one dies, its sandboxes die with it and the spare forks their successors at
once, while the next spare starts. The death of a zygote is a state, not a crash; a zygote that cannot be started is a
crash, and the whole sandbox branch begins anew. Every end of a sandbox process is told to the actor that asked for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from actors.kernel import Actor
from actors.sandbox.launcher import Forked, ZygoteProcess
from protocol.errors import SandboxLost, Unavailable
from protocol.refs import Ask, Ref


@dataclass(frozen=True, slots=True)
class ForkSandbox(Ask[Forked]):
    """Fork one sandbox process; its end will be told to `owner` as `ChildExited`."""

    owner: Ref[Any]


@dataclass(frozen=True, slots=True)
class ChildExited:
    """A sandbox process has been reaped."""

    pid: int
    status: int
    """Wait status, as of os.waitpid."""
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class ZygoteDied:
    """The zygote of a sandbox has died, and with it the sandbox. Every sandbox of it is told before any can react."""

    pid: int
    """Of the sandbox."""


@dataclass(frozen=True, slots=True)
class _ZygoteLost:
    number: int


class ForkerFigures:
    """Running numbers that outlive the incarnations; operators and metrics read them."""

    __slots__ = ("forks", "pid", "zygotes_lost")

    def __init__(self) -> None:
        self.forks = 0
        self.zygotes_lost = 0
        self.pid = 0
        """Process number of the working zygote."""


ZygoteFactory = Callable[[Callable[[int, int, float], None], Callable[[], None]], ZygoteProcess]


class Forker(Actor[Any]):
    """Owner of the working zygote and the spare."""

    def __init__(self, figures: ForkerFigures, zygote: ZygoteFactory = ZygoteProcess) -> None:
        self._figures = figures
        self._zygote = zygote
        self._standing: dict[int, ZygoteProcess] = {}
        """Number → zygote, the working one first, the spare behind it."""
        self._numbered = 0
        self._owners: dict[int, dict[int, Ref[Any]]] = {}
        """Number of the zygote → pid of a sandbox → who asked for it."""

    async def started(self) -> None:
        """Start both; the first must serve before the branch is up."""
        self.context.system.register("forker", self.context.ref)
        self._start_one()
        self._start_one()
        await self._working().ready()
        self._figures.pid = self._working().pid

    async def receive(self, message: Any) -> Any:
        """One message."""
        match message:
            case ForkSandbox(owner):
                return await self._fork(owner)
            case _ZygoteLost(number):
                self._replace(number)
            case _:
                raise TypeError(f"the forker does not understand {type(message).__name__}")
        return None

    def released(self) -> None:
        """The zygotes go, and every sandbox with them."""
        for zygote in self._standing.values():
            zygote.close()
        self._standing.clear()

    def _start_one(self) -> None:
        self._numbered += 1
        number, ref = self._numbered, self.context.ref
        owners: dict[int, Ref[Any]] = {}
        self._owners[number] = owners
        zygote = self._zygote(lambda *end: _tell_exit(owners, *end), lambda: ref.tell(_ZygoteLost(number)))
        zygote.start()
        self._standing[number] = zygote

    def _working(self) -> ZygoteProcess:
        return next(iter(self._standing.values()))

    async def _fork(self, owner: Ref[Any]) -> Forked:
        for _ in range(3):
            number, zygote = next(iter(self._standing.items()))
            try:
                forked = await zygote.fork()
            except SandboxLost:
                if not zygote.gone:
                    raise
                self._replace(number)
                continue
            deadline = self.context.deadline
            if deadline is not None and self.context.now() >= deadline:
                forked.socket.close()  # nobody waits any more; the process ends with its socket
                os.close(forked.pidfd)
                raise Unavailable("the fork came too late")
            self._owners[number][forked.pid] = owner
            self._figures.forks += 1
            return forked
        raise Unavailable("no zygote lives long enough to fork a sandbox")

    def _replace(self, number: int) -> None:
        """The spare takes over, and gets a spare of its own."""
        lost = self._standing.pop(number, None)
        if lost is None:
            return
        lost.close()
        for pid, owner in self._owners.pop(number).items():
            owner.tell(ZygoteDied(pid))
        self._figures.zygotes_lost += 1
        self._start_one()
        self._figures.pid = self._working().pid


def _tell_exit(owners: dict[int, Ref[Any]], pid: int, status: int, cpu_seconds: float) -> None:
    owner = owners.pop(pid, None)
    if owner is not None:
        owner.tell(ChildExited(pid, status, cpu_seconds))
