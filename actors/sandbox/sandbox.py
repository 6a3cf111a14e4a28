"""One sandbox: the owner of one confined OS process, one tenant for life, one run at a time.

Invariant: a run it was handed ends in exactly one of two ways, `SandboxFree` after its result or `RunLost` with the
process's death; nothing else gives the lease back. It holds the last belt, a wall-clock deadline of limit + 250 ms with
SIGKILL behind it, which stands still while host calls are served. It talks to the pool, to the process whose script
runs, and to the forker. A death ends this incarnation; the next one forks a new process.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from actors.kernel import Actor, Timer
from actors.sandbox import frames
from actors.sandbox.forker import ChildExited, ForkSandbox, ZygoteDied
from actors.sandbox.launcher import Forked, fault_of, send_signal
from actors.sandbox.link import Link, LinkBroken, LinkClosed
from protocol.codec import dumps
from protocol.errors import LimitExceeded, NflowError, Overloaded, RunCancelled, SandboxLost, ScriptError, Unavailable
from protocol.refs import Ref
from protocol.sandbox import (
    CancelScript,
    Fault,
    HostCall,
    HostReply,
    Limits,
    RunLost,
    RunScript,
    SandboxFree,
    SandboxReady,
    ScriptFailed,
)

GRACE_SECONDS = 0.250
"""What the parent's deadline leaves the engine's own one."""
CANCEL_SECONDS = 0.100
"""From the signal a script sees to the one it does not."""
REMEMBERED = 256
"""Scripts a child holds; the parent decides which."""
MAX_CPU_SECONDS = 300.0
"""A process that has used this much is replaced after its run."""
EXIT_REPORT_SECONDS = 0.25
"""How long to wait for the zygote's word on how a process ended."""
READY_SECONDS = 5.0


_COME_AGAIN = frozenset((Unavailable.__name__, Overloaded.__name__))


class SandboxEndedError(NflowError):
    """A sandbox process has ended after it was ready, as sandboxes do; a new one takes its place."""


def counts_as_failure(cause: BaseException | None) -> bool:
    """A death after ready does not count toward the restart intensity; everything else does."""
    return not isinstance(cause, SandboxEndedError)


@dataclass(frozen=True, slots=True)
class _Overdue:
    pass


@dataclass(frozen=True, slots=True)
class _CancelOverdue:
    run: int


@dataclass(frozen=True, slots=True)
class _NoReport:
    pass


