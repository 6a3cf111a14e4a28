"""What a sandbox process cannot do, tried from inside one: forked from the same zygote program, confined by `confine`."""

# The system calls themselves are what is tried here:
# ruff: noqa: PTH102, PTH108, PTH115, PTH116, PTH208
from __future__ import annotations

import ctypes
import mmap
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors.sandbox import frames
from actors.sandbox.confine import NOBODY, confine, probe

MEMORY = 64 << 20
ROOT = os.getuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="the server drops to another user only when it runs as root")


def in_confined_fork(action: Callable[[], object]) -> int:
    """Fork, confine, act. The wait status: exit 0, or 13 when the action raised OSError.

    The exit status is all such a process can tell: write(2) is not on its list. Descriptor 3 is the pytest process's.
    """
    me = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            confine(me, MEMORY)
            try:
                action()
            except OSError:
                os._exit(13)
            os._exit(0)
        finally:
            os._exit(99)
    return os.waitpid(pid, 0)[1]


libc = ctypes.CDLL(None, use_errno=True)
FORBIDDEN: dict[str, Callable[[], object]] = {
    "open a file": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "open for writing": lambda: os.open("/tmp/made", os.O_WRONLY | os.O_CREAT),
    "open /proc": lambda: os.open("/proc/self/environ", os.O_RDONLY),
    "open the parent's memory": lambda: os.open(f"/proc/{os.getppid()}/mem", os.O_RDONLY),
    "stat": lambda: os.stat("/"),
    "list a folder": lambda: os.listdir("/"),
    "unlink": lambda: os.unlink("/tmp/nothing"),
    "mkdir": lambda: os.mkdir("/tmp/made"),
    "readlink": lambda: os.readlink("/proc/self/exe"),
    "chdir": lambda: os.chdir("/"),
    "a socket": lambda: socket.socket(),
    "a Unix socket": lambda: socket.socket(socket.AF_UNIX),
    "a socket pair": lambda: socket.socketpair(),
    "a pipe": lambda: os.pipe(),
    "dup": lambda: os.dup(3),
    "fork": lambda: os.fork(),
    "vfork and exec": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "kill the parent": lambda: os.kill(os.getppid(), 0),
    "kill itself": lambda: os.kill(os.getpid(), signal.SIGUSR1),
    "a signal by pidfd": lambda: signal.pidfd_send_signal(3, 0),
    "open a pidfd": lambda: os.pidfd_open(os.getppid()),
    "ptrace": lambda: libc.ptrace(16, os.getppid(), 0, 0),
    "read another's memory": lambda: libc.process_vm_readv(os.getppid(), None, 0, None, 0, 0),
    "write to a file descriptor": lambda: os.write(3, b"x"),
    "read from a file descriptor": lambda: os.read(3, 1),
    "ioctl": lambda: os.get_terminal_size(3),
    "setuid": lambda: os.setuid(0),
    "setrlimit": lambda: __import__("resource").setrlimit(4, (0, 0)),
    "prctl": lambda: libc.prctl(4, 1, 0, 0, 0),
    "a name space": lambda: libc.unshare(0x10000000),
    "mount": lambda: libc.mount(b"none", b"/", b"tmpfs", 0, None),
    "bpf": lambda: libc.syscall(321, 0, None, 0),
    "io_uring": lambda: libc.syscall(425, 1, None),
    "userfaultfd": lambda: libc.syscall(323, 0),
    "perf": lambda: libc.syscall(298, None, 0, -1, -1, 0),
    "keyctl": lambda: libc.syscall(250, 0, 0, 0, 0, 0),
    "memfd": lambda: os.memfd_create("x"),
    "a thread": lambda: __import__("_thread").start_new_thread(time.sleep, (0,)),
    "sleep": lambda: time.sleep(0.01),
    "executable memory": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC),
    "the 32-bit entry": lambda: libc.syscall(0x40000000 | 39),
}


