"""Which addresses may be reached, as tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.guards.addresses import AddressGuard
from protocol.errors import BadDocument

REFUSED = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 127.255.255.254
168.63.129.16 169.254.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1
192.168.0.1 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1
255.255.255.255
:: ::1 fc00::1 fd00:ec2::254 fdff::1 fe80::1 fe80::1%eth0 febf::1 fec0::1 ff02::1 ff0e::1 100::1 2001:db8::1 3fff::1
2001:2::1 2001:10::1 2001:20::1 5f00::1 4000::1 64:ff9b:1::a00:1 64:ff9b:1::808:808
::ffff:127.0.0.1 ::ffff:10.1.2.3 ::ffff:169.254.169.254 ::ffff:0:0 ::ffff:0:7f00:1
::127.0.0.1 ::10.0.0.1 ::2
64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b::a9fe:a9fe
2002:7f00:1:: 2002:a00:1::1 2002:c0a8:101:: 2002:a9fe:a9fe::
2001:0:4136:e378:8000:63bf:f5ff:fffe 2001:0:a00:1:8000:63bf:f7f7:f7f7
2a00:1450::5efe:10.0.0.1 2a00:1450::200:5efe:127.0.0.1
""".split()  # noqa: SIM905  # a table reads better
"""The Teredo ones: client 10.0.0.1 behind a public server; a public client behind server 10.0.0.1."""

REACHED = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1 169.253.255.255
169.255.0.1 172.15.255.255 172.32.0.1 192.0.1.1 192.167.255.255 192.169.0.1 198.17.255.255 198.20.0.1 223.255.255.255
2606:4700:4700::1111 2a00:1450:4001:80b::200e 2001:4860:4860::8888
::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1 2001:0:4136:e378:8000:63bf:f7f7:f7f7
""".split()  # noqa: SIM905  # a table reads better


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_not_public_is_refused(address: str) -> None:
    assert AddressGuard().refusal(address).startswith("address ")


@pytest.mark.parametrize("address", REACHED)
def test_what_is_public_may_be_reached(address: str) -> None:
    assert AddressGuard().refusal(address) == ""


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0177.0.0.1", "2130706433", "0x7f.1", "127.0.0.1:80", "\0"])
def test_what_is_no_address_is_refused(text: str) -> None:
    assert AddressGuard().refusal(text)


@pytest.mark.parametrize(
    ("allowed", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1/32", "::ffff:127.0.0.1"),
        ("10.1.0.0/16", "10.1.200.3"),
        ("10.1.2.3/16", "10.1.200.3"),
        ("10.0.0.0/8", "64:ff9b::10.0.0.1"),
        ("::1", "::1"),
        ("fd00::/8", "fd12::3"),
        ("fe80::/10", "fe80::1%eth0"),
        (" 192.168.1.0/24 ", "192.168.1.7"),
        ("0.0.0.0/0", "127.0.0.1"),
    ],
)
def test_what_the_operator_allows_may_be_reached(allowed: str, address: str) -> None:
    assert AddressGuard([allowed]).refusal(address) == ""


@pytest.mark.parametrize(
    ("allowed", "address"),
    [("127.0.0.1", "127.0.0.2"), ("10.1.0.0/16", "10.2.0.1"), ("::/0", "127.0.0.1"), ("10.0.0.0/8", "::1")],
)
def test_and_nothing_beyond_it(allowed: str, address: str) -> None:
    assert AddressGuard([allowed]).refusal(address)


def test_an_allowance_that_is_none_is_reported_with_its_path() -> None:
    with pytest.raises(BadDocument) as raised:
        AddressGuard(["10.0.0.0/8", "db.internal", "10.0.0.0/40"])
    assert [problem.path for problem in raised.value.problems] == [
        "security.allowed_addresses.1",
        "security.allowed_addresses.2",
    ]


@given(st.ip_addresses(v=4))
def test_no_wrapping_makes_a_private_address_reachable(address: object) -> None:
    plain = AddressGuard().refusal(str(address))
    for form in ("::ffff:{}", "64:ff9b::{}"):
        assert bool(AddressGuard().refusal(form.format(address))) == bool(plain)


def test_the_message_names_the_address_and_what_it_is() -> None:
    assert AddressGuard().refusal("169.254.169.254") == "address 169.254.169.254 is not allowed: link-local"
    message = AddressGuard().refusal("2002:7f00:1::")
    assert message == "address 2002:7f00:1:: is not allowed: loopback, being 127.0.0.1 inside"
