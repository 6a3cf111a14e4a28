"""Confinement of a sandbox process, by the kernel: after `confine` it can compute, allocate, and use its one socket.

Invariant: `confine` never fails for a lack of the kernel; what is in force is said in its report, which the parent
shows at start, and what lacks is named there. It cannot be undone. Stdlib only (ctypes), Linux on x86_64 and aarch64;
0.4 ms. The engine's own limits are the first belt, this is the second, the parent's deadline the last.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
from pathlib import Path
from typing import Any, Final

NOBODY: Final = 65534
CPU_SECONDS: Final = 600
"""Of the process's whole life; the parent retires it long before."""
NO_NEW_FILES: Final = 4
"""RLIMIT_NOFILE: descriptor 3 is the socket, and no number is left for another."""

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_GET_SECCOMP: Final = 21
_PR_SET_SECCOMP: Final = 22
_PR_SET_NO_NEW_PRIVS: Final = 38
_SECCOMP_MODE_FILTER: Final = 2
_LANDLOCK_CREATE_RULESET: Final = 444
_LANDLOCK_RESTRICT_SELF: Final = 446
_LANDLOCK_VERSION: Final = 1

_SPARE_BYTES: Final = 64 << 20
_UNKNOWN_SIZE: Final = 512 << 20

_RETURN_ALLOW: Final = 0x7FFF0000
_RETURN_KILL_PROCESS: Final = 0x80000000
"""The process ends with SIGSYS, so the parent sees whose fault it was."""
_PROT_EXEC: Final = 4

# The commonest first: the filter asks in this order. Neither open, socket, connect, clone, execve, kill, ptrace, ioctl
# nor prctl; reading and writing only as recv and send, which work on sockets alone.
_ALLOWED: Final = {
    "x86_64": {
        "recvfrom": 45,
        "sendto": 44,
        "clock_gettime": 228,
        "futex": 202,
        "brk": 12,
        "munmap": 11,
        "mremap": 25,
        "madvise": 28,
        "getrusage": 98,
        "rt_sigreturn": 15,
        "rt_sigprocmask": 14,
        "restart_syscall": 219,
        "getrandom": 318,
        "gettimeofday": 96,
        "time": 201,
        "sched_yield": 24,
        "exit": 60,
        "exit_group": 231,
    },
    "aarch64": {
        "recvfrom": 207,
        "sendto": 206,
        "clock_gettime": 113,
        "futex": 98,
        "brk": 214,
        "munmap": 215,
        "mremap": 216,
        "madvise": 233,
        "getrusage": 165,
        "rt_sigreturn": 139,
        "rt_sigprocmask": 135,
        "restart_syscall": 128,
        "getrandom": 278,
        "gettimeofday": 169,
        "sched_yield": 124,
        "exit": 93,
        "exit_group": 94,
    },
}
_UNLESS_EXECUTABLE: Final = {"x86_64": {"mmap": 9, "mprotect": 10}, "aarch64": {"mmap": 222, "mprotect": 226}}
"""Allowed while their third argument does not ask for executable memory: nothing here compiles to machine code."""
_AUDIT_ARCH: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """Be killed when the process `parent` ends; end now if it already has."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def confine(parent: int, memory_bytes: int) -> dict[str, Any]:
    """Confine the calling process for good. Say what is in force.

    `parent`: the process it must not outlive. `memory_bytes`: what the engine may use; the address space is capped
    above it. The report: `uid`, `no_new_privs`, `undumpable`, `limits` by name, `landlock` (ABI, 0 for none),
    `seccomp` (bool), and `lacking`: words for what could not be had.
    """
    lacking: list[str] = []
    used = _address_space()  # while /proc can still be read
    _drop_root(lacking)
    die_with_parent(parent)  # after the drop: a change of user clears it
    private = _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    undumpable = _prctl(_PR_SET_DUMPABLE, 0)  # no ptrace, no core, /proc/<pid> is root's
    if not private:
        lacking.append("no_new_privs")
    landlock = _landlock() if private else 0
    if not landlock:
        lacking.append("landlock")
    limits = _limit_resources(used + 2 * memory_bytes + _SPARE_BYTES, lacking)
    uid = os.getuid()
    seccomp = private and _seccomp()
    if not seccomp:
        lacking.append("seccomp")
    return {
        "uid": uid,
        "no_new_privs": private,
        "undumpable": undumpable,
        "limits": limits,
        "landlock": landlock,
        "seccomp": seccomp,
        "lacking": lacking,
    }


def probe() -> dict[str, Any]:
    """What this kernel offers, for `nflow doctor`: the keys of `confine`'s report, nothing changed in the caller."""
    machine = platform.machine()
    landlock = max(_libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_VERSION), 0)
    seccomp = machine in _ALLOWED and _libc.prctl(_PR_GET_SECCOMP, 0, 0, 0, 0) >= 0
    lacking = [name for name, there in (("landlock", landlock), ("seccomp", seccomp)) if not there]
    if os.getuid() != 0:
        lacking.append("another user (the server does not run as root)")
    return {
        "uid": NOBODY if os.getuid() == 0 else os.getuid(),
        "no_new_privs": True,
        "undumpable": True,
        "landlock": landlock,
        "seccomp": seccomp,
        "machine": machine,
        "kernel": platform.release(),
        "lacking": lacking,
    }


