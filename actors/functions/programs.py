"""`program.run(path, arguments, {input, timeoutMs})`: a script starts a program of the operator's list.

Off until `vm_pool.enable_process` is set, and then only for the absolute paths in `vm_pool.allowed_programs`. No shell
is involved, so an argument is an argument whatever it holds. The program is no part of the sandbox: it runs beside the
server with nothing of it but an empty environment and an empty folder that goes with it (as nobody, when the server is
root). Invariant: however the call ends, the program and what it started in its process group have ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from actors.functions.arguments import Arguments
from actors.functions.caller import Caller, Functions
from protocol.errors import CallRefused

USAGE: Final = "program.run(path, arguments, options)"
NOBODY: Final = 65_534
OFF: Final = "SecurityError"
LIMIT: Final = "RangeError"
MOST_ARGUMENTS: Final = 256
MOST_ARGUMENT_BYTES: Final = 64 << 10
"""Of all arguments together."""
ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
CHUNK: Final = 64 << 10
AFTER_SECONDS: Final = 1.0
"""How long the output may stay open after the program's end: who still holds it left the group."""


@dataclass(frozen=True, slots=True)
class ProgramSettings:
    """What of the configuration the function obeys."""

    enabled: bool = False
    """`vm_pool.enable_process`."""
    allowed: tuple[str, ...] = ()
    """`vm_pool.allowed_programs`: absolute paths."""
    max_bytes: int = 1 << 20
    """Largest input, and largest of each output (`server.max_output_kb`)."""
    at_once: int = 8
    """Programs running at once; others wait within their call's deadline."""


class ProgramFunctions:
    """The function."""

    def __init__(self, settings: ProgramSettings) -> None:
        self._settings = settings
        self._room = asyncio.Semaphore(settings.at_once)

    def functions(self) -> Functions:
        """By name."""
        return {"program.run": self.run}

    async def run(self, caller: Caller, values: list[Any]) -> dict[str, Any]:
        """`{code, signal, stdout, stderr}`; code is null after a signal. Texts are UTF-8, U+FFFD for what is not.

        Raises CallRefused: off, not allowed, cannot be started, too much output, or out of time.
        """
        given = Arguments(USAGE, values)
        path = self._allowed(given.text(0))
        arguments = _arguments(given.array(1, []))
        options = given.object(2, {})
        data = Arguments("options.input", [options.get("input")]).text(0, "").encode("utf-8", "replace")
        if len(data) > self._settings.max_bytes:
            raise CallRefused(f"the input is larger than {self._settings.max_bytes} bytes", name=LIMIT)
        wanted = Arguments("options.timeoutMs", [options.get("timeoutMs")]).number(0, caller.seconds * 1000) / 1000
        seconds = min(max(wanted, 0.001), caller.seconds)
        try:
            async with asyncio.timeout(seconds), self._room:
                return await self._ran(path, arguments, data)
        except TimeoutError:
            raise CallRefused(f"{path} did not end within {seconds:g} s", name="TimeoutError") from None

    def _allowed(self, path: str) -> str:
        if not self._settings.enabled:
            raise CallRefused("programs are off: set [vm_pool] enable_process = true", name=OFF)
        if path not in self._settings.allowed:
            raise CallRefused(f"{path!r} is not in [vm_pool] allowed_programs", name=OFF)
        return path

    async def _ran(self, path: str, arguments: list[str], data: bytes) -> dict[str, Any]:
        with _folder() as folder:
            starting = asyncio.ensure_future(asyncio.to_thread(_started, path, arguments, folder))
            try:
                program = await asyncio.shield(starting)
            except asyncio.CancelledError:  # the thread goes on, and what it starts has nobody
                starting.add_done_callback(_forsaken)
                raise
            with _ended(program) as over:
                out, err = await _talk(program, data, self._settings.max_bytes, over)
                code = program.wait()  # it has ended: this does not wait
        return {
            "code": code if code >= 0 else None,
            "signal": signal.Signals(-code).name if code < 0 else None,
            "stdout": out.decode("utf-8", "replace"),
            "stderr": err.decode("utf-8", "replace"),
        }


