"""Accounts have buckets of their own, and no unproven word opens a fresh one."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from actors.limits.limits import Limits, LimitSettings
from actors.sessions.cookie import CookieSettings
from gateway.clients.accounts import MOST_REMEMBERED, Accounts
from gateway.clients.exclusions import Exclusions
from gateway.clients.limiter import Limiter, LimiterSettings
from gateway.session_cookie import SessionCookie
from gateway.visit import Visit
from protocol.errors import Unavailable
from protocol.limits import Quota

COOKIE = SessionCookie(CookieSettings((b"0123456789abcdef",)), time.time)
SESSIONS = {"s" * 32: '{"username": "ana"}', "t" * 32: '{"username": "ana"}', "u" * 32: '{"cart": 1}', "v" * 32: "no"}


class Session:
    def __init__(self, session: str) -> None:
        self.session = session

    async def read(self, name: str) -> dict[str, str]:
        return {"profile": SESSIONS[self.session]} if self.session in SESSIONS else {}


class House:
    """A limiter, and the proofs it asked for."""

    def __init__(self, *, per_route: bool = False) -> None:
        self.proofs = 0
        self.out_of_reach = False
        self.now = 0.0
        accounts = Accounts(self.token_name, COOKIE, Session, lambda: self.now)  # type: ignore[arg-type]
        self.accounts = accounts
        self.limits = Limits(LimitSettings(Quota(10, 60.0)), lambda: self.now)
        told = LimiterSettings("No.", True, per_route)
        self.limiter = Limiter(self.limits, told, Exclusions("", ""), accounts, lambda: self.now)

    async def token_name(self, header: str) -> str:
        self.proofs += 1
        if self.out_of_reach:
            raise Unavailable("no database")
        return {"Bearer good": "robot", "Bearer other": "other"}.get(header, "")

    async def ask(self, address: str, path: str = "/a", **headers: str) -> int:
        visit = Visit(0.0, "GET", path)
        visit.client = address
        lines = tuple((name.encode(), value.encode()) for name, value in headers.items())
        request: Any = SimpleNamespace(headers=headers, _message=SimpleNamespace(raw_headers=lines))
        refused = await self.limiter.look(request, visit, path, lambda method, raw: raw)
        return 200 if refused is None else refused.status

    async def allowed(self, address: str, times: int = 30, path: str = "/a", **headers: str) -> int:
        return [await self.ask(address, path, **headers) for _ in range(times)].count(200)


async def test_a_proven_token_has_a_bucket_of_its_own_from_wherever_it_comes() -> None:
    house = House()
    assert await house.allowed("1.1.1.1") == 10
    assert await house.allowed("1.1.1.1", 7, Authorization="Bearer good") == 7
    assert await house.allowed("2.2.2.2", Authorization="Bearer good") == 3
    assert await house.allowed("2.2.2.2", Authorization="Bearer other") == 10
    assert house.proofs == 2, "remembered"


async def test_invented_tokens_open_no_bucket_and_ask_the_database_a_bounded_number_of_times() -> None:
    house = House()
    statuses = [await house.ask("1.1.1.1", Authorization=f"Bearer {number}") for number in range(500)]
    assert statuses.count(200) == 10
    assert house.proofs == 10
    assert house.limits.figures.keys == 2, "of the address: its requests and its proofs"


async def test_who_guesses_at_an_address_does_not_shut_out_an_account_there_that_is_known() -> None:
    house = House()
    assert await house.ask("1.1.1.1", Authorization="Bearer good") == 200
    for number in range(50):
        await house.ask("1.1.1.1", Authorization=f"Bearer {number}")
    assert await house.allowed("1.1.1.1", Authorization="Bearer good") == 9


async def test_an_account_that_was_proven_is_proven_again_whatever_others_at_its_address_do() -> None:
    house = House()
    statuses = []
    for _ in range(5):
        statuses.append(await house.ask("1.1.1.1", Authorization="Bearer good"))
        house.now += 10.5  # what is remembered is old by then
        for number in range(50):
            await house.ask("1.1.1.1", Authorization=f"Bearer {number}")
    assert statuses == [200] * 5


async def test_a_profile_has_one_bucket_for_all_its_sessions() -> None:
    house = House()
    first, second = (COOKIE.line(session * 32, "http")[1].partition(";")[0] for session in "st")
    assert await house.allowed("1.1.1.1", 6, Cookie=first) == 6
    assert await house.allowed("2.2.2.2", Cookie=second) == 4


@pytest.mark.parametrize("session", ["u" * 32, "v" * 32, "w" * 32])
async def test_a_session_that_names_nobody_is_no_account(session: str) -> None:
    house = House()
    cookie = COOKIE.line(session, "http")[1].partition(";")[0]
    assert await house.allowed("1.1.1.1", 6, Cookie=cookie) == 6
    assert await house.allowed("1.1.1.1") == 4


async def test_a_forged_cookie_is_not_even_looked_up() -> None:
    house = House()
    assert await house.allowed("1.1.1.1", 6, Cookie=f"nflow_session={'s' * 32}.1.forged") == 6
    assert await house.allowed("1.1.1.1") == 4
    assert house.limits.figures.keys == 1


async def test_while_nobody_can_say_the_address_counts() -> None:
    house = House()
    house.out_of_reach = True
    assert await house.allowed("1.1.1.1", Authorization="Bearer good") == 10
    house.out_of_reach, house.now = False, 11.0
    assert await house.allowed("1.1.1.1", Authorization="Bearer good") == 10


async def test_each_route_has_a_bucket_where_that_is_wanted() -> None:
    house = House(per_route=True)
    assert await house.allowed("1.1.1.1", path="/a") == 10
    assert await house.allowed("1.1.1.1", path="/b") == 10


async def test_what_is_remembered_is_bounded() -> None:
    house = House()
    for number in range(MOST_REMEMBERED + 100):
        house.accounts._remember(str(number), "")
    assert len(house.accounts._known) <= MOST_REMEMBERED
