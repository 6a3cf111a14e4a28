"""Whether the server can listen, before it tries."""

from __future__ import annotations

import socket

import pytest

from gateway.address import check_address
from protocol.errors import UnusableAddress


def test_a_free_address_is_fine_and_stays_free() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for _ in range(3):
        check_address("127.0.0.1", port)
    check_address("127.0.0.1", 0)


def test_an_address_somebody_listens_on_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UnusableAddress, match=f"cannot listen on 127.0.0.1:{port}: address already in use"):
            check_address("127.0.0.1", port)
        with pytest.raises(UnusableAddress, match=r"in use \(server.host, monitor.metrics_port\)"):
            check_address("127.0.0.1", port, "monitor.metrics_port")


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "a" * 300, "ü" * 80, "2001:db8::1"])
def test_an_address_that_is_not_ours_is_named(host: str) -> None:
    with pytest.raises(UnusableAddress, match="cannot listen on"):
        check_address(host, 0)