def _arguments(values: list[Any]) -> list[str]:
    if len(values) > MOST_ARGUMENTS:
        raise CallRefused(f"{USAGE}: more than {MOST_ARGUMENTS} arguments", name=LIMIT)
    taken = Arguments(f"{USAGE}: arguments", values)
    texts = [taken.text(place) for place in range(len(values))]
    if any("\0" in text for text in texts):
        raise CallRefused(f"{USAGE}: an argument holds a NUL", name="TypeError")
    if sum(len(os.fsencode(text.encode("utf-8", "replace"))) for text in texts) > MOST_ARGUMENT_BYTES:
        raise CallRefused(f"{USAGE}: the arguments are larger than {MOST_ARGUMENT_BYTES} bytes", name=LIMIT)
    return texts


@contextlib.contextmanager
def _folder() -> Iterator[str]:
    """A working folder of the program's own, which goes with it."""
    folder = tempfile.mkdtemp(prefix="nflow-program-")
    try:
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _started(path: str, arguments: list[str], folder: str) -> subprocess.Popen[bytes]:
    """Start it, on a thread: the fork of a large process takes its time. Raises CallRefused."""
    rights: dict[str, Any] = {}
    if os.geteuid() == 0:
        rights = {"user": NOBODY, "group": NOBODY, "extra_groups": ()}
    try:
        return subprocess.Popen(  # noqa: S603 - the path is one of the operator's list, and no shell reads the rest
            [path, *(text.encode("utf-8", "replace") for text in arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd=folder, env=ENVIRONMENT | {"HOME": folder}, start_new_session=True, **rights,
        )  # fmt: skip
    except OSError as error:
        raise CallRefused(f"{path} cannot be started: {error.strerror}") from None


@contextlib.contextmanager
def _ended(program: subprocess.Popen[bytes]) -> Iterator[asyncio.Future[None]]:
    """A future that is done when the program has ended; after the block nothing of its group lives."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    pidfd = os.pidfd_open(program.pid)
    loop.add_reader(pidfd, _set, over)
    try:
        yield over
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)
        # Its pid is not free before it is waited for, so its group is still its own.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(program.pid, signal.SIGKILL)
        if program.returncode is None:
            program.wait()


def _set(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)


def _forsaken(starting: asyncio.Future[subprocess.Popen[bytes]]) -> None:
    if not starting.cancelled() and starting.exception() is None:
        program = starting.result()
        program.kill()
        program.wait()
        for pipe in (program.stdin, program.stdout, program.stderr):
            if pipe is not None:
                pipe.close()


class _Feeding(asyncio.Protocol):
    """The input's side: knows when it is over, since a closed pipe may not be aborted."""

    over = False

    def connection_lost(self, _error: Exception | None) -> None:
        self.over = True


async def _talk(
    program: subprocess.Popen[bytes], data: bytes, most: int, over: asyncio.Future[None]
) -> tuple[bytes, bytes]:
    """Feed it and hear it out. Raises CallRefused when it says too much."""
    readers = [await _reader(pipe) for pipe in (program.stdout, program.stderr)]
    feeding, fed = await asyncio.get_running_loop().connect_write_pipe(_Feeding, program.stdin)
    hearing = asyncio.ensure_future(_heard([each for each, _ in readers], most))  # noqa: RUF006 - awaited below
    try:
        feeding.write(data)
        feeding.close()  # once it has taken the input, or will not
        both: tuple[asyncio.Future[Any], ...] = (hearing, over)
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not hearing.done():
            await asyncio.wait((hearing,), timeout=AFTER_SECONDS)
        if not hearing.done():
            raise CallRefused("the program ended, and something it started still holds its output")
        out, err = hearing.result()
        await over
        return out, err
    finally:
        if not fed.over:
            feeding.abort()
        for _, transport in readers:
            transport.close()
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)


async def _reader(pipe: Any) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    reader = asyncio.StreamReader(limit=CHUNK)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader, transport


async def _heard(readers: list[asyncio.StreamReader], most: int) -> tuple[bytes, bytes]:
    out, err = await asyncio.gather(*(_drained(reader, most) for reader in readers))
    return out, err


async def _drained(reader: asyncio.StreamReader, most: int) -> bytes:
    kept = bytearray()
    while chunk := await reader.read(CHUNK):
        kept += chunk
        if len(kept) > most:
            raise CallRefused(f"the program wrote more than {most} bytes (server.max_output_kb)", name=LIMIT)
    return bytes(kept)