@pytest.fixture(autouse=True)
def preloaded() -> None:
    """Modules an action needs are loaded before it is confined."""
    import _thread  # noqa: F401
    import resource  # noqa: F401


@pytest.mark.parametrize("what", FORBIDDEN)
@pytest.mark.skipif(not probe()["seccomp"], reason="this kernel has no seccomp")
def test_a_confined_process_that_tries_is_ended_by_sigsys(what: str) -> None:
    status = in_confined_fork(FORBIDDEN[what])
    assert os.WIFSIGNALED(status), f"{what}: exit {status >> 8}"
    assert os.WTERMSIG(status) == signal.SIGSYS


def allocate() -> None:
    bytearray(8 << 20)
    mmap.mmap(-1, 1 << 20)


ALLOWED: dict[str, Callable[[], object]] = {
    "compute": lambda: sum(range(100_000)),
    "allocate": allocate,
    "the clock": lambda: (time.time(), time.monotonic(), time.process_time()),
    "randomness": lambda: os.urandom(8),
}


@pytest.mark.parametrize("what", ALLOWED)
def test_a_confined_process_can_still(what: str) -> None:
    status = in_confined_fork(ALLOWED[what])
    assert status == 0


def test_the_address_space_is_capped_above_what_the_process_had() -> None:
    had = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    me, pid = os.getpid(), os.fork()
    if pid == 0:
        try:
            report = confine(me, MEMORY)
            os._exit(0 if 0 < report["limits"]["as"] - had - 2 * MEMORY < 128 << 20 else 1)
        finally:
            os._exit(99)
    assert os.waitpid(pid, 0)[1] == 0


def test_without_seccomp_landlock_and_limits_still_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.sandbox.confine._seccomp", lambda: False)
    if not probe()["landlock"]:
        pytest.skip("this kernel has no Landlock")
    for what in ("open a file", "open for writing", "list a folder", "mkdir"):
        assert os.waitstatus_to_exitcode(in_confined_fork(FORBIDDEN[what])) == 13, what
    for what in ("a pipe", "dup", "a socket"):
        assert os.waitstatus_to_exitcode(in_confined_fork(FORBIDDEN[what])) == 13, what
    for what in ("fork", "a thread") if ROOT else ():
        assert os.waitstatus_to_exitcode(in_confined_fork(FORBIDDEN[what])) != 0, what


def test_memory_beyond_the_cap_is_refused() -> None:
    def grab() -> None:
        try:
            bytearray(1 << 30)
        except MemoryError:
            os._exit(42)

    status = in_confined_fork(grab)
    assert os.waitstatus_to_exitcode(status) == 42


