"""The whole tree on a manual clock: memory store, fake sandboxes, seeded faults; hours of trouble in milliseconds.

Every request gets exactly one answer, no lease is lost, mailboxes stay bounded, and the journal holds a prefix of what
was done. SIMULATION_SEEDS says how many seeds (1 000 by default); a failing seed is named.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from actors.catalogue import Catalogue
from actors.journal import JournalSettings
from actors.kernel import Actor, ActorState, ChildSpec, ManualClock, System
from actors.runs.processes import Admission
from actors.runs.services import RunSettings
from actors.sandbox.fake import FakeSandbox, Ledger
from actors.sandbox.pool import PoolSettings
from actors.stores.memory import MemoryStore
from actors.tracker import Tracker, TrackerSettings
from actors.tree import Parts, tree
from protocol.errors import NflowError, Unavailable
from protocol.flow import Durability, Flow, Node, Realm, Script, Start
from protocol.process import Answer, CancelProcess, Failure, Reply, Request, StartProcess
from protocol.sandbox import Limits
from protocol.storage import RetentionDays

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "1000"))
FIRST_SEED = int(os.environ.get("SIMULATION_FIRST", "0"))
REQUESTS = 40
MOST_MAIL = REQUESTS * 12
REQUEST = Request("GET", "/", "", (), (), (), b"", "127.0.0.1:1", "http")


class Gateway(Actor[Any]):
    """Stands where the HTTP server stands."""


@dataclass
class Caller:
    """One request's reply slot, which counts."""

    wid: str
    durability: Durability
    replies: list[Reply] = field(default_factory=list)

    def tell(self, message: Reply) -> None:
        self.replies.append(message)


def graph(dice: random.Random, number: int) -> Flow:
    names = [f"n{i}" for i in range(dice.randint(1, 5))]
    nodes = {}
    for name in names:
        outputs = {output: dice.choice([*names, None, "ghost"]) for output in ("output_1", "output_2")}
        if dice.random() < 0.15:
            nodes[name] = Node(name, "gorutine", name, {}, outputs)
        else:
            script = Script(f"{number}.{name}", "", "main", frozenset(), b"{}")
            nodes[name] = Node(name, "js" if dice.random() < 0.95 else "unknown", name, {}, outputs, script)
    start = Start("s", "GET", "/", names[0])
    return Flow("app", f"f{number}", nodes, (start,), f"hash{number}", tenant=dice.choice("ab"))


