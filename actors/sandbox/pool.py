"""The pool of sandboxes: hands each script to one idle sandbox, and owns the sandboxes as its children.

Invariant: a script handed in is in exactly one place (the queue, or one sandbox), and leaves it only by its result, by
that sandbox's death, or by a refusal. Hand-off is straight to the oldest waiter. The pool grows when somebody has
waited and more sandboxes would help; capacity is `max_size` processes. It talks to processes (results go past it) and
to sandboxes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from actors.kernel import Actor, ChildSpec, Intensity
from actors.sandbox.breaker import Breakers
from actors.sandbox.seating import Pace, Seat, Seating
from protocol.errors import Overloaded, RunCancelled
from protocol.lifecycle import Down
from protocol.refs import Ref
from protocol.sandbox import (
    CancelScript,
    Fault,
    PoolState,
    RunLost,
    RunScript,
    SandboxFree,
    SandboxReady,
    ScriptFailed,
)

LONGEST_TURN_SECONDS: Final = 60.0
"""What lies further ahead is a guess."""


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """The keys of `[vm_pool]` and `[server]` that are about number and age. Times in seconds."""

    max_size: int = 32
    preload_size: int = 8
    idle_seconds: float = 600.0
    cleanup_seconds: float = 300.0
    """0: idle sandboxes are never ended."""
    wait_seconds: float = 5.0
    """How long a script may wait for a sandbox before it is refused (Go: 5 s)."""
    grow_after_seconds: float = 0.010
    """A waiter older than this makes the pool grow, if it may."""
    cores: int = 2
    """Cores the scripts can run on."""
    max_waiting: int = 10_000


class PoolFigures:
    """Running numbers that outlive the pool's incarnations; metrics read them at scrape."""

    __slots__ = ("breakers", "confined", "created", "delay", "faults", "lost", "pace", "promised", "read")

    def __init__(self) -> None:
        self.created = 0
        self.confined: Mapping[str, Any] | None = None
        """What confines the sandboxes; None until the first one is ready."""
        self.delay = 0.0
        """How long a script that comes now would wait, seconds, by the queue and the leases of late."""
        self.pace = 0.0
        """Seconds between two sandboxes becoming free."""
        self.promised = 0.0
        """When the last who was sent away was told to come back."""
        self.lost = 0
        self.faults = 0
        self.read: Callable[[], PoolState] | None = None
        self.breakers: Callable[[], dict[str, str]] = dict

    def turn(self, now: float) -> float:
        """Seconds until who is sent away should come back: when the queue of now is worked off, each after the one who
        was sent away before, so that those who obey do not come as a crowd. `now`: loop time."""
        self.promised = min(max(self.promised, now + self.delay) + self.pace, now + LONGEST_TURN_SECONDS)
        return self.promised - now


@dataclass(frozen=True, slots=True)
class _Look:
    """Look after the queue: waiters too old, growth."""


@dataclass(frozen=True, slots=True)
class _Clean:
    """End sandboxes idle for too long."""


