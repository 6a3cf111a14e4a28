"""Law 6: strategies, restart types, dynamic children. Law 7: intensity, escalation, failed starts, backoff."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from actors.kernel import Actor, Backoff, ChildSpec, Intensity, Probe, Restart, Strategy, Supervisor, System
from protocol.errors import Crashed, Gone, Refusal, RestartsExhausted
from protocol.lifecycle import ActorCrashed, Down, Ending, Escalated, Event, Restarted, Started, Stopped

LAWS = (6, 7)

Spec = Callable[..., ChildSpec]

MANY = Intensity(1000, 1.0)


def now() -> float:
    return asyncio.get_running_loop().time()


def crash(self: Any) -> None:
    raise ValueError("crash")


def stop(self: Any) -> None:
    self.context.stop()


def nothing(self: Any) -> None:
    """Asked only to know that the actor runs."""


@pytest.fixture
def family(system: System, spec: Spec, log: list[Any]) -> Any:
    """`await family("abc", strategy)`: a supervisor whose children log starts and ends; gives their refs by name."""

    async def make(names: str, strategy: Strategy, intensity: Intensity = MANY, **per_child: Any) -> dict[str, Any]:
        refs: dict[str, Any] = {}

        async def started(self: Any) -> None:
            name = self.context.path.rpartition("/")[2]
            refs[name] = self.context.ref
            log.append(f"+{name}")
            await asyncio.sleep(0.1)
            log.append(f"{name} up")

        async def stopping(self: Any) -> None:
            await asyncio.sleep(0.1)

        def released(self: Any) -> None:
            log.append("-" + self.context.path.rpartition("/")[2])

        children = [
            spec(name, started=started, stopping=stopping, released=released, **per_child.get(name, {}))
            for name in names
        ]
        await system.start(ChildSpec("root", lambda: Supervisor(children, strategy, intensity)))
        return refs

    return make


async def test_static_children_start_in_list_order_each_once_the_one_before_runs(family: Any, log: list[Any]) -> None:
    await family("abc", Strategy.ONE_FOR_ONE)
    assert log == ["+a", "a up", "+b", "b up", "+c", "c up"]
    assert now() == 0.3


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (Strategy.ONE_FOR_ONE, ["-b", "+b", "b up"]),
        (Strategy.REST_FOR_ONE, ["-b", "-d", "-c", "+b", "b up", "+c", "c up", "+d", "d up"]),
        (
            Strategy.ONE_FOR_ALL,
            ["-b", "-d", "-c", "-a", "+a", "a up", "+b", "b up", "+c", "c up", "+d", "d up"],
        ),
    ],
    ids=lambda value: value.value if isinstance(value, Strategy) else "",
)
@pytest.mark.parametrize("restart", [Restart.PERMANENT, Restart.TRANSIENT], ids=lambda restart: restart.value)
async def test_the_strategy_decides_who_goes_down_in_reverse_and_comes_up_in_order(
    family: Any, log: list[Any], strategy: Strategy, expected: list[str], restart: Restart
) -> None:
    refs = await family("abcd", strategy, **{name: {"restart": restart} for name in "abcd"})
    log.clear()
    refs["b"].tell(crash)
    await asyncio.sleep(5.0)
    assert log == expected
    assert [await refs[name].ask(lambda self: self.context.path, 1.0) for name in "abcd"] == [
        f"/root/{name}" for name in "abcd"
    ]


async def test_a_temporary_sibling_of_a_group_ends_with_it_and_is_not_started_again(
    family: Any, log: list[Any]
) -> None:
    refs = await family("abc", Strategy.ONE_FOR_ALL, b={"restart": Restart.TEMPORARY})
    log.clear()
    refs["a"].tell(crash)
    await asyncio.sleep(5.0)
    assert log == ["-a", "-c", "-b", "+a", "a up", "+c", "c up"]
    assert not refs["b"].alive


async def test_a_temporary_child_that_crashes_takes_nobody_with_it(family: Any, log: list[Any]) -> None:
    refs = await family("abc", Strategy.ONE_FOR_ALL, Intensity(0, 5.0), b={"restart": Restart.TEMPORARY})
    log.clear()
    refs["b"].tell(crash)
    await asyncio.sleep(5.0)
    assert log == ["-b"]


async def test_a_second_crash_while_a_group_goes_down_widens_the_group(family: Any, log: list[Any]) -> None:
    refs = await family("abcd", Strategy.REST_FOR_ONE)
    log.clear()
    refs["c"].tell(crash)
    await asyncio.sleep(0.05)
    refs["a"].tell(crash)
    await asyncio.sleep(5.0)
    assert log[:4] == ["-c", "-a", "-d", "-b"]
    assert log[4:] == ["+a", "a up", "+b", "b up", "+c", "c up", "+d", "d up"]


@pytest.mark.parametrize("tenths", [1, 2, 3])
async def test_a_member_that_crashes_just_when_its_turn_to_stop_has_come_comes_back_with_the_group(
    family: Any, log: list[Any], tenths: int
) -> None:
    refs = await family("abcde", Strategy.REST_FOR_ONE)
    log.clear()
    refs["b"].tell(crash)
    await asyncio.sleep(tenths / 10)
    refs["c"].tell(crash)
    await asyncio.sleep(5.0)
    for name in "abcde":
        assert await refs[name].ask(lambda self: self.context.path, 1.0) == f"/root/{name}"


async def test_a_crash_while_a_group_comes_up_takes_it_down_again(family: Any, log: list[Any]) -> None:
    refs = await family("abc", Strategy.ONE_FOR_ALL)
    log.clear()
    refs["c"].tell(crash)
    await asyncio.sleep(0.2 + 0.15)
    assert log == ["-c", "-b", "-a", "+a", "a up", "+b"]
    refs["a"].tell(crash)
    await asyncio.sleep(5.0)
    assert log[6:] == ["-a", "b up", "-b", "+a", "a up", "+b", "b up", "+c", "c up"]


async def test_children_of_a_crash_during_the_first_start_are_started_in_order_all_the_same(
    system: System, spec: Spec, log: list[Any]
) -> None:
    tries = {"b": 2}

    def started(self: Any) -> None:
        name = self.context.path[-1]
        log.append(name)
        if tries.get(name, 0):
            tries[name] -= 1
            raise ValueError

    children = [spec(name, started=started) for name in "abc"]
    await system.start(ChildSpec("root", lambda: Supervisor(children, Strategy.REST_FOR_ONE, MANY)))
    assert log == ["a", "b", "b", "b", "c"]


# ---- restart types


@pytest.mark.parametrize("ending", ["stop", "crash", "kill"])
@pytest.mark.parametrize("restart", list(Restart), ids=lambda restart: restart.value)
async def test_the_restart_type_decides_whether_an_ended_actor_comes_back(
    system: System, spec: Spec, parent: Any, restart: Restart, ending: str
) -> None:
    _, (child,) = await parent(spec("a", restart=restart))
    await child.ask(nothing, 1.0)
    if ending == "kill":
        system.kill(child)
    else:
        child.tell(stop if ending == "stop" else crash)
    await asyncio.sleep(0.5)
    assert child.alive is (restart is Restart.PERMANENT or (restart is Restart.TRANSIENT and ending != "stop"))
    if child.alive:
        await child.ask(nothing, 1.0)


async def test_a_child_stopped_by_its_parent_or_an_operator_ends_for_good_whatever_its_type(
    system: System, spec: Spec, parent: Any
) -> None:
    ref, (one, two) = await parent(spec("one"), spec("two"))
    await ref.ask(lambda self: self.context.stop_child(one), 1.0)
    system.stop_ref(two)
    await asyncio.sleep(1.0)
    assert not one.alive
    assert not two.alive
    assert await ref.ask(lambda self: self.context.children, 1.0) == ()


async def test_an_actor_stops_and_kills_only_its_own_children(system: System, spec: Spec, parent: Any) -> None:
    ref, _ = await parent(spec("child"))
    stranger = system.spawn(spec("stranger"))
    await ref.ask(lambda self: self.context.stop_child(stranger), 1.0)
    await ref.ask(lambda self: self.context.kill_child(stranger), 1.0)
    assert await stranger.ask(lambda self: "unharmed", 1.0) == "unharmed"


async def test_two_living_siblings_cannot_have_one_name(system: System, spec: Spec, parent: Any) -> None:
    ref, _ = await parent(spec("twin"))
    with pytest.raises(Crashed) as caught:
        await ref.ask(lambda self: self.context.spawn(spec("twin")), 1.0)
    assert isinstance(caught.value.cause, ValueError)


async def test_a_name_is_free_again_as_soon_as_its_holder_takes_no_more_mail(
    system: System, spec: Spec, parent: Any, log: list[Any]
) -> None:
    async def flush(self: Any) -> None:
        await asyncio.sleep(3.0)
        log.append("old one flushed")

    ref, (old,) = await parent(spec("a", stopping=flush))
    await old.ask(nothing, 1.0)

    def replace(self: Any) -> Any:
        self.context.stop_child(old)
        return self.context.spawn(spec("a"))

    new = await ref.ask(replace, 1.0)
    assert await new.ask(lambda self: self.context.path, 1.0) == "/parent/a"
    await asyncio.sleep(5.0)
    assert log == ["old one flushed"]
    assert await ref.ask(lambda self: self.context.children, 1.0) == (new,)


async def test_children_end_with_the_incarnation_that_spawned_them(system: System, spec: Spec, parent: Any) -> None:
    ref, (child,) = await parent(spec("child"))
    ref.tell(crash)
    await asyncio.sleep(1.0)
    assert ref.alive
    assert not child.alive
    assert await ref.ask(lambda self: self.context.children, 1.0) == ()


async def test_a_child_is_restarted_while_its_parents_handler_waits_for_it(
    system: System, spec: Spec, parent: Any
) -> None:
    ref, (child,) = await parent(spec("child"))

    async def insist(self: Any) -> Any:
        child.tell(crash)
        return await child.ask(lambda self: "the next incarnation", 1.0)

    assert await ref.ask(insist, 2.0) == "the next incarnation"
    assert now() == 0.0


async def test_a_supervisor_refuses_stray_messages_and_lives_on(system: System, spec: Spec) -> None:
    root = await system.start(ChildSpec("root", lambda: Supervisor([spec("a")], intensity=Intensity(0, 1.0))))
    root.tell("stray")
    with pytest.raises(Refusal):
        await root.ask("stray", 1.0)  # type: ignore[arg-type]
    assert not system.failed.done()


async def test_an_actor_that_has_ended_can_spawn_no_children(system: System, spec: Spec) -> None:
    ref = system.spawn(spec("a", restart=Restart.TEMPORARY))
    context = await ref.ask(lambda self: self.context, 1.0)
    system.kill(ref)
    with pytest.raises(Gone):
        context.spawn(spec("orphan"))


# ---- intensity


async def test_as_many_restarts_as_the_intensity_allows_and_one_more_escalates(
    system: System, spec: Spec, parent: Any, events: list[Event]
) -> None:
    ref, (child,) = await parent(spec("child"), intensity=Intensity(3, 5.0))
    first = await ref.ask(lambda self: id(self), 1.0)
    for _ in range(3):
        child.tell(crash)
        await asyncio.sleep(1.0)
    assert child.alive
    assert await ref.ask(lambda self: id(self), 1.0) == first
    child.tell(crash)
    await asyncio.sleep(1.0)
    assert not child.alive
    (escalated,) = [event for event in events if isinstance(event, Escalated)]
    assert escalated.path == "/parent"
    assert isinstance(escalated.cause, ValueError)
    causes = [event.cause for event in events if isinstance(event, ActorCrashed) and event.path == "/parent"]
    assert [type(cause) for cause in causes] == [RestartsExhausted]
    assert isinstance(causes[0].__cause__, ValueError)
    assert ref.alive, "its own parent restarts it"


async def test_failures_older_than_the_period_are_forgotten(system: System, spec: Spec, parent: Any) -> None:
    _, (child,) = await parent(spec("child"), intensity=Intensity(1, 5.0))
    for _ in range(10):
        child.tell(crash)
        await asyncio.sleep(5.0)
    assert child.alive


async def test_an_intensity_of_zero_escalates_at_the_first_failure(system: System, spec: Spec, parent: Any) -> None:
    _, (child,) = await parent(spec("child"), intensity=Intensity(0, 5.0))
    child.tell(crash)
    await asyncio.sleep(0.0)
    await asyncio.sleep(0.0)
    assert not child.alive


async def test_escalation_cuts_off_the_supervisors_own_handler_whose_asker_gets_crashed(
    system: System, spec: Spec, parent: Any, log: list[Any]
) -> None:
    async def work(self: Any) -> None:
        try:
            await asyncio.sleep(100.0)
        finally:
            log.append("cut off")

    ref, (child,) = await parent(spec("child"), intensity=Intensity(0, 5.0))
    answer = ref.ask(work, 200.0)
    await asyncio.sleep(1.0)
    child.tell(crash)
    with pytest.raises(Crashed) as caught:
        await answer
    assert isinstance(caught.value.cause, RestartsExhausted)
    await asyncio.sleep(0.1)
    assert log == ["cut off"]


async def test_the_root_that_gives_up_sets_failed(system: System, spec: Spec) -> None:
    root = await system.start(ChildSpec("root", lambda: Supervisor([spec("a")], intensity=Intensity(0, 60.0))))
    (child,) = await_children(system)
    child.tell(crash)
    failed = await asyncio.wait_for(system.failed, 1.0)
    assert failed.path == "/root"
    assert isinstance(failed.cause, RestartsExhausted)
    assert not root.alive


def await_children(system: System) -> tuple[Any, ...]:
    """The children of the only actor at the top."""
    (root,) = system._guardian.nursery.children.values()  # type: ignore[union-attr]
    return root.children  # type: ignore[attr-defined, no-any-return]


async def test_a_root_that_cannot_start_fails_the_start(system: System, spec: Spec) -> None:
    def started(self: Any) -> None:
        raise OSError("no port")

    with pytest.raises(Crashed):
        await system.start(ChildSpec("root", lambda: Supervisor([spec("a", started=started)])))
    assert system.failed.done()


async def test_a_tree_that_escalates_level_by_level_ends_the_program(system: System, spec: Spec) -> None:
    none = Intensity(0, 5.0)
    leaf = spec("leaf")
    middle = ChildSpec("middle", lambda: Supervisor([leaf], intensity=none))
    await system.start(ChildSpec("root", lambda: Supervisor([middle], intensity=none)))
    (middle_ref,) = await_children(system)
    (leaf_ref,) = middle_ref.lanes.children
    leaf_ref.tell(crash)
    assert (await asyncio.wait_for(system.failed, 1.0)).path == "/root"


async def test_an_orderly_stop_of_the_root_is_no_failure(system: System, spec: Spec) -> None:
    root = await system.start(ChildSpec("root", lambda: Supervisor([spec("a")])))
    system.stop_ref(root)
    await asyncio.sleep(1.0)
    assert not system.failed.done()


@pytest.mark.parametrize("later", [False, True], ids=["plain", "async"])
async def test_a_failed_start_counts(system: System, spec: Spec, parent: Any, events: list[Event], later: bool) -> None:
    def fail(self: Any) -> Any:
        async def fail_later() -> None:
            raise OSError

        if later:
            return fail_later()
        raise OSError

    await parent(spec("child", started=fail), intensity=Intensity(3, 5.0), restart=Restart.TEMPORARY)
    await asyncio.sleep(1.0)
    assert len([event for event in events if isinstance(event, ActorCrashed) and event.path == "/parent/child"]) == 4
    assert [event for event in events if isinstance(event, Escalated)]


async def test_a_factory_that_raises_is_a_failed_start(system: System, parent: Any, events: list[Event]) -> None:
    def factory() -> Actor[Any]:
        raise OSError

    await parent(ChildSpec("child", factory), restart=Restart.TEMPORARY)
    await asyncio.sleep(1.0)
    assert [event.message for event in events if isinstance(event, ActorCrashed)][:2] == ["started()", "started()"]
    assert [event for event in events if isinstance(event, Escalated)]


async def test_an_ending_that_does_not_count_restarts_at_once_and_never_escalates(
    system: System, spec: Spec, parent: Any, events: list[Event]
) -> None:
    _, (child,) = await parent(
        spec("child", counts=lambda cause: not isinstance(cause, ValueError), backoff=Backoff(first_seconds=100.0)),
        intensity=Intensity(0, 60.0),
    )
    for _ in range(200):
        with pytest.raises(Crashed):
            await child.ask(crash, 1.0)
    assert now() == 0.0
    assert not [event for event in events if isinstance(event, Escalated)]
    system.kill(child)
    await asyncio.sleep(1.0)
    assert [event for event in events if isinstance(event, Escalated)], "a kill has no cause, so it counts"


async def test_a_failed_start_counts_also_when_its_cause_would_be_forgiven(
    system: System, spec: Spec, parent: Any, events: list[Event]
) -> None:
    def fail(self: Any) -> None:
        raise OSError

    await parent(spec("child", started=fail, counts=lambda cause: False), restart=Restart.TEMPORARY)
    await asyncio.sleep(1.0)
    assert [event for event in events if isinstance(event, Escalated)]


async def test_a_predicate_that_fails_lets_the_ending_count(
    system: System, spec: Spec, parent: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def counts(cause: BaseException | None) -> bool:
        raise ZeroDivisionError

    ref, (child,) = await parent(spec("child", counts=counts), intensity=Intensity(0, 5.0), restart=Restart.TEMPORARY)
    child.tell(crash)
    await asyncio.sleep(1.0)
    assert not ref.alive
    assert "counts predicate" in caplog.text


async def test_the_memory_of_failures_ends_with_the_supervisors_incarnation(
    system: System, spec: Spec, parent: Any
) -> None:
    ref, (child,) = await parent(spec("child"), intensity=Intensity(1, 100.0))
    child.tell(crash)
    await asyncio.sleep(1.0)
    system.kill(ref)
    child = await ref.ask(lambda self: self.context.spawn(spec("child")), 1.0)
    child.tell(crash)
    await asyncio.sleep(1.0)
    assert child.alive


# ---- backoff


def delays(events: list[Event]) -> list[float]:
    return [event.delay for event in events if isinstance(event, Restarted)]


async def test_the_pause_doubles_up_to_its_limit(system: System, spec: Spec, parent: Any, events: list[Event]) -> None:
    backoff = Backoff(first_seconds=0.1, limit_seconds=1.0, jitter=0.0)
    _, (child,) = await parent(spec("child", backoff=backoff), intensity=MANY)
    for _ in range(6):
        child.tell(crash)
        await asyncio.sleep(1.01)
    assert delays(events) == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


async def test_the_restart_comes_after_the_pause_and_not_before(
    system: System, spec: Spec, parent: Any, log: list[Any]
) -> None:
    backoff = Backoff(first_seconds=2.0, limit_seconds=8.0, jitter=0.0)
    await parent(spec("child", backoff=backoff, started=lambda self: fail_at(log)), intensity=MANY)
    await asyncio.sleep(20.0)
    assert log == [0.0, 2.0, 6.0, 14.0]


def fail_at(log: list[Any]) -> None:
    log.append(now())
    if len(log) < 4:
        raise ValueError


async def test_a_quiet_time_resets_the_pause(system: System, spec: Spec, parent: Any, events: list[Event]) -> None:
    backoff = Backoff(first_seconds=0.1, limit_seconds=1.0, jitter=0.0, quiet_seconds=10.0)
    _, (child,) = await parent(spec("child", backoff=backoff), intensity=MANY)
    for quiet in (1.0, 1.0, 11.0, 1.0):
        child.tell(crash)
        await asyncio.sleep(quiet)
    child.tell(crash)
    await asyncio.sleep(1.0)
    assert delays(events) == [0.1, 0.2, 0.4, 0.1, 0.2]


async def test_jitter_only_lengthens_the_pause_by_at_most_its_share_and_follows_the_seed(spec: Spec) -> None:
    async def run(seed: int) -> list[float]:
        system = System(seed=seed)
        events: list[Event] = []
        system.subscribe(events.append)
        backoff = Backoff(first_seconds=1.0, limit_seconds=1.0, jitter=0.5)
        boss = system.spawn(spec("boss", intensity=MANY))
        child = await boss.ask(lambda self: self.context.spawn(spec("child", backoff=backoff)), 1.0)
        for _ in range(50):
            child.tell(crash)
            await asyncio.sleep(2.0)
        await system.stop()
        return delays(events)

    one = await run(1)
    assert len(one) == 50
    assert all(1.0 <= delay <= 1.5 for delay in one)
    assert len(set(one)) > 40
    assert one == await run(1)
    assert one != await run(2)


async def test_a_group_waits_for_the_pause_of_the_one_that_failed(family: Any, log: list[Any]) -> None:
    backoff = Backoff(first_seconds=3.0, limit_seconds=3.0, jitter=0.0)
    refs = await family("ab", Strategy.ONE_FOR_ALL, a={"backoff": backoff})
    log.clear()
    refs["a"].tell(crash)
    await asyncio.sleep(2.9)
    assert log == ["-a", "-b"]
    await asyncio.sleep(1.0)
    assert log == ["-a", "-b", "+a", "a up", "+b", "b up"]


async def test_a_crash_loop_leaves_the_loop_its_turn(
    system: System, spec: Spec, parent: Any, events: list[Event]
) -> None:
    _, (child,) = await parent(spec("child", counts=lambda cause: False), intensity=MANY)
    for _ in range(10_000):
        child.tell(crash)
    ticks = 0
    while child.lanes.mail:
        ticks += 1
        await asyncio.sleep(0.0)
    assert ticks > 50


async def test_a_transient_child_that_finished_is_not_part_of_a_later_group(family: Any, log: list[Any]) -> None:
    refs = await family("abc", Strategy.ONE_FOR_ALL, b={"restart": Restart.TRANSIENT})
    refs["b"].tell(stop)
    await asyncio.sleep(1.0)
    log.clear()
    refs["a"].tell(crash)
    await asyncio.sleep(5.0)
    assert log == ["-a", "-c", "+a", "a up", "+c", "c up"]


async def test_a_restart_is_no_end_to_those_who_watch(system: System, spec: Spec, events: list[Event]) -> None:
    probe = Probe(system)
    ref = system.spawn(spec("a"))
    probe.watch(ref)
    ref.tell(crash)
    await probe.expect_nothing(5.0)
    system.stop_ref(ref)
    assert await probe.expect(Down) == Down(ref, Ending.STOPPED)
    assert [type(event) for event in events if getattr(event, "path", "") == "/a"] == [
        Started,
        ActorCrashed,
        Started,
        Restarted,
        Stopped,
    ]