class World:
    """One simulated deployment."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.ledger = Ledger(random.Random(seed + 1))
        self.system = System("world", seed=seed)
        self.admission = Admission(limit=500)
        self.store = MemoryStore()
        self.store.delay_seconds = self.dice.choice([0.0, 0.0, 0.002, 0.05])
        self.tracker = Tracker(
            self.store, TrackerSettings(batch_rows=5, waiting_rows=50, workers=self.dice.choice([1, 2]))
        )
        self.callers: list[Caller] = []
        self.refused = 0
        self.wids = iter(f"wid-{n}" for n in range(1_000_000))
        self.most_mail = 0
        self.journal_troubled = False
        self.sandboxes: list[FakeSandbox] = []
        size = self.dice.randint(1, 6)
        loop = asyncio.get_running_loop()
        self.parts = Parts(
            documents={},
            catalogue=Catalogue(),
            admission=self.admission,
            run=RunSettings(max_steps=20, process_seconds=60.0, host_call_seconds=1.0),
            limits=Limits(),
            pool=PoolSettings(
                max_size=size, preload_size=self.dice.randint(0, size), cleanup_seconds=2.0, idle_seconds=1.0
            ),
            realm=Realm.WARM,
            new_wid=lambda: next(self.wids),
            wall=lambda: 1e9 + loop.time(),
            log=lambda *_: None,
            store=self.store,
            journal=JournalSettings(batch_records=4, waiting_records=500),
            tracker=self.tracker,
            retention=RetentionDays(30, 30, 30),
            retention_seconds=60.0,
            drain_seconds=5.0,
            sandbox=self.sandbox,
        )

    async def live(self) -> None:
        gateway = ChildSpec("gateway", Gateway)
        await self.system.start(tree(self.system, self.parts, gateway))
        flows = [graph(self.dice, number) for number in range(4)]
        trouble = asyncio.ensure_future(self.trouble())
        for _ in range(REQUESTS):
            await asyncio.sleep(self.dice.choice([0.0, 0.001, 0.01, 0.05]))
            self.call(self.dice.choice(flows))
            self.look()
        await trouble
        await asyncio.sleep(120.0)
        self.look()

    def call(self, flow: Flow) -> None:
        durability = self.dice.choice(list(Durability))
        caller = Caller(next(self.wids), durability)
        start = StartProcess(
            caller.wid, flow, flow.starts[0], (), "/", REQUEST, b"{}", durability, caller,
        )  # fmt: skip
        try:
            ref = self.admission.start(start)
        except NflowError:
            self.refused += 1
            return
        self.callers.append(caller)
        if self.dice.random() < 0.1:
            delay = self.dice.choice([0.0, 0.001, 0.02])
            asyncio.get_running_loop().call_later(delay, ref.tell, CancelProcess("the client left"))

    async def trouble(self) -> None:
        """Kill actors, take the store away, at random; the big ones at most once."""
        great = ["pool", "processes", "journal"]
        for _ in range(self.dice.randint(0, 8)):
            await asyncio.sleep(self.dice.uniform(0.0, 0.2))
            what = self.dice.choice(["run", "run", "sandbox", "sandbox", "outage", "great"])
            if what == "outage":
                self.journal_troubled = True
                self.store.outage = Unavailable("the disk is gone")
                asyncio.get_running_loop().call_later(self.dice.uniform(0.01, 0.5), self.mend)
            elif what == "great" and great:
                self.kill(great.pop(self.dice.randrange(len(great))))
            elif what == "run":
                self.kill_one("/root/processes/")
            else:
                self.kill_one("/root/sandboxes/pool/")

    def mend(self) -> None:
        self.store.outage = None

    def kill(self, name: str) -> None:
        self.journal_troubled |= name == "journal"
        self.kill_one(f"/{name}", whole=True)

    def kill_one(self, part: str, *, whole: bool = False) -> None:
        refs = sorted(self.refs(), key=lambda ref: ref.path)
        found = [ref for ref in refs if (ref.path.endswith(part) if whole else part in ref.path)]
        if found:
            self.system.kill(self.dice.choice(found))

    def refs(self) -> Iterator[Any]:
        yield from (ref for ref, _ in self.admission.active.values())
        pool = self.system.lookup("pool")
        if pool is not None:
            yield pool
        yield from {ref for made in self.sandboxes if (ref := getattr(getattr(made, "context", None), "ref", None))}
        if (journal := self.system.lookup("journal")) is not None:
            yield journal

    def sandbox(self, pool: Any) -> FakeSandbox:
        made = FakeSandbox(pool, self.ledger)
        self.sandboxes.append(made)
        return made

    def look(self) -> None:
        self.most_mail = max(self.most_mail, *(state.mailbox for state in flatten(self.system.snapshot())))

    async def judge(self) -> None:
        for caller in self.callers:
            assert len(caller.replies) == 1, f"{caller.wid} got {len(caller.replies)} replies"
        assert not self.admission.active
        assert self.ledger.together == 0, "a sandbox had two scripts at once"
        assert all(times <= 2 for times in self.ledger.begun.values()), "a script was run more than once again"
        state = self.parts.pool_figures.read
        assert state is not None
        pool = state()
        assert (pool.busy, pool.waiting) == (0, 0), f"leases are out: {pool}"
        assert pool.size <= pool.limit
        assert self.most_mail <= MOST_MAIL
        assert self.tracker.state.waiting == 0
        await self.judge_journal()

    async def judge_journal(self) -> None:
        done = {key for _, key in self.ledger.done}
        for caller in self.callers:
            steps = await self.store.steps(caller.wid)
            if caller.durability is not Durability.DURABLE:
                assert not steps
                continue
            for step in steps:
                key = step.output.decode().removeprefix('{"after":"').removesuffix('"}')
                assert key in done | {"{}"}, f"{caller.wid}: {step.node} was recorded and never done"
            (reply,) = caller.replies
            process = await self.store.process(caller.wid)
            if isinstance(reply, Answer):
                assert process is not None or not steps, f"{caller.wid} has steps and no run"
                ended = {"end", "cancelled"}  # a run that is cancelled after it has answered keeps its answer
                assert process is None or process.state in ended or self.journal_troubled
            elif isinstance(reply, Failure) and process is not None and steps:
                assert all(step.outcome != "!error" for step in steps[:-1]), "something was recorded after the failure"


def flatten(state: ActorState) -> Iterator[ActorState]:
    yield state
    for child in state.children:
        yield from flatten(child)


async def one(seed: int) -> None:
    world = World(seed)
    await world.live()
    await world.judge()
    assert not world.system.failed.done(), world.system.failed.result()
    await world.system.stop(60.0)


def test_every_request_gets_one_answer_whatever_fails() -> None:
    for seed in range(FIRST_SEED, FIRST_SEED + SEEDS):
        with ManualClock() as clock:
            try:
                clock.run(one(seed))
            except BaseException as error:
                error.add_note(f"seed {seed}: SIMULATION_FIRST={seed} SIMULATION_SEEDS=1")
                raise
