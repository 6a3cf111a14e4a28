"""The keeper of the zygotes, with zygotes that only pretend."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest

from actors.kernel import ChildSpec, ManualClock, Probe, System
from actors.sandbox.forker import ChildExited, Forker, ForkerFigures, ForkSandbox, ZygoteDied
from actors.sandbox.launcher import Forked
from protocol.errors import Expired, SandboxLost


class Pretender:
    """A zygote whose forks take as long as told."""

    def __init__(self, stage: Stage, on_exit: Callable[..., None], on_lost: Callable[[], None]) -> None:
        self.stage, self.on_exit, self.on_lost = stage, on_exit, on_lost
        self.gone = True
        self.pid = 0

    def start(self) -> None:
        self.gone = False
        self.pid = len(self.stage.zygotes)

    async def ready(self) -> None:
        await asyncio.sleep(0.1)

    async def fork(self) -> Forked:
        if self.gone:
            raise SandboxLost(own_fault=False)
        await asyncio.sleep(self.stage.fork_seconds)
        ours, theirs = socket.socketpair()
        theirs.close()
        self.stage.forked.append(Forked(ours, 100 + len(self.stage.forked), os.dup(ours.fileno())))
        return self.stage.forked[-1]

    def close(self) -> None:
        self.gone = True


class Stage:
    """A forker and its pretenders."""

    def __init__(self) -> None:
        self.zygotes: list[Pretender] = []
        self.forked: list[Forked] = []
        self.fork_seconds = 0.002
        self.figures = ForkerFigures()
        self.system = System("test")

    async def start(self) -> Any:
        def zygote(on_exit: Any, on_lost: Any) -> Pretender:
            self.zygotes.append(Pretender(self, on_exit, on_lost))
            return self.zygotes[-1]

        return await self.system.start(ChildSpec("forker", lambda: Forker(self.figures, zygote)))  # type: ignore[arg-type]

    async def end(self) -> None:
        await self.system.stop(5.0)
        for forked in self.forked:
            forked.socket.close()


def on_stage(play: Callable[[Stage, Any], Any]) -> None:
    async def main() -> None:
        stage = Stage()
        await play(stage, await stage.start())
        await stage.end()

    with ManualClock() as clock:
        clock.run(main())


def test_the_end_of_a_sandbox_is_told_to_who_asked_for_it() -> None:
    async def play(stage: Stage, forker: Any) -> None:
        owner = Probe(stage.system, "owner")
        forked = await forker.ask(ForkSandbox(owner.ref), 1.0)
        stage.zygotes[0].on_exit(forked.pid, 9, 0.5)
        assert await owner.receive() == ChildExited(forked.pid, 9, 0.5)
        os.close(forked.pidfd)

    on_stage(play)


def test_the_spare_takes_over_and_every_sandbox_of_the_dead_zygote_is_told() -> None:
    async def play(stage: Stage, forker: Any) -> None:
        owners = [Probe(stage.system, f"owner-{n}") for n in range(3)]
        pids = [(await forker.ask(ForkSandbox(owner.ref), 1.0)).pid for owner in owners]
        stage.zygotes[0].gone = True
        stage.zygotes[0].on_lost()
        assert [await owner.receive() for owner in owners] == [ZygoteDied(pid) for pid in pids]
        await forker.ask(ForkSandbox(owners[0].ref), 1.0)
        assert (len(stage.zygotes), stage.figures.zygotes_lost, stage.figures.pid) == (3, 1, stage.zygotes[1].pid)
        for forked in stage.forked:
            os.close(forked.pidfd)

    on_stage(play)


def test_a_fork_that_meets_a_dead_zygote_is_done_by_the_spare() -> None:
    async def play(stage: Stage, forker: Any) -> None:
        owner = Probe(stage.system, "owner")
        stage.zygotes[0].gone = True
        forked = await forker.ask(ForkSandbox(owner.ref), 1.0)
        assert stage.figures.zygotes_lost == 1
        os.close(forked.pidfd)

    on_stage(play)


def test_a_fork_that_comes_too_late_leaves_nothing_behind() -> None:
    async def play(stage: Stage, forker: Any) -> None:
        owner = Probe(stage.system, "owner")
        stage.fork_seconds = 10.0
        with pytest.raises(Expired):
            await forker.ask(ForkSandbox(owner.ref), 1.0)
        await asyncio.sleep(20.0)
        (forked,) = stage.forked
        assert forked.socket.fileno() == -1
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(forked.pidfd)

    on_stage(play)
