"""The engine, and the only file that knows it: contexts, their limits, their scripts as bytecode.

One `Context` is one QuickJS runtime with one context. Invariant: script code runs only inside calls that the interrupt
hook watches (operation budget, wall-clock deadline, cancel). The hook and bytecode are not in the binding's interface:
they are reached through the C symbols its library exports, so the version is pinned, the layout is tested in a process
of its own, and without them the parent's deadline alone holds. It talks to `child/realms.py`.
"""

from __future__ import annotations

import ctypes
import marshal
import os
import resource
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import _quickjs  # not `quickjs`, whose import starts a thread, and threads do not survive a fork

from actors.sandbox.sources import SLOT, sources

VERSION: Final = "0.17.0"
GRAIN: Final = 10_000
"""Loop edges and calls between two looks of the engine at its hook."""
STACK_BYTES: Final = 2 << 20
"""Of the engine; never more than a quarter of the process's own stack, beyond which it would crash, not throw."""

JSException = _quickjs.JSException
StackOverflow = _quickjs.StackOverflow

_COMPILE_ONLY: Final = 1 << 5
_AS_BYTECODE: Final = 1 << 0
_WITHOUT_SOURCE: Final = 1 << 4
"""The prelude's functions then show scripts no text, and bytecode is a third."""
_EXCEPTION: Final = 6
_GC_THRESHOLD: Final = 4 << 20
_CONFIGURABLE: Final = 7
"""JS_PROP_C_W_E, without the flag to throw."""
_REJECTIONS: Final = 16
"""Promises of one run that are remembered as rejected; what is beyond them is not logged."""

_Handler = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


class _Value(ctypes.Structure):
    """JSValue of a 64-bit build."""

    _fields_ = [("payload", ctypes.c_int64), ("tag", ctypes.c_int64)]


class _Options(ctypes.Structure):
    """JSEvalOptions."""

    _fields_ = [
        ("version", ctypes.c_int),
        ("flags", ctypes.c_int),
        ("filename", ctypes.c_char_p),
        ("line", ctypes.c_int),
    ]


_Tracker = ctypes.CFUNCTYPE(None, ctypes.c_void_p, _Value, _Value, ctypes.c_bool, ctypes.c_void_p)


class CompileFailed(Exception):
    """The source does not compile. `in_slot`: the engine's error waits in the slot; else the text is all there is."""

    def __init__(self, text: str = "", *, in_slot: bool = False) -> None:
        super().__init__(text)
        self.in_slot = in_slot


