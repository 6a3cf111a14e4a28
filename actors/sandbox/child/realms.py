"""The realms of one sandbox process: which one a script runs in, and what becomes of it after the run.

Invariant: nothing of one run is visible to the next. A shared realm (frozen built-ins, one per flow) is kept only when
the prelude's sweep found it as it was before the run, no job is left, and nothing went wrong; else it is dropped, and
after anything that leaves the engine itself in doubt the reply asks the parent to end the process. It talks to `vm.py`
below and `host.py` above.
"""

from __future__ import annotations

import contextlib
import resource
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final
from weakref import ref

from actors.sandbox.child.calls import Calls
from actors.sandbox.child.names import Names
from actors.sandbox.child.orders import Order
from actors.sandbox.child.scripts import Script, compile_script
from actors.sandbox.frames import DONE, ENDING, FAILED, TO_PARENT_CAP, pack
from actors.sandbox.vm import GRAIN, CompileFailed, Context, Engine, JSException, StackOverflow
from protocol.codec import dumps, loads_from_script
from protocol.sandbox import Limits

MAX_REALMS: Final = 16
"""Shared realms a process keeps: some 400 kB each."""
RUNS_PER_REALM: Final = 2_000
"""Bounds what a realm may gather that no sweep can see: interned names, cycles, a fragmented heap."""
_SHORT_SECONDS: Final = 0.001
"""A run shorter than this cannot have come near its memory limit, and its CPU may be told later."""
_MEASURED_EVERY: Final = 64
"""Short runs between two measurements of CPU and memory, which cost 1.5 us."""
_AWAITS: Final = 1
"""What `due` of `loop.js` says when only an answer of the runtime can go on with the run."""
_NEWLINE: Final = ord("\n")
_OUT_OF_MEMORY_IN_DISGUISE: Final = (
    '"kind":"exception","name":"","message":"null"',
    '"kind":"exception","name":"Error","message":"Error: the script awaits something that never comes"',
)
"""What an engine without memory tells: it cannot make the error it would throw, or the job that would go on."""
_DOUBTFUL: Final = frozenset(("time", "operations", "memory", "cancelled", "host_calls", "odd"))
"""Failures that leave the engine in doubt: the process is to be ended."""


class _NotRun(Exception):
    """The script does not compile; the argument is the failure."""


class Realm:
    """One context, linked to the prelude, with the scripts installed in it."""

    __slots__ = (
        "__weakref__",
        "_code",
        "_furnish",
        "_install",
        "_rooms",
        "context",
        "deliver",
        "due",
        "finish",
        "forget",
        "keys",
        "pending",
        "refused",
        "run",
        "runs",
        "spill",
        "swept",
        "unhandled",
    )

    def __init__(self, engine: Engine, calls: Calls, limits: Limits, *, shared: bool) -> None:
        self.context = context = Context(engine)
        self._code = engine.code
        context.load(engine.code["prelude"])
        link = context.take()
        context.put_callable(_host(ref(self), calls.serve))
        longest_sleep = int(limits.host_call_seconds * 1000) or 1
        pick = link(shared, limits.output_bytes, limits.log_bytes, longest_sleep, ",".join(limits.functions))
        self.due, self.deliver, self.unhandled = pick("due"), pick("deliver"), pick("unhandled")
        self._furnish, self._rooms = pick("furnish"), set[str]()
        self.run, self.finish, self.refused = pick("run"), pick("finish"), pick("refused")
        self._install, self.forget, self.spill = pick("install"), pick("forget"), pick("spill")
        self.swept = pick("swept")
        self.pending = context.pending
        self.keys: set[str] = set()
        self.runs = 0
        context.limit_memory(limits.memory_mb << 20)

    def load(self, name: str) -> str:
        """Leave a part of the prelude in the slot; `1`, or `0` when memory has run out."""
        try:
            self.context.load(self._code[name])
        except CompileFailed:
            return "0"
        return "1"

    def install(self, key: str, script: Script) -> None:
        """Make the script known here by its key, and link the rooms it reaches."""
        for room in script.rooms:
            if room not in self._rooms:
                self.context.load(self._code[room])
                self._furnish()
                self._rooms.add(room)
        self.context.load(script.bytecode)
        self._install(key, *script.install)
        self.keys.add(key)


def _host(realm: ref[Realm], serve: Callable[[str, str, str], str]) -> Callable[[str, str, str], str]:
    """What a realm asks for: see `Calls.serve`, and `load`. It must not hold the realm, which would never be freed."""

    def host(kind: str, name: str, arguments: str) -> str:
        if kind != "load":
            return serve(kind, name, arguments)
        asking = realm()
        return "0" if asking is None else asking.load(name)

    return host


