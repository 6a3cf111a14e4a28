"""The child program (skeleton)."""

from __future__ import annotations

import socket
import time

from actors.sandbox import child_frames, frames, vm
from actors.sandbox.confine import confine
from protocol.codec import dumps, loads


def prepare() -> None:
    """Everything that may be shared by fork."""


def serve(descriptor: int, zygote: int) -> int:
    """Be a sandbox until the parent closes the socket; the exit status."""
    confined = confine(zygote)
    peer = socket.socket(fileno=descriptor)
    peer.sendall(child_frames.write_ready("0.17.0", confined, True))
    reader = frames.FrameReader.of_child()
    sources: dict[str, str] = {}
    while data := peer.recv(1 << 16):
        for kind, body in reader.feed(data):
            if kind != frames.RUN:
                continue
            order = child_frames.read_run(body)
            if order.source is not None:
                sources[order.key] = loads(order.source)
            try:
                following, payload, status, text = vm.run(sources[order.key], order.payload.decode())
            except Exception as error:
                failed = {"run": order.run, "kind": "exception", "name": "Error", "message": str(error), "stack": ""}
                peer.sendall(child_frames.write_failed({**failed, "cpu": time.process_time(), "discard": False}))
                continue
            head = {"run": order.run, "next": following, "ops": 0, "cpu": time.process_time()}
            segments = [payload.encode()]
            if text is not None:
                head |= {"status": status, "type": "application/json", "body": "raw"}
                segments.append(text.encode())
            peer.sendall(frames.pack(frames.DONE, b"\n".join([dumps(head), *segments])))
    return 0
