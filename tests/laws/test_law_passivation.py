"""Law 12: an idle actor ends itself and loses nothing; a task exists only while a handler awaits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from actors.kernel import Actor, ChildSpec, Intensity, Restart, System
from protocol.errors import Expired
from protocol.refs import AnyRef

LAWS = (12,)

Spec = Callable[..., ChildSpec]


def count_and_leave(counts: dict[str, int]) -> Callable[[Any, Any], int]:
    """A bucket: it takes one, writes its state down with its keeper, and is ready to go."""

    def receive(self: Any, key: str) -> int:
        counts[key] = counts.get(key, 0) + 1
        self.context.passivate()
        return counts[key]

    return receive


class Keeper(Actor[Any]):
    """Routes by key; one child per key that has mail; the children's state rests here."""

    intensity = Intensity(0, 1.0)

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.counts: dict[str, int] = {}
        self.refs: dict[str, AnyRef] = {}
        self.spawned = 0

    def route(self, key: str) -> AnyRef:
        ref = self.refs.get(key)
        if ref is None or not ref.alive:
            self.spawned += 1
            ref = self.refs[key] = self.context.spawn(
                self.spec(key, receive=count_and_leave(self.counts), restart=Restart.TRANSIENT)
            )
        return ref

    def receive(self, message: Any) -> Any:
        match message:
            case ("take", key):
                return self.route(key).ask(key, 1.0)  # type: ignore[arg-type]
            case "keeper":
                return self


async def test_an_actor_that_passivates_ends_as_soon_as_no_mail_waits(
    system: System, spec: Spec, log: list[Any]
) -> None:
    def receive(self: Any, message: Any) -> int:
        log.append(message)
        self.context.passivate()
        return message

    ref = system.spawn(spec("a", receive=receive))
    answers = [ref.ask(number, 1.0) for number in range(5)]
    assert await asyncio.gather(*answers) == [0, 1, 2, 3, 4]
    await asyncio.sleep(0.0)
    assert not ref.alive, "for good, also when permanent"
    assert system.dead_letters == 0


async def test_passivation_says_whether_mail_waits(system: System, spec: Spec, log: list[Any]) -> None:
    def receive(self: Any, message: Any) -> None:
        log.append(self.context.passivate())

    ref = system.spawn(spec("a", receive=receive))
    ref.tell(1)
    ref.tell(2)
    await asyncio.sleep(1.0)
    assert log == [False, True]


async def test_mail_that_comes_while_the_passivating_handler_still_awaits_keeps_the_actor(
    system: System, spec: Spec, log: list[Any]
) -> None:
    async def leave(self: Any) -> None:
        assert self.context.passivate()
        await asyncio.sleep(1.0)

    ref = system.spawn(spec("a", receive=lambda self, message: log.append(message)))
    ref.tell(leave)
    await asyncio.sleep(0.5)
    assert ref.alive
    ref.tell("in time")
    await asyncio.sleep(5.0)
    assert log == ["in time"]
    assert ref.alive, "it handled mail since, and did not ask again"


async def test_a_passivating_handler_is_not_cut_off_by_the_stop_deadline(system: System, spec: Spec) -> None:
    async def leave(self: Any) -> str:
        self.context.passivate()
        await asyncio.sleep(100.0)
        return "finished"

    def leave_first(self: Any) -> Any:
        self.context.passivate()
        return leave(self)

    ref = system.spawn(spec("a", shutdown_seconds=1.0))
    assert await ref.ask(leave_first, 200.0) == "finished"


async def test_asks_nobody_waits_for_do_not_keep_an_idle_actor_alive(system: System, spec: Spec) -> None:
    async def leave(self: Any) -> None:
        await asyncio.sleep(1.0)
        self.context.passivate()

    ref = system.spawn(spec("a"))
    ref.tell(leave)
    with pytest.raises(Expired):
        await ref.ask(lambda self: None, 0.5)
    await asyncio.sleep(1.0)
    assert not ref.alive


async def test_asks_that_have_expired_unnoticed_do_not_keep_it_alive_either(system: System, spec: Spec) -> None:
    async def leave(self: Any) -> None:
        await asyncio.sleep(0.99)
        self.context.passivate()

    ref = system.spawn(spec("a"))
    ref.tell(leave)
    answer = ref.ask(lambda self: None, 0.98)
    await asyncio.sleep(0.995)
    assert not answer.done(), "the wheel is allowed to be late"
    assert not ref.alive
    with pytest.raises(Expired):
        await answer


async def test_a_keeper_loses_no_message_to_actors_that_leave(system: System, spec: Spec) -> None:
    keeper = system.spawn(ChildSpec("keeper", lambda: Keeper(spec)))

    async def client(number: int) -> None:
        for turn in range(50):
            await keeper.ask(("take", f"key-{(number + turn) % 7}"), 5.0)  # type: ignore[arg-type]
            if (number + turn) % 3 == 0:
                await asyncio.sleep(0.0)

    await asyncio.gather(*(client(number) for number in range(20)))
    state = await keeper.ask("keeper", 1.0)  # type: ignore[arg-type]
    assert sum(state.counts.values()) == 20 * 50
    await asyncio.sleep(1.0)
    assert state.context.children == ()
    assert state.spawned > 7
    assert system.dead_letters == 0


async def test_an_explicit_stop_takes_precedence_over_a_passivation(system: System, spec: Spec, log: list[Any]) -> None:
    async def leave(self: Any) -> None:
        self.context.passivate()
        await asyncio.sleep(1.0)

    ref = system.spawn(spec("a", receive=lambda self, message: log.append(message)))
    ref.tell(leave)
    await asyncio.sleep(0.5)
    ref.tell("overtaken")
    system.stop_ref(ref)
    await asyncio.sleep(5.0)
    assert log == []
    assert not ref.alive


async def test_plain_handlers_make_no_task_and_awaiting_ones_make_one_for_one_message(
    system: System, spec: Spec
) -> None:
    async def wait(self: Any) -> None:
        await asyncio.sleep(1.0)

    mine = asyncio.all_tasks()
    refs = [system.spawn(spec(f"a{n}")) for n in range(10)]
    seen = [await ref.ask(lambda self: asyncio.all_tasks(), 1.0) for ref in refs]
    assert all(tasks == mine for tasks in seen)
    for ref in refs:
        ref.tell(wait)
        ref.tell(wait)
    await asyncio.sleep(0.5)
    assert len(asyncio.all_tasks()) == len(mine) + 10
    await asyncio.sleep(5.0)
    assert asyncio.all_tasks() == mine


@pytest.mark.parametrize("later", [False, True], ids=["plain", "async"])
async def test_an_actor_may_passivate_while_it_starts(system: System, spec: Spec, later: bool) -> None:
    async def wait() -> None:
        await asyncio.sleep(1.0)

    def started(self: Any) -> Any:
        self.context.passivate()
        return wait() if later else None

    with_mail, without = (system.spawn(spec(name, started=started, restart=Restart.TEMPORARY)) for name in "ab")
    assert await with_mail.ask(lambda self: "handled first", 5.0) == "handled first"
    assert with_mail.alive
    await asyncio.sleep(1.0)
    assert not without.alive
