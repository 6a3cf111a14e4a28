"""Who is let in to the debug endpoints: a token, then an address, and this machine alone where there is no token."""

from __future__ import annotations

from typing import Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from gateway.api.call import ApiError
from gateway.debug.access import DebugAccess
from protocol.errors import BadDocument

TOKEN = "the-operators-token"
HERE, ELSEWHERE = "127.0.0.1:5000", "10.1.2.3:5000"


class Door:
    """A door, what it told the audit, and a clock."""

    def __init__(self, token: str = TOKEN, allowed: str = "") -> None:
        self.now = 1_000.0
        self.told: list[tuple[str, str, str]] = []
        self._access = DebugAccess(token, allowed, lambda: self.now, lambda *told: self.told.append(told))

    def status(self, remote: str = HERE, query: str = "", **headers: str) -> int:
        """200, or that of the refusal."""
        lines: Any = CIMultiDictProxy(CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()}))
        try:
            self._access.check(lines, query, remote, "GET /debug/info")
        except ApiError as error:
            self.said, self.headers = str(error), dict(error.headers)
            return error.status
        return 200


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {"X_Debug_Token": TOKEN}),
        ("", {"Authorization": f"Bearer {TOKEN}"}),
        ("", {"authorization": f"bearer  {TOKEN} "}),
        (f"debug_token={TOKEN}", {}),
        ("a=b&debug_token=the%2Doperators-token", {}),
    ],
)
def test_the_token_comes_in_any_of_three_ways(query: str, headers: dict[str, str]) -> None:
    door = Door()
    assert door.status(ELSEWHERE, query, **headers) == 200
    assert door.told == []


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {}),
        ("", {"X_Debug_Token": TOKEN + "x"}),
        ("", {"X_Debug_Token": TOKEN[:-1]}),
        ("", {"X_Debug_Token": ""}),
        ("", {"Authorization": TOKEN}),
        ("", {"Authorization": f"Basic {TOKEN}"}),
        ("debug_token=", {}),
        (f"token={TOKEN}", {}),
        (f"debug_token={TOKEN}", {"X_Debug_Token": "wrong"}),
        ("", {"X_Debug_Token": "\udcff"}),
    ],
)
def test_anything_else_is_turned_away_and_told_to_the_audit(query: str, headers: dict[str, str]) -> None:
    door = Door()
    assert (door.status(ELSEWHERE, query, **headers), door.said) == (401, "Invalid or missing debug token")
    assert door.told == [("10.1.2.3", "GET /debug/info", "Invalid or missing debug token")]


def test_the_token_is_asked_for_before_the_address_and_the_address_is_the_sockets() -> None:
    door = Door(allowed="192.168.0.0/16, 10.9.9.9")
    assert door.status(ELSEWHERE) == 401
    assert (door.status(ELSEWHERE, X_Debug_Token=TOKEN), door.said) == (403, "IP 10.1.2.3 not allowed")
    assert door.status(ELSEWHERE, X_Debug_Token=TOKEN, X_Forwarded_For="192.168.1.1") == 403
    assert door.status("192.168.7.7:1", X_Debug_Token=TOKEN) == 200
    assert door.status("10.9.9.9:1", X_Debug_Token=TOKEN) == 200
    assert door.status("[::ffff:192.168.7.7]:1", X_Debug_Token=TOKEN) == 200
    assert door.status("[fe80::1%eth0]:1", X_Debug_Token=TOKEN) == 403
    assert door.status("", X_Debug_Token=TOKEN) == 403


@pytest.mark.parametrize("remote", ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"])
def test_without_a_token_this_machine_is_let_in(remote: str) -> None:
    assert Door("").status(remote, Host="localhost:8080") == 200


@pytest.mark.parametrize(
    ("remote", "headers"),
    [
        (ELSEWHERE, {"Host": "localhost"}),
        (HERE, {"Host": "localhost", "X_Forwarded_For": "8.8.8.8"}),
        (HERE, {"Host": "localhost", "Forwarded": "for=8.8.8.8"}),
        (HERE, {"Host": "localhost", "X_Real_IP": "8.8.8.8"}),
        (HERE, {"Host": "localhost", "Via": "1.1 proxy"}),
        (HERE, {"Host": "localhost", "Sec_Fetch_Site": "cross-site"}),
        (HERE, {"Host": "localhost:8080", "Origin": "https://evil.example"}),
        (HERE, {"Host": "localhost:8080", "Origin": "http://localhost:3000"}),
        (HERE, {"Host": "localhost:8080", "Origin": "null"}),
        (HERE, {"Host": "evil.example"}),
        (HERE, {}),
        ("", {"Host": "localhost"}),
    ],
)
def test_without_a_token_nobody_else_is_nor_anybody_through_this_machine(remote: str, headers: dict[str, str]) -> None:
    door = Door("")
    assert door.status(remote, X_Debug_Token="", **headers) == 403
    assert len(door.told) == 1


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:8080", "[::1]:8080", "[::1]"])
def test_this_machine_may_be_called_by_any_of_its_names(host: str) -> None:
    assert Door("").status(HERE, Host=host) == 200
    assert Door("").status(HERE, Host=host, Origin=f"http://{host}") == 200


def test_who_guesses_is_not_listened_to_for_a_minute_whatever_he_shows() -> None:
    door = Door()
    assert [door.status(ELSEWHERE, X_Debug_Token=f"guess-{n}") for n in range(10)] == [401] * 10
    assert door.status(ELSEWHERE, X_Debug_Token=TOKEN) == 429
    assert door.headers == {"Retry-After": "60"}
    assert door.status("10.1.2.4:1", X_Debug_Token=TOKEN) == 200
    door.now += 59.5
    assert (door.status(ELSEWHERE, X_Debug_Token=TOKEN), door.headers) == (429, {"Retry-After": "1"})
    door.now += 0.6
    assert door.status(ELSEWHERE, X_Debug_Token=TOKEN) == 200


def test_a_guesser_has_no_more_guesses_by_all_the_addresses_of_his_network() -> None:
    door = Door()
    assert [door.status(f"[2001:db8::{n:x}]:1", X_Debug_Token="guess") for n in range(12)] == [401] * 10 + [429] * 2
    assert door.status("[2001:db8:0:1::1]:1", X_Debug_Token=TOKEN) == 200


def test_who_shows_no_token_has_not_guessed() -> None:
    door = Door()
    assert {door.status(ELSEWHERE) for _ in range(50)} == {401}
    assert door.status(ELSEWHERE, X_Debug_Token=TOKEN) == 200


def test_a_guesser_behind_a_proxy_on_this_machine_locks_nobody_out() -> None:
    door = Door()
    assert {door.status(HERE, X_Debug_Token=f"guess-{n}") for n in range(50)} == {401}
    assert door.status(HERE, X_Debug_Token=TOKEN) == 200


def test_the_table_of_guessers_is_bounded() -> None:
    door = Door()
    for n in range(3_000):
        door.status(f"10.{n >> 8}.{n & 255}.1:1", X_Debug_Token="wrong")
    assert len(door._access._wrong) == 1_024


def test_an_address_that_is_none_is_told_with_its_key() -> None:
    with pytest.raises(BadDocument, match=r"debug\.allowed_ips: 'ten' is no address"):
        Door(allowed="10.0.0.0/8, ten")