class Realms:
    """Runs scripts, each in the realm it asks for, and remembers both. The life of one sandbox."""

    __slots__ = (
        "_calls",
        "_cpu",
        "_dropped",
        "_engine",
        "_limits",
        "_names",
        "_rejections",
        "_scripts",
        "_shared",
        "_spare",
        "_start_rss",
        "_unmeasured",
        "_used",
        "doubtful",
    )

    def __init__(self, engine: Engine, calls: Calls, limits: Limits) -> None:
        self._engine = engine
        self._rejections = engine.rejections
        self._calls = calls
        self._limits = limits
        self._names = Names(limits.functions)
        self._scripts: dict[str, Script | str] = {}
        """By key; a text is the failure to compile, as told."""
        self._shared: OrderedDict[str, Realm] = OrderedDict()
        self._spare: Realm | None = None
        """A realm for the next run that wants its own, made while nobody waited."""
        self._used: Realm | None = None
        """A realm that will not be used again: ended only after the reply is sent, as that takes time."""
        self._dropped = ""
        """The flow whose shared realm that was: it is likely to be run again."""
        self.doubtful = False
        """True after a failure that leaves the engine in doubt: nothing more should be run here."""
        self._start_rss = _peak_rss()
        self._measure()

    def forget(self, keys: list[str]) -> None:
        """Forget scripts: the parent will send them again."""
        for key in keys:
            if self._scripts.pop(key, None) is not None:
                for realm in self._shared.values():
                    if key in realm.keys:
                        realm.keys.discard(key)
                        realm.forget(key)

    def rest(self) -> None:
        """Do what can wait until the reply is sent: end a used realm, and make the one the next run will want."""
        if self._used is None and not self._dropped:
            return
        self._used, flow = None, self._dropped
        self._dropped = ""
        self._engine.budget.start(self._limits.operations, self._limits.execution_seconds)
        with contextlib.suppress(CompileFailed, JSException):  # a cancel that came too late; it is tried again
            if flow:
                self._shared[flow] = Realm(self._engine, self._calls, self._limits, shared=True)
            else:
                self._spare = Realm(self._engine, self._calls, self._limits, shared=False)

    def run(self, order: Order) -> bytes:
        """Run one script; the frame that tells its end. Raises BadFrame for an order that cannot be meant."""
        limits = self._limits
        budget = self._engine.budget
        calls = self._calls
        begun = budget.start(limits.operations, limits.execution_seconds)
        calls.begin(order.run)
        realm = self._shared.get(order.flow) if order.realm == "warm" else None
        try:
            if realm is None or order.key not in realm.keys:
                realm = self._prepared(realm, order)
                begun = budget.start(limits.operations, limits.execution_seconds)
            failure = realm.run(order.key, order.request.decode(), order.payload.decode(), order.previous)
            if not failure:
                if realm.pending():
                    self._drain(realm)
                if calls.lasting:
                    self._wait(realm)
                if self._rejections.held:
                    self._tell_rejections(realm)
                reply: str = realm.finish()
                if reply[0] != "E":
                    clean = reply[0] == "1" and not realm.pending()
                    return self._done(order, realm, reply, clean, begun)
                failure = reply[1:]
        except _NotRun as error:
            failure = str(error)
        except (CompileFailed, JSException, StackOverflow, TypeError, ValueError) as error:
            failure = self._interrupted(realm, error)
        if budget.why and not failure.startswith(f'"kind":"{budget.why}"'):
            failure = _failure(budget.why)
        return self._failed(order, failure)

    # --- before the run -----------------------------------------------------------------------------------------------

    def _prepared(self, realm: Realm | None, order: Order) -> Realm:
        """The realm for this order, with its script installed. Raises _NotRun."""
        if realm is None:
            realm = self._new_realm(order)
        script = self._scripts.get(order.key)
        if script is None or order.source is not None:
            script = self._scripts[order.key] = self._compiled(realm, order)
        if isinstance(script, str):
            raise _NotRun(script)
        realm.install(order.key, script)
        return realm

    def _compiled(self, realm: Realm, order: Order) -> Script | str:
        """The script, or the failure to tell each time it is to be run."""
        try:
            return compile_script(order, realm.context, self._names)
        except CompileFailed as error:
            return str(realm.refused()) if error.in_slot else _failure("compile", str(error))

    def _new_realm(self, order: Order) -> Realm:
        if order.realm != "warm":
            realm, self._spare = self._spare, None
            self._used = realm = realm or Realm(self._engine, self._calls, self._limits, shared=False)
            return realm
        realm = Realm(self._engine, self._calls, self._limits, shared=True)
        if len(self._shared) >= MAX_REALMS:
            self._shared.popitem(last=False)
        self._shared[order.flow] = realm
        return realm

    def _drain(self, realm: Realm) -> None:
        """Run the pending jobs until there is none. The hook watches each of them, and here their number."""
        look = self._engine.budget.look
        jobs = 1
        while realm.pending():
            jobs += 1
            if not jobs & 0xFF and look(None, None):
                raise JSException("interrupted")

    def _wait(self, realm: Realm) -> None:
        """Hand out answers and let timers run until nothing keeps the run. A wait is not on the script's clock."""
        while state := realm.due():
            if state == _AWAITS:
                number, reply = self._calls.wait()
                if not number:
                    if self._engine.budget.why:
                        raise JSException("interrupted")
                    return
                realm.deliver(number, reply)
            if realm.pending():
                self._drain(realm)

    def _tell_rejections(self, realm: Realm) -> None:
        """Log what the script rejected and nobody handled."""
        for rejected in list(self._rejections.held.values()):
            realm.context.put_reason(rejected)
            realm.unhandled()
        self._rejections.clear()

    # --- after the run ------------------------------------------------------------------------------------------------

    def _done(self, order: Order, realm: Realm, reply: str, clean: bool, begun: float) -> bytes:
        limits = self._limits
        budget = self._engine.budget
        if budget.why:
            return self._failed(order, _failure(budget.why))
        answer = reply[1:].encode()
        end = answer.index(b"\n") + 1
        if len(answer) > limits.output_bytes and _exceeds(answer, end, limits.output_bytes):
            return self._failed(order, _failure("output"))
        if len(answer) == end or answer[end] == _NEWLINE:  # the script cannot reach its payload: it goes on as it came
            answer = answer[:end] + order.payload + answer[end:]
        if len(answer) + 128 > TO_PARENT_CAP:
            return self._failed(order, _failure("output"))
        if self._rejections.held:  # made while the reply was written; none may outlive its realm
            self._rejections.clear()
        realm.runs += 1
        if order.realm == "warm":
            if not clean or realm.runs > RUNS_PER_REALM:
                self._drop(order.flow)
            elif len(self._shared) > 1:
                self._shared.move_to_end(order.flow)
        used = (max(limits.operations // GRAIN, 1) - budget.left) * GRAIN
        full = False
        self._unmeasured += 1
        if used or self._unmeasured >= _MEASURED_EVERY or time.monotonic() - begun > _SHORT_SECONDS:
            self._measure()
            full = self._was_full()
        return pack(DONE, ENDING.pack(order.run, used, self._cpu, full) + answer)

    def _failed(self, order: Order, failure: str) -> bytes:
        """The frame of a failure, which is the prelude's JSON without its opening brace."""
        kind = failure[8 : failure.index('"', 8)]
        doubtful = kind in _DOUBTFUL
        if self._was_full():  # whatever was thrown
            doubtful = True
            if kind == "odd" or failure.startswith(_OUT_OF_MEMORY_IN_DISGUISE):
                failure = _failure("memory")
        self.doubtful = doubtful
        if order.realm == "warm" and kind != "compile" and not self._survives(order.flow, kind):
            self._drop(order.flow)
        if self._rejections.held:  # the look at the realm may have made some
            self._rejections.clear(touching=not doubtful)
        self._measure()
        head = b'{"run":%d,"cpu":%.6f,"discard":%b,' % (order.run, self._cpu, b"true" if doubtful else b"false")
        return pack(FAILED, head + failure.encode())

    def _survives(self, flow: str, kind: str) -> bool:
        """A script that merely threw leaves its realm as it found it, as one that ended well does: it is looked at."""
        realm = self._shared.get(flow)
        if kind != "exception" or realm is None or self.doubtful:
            return False
        try:
            return bool(realm.swept()) and not realm.pending()
        except (JSException, StackOverflow, TypeError, ValueError):
            return False

    def _drop(self, flow: str) -> None:
        """Use this flow's realm no more."""
        self._used = self._shared.pop(flow, None)
        self._dropped = flow

    def _measure(self) -> None:
        self._cpu = time.process_time()
        self._unmeasured = 0

    def _interrupted(self, realm: Realm | None, error: Exception) -> str:
        """The failure for an error that no script can catch: an interrupt, or an engine at its end."""
        budget = self._engine.budget
        if not budget.why:
            text = str(error).partition("\n")[0]
            if isinstance(error, StackOverflow):
                return _failure("stack")
            return _failure("memory") if text == "null" or "out of memory" in text else _failure("odd", text)
        why = budget.why
        logs = ""
        if realm is not None:
            budget.start(GRAIN, 0.05)
            with contextlib.suppress(JSException, StackOverflow):
                logs = realm.spill()
            budget.why = why
        return _failure(why)[:-1] + logs + "}"

    def _was_full(self) -> bool:
        """Whether the process has come near the memory limit. Then an allocation may have failed, the script have
        caught that, and the engine be in doubt."""
        return _peak_rss() - self._start_rss > self._limits.memory_mb * 1024 * 3 // 4


def _peak_rss() -> int:
    """In KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _exceeds(reply: bytes, end: int, limit: int) -> bool:
    """Whether payload or answer are larger than `limit` bytes; the head ends at `end`. The prelude counted characters,
    and of an answer of bytes (base64) these are the same."""
    payload, _, answer = reply[end:].partition(b"\n")
    if len(payload) > limit:
        return True
    if len(answer) <= limit or b'"body":"base64"' in reply[:end]:
        return False
    if b'"body":"raw"' in reply[:end]:
        return True
    text = loads_from_script(answer)
    return not isinstance(text, str) or len(text.encode()) > limit


def _failure(kind: str, message: str = "") -> str:
    told = {"kind": kind, "name": "", "message": message or f"the script went over its limit: {kind}", "stack": ""}
    return dumps(told).decode()[1:]
