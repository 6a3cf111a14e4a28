"""What a running script may ask of the runtime, served on the loop with the rights of its run.

The script waits for each call, or for several at once; every call is answered within `seconds`, with a value or with an
error that is thrown into the script. A call ends with its script: whatever is still being served then is cancelled, and
what the script held open (a transaction) is closed. What a call can do is in `actors/functions/`; only what concerns
the run itself (`sleep`, `wkill`, `response.*`) is here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol

import structlog

from actors.functions.caller import Caller, Functions
from actors.runs.answer_stream import AnswerStream
from protocol.codec import dumps, loads
from protocol.errors import BadDocument, CallRefused, NflowError
from protocol.observation.auditing import Audit, AuditEvent, AuditKind, unheard
from protocol.sandbox import HostCall, HostReply

NULL = b"null"


class Timing(Protocol):
    """The part of an actor's context that is used here."""

    def after(self, seconds: float, message: Any) -> Any:
        """Tell the actor itself later."""


class Canceller(Protocol):
    """Who can end another run."""

    def cancel(self, wid: str, reason: str) -> bool:
        """Ask a run to end."""


@dataclass(frozen=True, slots=True)
class _Due:
    call: HostCall


class HostCalls:
    """The host calls of one script."""

    __slots__ = ("_audit", "_caller", "_door", "_functions", "_patience", "_seconds", "_stream", "_tasks", "_timing")

    def __init__(
        self,
        timing: Timing,
        door: Canceller,
        functions: Functions,
        caller: Caller,
        stream: AnswerStream,
        seconds: float,
        patience: Mapping[str, float] = MappingProxyType({}),
        audit: Audit = unheard,
    ) -> None:
        """`patience`: functions with a deadline of their own. `audit` is told of runs that the script ends."""
        self._timing = timing
        self._door = door
        self._functions = functions
        self._caller = caller
        self._stream = stream
        self._seconds = seconds
        self._patience = patience
        self._audit = audit
        self._tasks: set[asyncio.Task[None]] = set()

    def serve(self, call: HostCall) -> None:
        """Answer now, or set out to."""
        try:
            arguments = loads(call.arguments)
        except BadDocument as error:
            _refuse(call, "TypeError", str(error))
            return
        match call.name, arguments:
            case "sleep", [int() | float() as milliseconds, *_]:
                self._sleep(call, milliseconds / 1000)
            case "sleep", _:
                _refuse(call, "TypeError", "sleep(ms) takes a number of milliseconds")
            case "wkill", [str(wid), *_]:
                self._kill(wid)
                _answer(call, NULL)
            case "wkill", _:
                _refuse(call, "TypeError", "wkill(wid) takes the id of a process")
            case "response.write", [head, chunk]:
                self._begin(call, self._stream.write(head, chunk))
            case "response.end", [head]:
                self._begin(call, self._stream.end(head))
            case name, list():
                function = self._functions.get(name)
                if function is None:
                    _refuse(call, "ReferenceError", f"there is no host function {name}")
                else:
                    self._begin(call, _called(function, self._patient(name), arguments))
            case _:
                _refuse(call, "TypeError", "the arguments of a host call are an array")

    def due(self, message: Any) -> None:
        """A timer set here has come."""
        match message:
            case _Due(call):
                _answer(call, NULL)
            case _:
                raise TypeError(f"a process does not understand {type(message).__name__}")

    @property
    def open(self) -> bool:
        """Whether `close` has anything to do."""
        return bool(self._tasks) or self._caller.holds.any

    async def close(self) -> None:
        """The script has ended: so do its calls, and what it held open."""
        self.cancel()
        await self._caller.holds.close()

    def cancel(self) -> None:
        """End the calls under way."""
        for task in tuple(self._tasks):
            task.cancel()

    def _kill(self, wid: str) -> None:
        if self._door.cancel(wid, "killed by a script"):
            caller = self._caller
            who = f"script {caller.app}/{caller.flow}/{caller.node}"
            self._audit(
                AuditEvent(AuditKind.KILL, f"wkill {wid}", who=who, where=caller.request.address, wid=caller.wid)
            )

    def _sleep(self, call: HostCall, seconds: float) -> None:
        if seconds > self._seconds:
            _refuse(call, "RangeError", f"sleep may last {self._seconds:g} s at most")
        elif seconds > 0:
            self._timing.after(seconds, _Due(call))
        else:
            _answer(call, NULL)

    def _patient(self, name: str) -> Caller:
        own = self._patience.get(name)
        return self._caller if own is None else replace(self._caller, seconds=own)

    def _begin(self, call: HostCall, work: Awaitable[Any]) -> None:
        task = asyncio.ensure_future(self._serve(call, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, call: HostCall, work: Awaitable[Any]) -> None:
        seconds = self._patience.get(call.name, self._seconds)
        try:
            async with asyncio.timeout(seconds):
                value = await work
            answer = NULL if value is None else dumps(value)
        except TimeoutError:
            _refuse(call, "TimeoutError", f"{call.name} took longer than {seconds:g} s (server.host_call_seconds)")
        except CallRefused as error:
            _refuse(call, error.name, str(error))
        except NflowError as error:
            _refuse(call, type(error).__name__, str(error))
        except Exception as error:  # whatever a function does wrong is its caller's error, never the server's
            caller = self._caller
            structlog.get_logger("functions").error(
                "host function failed", function=call.name, wid=caller.wid, node=caller.node, error=repr(error)
            )
            _refuse(call, "Error", f"{call.name} failed: {type(error).__name__}")
        else:
            _answer(call, answer)


async def _called(function: Callable[[Caller, list[Any]], Awaitable[Any]], caller: Caller, arguments: list[Any]) -> Any:
    return await function(caller, arguments)


def _answer(call: HostCall, value: bytes) -> None:
    call.reply_to.tell(HostReply(call.run, call.call, True, value))


def _refuse(call: HostCall, name: str, message: str) -> None:
    call.reply_to.tell(HostReply(call.run, call.call, False, dumps({"name": name, "message": message})))
