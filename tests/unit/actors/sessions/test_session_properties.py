"""Random runs of two browsers, two at a time each, over sessions that rest, crash and lose their store."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from actors.kernel import ManualClock
from actors.sessions.session import SessionSettings
from actors.sessions.stores.memory import MemoryCaps
from actors.sessions.view import RunSession
from protocol.errors import Crashed, Unavailable
from protocol.sessions import SessionEnded
from tests.unit.actors.sessions.conftest import DAY, Stage

NAMES = st.sampled_from(["a", "b"])
KEYS = st.sampled_from(["x", "y", "z"])
VALUES = st.one_of(st.none(), st.booleans(), st.integers(0, 1), st.text(max_size=1), st.lists(st.integers(0, 1)))
STEPS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(
            ["write"] * 4 + ["remove", "delete", "rotate", "commit", "commit", "commit", "crash", "outage", "wait"]
        ),
        NAMES,
        KEYS,
        VALUES,
    ),
    min_size=30,
    max_size=60,
)

Model = dict[str, dict[str, dict[str, Any]]]


class Run:
    """One run and what it changed, for the model."""

    def __init__(self, view: RunSession) -> None:
        self.view = view
        self.done: list[tuple[str, str, str, Any]] = []

    async def change(self, kind: str, name: str, key: str, value: Any) -> None:
        """Change the session, and note it unless it is no change."""
        held = dict(await self.view.read(name))
        if kind == "write":
            await self.view.write(name, {key: value})
            changes = key not in held or json.dumps(held[key]) != json.dumps(value)
            held[key] = value
        elif kind == "remove":
            await self.view.remove(name, [key])
            changes = held.pop(key, self) is not self
        else:
            await self.view.delete(name)
            changes, held = bool(held), {}
        if changes:
            self.done.append((kind, name, key, value))
        assert json.dumps(await self.view.read(name), sort_keys=True) == json.dumps(held, sort_keys=True)

    def applied(self, maps: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """What the session must be afterwards."""
        after = {name: dict(values) for name, values in maps.items()}
        for kind, name, key, value in self.done:
            if kind == "write":
                after.setdefault(name, {})[key] = value
            elif kind == "remove":
                after.get(name, {}).pop(key, None)
            else:
                after.pop(name, None)
        return {name: values for name, values in after.items() if values}


class World:
    """The real sessions and their model."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.model: Model = {}
        self.cookies = ["", ""]
        self.runs = [Run(stage.view()) for _ in range(4)]

    async def step(self, slot: int, kind: str, name: str, key: str, value: Any) -> None:
        run = self.runs[slot]
        if kind == "rotate":
            await run.view.rotate()
        elif kind == "wait":
            await asyncio.sleep(61.0 if value else 1.0)
        elif kind in {"write", "remove", "delete"}:
            await run.change(kind, name, key, value)
        else:
            await self.commit(slot // 2, run, kind)
            self.runs[slot] = Run(self.stage.view(self.cookies[slot // 2]))
        await self.agree()

    async def commit(self, browser: int, run: Run, trouble: str) -> None:
        store, before = self.stage.store, run.view.id
        if trouble == "outage":
            store.outage = Unavailable("away")
        elif trouble == "crash":
            store.breaks = RuntimeError("a bug, once it is written")
        try:
            told = await run.view.commit()
        except SessionEnded:
            assert before not in self.model
        except Unavailable:
            assert trouble == "outage"
        except Crashed:
            assert trouble == "crash"
            # Not acknowledged, but this store had written it before the bug.
            for gone in [session for session in self.model if await self.stage.maps(session) is None]:
                del self.model[gone]
            if before in self.model:
                self.model[before] = run.applied(self.model[before])
        else:
            self.acknowledged(browser, before, told, run)
            event(f"committed{' a new id' if told else ''}")
        finally:
            store.outage = store.breaks = None

    def acknowledged(self, browser: int, before: str, told: str, run: Run) -> None:
        if told:
            self.model[told] = run.applied(self.model.pop(before, {}))
            self.cookies[browser] = told
        elif before in self.model:
            self.model[before] = run.applied(self.model[before])

    async def agree(self) -> None:
        """The store and the door say what the model says."""
        assert self.cookies[0] != self.cookies[1] or self.cookies == ["", ""]
        for session, maps in self.model.items():
            told = json.dumps(maps, sort_keys=True)
            assert json.dumps(await self.stage.maps(session), sort_keys=True) == told
            opened = await self.stage.door.open(session)
            assert opened.found
            assert json.dumps(opened.maps, sort_keys=True) == told


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_sessions_agree_with_their_model(steps: list[tuple[int, str, str, str, Any]]) -> None:
    async def main() -> None:
        stage = Stage(MemoryCaps(30 * DAY), SessionSettings(idle_seconds=60.0))
        await stage.start()
        world = World(stage)
        for step in steps:
            await world.step(*step)
        await stage.system.stop(timeout=30.0)

    with ManualClock() as clock:
        clock.run(main())
