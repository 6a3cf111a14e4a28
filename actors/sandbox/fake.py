"""A sandbox without a process: a shipped part for simulations. It keeps the pool's contract, and breaks in every way a
real one does, as its dice say.

What it did is written to a ledger, which is the simulation's oracle: it does not read through the code under test.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

from actors.kernel import Actor
from actors.sandbox.sandbox import SandboxEndedError
from protocol.errors import LimitExceeded, RunCancelled, SandboxLost, ScriptError
from protocol.refs import Ref
from protocol.sandbox import (
    CancelScript,
    Fault,
    HostCall,
    HostReply,
    RunLost,
    RunScript,
    SandboxFree,
    SandboxReady,
    ScriptAnswer,
    ScriptFailed,
    ScriptResult,
)


@dataclass(slots=True)
class Ledger:
    """What all fake sandboxes of one simulation did."""

    dice: random.Random
    done: list[tuple[int, str]] = field(default_factory=list)
    """(run, script key) of every script that ended well, in order."""
    begun: dict[int, int] = field(default_factory=dict)
    """Run → how often a sandbox began it."""
    together: int = 0
    """Times a sandbox was handed a script while it had one: must stay 0."""


@dataclass(frozen=True, slots=True)
class _Ends:
    run: int
    how: str


class FakeSandbox(Actor[Any]):
    """One of them."""

    def __init__(self, pool: Ref[Any], ledger: Ledger) -> None:
        self._pool = pool
        self._ledger = ledger
        self._script: RunScript | None = None
        self._host_calls = 0

    async def started(self) -> None:
        """Takes a moment; now and then fails, which counts."""
        dice = self._ledger.dice
        await asyncio.sleep(dice.uniform(0.001, 0.01))
        if dice.random() < 0.02:
            raise SandboxLost("the fork failed", own_fault=False)
        self._pool.tell(SandboxReady(self.context.ref))

    def receive(self, message: Any) -> None:
        """One message."""
        match message:
            case RunScript():
                self._run(message)
            case _Ends(run, how) if self._script is not None and self._script.run == run:
                self._end(self._script, how)
            case HostReply(run) if self._script is not None and self._script.run == run:
                self.context.after(self._ledger.dice.uniform(0, 0.01), _Ends(run, "well"))
            case CancelScript(run) if self._script is not None and self._script.run == run:
                how = self._ledger.dice.choice(["cancelled", "killed"])
                self.context.after(self._ledger.dice.uniform(0, 0.1), _Ends(run, how))
            case _:
                pass

    def released(self) -> None:
        """Whatever ran is given back."""
        if self._script is not None:
            lost = SandboxLost("the sandbox was ended", own_fault=False)
            self._pool.tell(RunLost(self.context.ref, self._script, lost, Fault.OUTSIDE, self._host_calls))

    def _run(self, script: RunScript) -> None:
        ledger, dice = self._ledger, self._ledger.dice
        if self._script is not None:
            ledger.together += 1
        ledger.begun[script.run] = ledger.begun.get(script.run, 0) + 1
        self._script, self._host_calls = script, 0
        ways = ["well"] * 80 + ["throws"] * 5 + ["limit"] * 3 + ["dies"] * 5 + ["faults"] * 2 + ["calls"] * 5
        how = dice.choice(ways)
        if how == "calls":
            self._host_calls = 1
            milliseconds = dice.choice([0, 5, 50, 99_999_999])
            self.context.after(2.0, _Ends(script.run, "dies"))
            script.reply_to.tell(HostCall(script.run, 1, "sleep", b"[%d]" % milliseconds, self.context.ref))
            return
        self.context.after(dice.choice([0.0001, 0.001, 0.01, 0.3]), _Ends(script.run, how))

    def _end(self, script: RunScript, how: str) -> None:
        self._script, me = None, self.context.ref
        match how:
            case "well":
                self._ledger.done.append((script.run, script.script.key))
                self._pool.tell(SandboxFree(me, script.run))
                script.reply_to.tell(self._result(script))
            case "throws":
                self._pool.tell(SandboxFree(me, script.run))
                script.reply_to.tell(ScriptFailed(script.run, ScriptError("Error: thrown")))
            case "cancelled":
                script.reply_to.tell(ScriptFailed(script.run, RunCancelled()))
                self._lost(script, None, Fault.OUTSIDE)
            case "limit":
                limit = LimitExceeded("memory", "vm_pool.max_memory_mb", 128)
                script.reply_to.tell(ScriptFailed(script.run, limit))
                self._lost(script, None, Fault.OUTSIDE)
            case "faults":
                self._lost(script, SandboxLost("it killed its sandbox", own_fault=True), Fault.SCRIPT)
            case _:
                self._lost(script, SandboxLost("killed", own_fault=False), Fault.OUTSIDE)

    def _result(self, script: RunScript) -> ScriptResult:
        dice = self._ledger.dice
        answer = ScriptAnswer(200, "text/plain", script.script.key.encode()) if dice.random() < 0.3 else None
        following = dice.choice(["output_1", "output_1", "output_2", "output_9"])
        return ScriptResult(script.run, following, b'{"after":"%s"}' % script.script.key.encode(), answer)

    def _lost(self, script: RunScript, error: SandboxLost | None, fault: Fault) -> None:
        self._pool.tell(RunLost(self.context.ref, script, error, fault, self._host_calls))
        raise SandboxEndedError("the fake process ended")
