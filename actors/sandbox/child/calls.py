"""What a realm asks for: of the parent, waiting or not, or of the functions in this process. One run at a time.

Invariant: `serve` never raises, for it is called by the engine. While the script waits its clock stands still; while it
may go on it does not. No more calls are under way than the parent allows: beyond them a script that sends waits for a
reply. What comes for an earlier run is dropped. It talks to `host.py` below, and is called by the realms.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from actors.sandbox import frames
from actors.sandbox.child import orders
from actors.sandbox.child.local import LocalFunctions
from actors.sandbox.vm import Budget
from protocol.codec import dumps, loads_from_script
from protocol.errors import BadDocument, BadFrame, CallRefused, NflowError
from protocol.sandbox import Limits

_MAX_ARGUMENTS: Final = frames.TO_PARENT_CAP - 1024
_GONE: Final = '0{"name":"Error","message":"the runtime does not answer"}'
_TOO_MANY: Final = '0{"name":"RangeError","message":"the script called the runtime more often than it may"}'

Frames = Callable[[], tuple[int, bytes]]
"""Waits for the next frame; kind 0 at the end of the socket."""


class _CancelledWaiting(BaseException):
    """Raised by the signal handler out of a wait for the parent."""


class Calls:
    """The calls of one sandbox."""

    __slots__ = ("_arrived", "_begun", "_budget", "_limits", "_local", "_made", "_next", "_run", "_send", "_sent",
                 "_under_way", "_waiting", "_weight", "lasting")  # fmt: skip

    def __init__(
        self, budget: Budget, limits: Limits, local: LocalFunctions, send: Callable[[bytes], None], frames_in: Frames
    ) -> None:
        self._budget = budget
        self._limits = limits
        self._local = local
        self._send = send
        self._next = frames_in
        self._run = 0
        self._made = 0
        self._weight = 0
        self._under_way = 0
        self._arrived: deque[tuple[int, str]] = deque()
        self._waiting = False
        self.lasting = False
        """Whether this run may have to wait when its jobs are done: it has sent something, or set a timer."""

    def begin(self, run: int) -> None:
        """A run begins: nothing of the one before is left."""
        self._run = run
        self._made = self._weight = self._under_way = 0
        self.lasting = False
        if self._arrived:
            self._arrived.clear()

    def cancel(self) -> None:
        """Called by the signal handler: end the run, also in a wait."""
        self._budget.cancelled = True
        if self._waiting:
            self._waiting = False
            raise _CancelledWaiting

    def serve(self, kind: str, name: str, arguments: str) -> str:
        """What a realm asks for: `1` and the value's JSON, or `0` and the error's. Never raises.

        `kind`: `call` waits for the answer; `send` gives the number of a call that is answered later; `local` is done
        here; `wait` says that the run may outlast its jobs.
        """
        if self._budget.why:  # the script is as good as stopped, but has not come to the hook yet
            return _GONE
        if kind == "local":
            return self._local_call(name, arguments)
        if kind == "wait":
            self.lasting = True
            return "1null"
        begun = time.monotonic()
        try:
            self._waiting = True
            if self._budget.cancelled:
                raise _CancelledWaiting
            if kind == "call":
                reply = self._ask(name, arguments)
            else:
                self.lasting = True
                reply = self._post(name, arguments)
            self._waiting = False
            return reply
        except _CancelledWaiting:
            self._budget.why = "cancelled"
            return _GONE
        except (OSError, ValueError, BadFrame):
            os._exit(70)  # a parent that cannot be understood is no parent
        finally:
            self._waiting = False
            self._budget.deadline += time.monotonic() - begun

    def wait(self) -> tuple[int, str]:
        """The next answer to something sent: its number, and the answer as `serve` gives it.

        Number 0: there will be none, as nothing is under way or the run was cancelled, which `budget.why` says.
        """
        if self._arrived:
            return self._arrived.popleft()
        if not self._under_way:
            return 0, ""
        begun = time.monotonic()
        try:
            self._waiting = True
            if self._budget.cancelled:
                raise _CancelledWaiting
            reply = self._reply()
            self._waiting = False
            return reply
        except _CancelledWaiting:
            self._budget.why = "cancelled"
            return 0, ""
        except (OSError, ValueError, BadFrame):
            os._exit(70)
        finally:
            self._waiting = False
            self._budget.deadline += time.monotonic() - begun

    # --- of the parent ---

    def _ask(self, name: str, arguments: str) -> str:
        number = self._sent_as(name, arguments)
        if isinstance(number, str):
            return number
        while True:
            arrived, reply = self._reply()
            if arrived == number:
                return reply
            self._arrived.append((arrived, reply))

    def _post(self, name: str, arguments: str) -> str:
        number = self._sent_as(name, arguments)
        return number if isinstance(number, str) else f"1{number}"

    def _sent_as(self, name: str, arguments: str) -> int | str:
        """The number of the call; a text is the refusal to make it."""
        weight = frames.weight(name)
        if self._weight + weight > self._limits.host_calls * frames.HEAVY:
            self._budget.why = "host_calls"
            return _TOO_MANY
        written = arguments.encode()
        if len(written) > _MAX_ARGUMENTS:
            return _refused("RangeError", f"the arguments of {name} are larger than {_MAX_ARGUMENTS} bytes")
        while self._under_way >= frames.CALLS_AT_ONCE:
            self._arrived.append(self._reply())
        self._made += 1
        self._weight += weight
        self._send(orders.write_call(self._run, self._made, name, written))
        self._under_way += 1
        return self._made

    def _reply(self) -> tuple[int, str]:
        """Wait for the next answer of this run."""
        while True:
            kind, body = self._next()
            if kind == frames.HOST_REPLY:
                reply = orders.read_reply(body)
                if reply.run == self._run:
                    self._under_way -= 1
                    return reply.call, ("1" if reply.ok else "0") + reply.value.decode()
            elif kind == 0:
                os._exit(0)
            # a forget meanwhile would be an order out of turn

    # --- of this process ---

    def _local_call(self, name: str, arguments: str) -> str:
        try:
            value = self._local[name](loads_from_script(arguments.encode()))
            written = dumps(value)
        except CallRefused as error:
            return _refused(error.name, str(error))
        except BadDocument as error:
            return _refused("TypeError", str(error))
        except NflowError as error:
            return _refused(type(error).__name__, str(error))
        except RecursionError:
            return _refused("RangeError", f"{name}: nested too deeply")
        except MemoryError:
            return _refused("RangeError", f"{name}: not enough memory")
        except Exception as error:  # a fault of ours, but the engine could not stand it
            return _refused("Error", f"{name} failed: {type(error).__name__}: {error}")
        if len(written) > self._limits.output_bytes:
            return _refused("RangeError", f"the result of {name} is larger than {self._limits.output_bytes} bytes")
        return "1" + written.decode()


def _refused(name: str, message: str) -> str:
    try:
        return "0" + dumps({"name": name, "message": message[:4000]}).decode()
    except ValueError:
        return '0{"name":"Error","message":"a failure that cannot be told"}'
