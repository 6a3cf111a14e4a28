"""What a run is doing outside its mailbox: one script in a sandbox, or one piece of work on the loop, at a time.

Invariant: only the last thing begun is listened to, so the end of something abandoned changes nothing; what a script
held open is closed before its end is told. It talks to the pool and to the sandbox whose script calls the host; the
process actor hands it every message it does not know itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from actors.functions.caller import Caller
from actors.runs.client import Client
from actors.runs.host_calls import HostCalls
from actors.runs.services import Door, Services
from actors.runs.walk import RetryDue
from protocol.errors import LimitExceeded, RunCancelled
from protocol.flow import Script
from protocol.refs import Ref
from protocol.sandbox import CancelScript, HostCall, RunScript, ScriptFailed, ScriptResult


class Actorly(Protocol):
    """The part of an actor's context that is used here."""

    @property
    def ref(self) -> Ref[Any]:
        """The process actor."""

    def after(self, seconds: float, message: Any) -> Any:
        """Tell the actor itself later."""


@dataclass(frozen=True, slots=True)
class _Done:
    number: int
    result: Any


@dataclass(frozen=True, slots=True)
class _Overdue:
    number: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _PauseOver:
    number: int


class Performance:
    """One run's doings."""

    __slots__ = ("_caller", "_calls", "_client", "_context", "_door", "_number", "_run", "_services", "_task")

    def __init__(
        self, context: Actorly, services: Services, door: Door, client: Client, caller: Callable[[], Caller]
    ) -> None:
        self._context = context
        self._services = services
        self._door = door
        self._client = client
        self._caller = caller
        self._number = 0
        self._run = 0
        self._task: asyncio.Future[Any] | None = None
        self._calls: HostCalls | None = None

    @property
    def busy(self) -> bool:
        """Whether there is anything to abandon."""
        return bool(self._run) or self._task is not None or self._calls is not None

    def script(self, script: Script, tenant: str, flow: str, request: bytes, payload: bytes, previous: str) -> None:
        """Have a script run: its ScriptResult or ScriptFailed will be heard."""
        self._number += 1
        self._run = self._services.numbers.next()
        if script.blocked is not None:  # the one place where scripts leave for a sandbox
            self._context.ref.tell(ScriptFailed(self._run, script.blocked()))
            return
        self._services.pool.tell(
            RunScript(self._run, tenant, flow, script, request, payload, previous, self._context.ref)
        )

    def work(self, work: Awaitable[Any]) -> None:
        """Await this: its value, or what it raised, will be heard."""
        self._number += 1
        ref, number = self._context.ref, self._number
        self._task = task = asyncio.ensure_future(work)
        task.add_done_callback(lambda done: ref.tell(_Done(number, _result(done))))

    def limit(self, seconds: float) -> None:
        """Abandon what is being done if it takes longer: LimitExceeded will be heard."""
        self._context.after(seconds, _Overdue(self._number, seconds))

    def pause(self, seconds: float) -> None:
        """Do nothing for a while: RetryDue will be heard."""
        self._number += 1
        self._context.after(seconds, _PauseOver(self._number))

    def hear(self, message: Any) -> Any:
        """The end of what is being done, or None when this message is no such end."""
        match message:
            case ScriptResult() | ScriptFailed():
                return message if self.over(message) else None
            case HostCall():
                if message.run == self._run:
                    self._serve(message)
            case _Done(number, result):
                if number == self._number:
                    self._task = None
                    return result
            case _PauseOver(number):
                return RetryDue() if number == self._number else None
            case _Overdue(number, seconds):
                if number == self._number:
                    self.abandon()
                    return LimitExceeded("time of the node", "nflow_options.timeout", seconds)
            case _ if self._calls is not None:
                self._calls.due(message)
        return None

    def abandon(self) -> None:
        """Whatever is being done is no longer wanted."""
        self._number += 1
        if self._run:
            self._services.pool.tell(CancelScript(self._run))
            self._run = 0
        if self._task is not None:
            self._task.cancel()
            self._task = None
        calls, self._calls = self._calls, None
        if calls is not None:
            calls.cancel()
            if calls.open:
                self._services.aftermath.add(calls.close())

    def over(self, ended: ScriptResult | ScriptFailed) -> bool:
        """Whether the script that runs has ended with this. What it held open is closed first: then it has not yet."""
        if ended.run != self._run:
            return False
        self._run = 0
        calls, self._calls = self._calls, None
        if calls is None or not calls.open:
            return True
        self.work(_closed(calls, ended))
        return False

    def _serve(self, call: HostCall) -> None:
        if self._calls is None:
            services = self._services
            self._calls = HostCalls(
                self._context, self._door, services.functions, self._caller(), self._client.stream,
                services.settings.host_call_seconds, services.settings.patience, services.audit,
            )  # fmt: skip
        self._calls.serve(call)


def _result(task: asyncio.Future[Any]) -> Any:
    if task.cancelled():
        return RunCancelled("the node was cancelled")
    return task.exception() or task.result()


async def _closed(calls: HostCalls, message: Any) -> Any:
    await calls.close()
    return message