def test_where_the_kernel_lacks_something_the_report_says_so(monkeypatch: pytest.MonkeyPatch, pair: Any) -> None:
    monkeypatch.setattr("actors.sandbox.confine._seccomp", lambda: False)
    monkeypatch.setattr("actors.sandbox.confine._landlock", lambda: 0)
    ours, theirs = pair
    me = os.getpid()
    pid = os.fork()
    if pid == 0:
        report = confine(me, MEMORY)
        theirs.send(repr((report["seccomp"], report["landlock"], report["lacking"])).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    told = ours.recv(4096).decode()
    assert told.startswith("(False, 0, ")
    assert "'landlock'" in told
    assert "'seccomp'" in told


def test_the_probe_changes_nothing() -> None:
    before = Path("/proc/self/status").read_text()
    report = probe()
    after = Path("/proc/self/status").read_text()
    for line in ("Seccomp:", "NoNewPrivs:", "Uid:"):
        assert [x for x in before.splitlines() if x.startswith(line)] == [
            x for x in after.splitlines() if x.startswith(line)
        ]
    assert {"uid", "landlock", "seccomp", "machine", "kernel", "lacking"} <= set(report)
    assert report["machine"] in ("x86_64", "aarch64")


# --- a real sandbox ---


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_a_sandbox_is_confined_before_it_reads_its_first_frame(nursery: Any) -> None:
    """The first frame is in its socket before it exists, and yet: ready comes first, and what it then is, it is already."""
    forked = nursery.fork()
    forked.socket.sendall(b"\xff\xff\xff\xff nonsense that ends it as soon as it is read")
    first = forked.socket.recv(1 << 16)
    ready = frames.read(*frames.FrameReader.of_parent().feed(first)[0])
    assert isinstance(ready, frames.Ready)
    assert ready.confined["no_new_privs"]
    assert os.waitstatus_to_exitcode(nursery.exit_of(forked.pid)[0]) == 70
    forked.socket.close()
    os.close(forked.pidfd)


def test_the_kernel_confirms_what_ready_says(child: Any) -> None:
    status = status_of(child.pid)
    confined = child.ready.confined
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == ("2" if confined["seccomp"] else "0")
    assert set(status["Uid"].split()) == {str(confined["uid"])}
    assert status["CapEff"] == "0" * 16
    assert status["Threads"] == "1"
    assert child.ready.hook
    assert child.ready.engine == "0.17.0"


@needs_root
def test_as_root_a_sandbox_is_nobody_and_alone(child: Any) -> None:
    status = status_of(child.pid)
    assert set(status["Uid"].split()) == set(status["Gid"].split()) == {str(NOBODY)}
    assert status["Groups"] == ""
    assert status["CapPrm"] == "0" * 16
    limits = Path(f"/proc/{child.pid}/limits").read_text()
    for name, value in (("Max processes", "0"), ("Max open files", "4"), ("Max file size", "0"), ("Max core", "0")):
        assert any(line.startswith(name) and line.split("  ")[-1] is not None and f" {value} " in line + " "
                   for line in limits.splitlines()), name  # fmt: skip


@needs_root
def test_a_sandbox_has_one_descriptor_and_no_environment(child: Any) -> None:
    assert sorted(os.listdir(f"/proc/{child.pid}/fd")) == ["3"]
    assert os.readlink(f"/proc/{child.pid}/fd/3").startswith("socket:")
    environment = Path(f"/proc/{child.pid}/environ").read_bytes().rstrip(b"\0")
    assert b"PATH" not in environment
    assert b"HOME" not in environment


def test_a_canary_in_the_servers_environment_is_not_in_the_sandbox(child: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names = "function main(){ payload = Object.getOwnPropertyNames(globalThis).concat(Object.keys(env)) }"
    assert b"CANARY" not in child.run(names).result.payload


def test_a_sandbox_ends_with_its_socket(nursery: Any) -> None:
    child = nursery.child()
    child.socket.close()
    assert nursery.exit_of(child.pid)[0] == 0
    os.close(child.pidfd)


def test_a_frame_out_of_order_or_out_of_form_ends_the_sandbox(nursery: Any) -> None:
    for nonsense in (b"\0\0\0\0\0", struct.pack("<IB", 5, frames.DONE) + b"{}{}", frames.pack(frames.RUN, b"{}")):
        child = nursery.child()
        child.socket.sendall(nonsense)
        assert child.receive(2.0) is None
        assert os.waitstatus_to_exitcode(nursery.exit_of(child.pid)[0]) == 70
        child.close()


def test_sandboxes_draw_different_random_numbers(nursery: Any) -> None:
    drawn = set()
    for _ in range(4):
        child = nursery.child()
        drawn.add(child.run("function main(){ payload = Math.random() }").result.payload)
        child.close()
    assert len(drawn) == 4


def test_the_clock_of_scripts_is_utc(child: Any) -> None:
    source = "function main(){ payload = [new Date(0).getTimezoneOffset(), String(new Date(0))] }"
    assert child.run(source).result.payload.startswith(b"[0,")


def test_the_zygote_has_no_environment_of_ours(nursery: Any) -> None:
    environment = Path(f"/proc/{nursery.zygote.pid}/environ").read_bytes()
    assert environment.strip(b"\0") == b""
    assert b"-I" in Path(f"/proc/{nursery.zygote.pid}/cmdline").read_bytes().split(b"\0")


assert sys.platform == "linux"