def _prctl(option: int, value: int) -> bool:
    arguments = [ctypes.c_ulong(argument) for argument in (value, 0, 0, 0)]
    return bool(_libc.prctl(option, *arguments) == 0)


def _drop_root(lacking: list[str]) -> None:
    if os.getuid() != 0:
        lacking.append("another user (the server does not run as root)")
        return
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError as error:
        lacking.append(f"another user ({error.strerror})")


def _limit_resources(address_space: int, lacking: list[str]) -> dict[str, int]:
    """The second belt. CPU: the soft limit ends the process with SIGXCPU, which is told from any other kill."""
    limits = {
        "as": address_space,
        "nofile": NO_NEW_FILES,
        "fsize": 0,
        "core": 0,
        "nproc": 0,
        "cpu": CPU_SECONDS,
    }
    for name, limit in limits.items():
        which = getattr(resource, f"RLIMIT_{name.upper()}")
        try:
            resource.setrlimit(which, (limit, limit + 5 if name == "cpu" else limit))
        except (OSError, ValueError):
            lacking.append(f"rlimit {name}")
    return limits


def _address_space() -> int:
    """Bytes of address space this process has: most of it is libraries and reserves that it never touches."""
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[0])
    except OSError:
        return _UNKNOWN_SIZE
    return pages * resource.getpagesize()


def _landlock() -> int:
    """Deny the file system, TCP, and signals or abstract sockets to the outside; the ABI, or 0 where there is none."""
    abi = int(_libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_VERSION))
    if abi < 1:
        return 0
    files = (1 << 13) - 1
    if abi >= 2:
        files |= 1 << 13  # move and link between folders
    if abi >= 3:
        files |= 1 << 14  # truncate
    if abi >= 5:
        files |= 1 << 15  # ioctl on devices
    rules = struct.pack("<Q", files)
    if abi >= 4:
        rules += struct.pack("<Q", 3)  # bind and connect
    if abi >= 6:
        rules += struct.pack("<Q", 3)  # abstract sockets and signals
    ruleset = int(_libc.syscall(_LANDLOCK_CREATE_RULESET, rules, len(rules), 0))
    if ruleset < 0:
        return 0
    refused = _libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return 0 if refused else abi


def _seccomp() -> bool:
    """Allow the few calls a computing process needs; any other ends it."""
    program = _program(platform.machine())
    if not program:
        return False

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    text = ctypes.create_string_buffer(program)
    argument = Program(len(program) // 8, ctypes.addressof(text))
    refused = _libc.prctl(
        _PR_SET_SECCOMP,
        ctypes.c_ulong(_SECCOMP_MODE_FILTER),
        ctypes.byref(argument),
        ctypes.c_ulong(0),
        ctypes.c_ulong(0),
    )
    return bool(refused == 0)


def _program(machine: str) -> bytes:
    """The filter, as classic BPF; empty for a machine we have no table of."""
    if machine not in _ALLOWED:
        return b""
    load, jump_equal, jump_bits, give = 0x20, 0x15, 0x45, 0x06
    number_at, arch_at, third_argument_at = 0, 4, 32
    instructions: list[bytes] = []

    def add(code: int, value: int, if_true: int = 0, if_false: int = 0) -> None:
        instructions.append(struct.pack("<HBBI", code, if_true, if_false, value))

    add(load, arch_at)
    add(jump_equal, _AUDIT_ARCH[machine], if_true=1)
    add(give, _RETURN_KILL_PROCESS)
    add(load, number_at)
    for number in _ALLOWED[machine].values():
        add(jump_equal, number, if_false=1)
        add(give, _RETURN_ALLOW)
    for number in _UNLESS_EXECUTABLE[machine].values():
        add(jump_equal, number, if_false=4)
        add(load, third_argument_at)
        add(jump_bits, _PROT_EXEC, if_true=1)
        add(give, _RETURN_ALLOW)
        add(give, _RETURN_KILL_PROCESS)
    add(give, _RETURN_KILL_PROCESS)
    return b"".join(instructions)
