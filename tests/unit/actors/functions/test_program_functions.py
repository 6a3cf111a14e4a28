"""`program.run`: off until allowed, only what is listed, no shell, and nothing of it stays behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from actors.functions.programs import ProgramFunctions, ProgramSettings
from protocol.errors import CallRefused

SHELL = "/bin/sh"
ALLOWED = (SHELL, "/bin/cat", "/usr/bin/printf", "/usr/bin/env", "/no/such/program", "/etc")


def of(*, enabled: bool = True, most: int = 100_000, at_once: int = 4) -> ProgramFunctions:
    return ProgramFunctions(ProgramSettings(enabled, ALLOWED, most, at_once))


async def run(path: Any, arguments: Any = None, options: Any = None, *, seconds: float = 20.0, **settings: Any) -> Any:
    caller: Any = SimpleNamespace(seconds=seconds)
    return await of(**settings).run(caller, [path, arguments, options])


def ran(path: str, *arguments: str, **options: Any) -> Any:
    return run(path, list(arguments), options)


async def test_a_program_says_what_it_says() -> None:
    told = await ran(SHELL, "-c", "echo out; echo err >&2; exit 3")
    assert told == {"code": 3, "signal": None, "stdout": "out\n", "stderr": "err\n"}


async def test_it_reads_its_input_however_large() -> None:
    text = "ñ" * 40_000
    assert (await ran("/bin/cat", input=text))["stdout"] == text


async def test_an_argument_is_never_read_by_a_shell() -> None:
    hostile = ["$(id)", "; id", "`id`", "a b", "'", '"', "*", "&& id", "|id", "\n", "ñ"]
    told = await ran("/usr/bin/printf", "%s\\n", *hostile)
    assert told["stdout"] == "\n".join(hostile) + "\n"


async def test_nothing_of_the_server_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NFLOW_SECRET", "canary")
    told = await ran("/usr/bin/env")
    assert {line.partition("=")[0] for line in told["stdout"].split()} == {"PATH", "LANG", "HOME"}
    assert (await ran(SHELL, "-c", "ls -A; ls /proc/self/fd | wc -l"))["stdout"].split() == ["4"]


async def test_it_has_no_more_rights_than_nobody() -> None:
    nobody = "65534" if os.geteuid() == 0 else str(os.geteuid())
    assert (await ran(SHELL, "-c", "id -u; grep CapEff /proc/self/status"))["stdout"].split() == [
        nobody,
        "CapEff:",
        "0" * 16,
    ]


@pytest.mark.parametrize(
    ("path", "enabled", "said"),
    [
        (SHELL, False, r"set \[vm_pool\] enable_process = true"),
        ("/bin/ls", True, r"'/bin/ls' is not in \[vm_pool\] allowed_programs"),
        ("sh", True, "is not in"),
        ("/bin/../bin/sh", True, "is not in"),
        ("/bin/sh ", True, "is not in"),
        ("/no/such/program", True, "cannot be started: No such file"),
        ("/etc", True, "cannot be started: Permission denied"),
    ],
)
async def test_anything_else_is_refused(path: str, enabled: bool, said: str) -> None:
    with pytest.raises(CallRefused, match=said):
        await run(path, [], {}, enabled=enabled)


@pytest.mark.parametrize(
    ("arguments", "options", "name"),
    [
        (["a\0b"], {}, "TypeError"),
        ("-c id", {}, "TypeError"),
        ([{}], {}, "TypeError"),
        (["a"] * 257, {}, "RangeError"),
        (["a" * 70_000], {}, "RangeError"),
        ([], {"input": "a" * 200_000}, "RangeError"),
        ([], [], "TypeError"),
        ([], {"timeoutMs": {}}, "TypeError"),
    ],
)
async def test_what_is_no_call_is_refused(arguments: Any, options: Any, name: str) -> None:
    with pytest.raises(CallRefused) as refused:
        await run("/bin/cat", arguments, options)
    assert refused.value.name == name


async def test_too_much_output_ends_it() -> None:
    with pytest.raises(CallRefused, match="wrote more than 100000 bytes"):
        await ran(SHELL, "-c", "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done")


def living(mark: Path) -> list[int]:
    """Processes with this text in their command line."""
    found = []
    for each in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if each.name.isdigit() and str(mark).encode() in (each / "cmdline").read_bytes():
                found.append(int(each.name))
    return found


def until(true: Callable[[], bool]) -> Iterator[float]:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < 10
        yield 0.01


async def eventually(true: Callable[[], bool]) -> None:
    for pause in until(true):
        await asyncio.sleep(pause)


@pytest.mark.parametrize("how", ["deadline", "cancelled"])
async def test_whatever_it_started_ends_with_the_call(tmp_path: Path, how: str) -> None:
    call = run(SHELL, ["-c", f"sleep 60 & sleep 60; : {tmp_path}"], {"timeoutMs": 300 if how == "deadline" else 20_000})
    if how == "deadline":
        with pytest.raises(CallRefused, match=r"did not end within 0\.3 s"):
            await call
    else:
        task = asyncio.ensure_future(call)
        await eventually(lambda: bool(living(tmp_path)))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await eventually(lambda: not living(tmp_path))


async def test_a_child_it_leaves_behind_keeps_nobody_waiting_and_ends() -> None:
    with pytest.raises(CallRefused, match="still holds its output"):
        await ran(SHELL, "-c", "sleep 61 & echo done")
    await eventually(lambda: not [pid for pid in living(Path("61")) if pid != os.getpid()])


async def test_a_signal_is_told() -> None:
    assert await ran(SHELL, "-c", "kill -9 $$") == {"code": None, "signal": "SIGKILL", "stdout": "", "stderr": ""}


async def test_programs_beyond_the_room_wait_within_their_deadline() -> None:
    functions, caller = of(at_once=1), SimpleNamespace(seconds=0.5)
    any_caller: Any = caller
    calls = [functions.run(any_caller, [SHELL, ["-c", "sleep 30"]]) for _ in "123"]
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert [str(end) for end in ends] == ["/bin/sh did not end within 0.5 s"] * 3


async def test_no_descriptor_stays_open() -> None:
    async def once() -> int:
        await ran("/bin/cat", input="a")
        await asyncio.sleep(0.05)
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    before = await once()
    for _ in range(5):
        after = await once()
    assert after == before
