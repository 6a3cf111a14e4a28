"""What health says of its parts, when it is 503, and how Go writes a duration."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from actors.kernel import System
from actors.runs.processes import Admission
from actors.sandbox.pool import PoolFigures
from gateway.monitoring import checks
from gateway.monitoring.health import WELL, Check, Finding, Health, go_duration
from gateway.monitoring.kernel_figures import KernelFigures
from gateway.monitoring.machine import MemoryRoom
from protocol.errors import Overloaded, Unavailable
from protocol.lifecycle import Escalated, Restarted
from protocol.sandbox import PoolState


def finding(found: Finding | BaseException) -> Callable[[], Awaitable[Finding]]:
    async def look() -> Finding:
        if isinstance(found, BaseException):
            raise found
        return found

    return look


def health(*parts: Check, opened: bool = True) -> Health:
    return Health(parts, lambda: opened, lambda: 1063.25, 1000.0, "1.2")


async def test_all_is_well_in_the_shapes_of_both_manuals() -> None:
    status, body = await health(Check("database", finding(WELL), True), Check("redis", finding(WELL), False)).report()
    assert status == 200
    assert body == {
        "status": "healthy",
        "timestamp": 1063,
        "uptime": "1m3.25s",
        "version": "1.2",
        "components": {"database": {"status": "healthy"}, "redis": {"status": "healthy"}},
        "checks": {"database": "ok", "redis": "ok"},
    }


@pytest.mark.parametrize(
    ("found", "shown", "check"),
    [
        (Finding("unhealthy", "broken"), {"status": "unhealthy", "message": "broken"}, "failed"),
        (Unavailable("10.0.0.7:5432 refused"), {"status": "unhealthy", "message": "it is out of reach"}, "failed"),
        (ValueError("secret"), {"status": "unhealthy", "message": "the check failed"}, "failed"),
        (Overloaded("no room at 10.0.0.7"), {"status": "warning", "message": "it is busy"}, "warning"),
        (Finding("warning", "nearly full"), {"status": "warning", "message": "nearly full"}, "warning"),
    ],
)
@pytest.mark.parametrize("needed", [True, False])
async def test_only_a_failed_part_that_requests_need_is_503(
    found: Finding | BaseException, shown: dict[str, str], check: str, needed: bool
) -> None:
    status, body = await health(Check("part", finding(found), needed)).report()
    failed = check == "failed"
    assert status == (503 if failed and needed else 200)
    assert body["status"] == ("degraded" if failed else "healthy")
    assert (body["components"]["part"], body["checks"]["part"]) == (shown, check)


async def test_a_part_that_does_not_answer_holds_nobody_up() -> None:
    async def silent() -> Finding:
        await asyncio.sleep(60)
        return WELL

    began = asyncio.get_running_loop().time()
    parts = [Check(f"part{number}", silent, number == 0, far=True) for number in range(5)]
    status, body = await health(*parts).report()
    assert asyncio.get_running_loop().time() - began < 2, "all are asked at once"
    assert status == 503
    assert body["components"]["part4"]["message"] == "it did not answer within 0.8 s"


async def test_many_who_ask_at_once_cost_one_look() -> None:
    looks = 0

    async def look() -> Finding:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0.01)
        return WELL

    asked = health(Check("part", look, True, far=True))
    await asyncio.gather(*(asked.report() for _ in range(50)), *(asked.ready() for _ in range(50)))
    assert looks == 1


async def test_who_leaves_while_it_is_looked_takes_nobody_with_him() -> None:
    asked = health(Check("part", finding(WELL), True, far=True))
    first = asyncio.ensure_future(asked.report())
    second = asyncio.ensure_future(asked.report())
    await asyncio.sleep(0)
    first.cancel()
    assert (await second)[0] == 200


async def test_ready_says_no_while_the_server_starts_or_stops_and_live_does_not() -> None:
    closed = health(Check("part", finding(WELL), True), opened=False)
    assert await closed.ready() == (503, {"status": "not ready", "reason": "it is starting or stopping"})
    assert closed.live() == (200, {"status": "alive", "uptime": "1m3.25s"})


async def test_ready_names_what_is_missing() -> None:
    part = Check("database", finding(Unavailable("secret")), True)
    assert await health(part).ready() == (503, {"status": "not ready", "reason": "database: it is out of reach"})


def pool(size: int = 2, starting: int = 0) -> PoolFigures:
    figures = PoolFigures()
    figures.read = lambda: PoolState(size, size - starting, 0, 0, 4, starting, 2, 0)
    return figures


@pytest.mark.parametrize(
    ("check", "found"),
    [
        (checks.vm_pool(PoolFigures()), Finding("unhealthy", "no sandbox has been started yet")),
        (checks.vm_pool(pool(2, starting=2)), Finding("unhealthy", "no sandbox is ready")),
        (checks.vm_pool(pool(2, starting=1)), WELL),
        (checks.processes(Admission(5)), Finding("unhealthy", "no run is begun: it is starting or stopping")),
        (checks.memory(lambda: MemoryRoom(95 << 20, 100 << 20)), Finding("warning", "95 of 100 MiB are used")),
        (checks.memory(lambda: MemoryRoom(50 << 20, 100 << 20)), WELL),
        (checks.memory(lambda: MemoryRoom(50 << 20, 0)), WELL),
    ],
)
async def test_what_a_part_is_found_to_be(check: Check, found: Finding) -> None:
    assert await check.look() == found


async def test_room_for_runs_runs_out() -> None:
    admission = Admission(10)
    admission.open(lambda start: None)  # type: ignore[arg-type,return-value]
    check = checks.processes(admission)
    assert await check.look() == WELL
    admission.active.update({str(number): (None, 0.0) for number in range(9)})  # type: ignore[misc]
    assert (await check.look()).status == "warning"
    admission.limit = 9
    assert await check.look() == Finding("unhealthy", "9 runs are active (server.max_processes)")
    admission.drain_until = 1.0
    assert await check.look() == Finding("unhealthy", "no run is begun: it is starting or stopping")


async def test_what_the_tree_went_through_is_told_for_a_minute() -> None:
    now = 0.0
    system, events = System(), KernelFigures(lambda: now)
    check = checks.tree(system, events)
    assert await check.look() == WELL
    events.hear(Restarted("/root/sandboxes/pool/sandbox-3", 2, 0.0))
    assert await check.look() == WELL, "sandboxes die as they must"
    events.hear(Restarted("/root/stores/journal", 2, 0.0))
    assert await check.look() == Finding("warning", "restarted in the last minute: /root/stores/journal")
    events.hear(Escalated("/root/stores", None))
    assert "gave up" in (await check.look()).message
    now = 61.0
    assert await check.look() == WELL
    await system.stop()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (2.0, "2s"),
        (59.999, "1m0s"),
        (63.25, "1m3.25s"),
        (3600.0, "1h0m0s"),
        (90_061.5, "25h1m1.5s"),
    ],
)
def test_a_duration_is_written_as_go_writes_it(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text
