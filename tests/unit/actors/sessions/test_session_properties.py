"""Random runs of several browsers over sessions that rest, crash and lose their store: a plain model agrees."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from actors.kernel import ManualClock
from actors.sessions.session import SessionSettings
from actors.sessions.stores.memory import MemoryCaps
from actors.sessions.view import RunSession
from protocol.errors import Crashed, Overloaded, Unavailable
from protocol.sessions import SessionEnded
from tests.unit.actors.sessions.conftest import DAY, Stage

NAMES = st.sampled_from(["a", "b", "auth_session"])
KEYS = st.sampled_from(["x", "y", "z"])
VALUES = st.one_of(st.none(), st.booleans(), st.integers(0, 1), st.text(max_size=2), st.lists(st.integers(0, 1)))


class Browsers(RuleBasedStateMachine):
    """A model of each session beside the real one; a run's changes reach it when its commit is acknowledged."""

    runs = Bundle("runs")

    @initialize()
    def start(self) -> None:
        self.clock = ManualClock()
        self.do(self.open())
        self.model: dict[str, dict[str, dict[str, Any]]] = {}
        self.cookies = ["", "", ""]

    async def open(self) -> None:
        self.stage = Stage(MemoryCaps(30 * DAY), SessionSettings(idle_seconds=60.0, most_live=4))
        await self.stage.start()

    def do(self, work: Any) -> Any:
        return self.clock.run(work)

    @rule(target=runs, browser=st.integers(0, 2))
    def begin(self, browser: int) -> list[Any]:
        """A run: its browser, its view, what it wrote; the last is emptied when it is over."""
        return [browser, self.stage.view(self.cookies[browser]), []]

    @rule(run=runs, name=NAMES, key=KEYS, value=VALUES)
    def write(self, run: list[Any], name: str, key: str, value: Any) -> None:
        if run:
            held = self.do(run[1].read(name))
            self.do(run[1].write(name, {key: value}))
            if key not in held or repr(held[key]) != repr(value):
                run[2].append(("write", name, key, value))
            assert repr(self.do(run[1].read(name))[key]) == repr(value)

    @rule(run=runs, name=NAMES, key=KEYS)
    def remove(self, run: list[Any], name: str, key: str) -> None:
        if run and key in self.do(run[1].read(name)):
            self.do(run[1].remove(name, [key]))
            run[2].append(("remove", name, key, None))

    @rule(run=runs, name=NAMES)
    def delete(self, run: list[Any], name: str) -> None:
        if run and self.do(run[1].read(name)):
            self.do(run[1].delete(name))
            run[2].append(("delete", name, None, None))

    @rule(run=runs)
    def rotate(self, run: list[Any]) -> None:
        if run:
            self.do(run[1].rotate())

    @rule(run=runs, trouble=st.sampled_from(["", "", "", "crash", "outage"]))
    def commit(self, run: list[Any], trouble: str) -> None:
        if not run:
            return
        browser, view, done = run
        run.clear()
        before = view.id
        if trouble == "outage":
            self.stage.store.outage = Unavailable("away")
        elif trouble == "crash":
            self.stage.store.breaks = RuntimeError("a bug")
        try:
            told = self.do(view.commit())
        except (Unavailable, SessionEnded):
            return
        except Crashed:
            self.settle(browser, before, view, done, "")
            return
        finally:
            self.stage.store.outage = self.stage.store.breaks = None
        self.settle(browser, before, view, done, told)

    def settle(self, browser: int, before: str, view: RunSession, done: list[Any], told: str) -> None:
        """The model follows; where a crash left it open, whatever of the two outcomes the store shows is right."""
        if not told and view.changed:
            truth = self.do(self.stage.maps(before)) if before else None
            if truth is None:
                self.model.pop(before, None)
            else:
                self.model[before] = {name: dict(values) for name, values in truth.items()}
            return
        session = told or before
        maps = self.model.pop(before, {}) if told else self.model.get(before, {})
        for kind, name, key, value in done:
            if kind == "write":
                maps.setdefault(name, {})[key] = value
            elif kind == "remove":
                maps.get(name, {}).pop(key, None)
            else:
                maps.pop(name, None)
        if told:
            self.cookies[browser] = told
        if session:
            self.model[session] = {name: values for name, values in maps.items() if values}

    @rule(seconds=st.sampled_from([1.0, 61.0]))
    def wait(self, seconds: float) -> None:
        async def rest() -> None:
            await asyncio.sleep(seconds)

        self.do(rest())

    @invariant()
    def the_store_and_the_door_agree_with_the_model(self) -> None:
        for session, maps in getattr(self, "model", {}).items():
            try:
                opened = self.do(self.stage.door.open(session))
            except Overloaded:
                continue  # every place is taken
            assert opened.found
            assert repr(opened.maps) == repr(self.do(self.stage.maps(session)))
            assert {name: dict(values) for name, values in opened.maps.items()} == maps

    def teardown(self) -> None:
        if hasattr(self, "clock"):
            self.do(self.stage.system.stop(timeout=30.0))
            self.clock.close()


Browsers.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_sessions_agree_with_their_model() -> None:
    Browsers.TestCase("runTest").runTest()