class Pool(Actor[Any]):
    """Keeper of the sandboxes."""

    # A death before ready counts; this many in ten seconds and the whole sandbox branch begins anew.
    intensity = Intensity(20, 10.0)

    def __init__(
        self, settings: PoolSettings, sandbox: Callable[[Ref[Any], int], ChildSpec], figures: PoolFigures
    ) -> None:
        self._settings = settings
        self._sandbox = sandbox
        self._figures = figures
        self._seating = Seating()
        self._waiting: deque[tuple[float, RunScript]] = deque()
        self._cancelled: set[int] = set()
        self._breakers = Breakers()
        self._pace = Pace()
        self._looking = False
        self._named = 0

    def started(self) -> None:
        """Fork the sandboxes that should be there before the first request."""
        self.context.system.register("pool", self.context.ref)
        self._figures.delay = self._figures.pace = 0.0
        self._figures.read = self.state
        self._figures.breakers = self._breakers.not_closed
        for _ in range(min(self._settings.preload_size, self._settings.max_size)):
            self._grow()
        if self._settings.cleanup_seconds > 0:
            self.context.after(self._settings.cleanup_seconds, _Clean())

    def _say_confined(self, confined: Mapping[str, Any]) -> None:
        """Once: all sandboxes of one kernel are confined alike."""
        self._figures.confined = confined
        told = {name: confined.get(name) for name in ("seccomp", "landlock", "uid")}
        log = structlog.get_logger("sandboxes")
        if told["seccomp"] and told["landlock"]:
            log.info("sandboxes are confined", **told)
        else:
            log.warning("sandboxes are less confined than they could be: this kernel does not offer it", **told)

    def receive(self, message: Any) -> None:
        """One message."""
        match message:
            case RunScript():
                self._take(message)
            case SandboxFree(sandbox, run):
                self._freed(sandbox, run)
            case CancelScript(run):
                self._cancel(run)
            case SandboxReady(sandbox, confined):
                self._figures.created += 1
                structlog.get_logger("sandboxes").debug("sandbox ready", number=self._figures.created)
                if self._figures.confined is None and confined is not None:
                    self._say_confined(confined)
                if self._seating.ready(sandbox, self.context.now()):
                    self._serve()
            case RunLost():
                self._lost(message)
            case _Look():
                self._look()
            case _Clean():
                self._clean()
            case Down(ref):
                self._gone(ref)
            case _:
                raise TypeError(f"the pool does not understand {type(message).__name__}")

    def released(self) -> None:
        """The branch begins anew or ends: nobody who waits is left without an answer."""
        left = [script for _, script in self._waiting]
        left += [seat.run for seat in self._seating.busy.values() if seat.run is not None]
        for script in left:
            self._refuse(script, "the sandboxes are being restarted")

    def state(self) -> PoolState:
        """Numbers for metrics."""
        seating, figures = self._seating, self._figures
        return PoolState(
            size=len(seating.seats),
            idle=len(seating.idle),
            busy=len(seating.busy),
            waiting=len(self._waiting),
            limit=self._settings.max_size,
            starting=seating.starting,
            created=figures.created,
            lost=figures.lost,
        )

    # --- scripts ---

    def _take(self, script: RunScript) -> None:
        now = self.context.now()
        if len(self._breakers):
            refusal = self._breakers.refusal(script.tenant, script.flow, now)
            if refusal is not None:
                why, wait = refusal
                script.reply_to.tell(ScriptFailed(script.run, Overloaded(why, retry_after=max(1.0, wait))))
                return
        if not self._waiting:
            seat = self._seating.choose(script.tenant, script.flow)
            if seat is not None:
                self._assign(seat, script)
                return
        if len(self._waiting) < self._settings.max_waiting:
            self._waiting.append((now, script))
        else:
            self._refuse(script, f"{len(self._waiting)} scripts wait for a sandbox (server.max_waiting)")
            return
        self._serve()
        self._watch_queue()

    def _take_again(self, script: RunScript) -> None:
        """A script whose sandbox died goes before all others: it has waited already, and was admitted once."""
        self._waiting.appendleft((self.context.now(), script))
        self._serve()
        self._watch_queue()

    def _assign(self, seat: Seat, script: RunScript) -> None:
        self._seating.assign(seat, script, self.context.now())
        seat.ref.tell(script)

    def _serve(self) -> None:
        """Hand idle sandboxes to the oldest waiters."""
        waiting, seating = self._waiting, self._seating
        while waiting and seating.idle:
            script = waiting[0][1]
            if not script.reply_to.alive:
                waiting.popleft()
                continue
            seat = seating.choose(script.tenant, script.flow)
            if seat is None:
                self._make_room()
                return
            waiting.popleft()
            self._assign(seat, script)

    def _freed(self, ref: Ref[Any], run: int) -> None:
        script = self._seating.free(ref, run, self.context.now())
        if self._cancelled:
            self._cancelled.discard(run)
        if script is not None and len(self._breakers):
            self._breakers.success(script.tenant, script.flow)
        if self._waiting:
            self._pace.freed(self.context.now())
            self._serve()

    def _lost(self, message: RunLost) -> None:
        script, error = message.script, message.error
        self._figures.lost += 1
        if message.sandbox not in self._seating.seats:
            return  # of an earlier incarnation, which refused its runs when it ended
        self._seating.lost(message.sandbox, script.run if script is not None else None)
        if script is None or error is None:
            return
        cancelled = script.run in self._cancelled
        self._cancelled.discard(script.run)
        if message.fault is Fault.SCRIPT:
            self._figures.faults += 1
            self._breakers.fault(script.tenant, script.flow, self.context.now())
            script.reply_to.tell(ScriptFailed(script.run, error))
        elif cancelled:
            script.reply_to.tell(ScriptFailed(script.run, RunCancelled("the run was cancelled")))
        elif message.begun and (script.retried or message.host_calls):
            script.reply_to.tell(ScriptFailed(script.run, error))
        elif script.reply_to.alive:
            # It waits in the mailbox of the same sandbox, which survives, for the new process: one that stands idle
            # may have been hit by whatever hit this one.
            self._assign(self._seating.seats[message.sandbox], script._replace(retried=script.retried or message.begun))

    def _cancel(self, run: int) -> None:
        seat = self._seating.busy.get(run)
        if seat is not None:
            self._cancelled.add(run)
            seat.ref.tell(CancelScript(run))
            return
        waiter = next((waiter for waiter in self._waiting if waiter[1].run == run), None)
        if waiter is not None:
            self._waiting.remove(waiter)

    def _refuse(self, script: RunScript, why: str) -> None:
        wait = max(1.0, self._figures.turn(self.context.now()))
        script.reply_to.tell(ScriptFailed(script.run, Overloaded(why, retry_after=wait)))

    # --- sandboxes ---

    def _grow(self) -> None:
        self._named += 1
        ref = self.context.spawn(self._sandbox(self.context.ref, self._named))
        self.context.watch(ref)
        self._seating.add(ref)

    def _end(self, seat: Seat) -> None:
        self._seating.remove(seat)
        self.context.unwatch(seat.ref)
        self.context.stop_child(seat.ref)

    def _make_room(self) -> None:
        """Idle sandboxes are there, all of other tenants: when the house is full, the longest idle one is replaced."""
        if len(self._seating.seats) >= self._settings.max_size and not self._seating.starting:
            self._end(self._seating.idle[0])
            self._grow()

    def _gone(self, ref: Ref[Any]) -> None:
        """A sandbox has ended for good without being asked to: its run, if it had one, is run elsewhere."""
        seat = self._seating.seats.get(ref)
        if seat is None:
            return
        self._seating.remove(seat)
        self._grow()
        if seat.run is not None:
            self._take_again(seat.run._replace(retried=True))

    # --- over time ---

    def _watch_queue(self) -> None:
        if not self._looking:
            self._looking = True
            self._pace.begin(self.context.now())
            self.context.after(self._settings.grow_after_seconds, _Look())

    def _look(self) -> None:
        self._looking = False
        now, settings = self.context.now(), self._settings
        while self._waiting and self._waiting[0][0] <= now - settings.wait_seconds:
            script = self._waiting.popleft()[1]
            size = settings.max_size
            self._refuse(script, f"no sandbox was free for {settings.wait_seconds:g} s (vm_pool.max_size = {size})")
        self._foresee(now)
        if not self._waiting:
            return
        if self._waiting[0][0] <= now - settings.grow_after_seconds:
            for _ in range(self._growth(now)):
                self._grow()
        self._serve()
        self._watch_queue()

    def _foresee(self, now: float) -> None:
        """Tell how long a script that comes now would wait."""
        figures, waiting = self._figures, len(self._waiting)
        if not waiting:
            self._pace.end()
        figures.pace = self._pace.seconds(len(self._seating.seats), now)
        figures.delay = (waiting + 1) * figures.pace

    def _growth(self, now: float) -> int:
        """How many sandboxes would help those who wait. One that has been busy for long waits for a host call, or has
        a core to itself; of the others more than there are cores only take turns."""
        seating, settings = self._seating, self._settings
        lively = len(seating.seats) - seating.busy_since_before(now - settings.grow_after_seconds)
        room = settings.max_size - len(seating.seats)
        return max(0, min(len(self._waiting), room, settings.cores - lively))

    def _clean(self) -> None:
        now, settings = self.context.now(), self._settings
        for seat in self._seating.idle_longer_than(now - settings.idle_seconds):
            if len(self._seating.seats) > settings.preload_size:
                self._end(seat)
        self._breakers.forget(now)
        self.context.after(settings.cleanup_seconds, _Clean())
