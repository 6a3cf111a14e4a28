"""One sandbox process, asked over its socket by one blocking client: round trip and CPU of the child, without actors.

`python loadtests/sandbox.py` prints, for each case, the median and 99th percentile of the round trip and the CPU the
child used per run, all in microseconds. The child reports its CPU with each answer, so that column is free of the noise
of other processes.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import time
from dataclasses import dataclass

from actors.sandbox import frames
from actors.sandbox.launcher import Forked, ZygoteProcess
from protocol.flow import Realm, Script
from protocol.sandbox import HostReply, Limits, RunScript

MATH = """
function main() {
  let sum = 0
  for (let i = 0; i < 1000; i++) sum += Math.sqrt(i) * Math.sin(i) + Math.random()
  c.JSON(200, {ok: true, iterations: 1000})
}
"""
TRIVIAL = "function main(){ c.JSON(200, {hello: vars.name, lang: c.QueryParam('lang'), zeta: 1}) }"
PAYLOAD = "function main(){ payload.total = payload.items.reduce((t, i) => t + i.price * i.qty, 0) }"
REQUEST = b'{"vars":{"name":"bob"},"query":[["lang","es"]],"query_string":"lang=es"}'
ORDER = b'{"customer":"ana","items":[{"price":2.5,"qty":4},{"price":1,"qty":1}]}'


@dataclass
class Case:
    """One line of the table."""

    name: str
    source: str
    request: bytes = b"{}"
    payload: bytes = b"{}"
    realm: Realm = Realm.WARM
    rounds: int = 4000


CASES = (
    Case("trivial JSON node", TRIVIAL, REQUEST),
    Case("payload node", PAYLOAD, payload=ORDER),
    Case("math, 1000 iterations", MATH, rounds=1000),
    Case("one host call", "function main(){ sleep(0) }"),
    Case("trivial, fresh realm", TRIVIAL, REQUEST, realm=Realm.FRESH, rounds=1000),
    Case("throws", "function main(){ throw new Error('boom') }", rounds=400),
)


class Client:
    """A blocking parent."""

    def __init__(self, forked: Forked) -> None:
        self._socket: socket.socket = forked.socket
        self._socket.setblocking(True)
        self._buffer = memoryview(bytearray(1 << 16))
        self._reader = frames.FrameReader.of_parent()
        self.receive()
        self._socket.sendall(frames.write_configure(Limits()))

    def receive(self) -> frames.Ready | frames.Done | frames.Failed | frames.Call:
        """The next frame."""
        while True:
            size = self._socket.recv_into(self._buffer)
            if not size:
                raise SystemExit("the sandbox has ended")
            for kind, body in self._reader.feed(bytes(self._buffer[:size])):
                return frames.read(kind, body)

    def run(self, order: RunScript, remembered: bool) -> frames.Done | frames.Failed:
        """Run one script, serving its host calls with null."""
        self._socket.sendall(frames.write_run(order, remembered=remembered))
        while True:
            frame = self.receive()
            if isinstance(frame, frames.Done | frames.Failed):
                return frame
            if isinstance(frame, frames.Call):
                self._socket.sendall(frames.write_reply(HostReply(frame.run, frame.call, True, b"null")))


def measure(client: Client, number: int, case: Case) -> str:
    """One line."""
    script = Script(f"key{number}", case.source, "main", frozenset(), b"{}", case.realm)
    order = RunScript(number, "t", f"flow{number}", script, case.request, case.payload, "", None)  # type: ignore[arg-type]
    client.run(order, remembered=False)
    for _ in range(case.rounds // 10):
        client.run(order, remembered=True)
    before = client.run(order, remembered=True).cpu
    times = []
    for _ in range(case.rounds):
        begun = time.perf_counter()
        frame = client.run(order, remembered=True)
        times.append(time.perf_counter() - begun)
    times.sort()
    cpu = (frame.cpu - before) / case.rounds
    p50, p99 = statistics.median(times), times[len(times) * 99 // 100]
    return f"{case.name:<24}{p50 * 1e6:>10.1f}{p99 * 1e6:>10.1f}{cpu * 1e6:>12.1f}"


async def main() -> None:
    """Start a zygote, fork one sandbox, run the cases."""
    zygote = ZygoteProcess(lambda *_: None, lambda: None)
    zygote.start()
    begun = time.perf_counter()
    await zygote.ready()
    begun = time.perf_counter()
    client = Client(await zygote.fork())
    print(f"fork to ready: {(time.perf_counter() - begun) * 1e3:.2f} ms")
    print(f"{'us':<24}{'p50':>10}{'p99':>10}{'child CPU':>12}")
    for number, case in enumerate(CASES):
        print(measure(client, number, case))
    zygote.close()


if __name__ == "__main__":
    asyncio.run(main())
