"""The actor kernel: one scheduler, one supervision tree, no domain.

Storeys, each importing only those above it in this list:
    spec, timer, deadlines    what is said about actors; time
    engine                    the ready queue, the names
    mailbox, ref              the lanes of an actor; the addresses in front of them
    actor                     what its author writes, and what it may do
    state, attendance, life   where an actor stands; what it awaits; its way through the states
    nursery, cell             its children; its turns
    system                    the tree, and how operators see it
    clock, probe, threads     shipped parts: virtual time, the test actor, actors that block (pykka)

The contract is `actors/README.md`; every law in it has a test in `tests/laws`. Users import from here only.
"""

from __future__ import annotations

from actors.kernel.actor import Actor, Context, Supervisor
from actors.kernel.clock import ManualClock, StalledError
from actors.kernel.probe import Probe
from actors.kernel.ref import ActorRef, ReplySlot
from actors.kernel.spec import Backoff, ChildSpec, Intensity, Mailbox, Restart, Strategy
from actors.kernel.system import ActorState, System
from actors.kernel.threads import BlockingActor
from actors.kernel.timer import Timer

__all__ = [
    "Actor",
    "ActorRef",
    "ActorState",
    "Backoff",
    "BlockingActor",
    "ChildSpec",
    "Context",
    "Intensity",
    "Mailbox",
    "ManualClock",
    "Probe",
    "ReplySlot",
    "Restart",
    "StalledError",
    "Strategy",
    "Supervisor",
    "System",
    "Timer",
]