class Budget:
    """What the running script may still use. One per process: the hook reads it, the host sets it."""

    __slots__ = ("cancelled", "deadline", "left", "why")

    def __init__(self) -> None:
        self.left = 0
        """Looks of the hook until the operations are used up."""
        self.deadline = 0.0
        """In seconds of `time.monotonic`."""
        self.cancelled = False
        self.why = ""
        """The limit that stopped the script: a kind of `frames.FAILURES`, or empty."""

    def start(self, operations: int, seconds: float) -> float:
        """Begin a run; the time of its beginning."""
        begun = time.monotonic()
        self.left = max(operations // GRAIN, 1)
        self.deadline = begun + seconds
        self.cancelled = False
        self.why = ""
        return begun

    def look(self, _runtime: int | None, _opaque: int | None) -> int:
        """The hook: 1 interrupts the script, beyond its power to catch."""
        self.left -= 1
        if not self.why:
            if self.left < 0:
                self.why = "operations"
            elif self.cancelled:
                self.why = "cancelled"
            elif time.monotonic() > self.deadline:
                self.why = "time"
            else:
                return 0
        return 1


class Rejections:
    """Promises of the running script that were rejected and that nobody handles. One per process.

    The engine tells of each at once, and again when somebody comes to handle it after all. They are held until `clear`,
    which must come before their context ends.
    """

    __slots__ = ("_native", "held", "tracker")

    def __init__(self, native: Any) -> None:
        self._native = native
        self.tracker = _Tracker(self._told)
        self.held: dict[int, tuple[int, _Value, _Value]] = {}
        """By the address of the promise: context, promise, reason."""

    def clear(self, *, touching: bool = True) -> None:
        """Let go of all. `touching` False: of an engine in doubt, whose values had better be left alone."""
        while self.held:
            context, promise, reason = self.held.popitem()[1]
            if not touching:
                continue
            self._native.JS_FreeValue(context, promise)
            self._native.JS_FreeValue(context, reason)

    def _told(self, context: int, promise: _Value, reason: _Value, handled: bool, _opaque: int | None) -> None:
        native = self._native
        if not handled:
            if len(self.held) < _REJECTIONS:
                kept = native.JS_DupValue(context, promise), native.JS_DupValue(context, reason)
                self.held[promise.payload] = (context, *kept)
        elif promise.payload in self.held:
            _, kept_promise, kept_reason = self.held.pop(promise.payload)
            native.JS_FreeValue(context, kept_promise)
            native.JS_FreeValue(context, kept_reason)


class Engine:
    """What all contexts of a process share: the library, the compiled JavaScript, the hook. Made before the fork."""

    def __init__(self, code: Mapping[str, bytes] | None = None, *, native: bool = True) -> None:
        """`code`: bytecode of `sources`, if it is known already. `native`: whether the C interface may be used."""
        self.budget = Budget()
        stack, _ = resource.getrlimit(resource.RLIMIT_STACK)
        self.stack_bytes = STACK_BYTES if stack == resource.RLIM_INFINITY else min(STACK_BYTES, stack // 4)
        self.native: Any = _library() if native else None
        self.hook = _Handler(self.budget.look)
        self.budget.start(GRAIN * GRAIN, 10.0)
        self.rejections = Rejections(self.native)
        if code is None:
            context = Context(self)
            code = {name: context.compile(text, name=name, source=False) for name, text in sources().items()}
        self.code = code

    @property
    def hooked(self) -> bool:
        """Whether scripts are stopped by the hook; if not, only the parent's deadline stops them."""
        return self.native is not None

    @classmethod
    def prepare(cls) -> Engine:
        """Test the engine in a child process, which also compiles the JavaScript: this process never has a context.

        Raises RuntimeError when the installed engine is not the pinned one.
        """
        check_version()
        receiver, sender = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                engine = cls()
                with os.fdopen(sender, "wb") as pipe:
                    pipe.write(marshal.dumps(dict(engine.code)))
                status = 0 if stops_scripts(engine) else 1
            finally:
                os._exit(status)
        os.close(sender)
        with os.fdopen(receiver, "rb") as pipe:
            code = pipe.read()
        _, status = os.waitpid(pid, 0)
        if status == 0 and code:
            return cls(marshal.loads(code))  # noqa: S302 our own child wrote it
        return cls({name: text.encode() for name, text in sources().items()}, native=False)


class Context:
    """One engine context. Of no further use after an interrupt, out-of-memory, or any exception out of a call."""

    __slots__ = ("_context", "_cx", "_global", "_native", "pending")

    def __init__(self, engine: Engine) -> None:
        self._native = engine.native
        self._context = context = _quickjs.Context()
        context.set_max_stack_size(engine.stack_bytes)
        if self._native is not None:
            self._cx = _context_pointer(self._native, context)
            runtime = self._native.JS_GetRuntime(self._cx)
            self._native.JS_SetInterruptHandler(runtime, engine.hook, None)
            self._native.JS_SetHostPromiseRejectionTracker(runtime, engine.rejections.tracker, None)
            self._native.JS_SetGCThreshold(runtime, _GC_THRESHOLD)
            self._global = self._native.JS_GetGlobalObject(self._cx)
            self._native.JS_FreeValue(self._cx, self._global)  # borrowed: it lives as long as the context
        self.pending: Callable[[], bool] = context.execute_pending_job
        """Runs one pending job; False when there is none. Raises what the engine could not hand to the script."""

    def take(self) -> Any:
        """What is in the slot, which keeps it."""
        return self._context.get(SLOT)

    def put_callable(self, function: Callable[..., str]) -> None:
        """Put a Python function in the slot. It gets and returns text, and must never raise."""
        self._context.add_callable(SLOT, function)

    def limit_memory(self, size: int) -> None:
        """Bytes this realm may hold, its built-ins included."""
        self._context.set_memory_limit(size)

    def compile(self, text: str, *, name: str = "workflow", line: int = 1, source: bool = True) -> bytes:
        """Bytecode of an expression. `name` and `line` are what stacks say of its first line.

        `source` False: its functions show no text. Raises CompileFailed. Without the C interface the "bytecode" is the
        text itself.
        """
        encoded = text.encode()
        if self._native is None:
            self._eval_text(text)
            return encoded
        native = self._native
        options = _Options(1, _COMPILE_ONLY, name.encode(), line)
        value = native.JS_Eval2(self._cx, encoded, len(encoded), ctypes.byref(options))
        if value.tag == _EXCEPTION:
            raise self._failed()
        size = ctypes.c_size_t()
        flags = _AS_BYTECODE if source else _AS_BYTECODE | _WITHOUT_SOURCE
        buffer = native.JS_WriteObject(self._cx, ctypes.byref(size), value, flags)
        native.JS_FreeValue(self._cx, value)
        try:
            return ctypes.string_at(buffer, size.value)
        finally:
            native.js_free(self._cx, buffer)

    def load(self, bytecode: bytes) -> None:
        """Run compiled code; its value waits in the slot, a global property, for who takes it at once."""
        if self._native is None:
            self._eval_text(bytecode.decode())
            return
        function = self._native.JS_ReadObject(self._cx, bytecode, len(bytecode), _AS_BYTECODE)
        value = self._native.JS_EvalFunction(self._cx, function)
        if value.tag == _EXCEPTION:
            raise self._failed()
        self._native.JS_SetPropertyStr(self._cx, self._global, SLOT.encode(), value)

    def put_reason(self, rejected: tuple[int, _Value, _Value]) -> None:
        """Put in the slot why a promise was rejected; the slot stays empty where a script has closed the global object.

        `rejected`: of `Rejections.held`.
        """
        reason = self._native.JS_DupValue(self._cx, rejected[2])
        self._native.JS_DefinePropertyValueStr(self._cx, self._global, SLOT.encode(), reason, _CONFIGURABLE)

    def _eval_text(self, text: str) -> None:
        try:
            self._context.eval(f"globalThis.{SLOT}={text}")
        except JSException as error:
            raise CompileFailed(str(error).partition("\n")[0]) from None

    def _failed(self) -> CompileFailed:
        error = self._native.JS_GetException(self._cx)
        self._native.JS_SetPropertyStr(self._cx, self._global, SLOT.encode(), error)
        return CompileFailed(in_slot=True)


def check_version() -> None:
    """Raise RuntimeError unless the engine is the pinned one: a package of the same name but of 2021 may shadow it."""
    try:
        get_version = ctypes.CDLL(_quickjs.__file__).JS_GetVersion
    except AttributeError:
        version = "unknown"
    else:
        get_version.restype = ctypes.c_char_p
        version = get_version().decode()
    if version != VERSION:
        raise RuntimeError(
            f"the JavaScript engine is {version}, wanted is quickjs-ng {VERSION}: "
            "uninstall the package `quickjs`, then reinstall `quickjs-ng`"
        )


def stops_scripts(engine: Engine) -> bool:
    """Whether the hook really stops a script, by operations and by time, also one that calls Python."""
    for call, operations, seconds, why in (
        ("", 50 * GRAIN, 10.0, "operations"),
        ("", 1 << 50, 0.003, "time"),
        (f"{SLOT}()", 1 << 50, 0.003, "time"),
    ):
        engine.budget.start(GRAIN * GRAIN, 10.0)
        context = Context(engine)
        context.load(context.compile(f"(function () {{ for (;;) {{ {call} }} }})"))
        endless = context.take()
        context.put_callable(lambda: "")
        engine.budget.start(operations, seconds)
        try:
            endless()
        except JSException:
            if engine.budget.why == why:
                continue
        return False
    return True


def _library() -> Any:
    """The engine's C interface (quickjs.h of the pinned version)."""
    # PyDLL: freeing a value may free a Python function, which takes the interpreter's lock to be held.
    library = ctypes.PyDLL(_quickjs.__file__)
    pointer, size, text, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_int
    signatures: dict[str, tuple[Any, ...]] = {
        "JS_GetRuntime": (pointer, pointer),
        "JS_SetInterruptHandler": (None, pointer, _Handler, pointer),
        "JS_SetGCThreshold": (None, pointer, size),
        "JS_GetGlobalObject": (_Value, pointer),
        "JS_SetPropertyStr": (number, pointer, _Value, text, _Value),
        "JS_GetException": (_Value, pointer),
        "JS_FreeValue": (None, pointer, _Value),
        "JS_DupValue": (_Value, pointer, _Value),
        "JS_DefinePropertyValueStr": (number, pointer, _Value, text, _Value, number),
        "JS_SetHostPromiseRejectionTracker": (None, pointer, _Tracker, pointer),
        "JS_Eval2": (_Value, pointer, text, size, ctypes.POINTER(_Options)),
        "JS_EvalFunction": (_Value, pointer, _Value),
        "JS_WriteObject": (pointer, pointer, ctypes.POINTER(size), _Value, number),
        "JS_ReadObject": (_Value, pointer, text, size, number),
        "js_free": (None, pointer, pointer),
    }
    for name, (result, *arguments) in signatures.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


def _context_pointer(native: Any, context: Any) -> int:
    """The JSContext of a binding's Context object, whose first two fields are its runtime and its context."""
    first = id(context) + object.__basicsize__
    runtime = ctypes.c_void_p.from_address(first).value
    pointer = ctypes.c_void_p.from_address(first + ctypes.sizeof(ctypes.c_void_p)).value
    if not runtime or not pointer or native.JS_GetRuntime(pointer) != runtime:
        raise RuntimeError("the engine's binding is laid out in another way")
    return pointer