class Sandbox(Actor[Any]):
    """Owner of one process."""

    def __init__(self, pool: Ref[Any], forker: Ref[Any], limits: Limits) -> None:
        self._pool = pool
        self._forker = forker
        self._limits = limits
        self._link: Link | None = None
        self._fork: Forked | None = None
        self._script: RunScript | None = None
        self._known: OrderedDict[str, None] = OrderedDict()
        self._deadline = math.inf
        self._timer: Timer | None = None
        self._due = math.inf
        self._host_calls = 0
        self._weight = 0
        """Of the host calls so far, against their limit."""
        self._under_way: set[int] = set()
        """Numbers of the host calls of this run that are not answered."""
        self._remaining = 0.0
        """Seconds that the script has left, while a host call is under way."""
        self._cpu = 0.0
        self._killed_overdue = False
        self._closed = False
        self._exit: ChildExited | None = None

    async def started(self) -> None:
        """Have a process forked, and wait until it says it is confined."""
        self._fork = await self._forker.ask(ForkSandbox(self.context.ref), READY_SECONDS)
        self._link = await Link.open(self.context.ref, self._fork.socket)
        self._link.send(frames.write_configure(self._limits))
        try:
            async with asyncio.timeout(READY_SECONDS):
                ready = await self._link.ready
        except TimeoutError:
            raise SandboxLost("the sandbox process did not become ready", own_fault=False) from None
        self._pool.tell(SandboxReady(self.context.ref, ready.confined))

    def receive(self, message: Any) -> None:
        """One message."""
        match message:
            case frames.Done():
                self._done(message)
            case RunScript():
                self._run(message)
            case frames.Failed():
                self._failed(message)
            case frames.Call(run, call, name, arguments):
                self._call(HostCall(run, call, name, arguments, self.context.ref))
            case HostReply():
                self._reply(message)
            case CancelScript(run):
                self._cancel(run)
            case _Overdue():
                self._overdue()
            case _CancelOverdue(run):
                if self._script is not None and self._script.run == run:
                    self._kill()
            case ChildExited(pid):
                if self._fork is not None and pid == self._fork.pid:
                    self._exit = message
                    if self._closed:
                        self._conclude()
            case LinkClosed():
                self._closed = True
                if self._exit is not None:
                    self._conclude()
                else:
                    self.context.after(EXIT_REPORT_SECONDS, _NoReport())
            case ZygoteDied(pid):
                if self._fork is not None and pid == self._fork.pid:
                    self._conclude()
            case _NoReport():
                self._conclude()
            case LinkBroken(error):
                self._broken(error)
            case _:
                raise TypeError(f"a sandbox does not understand {type(message).__name__}")

    def released(self) -> None:
        """The process ends with its owner, and whatever ran in it is given back."""
        if self._script is not None:
            lost = SandboxLost("the sandbox was ended", own_fault=False)
            self._pool.tell(RunLost(self.context.ref, self._script, lost, Fault.OUTSIDE, self._host_calls))
        self._kill()
        if self._link is not None:
            self._link.close()
        if self._fork is not None:
            fork, self._fork = self._fork, None
            fork.socket.close()
            os.close(fork.pidfd)

    # --- the run ---

    def _run(self, script: RunScript) -> None:
        if self._link is None or self._closed:
            self._pool.tell(RunLost(self.context.ref, script, SandboxLost(own_fault=False), begun=False))
            return
        self._script, self._host_calls, self._weight = script, 0, 0
        self._under_way.clear()
        key = script.script.key
        remembered = key in self._known
        if remembered:
            self._known.move_to_end(key)
        else:
            self._known[key] = None
        try:
            self._link.send(frames.write_run(script, remembered=remembered))
        except NflowError:
            self._known.pop(key, None)
            too_large = LimitExceeded("size of script and input", "vm_pool.max_memory_mb", self._limits.memory_mb)
            script.reply_to.tell(ScriptFailed(script.run, too_large))
            self._script = None
            self._pool.tell(SandboxFree(self.context.ref, script.run))
            return
        if not remembered and len(self._known) > REMEMBERED:
            forgotten, _ = self._known.popitem(last=False)
            self._link.send(frames.write_forget((forgotten,)))
        self._set_deadline(self.context.now() + self._limits.execution_seconds + GRACE_SECONDS)

    def _done(self, done: frames.Done) -> None:
        script = self._script
        if script is None or done.result.run != script.run:
            self._broken(None)
            return
        self._cpu = done.cpu
        if done.discard or done.cpu > MAX_CPU_SECONDS:
            script.reply_to.tell(done.result)
            self._discard(script)
        self._script, self._deadline = None, math.inf
        self._pool.tell(SandboxFree(self.context.ref, script.run))
        script.reply_to.tell(done.result)

    def _failed(self, failed: frames.Failed) -> None:
        script = self._script
        if script is None or failed.run != script.run:
            self._broken(None)
            return
        self._cpu = failed.cpu
        answer = ScriptFailed(script.run, self._error(failed), failed.logs)
        script.reply_to.tell(answer)
        if failed.discard or failed.cpu > MAX_CPU_SECONDS:
            self._discard(script)
        self._script, self._deadline = None, math.inf
        self._pool.tell(SandboxFree(self.context.ref, script.run))

    def _discard(self, script: RunScript) -> None:
        """The caller has its answer; the process is not trusted with another script."""
        self._script = None
        self._pool.tell(RunLost(self.context.ref, script, None))
        raise SandboxEndedError("discarded after a limit or an oddity")

    def _error(self, failed: frames.Failed) -> NflowError:
        limits = self._limits
        match failed.kind:
            case "exception" if failed.name in _COME_AGAIN:  # an outage, or no room, it did not catch
                return Unavailable(failed.message)
            case "exception" | "stack":
                return ScriptError(failed.message, stack=failed.stack)
            case "compile":
                return ScriptError(failed.message, compiling=True)
            case "time":
                return LimitExceeded("execution time", "vm_pool.max_execution_seconds", limits.execution_seconds)
            case "operations":
                return LimitExceeded("operations", "vm_pool.max_operations", limits.operations)
            case "memory":
                return LimitExceeded("memory", "vm_pool.max_memory_mb", limits.memory_mb)
            case "output":
                return LimitExceeded("output size", "server.max_output_kb", limits.output_bytes // 1024)
            case "host_calls":
                return LimitExceeded("host calls", "server.max_host_calls", limits.host_calls)
            case "cancelled":
                return RunCancelled("the script was cancelled")
            case _:
                return SandboxLost(f"the sandbox failed: {failed.message}", own_fault=True)

    # --- host calls: the script's clock stands still while one is under way; the script itself may go on ---

    def _call(self, call: HostCall) -> None:
        script = self._script
        if script is None or call.run != script.run or not self._may_call(call):
            self._broken(None)
            return
        now = self.context.now()
        if not self._under_way:
            self._remaining = max(0.0, self._deadline - now)
        self._host_calls += 1
        self._weight += frames.weight(call.name)
        self._under_way.add(call.call)
        # Whoever serves the call has a deadline of his own; this one holds when he is gone.
        self._set_deadline(now + self._limits.host_call_seconds + GRACE_SECONDS + self._remaining)
        script.reply_to.tell(call)

    def _may_call(self, call: HostCall) -> bool:
        """Whether the process keeps to what its own side of the limits allows."""
        return (
            self._weight + frames.weight(call.name) <= self._limits.host_calls * frames.HEAVY
            and len(self._under_way) <= frames.CALLS_AT_ONCE
            and call.call not in self._under_way
        )

    def _reply(self, reply: HostReply) -> None:
        if self._script is None or reply.run != self._script.run or self._link is None:
            return
        if reply.call not in self._under_way:
            return
        self._under_way.discard(reply.call)
        self._link.send(self._written(reply))
        if not self._under_way:
            self._set_deadline(self.context.now() + self._remaining)

    def _written(self, reply: HostReply) -> bytes:
        try:
            return frames.write_reply(reply)
        except NflowError as error:  # too large for a frame: the script is told, and goes on
            value = dumps({"name": "RangeError", "message": str(error)})
            return frames.write_reply(HostReply(reply.run, reply.call, False, value))

    # --- belts ---

    def _set_deadline(self, deadline: float) -> None:
        # One timer serves many runs: it is armed again only when it comes and finds a later deadline.
        self._deadline = deadline
        if self._timer is None or deadline < self._due:
            if self._timer is not None:
                self._timer.cancel()
            self._due = deadline
            self._timer = self.context.after(max(0.0, deadline - self.context.now()), _Overdue())

    def _overdue(self) -> None:
        self._timer = None
        if self._script is None or self._deadline is math.inf:
            return
        left = self._deadline - self.context.now()
        if left > 0:
            self._set_deadline(self._deadline)
            return
        self._killed_overdue = True
        self._kill()

    def _cancel(self, run: int) -> None:
        if self._script is None or self._script.run != run or self._fork is None:
            return
        send_signal(self._fork.pidfd, signal.SIGUSR1)
        self.context.after(CANCEL_SECONDS, _CancelOverdue(run))

    def _kill(self) -> None:
        if self._fork is not None and self._exit is None:
            send_signal(self._fork.pidfd, signal.SIGKILL)

    def _broken(self, error: NflowError | None) -> None:
        """It does not keep to the protocol: kill it, and whatever ran there is at fault."""
        script, self._script = self._script, None
        lost = SandboxLost(f"the sandbox broke the protocol: {error or 'a frame out of turn'}", own_fault=True)
        self._pool.tell(RunLost(self.context.ref, script, lost, Fault.SCRIPT, self._host_calls))
        raise SandboxEndedError(str(lost))

    def _conclude(self) -> None:
        """The process is dead: say whose fault it was, and let the next incarnation begin."""
        script, self._script = self._script, None
        fault = Fault.OUTSIDE
        error: NflowError
        if self._exit is not None:
            used = max(0.0, self._exit.cpu_seconds - self._cpu)
            fault = fault_of(self._exit.status, used, self._killed_overdue)
        if fault is Fault.SCRIPT and self._killed_overdue:
            seconds = self._limits.execution_seconds
            error = LimitExceeded("execution time", "vm_pool.max_execution_seconds", seconds)
        elif fault is Fault.SCRIPT:
            error = SandboxLost("the script killed its sandbox", own_fault=True)
        else:
            error = SandboxLost("the sandbox process ended", own_fault=False)
        self._pool.tell(RunLost(self.context.ref, script, error, fault, self._host_calls))
        raise SandboxEndedError("the process ended")
