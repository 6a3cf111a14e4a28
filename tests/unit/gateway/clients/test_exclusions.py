"""Who has no limit, and that nobody else comes in under its name."""

from __future__ import annotations

import pytest

from gateway.clients.exclusions import Exclusions
from protocol.errors import BadDocument

LEFT_OUT = Exclusions("127.0.0.1, 10.0.0.0/8,2001:db8::/32", "/health, /metrics,/público")


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "2001:db8:7::1"])
def test_addresses_and_networks_are_left_out(address: str) -> None:
    assert LEFT_OUT.leave_out(address, "/anything")


@pytest.mark.parametrize("path", ["/health", "/health/live", "/healthy", "/%68ealth", "/metrics?", "/p%C3%BAblico/a"])
def test_paths_are_left_out_by_their_decoded_beginning(path: str) -> None:
    assert LEFT_OUT.leave_out("203.0.113.5", path)


@pytest.mark.parametrize(
    "path",
    [
        "/", "/healt", "/Health", "//health", "/api/health", "/health/../expensive", "/health/..", "/health/./x",
        "/health%2f..%2fexpensive", "/health%2Fx", "/health\\..\\x", "/health%5c..", "/health/%2e%2e/expensive",
        "/%2568ealth", "/health/%252e%252e/x", "/health//x", "/health%00",
    ],
)  # fmt: skip
def test_a_path_that_could_mean_another_one_is_limited(path: str) -> None:
    assert not LEFT_OUT.leave_out("203.0.113.5", path)


def test_nobody_is_left_out_by_an_empty_list() -> None:
    assert not Exclusions("", " , ").leave_out("127.0.0.1", "/health")


def test_what_cannot_be_is_told_with_its_key() -> None:
    with pytest.raises(BadDocument, match=r"rate_limit\.excluded_ips: '10\.0\.0/8' is no address"):
        Exclusions("10.0.0/8", "")
    with pytest.raises(BadDocument, match=r"rate_limit\.excluded_paths: 'health' must begin with /"):
        Exclusions("", "health")
