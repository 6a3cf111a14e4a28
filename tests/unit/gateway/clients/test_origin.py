"""Whom a request comes from: nobody's header is believed but a trusted proxy's, and that only as far as it goes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clients.networks import Networks, canonical, neighbourhood
from gateway.clients.origin import Origin, Proxies
from protocol.errors import BadDocument

PROXIES = Proxies(["10.0.0.0/8", "192.0.2.7", "2001:db8:f::/48"])


def client(peer: str, *headers: tuple[str, str]) -> str:
    return PROXIES.origin(peer, "http", [(name.encode(), value.encode()) for name, value in headers]).client


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Forwarded-Proto"]),
            st.sampled_from(["1.2.3.4", "for=1.2.3.4", "10.0.0.1", "https", "for=1.2.3.4;proto=https", "garbage"]),
        )
    )
)
def test_a_stranger_can_write_what_it_likes(headers: list[tuple[str, str]]) -> None:
    assert client("203.0.113.5", *headers) == "203.0.113.5"
    assert PROXIES.origin("203.0.113.5", "http", [(b"X-Forwarded-Proto", b"https")]).scheme == "http"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ((), "10.0.0.1"),
        ((("X-Forwarded-For", "203.0.113.5"),), "203.0.113.5"),
        ((("x-forwarded-for", "203.0.113.5:4711"),), "203.0.113.5"),
        ((("X-Forwarded-For", "1.1.1.1, 203.0.113.5"),), "203.0.113.5"),
        ((("X-Forwarded-For", "1.1.1.1, 203.0.113.5, 192.0.2.7, 10.9.9.9"),), "203.0.113.5"),
        ((("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", "203.0.113.5")), "203.0.113.5"),
        ((("X-Forwarded-For", "10.0.0.5, 10.0.0.6"),), "10.0.0.5"),
        ((("X-Forwarded-For", "203.0.113.5, unknown, 10.0.0.6"),), "10.0.0.6"),
        ((("X-Forwarded-For", "garbage"),), "10.0.0.1"),
        ((("X-Forwarded-For", ""),), "10.0.0.1"),
        ((("X-Forwarded-For", "[2001:db8::1]:80"),), "2001:db8::1"),
        ((("X-Forwarded-For", "::ffff:203.0.113.5"),), "203.0.113.5"),
        ((("X-Real-IP", "203.0.113.5"),), "203.0.113.5"),
        ((("Forwarded", "for=203.0.113.5"),), "203.0.113.5"),
        ((("Forwarded", 'For="[2001:db8::1]:4711";proto=https'),), "2001:db8::1"),
        ((("Forwarded", "for=1.1.1.1, for=203.0.113.5;by=10.0.0.1, for=10.0.0.9"),), "203.0.113.5"),
        ((("Forwarded", "for=_hidden"),), "10.0.0.1"),
        ((("Forwarded", 'for="1.1.1.1, for=203.0.113.5'),), "203.0.113.5"),
    ],
)
def test_lists_are_read_from_the_right_past_the_trusted_hops(
    headers: tuple[tuple[str, str], ...], expected: str
) -> None:
    assert client("10.0.0.1", *headers) == expected


def test_headers_that_name_different_clients_are_believed_neither() -> None:
    appended = ("X-Forwarded-For", "203.0.113.5")
    assert client("10.0.0.1", appended, ("Forwarded", "for=1.1.1.1")) == "10.0.0.1"
    assert client("10.0.0.1", appended, ("X-Real-IP", "1.1.1.1")) == "10.0.0.1"
    assert client("10.0.0.1", appended, ("X-Real-IP", "203.0.113.5"), ("Forwarded", "for=203.0.113.5")) == "203.0.113.5"


def test_a_proxy_that_names_the_proxy_before_it_contradicts_nobody() -> None:
    assert client("10.0.0.1", ("X-Forwarded-For", "203.0.113.5, 10.0.0.2"), ("X-Real-IP", "10.0.0.2")) == "203.0.113.5"


@pytest.mark.parametrize(
    ("headers", "scheme"),
    [
        ([(b"X-Forwarded-Proto", b"https")], "https"),
        ([(b"x-forwarded-proto", b"HTTPS, http")], "https"),
        ([(b"Forwarded", b"for=203.0.113.5;proto=https")], "https"),
        ([(b"X-Forwarded-Proto", b"gopher")], "http"),
        ([], "http"),
    ],
)
def test_a_trusted_proxy_says_how_the_client_speaks(headers: list[tuple[bytes, bytes]], scheme: str) -> None:
    assert PROXIES.origin("10.0.0.1", "http", headers).scheme == scheme


@given(st.text(max_size=80), st.text(max_size=80))
def test_whatever_a_proxy_hands_on_there_is_an_answer(forwarded: str, listed: str) -> None:
    headers = [
        (b"Forwarded", forwarded.encode("utf-8", "replace")),
        (b"X-Forwarded-For", listed.encode("utf-8", "replace")),
    ]
    origin = PROXIES.origin("10.0.0.1", "http", headers)
    assert origin == Origin(canonical(origin.client), "http", origin.disputed)


def test_without_proxies_there_is_nothing_to_believe() -> None:
    assert not Proxies([])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("192.0.2", ""),
        ("192.0.2.01", ""),
        ("", ""),
        ("a:b", ""),
        ("1.2.3.4\0", ""),
    ],
)
def test_an_address_has_one_spelling(text: str, expected: str) -> None:
    assert canonical(text) == expected


def test_a_customer_has_a_whole_64_of_ipv6() -> None:
    assert neighbourhood("2001:db8:1:2:3:4:5:6") == neighbourhood("2001:db8:1:2::ffff") == "2001:db8:1:2::"
    assert neighbourhood("2001:db8:1:3::1") != neighbourhood("2001:db8:1:2::1")
    assert neighbourhood("192.0.2.1") == "192.0.2.1"


def test_networks_hold_what_is_in_them() -> None:
    networks = Networks(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::1", "::ffff:172.16.0.0/108"], "x")
    inside = ["10.255.0.1", "192.0.2.1", "2001:db8:9::1", "::1", "172.31.255.255"]
    outside = ["11.0.0.1", "192.0.2.2", "2001:db9::1", "::2", "172.32.0.0", "", "none"]
    assert all(address in networks for address in inside)
    assert not any(address in networks for address in outside)


def test_what_is_no_network_is_told_with_its_place() -> None:
    with pytest.raises(BadDocument) as caught:
        Proxies(["10.0.0.0/8", "10.0.0.0/33", "localhost"])
    assert [problem.path for problem in caught.value.problems] == [
        "server.trusted_proxies.1",
        "server.trusted_proxies.2",
    ]
