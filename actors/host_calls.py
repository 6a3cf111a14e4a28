"""What a running script may ask of the runtime, served on the loop with the rights of its run.

The script's sandbox waits on its socket meanwhile; every call is answered within `host_call_seconds`, with a value or
with an error that is thrown into the script. Nothing here blocks: a call that takes time ends by a timer of the process
actor, which hands the timer's message back to `due`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from protocol.codec import dumps, loads
from protocol.errors import BadDocument
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
    """The host calls of one run."""

    __slots__ = ("_door", "_seconds", "_timing")

    def __init__(self, timing: Timing, door: Canceller, seconds: float) -> None:
        self._timing = timing
        self._door = door
        self._seconds = seconds

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
                self._door.cancel(wid, "killed by a script")
                _answer(call, NULL)
            case "wkill", _:
                _refuse(call, "TypeError", "wkill(wid) takes the id of a process")
            case name, _:
                _refuse(call, "ReferenceError", f"there is no host function {name}")

    def due(self, message: Any) -> None:
        """A timer set here has come."""
        match message:
            case _Due(call):
                _answer(call, NULL)
            case _:
                raise TypeError(f"a process does not understand {type(message).__name__}")

    def _sleep(self, call: HostCall, seconds: float) -> None:
        if seconds > self._seconds:
            _refuse(call, "RangeError", f"sleep may last {self._seconds:g} s at most")
        elif seconds > 0:
            self._timing.after(seconds, _Due(call))
        else:
            _answer(call, NULL)


def _answer(call: HostCall, value: bytes) -> None:
    call.reply_to.tell(HostReply(call.run, call.call, True, value))


def _refuse(call: HostCall, name: str, message: str) -> None:
    call.reply_to.tell(HostReply(call.run, call.call, False, dumps({"name": name, "message": message})))
