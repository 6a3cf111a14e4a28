"""The session functions of scripts do what Go's did, and more safely."""

from __future__ import annotations

from typing import Any

import pytest

from actors.functions.caller import Caller
from actors.functions.sessions import SessionFunctions, profile_of
from actors.sessions.view import RunSession
from protocol.errors import CallRefused
from protocol.process import Request
from tests.unit.actors.sessions.conftest import Stage


class Script:
    """Calls host functions as one run of one browser does."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.cookie = ""
        self.session: RunSession = stage.view()
        self.payload = b"null"

    async def __call__(self, name: str, *arguments: Any) -> Any:
        request = Request("GET", "/", "", (), (), (), b"", "127.0.0.1:1", "http")
        caller = Caller("w1", "t", "app", "Home", "n1", request, self.session, 30.0, payload=self.payload)
        return await SessionFunctions().functions()[name](caller, list(arguments))

    async def answer(self) -> None:
        """The run ends; the browser's next one begins."""
        self.cookie = await self.session.commit() or self.cookie
        self.session = self.stage.view(self.cookie)


@pytest.fixture
def script(stage: Stage) -> Script:
    return Script(stage)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"), ("", ""), (None, ""), (True, "true"), (False, "false"), (0, "0"), (7, "7"), (-1.5, "-1.5"),
        ([], "<complex-value>"), ({"a": 1}, "<complex-value>"),
    ],
)  # fmt: skip
async def test_values_are_given_as_text(script: Script, value: Any, text: str) -> None:
    assert await script("set_session", "shop", "k", value) is None
    assert await script("get_session", "shop", "k") == text
    await script.answer()
    assert await script("get_session", "shop", "k") == text
    assert await script("open_session", "shop") == {"k": value}


async def test_what_is_absent_is_an_empty_text_or_object(script: Script) -> None:
    assert await script("get_session", "shop", "k") == ""
    assert await script("open_session", "shop") == {}
    assert await script("open_session_form") == {}
    assert await script("get_profile") == {}
    assert await script("exist_profile") is False
    await script("delete_session", "shop")
    await script("delete_session_form")
    await script("delete_profile")
    assert await script.session.commit() == ""


async def test_the_map_of_forms_shows_what_the_form_has(script: Script) -> None:
    script.payload = b'{"name":"ana","x":["1","2"],"deep":{"a":[1]},"break":true,"half":"\\ud800"}'
    shown = {"name": "ana", "x": ["1", "2"], "deep": {"a": [1]}, "half": "\ufffd"}
    assert await script("open_session_form") == await script("open_session", "nflow_form") == shown
    assert await script("get_session", "nflow_form", "name") == "ana"
    assert script.session.changed is False, "looking writes nothing"
    await script("set_session", "nflow_form", "name", "eva")
    assert (await script("open_session_form"))["name"] == "eva"
    await script("delete_session_form")
    assert await script("open_session_form") == shown


async def test_saving_merges_and_deleting_removes(script: Script) -> None:
    await script("save_session", "shop", {"a": 1, "b": {"c": [1]}})
    await script.answer()
    await script("save_session", "shop", {"a": 2})
    await script("save_session", "nflow_form", {"name": "ana"})
    await script.answer()
    assert await script("open_session", "shop") == {"a": 2, "b": {"c": [1]}}
    assert await script("open_session_form") == {"name": "ana"}
    await script("delete_session", "shop")
    await script("delete_session_form")
    await script.answer()
    assert await script("open_session", "shop") == {}
    assert await script("open_session_form") == {}


async def test_a_profile_lives_until_it_is_deleted_and_reads_as_go_kept_it(script: Script) -> None:
    await script("set_profile", {"username": "ana", "roles": ["admin"], "age": 7})
    await script.answer()
    assert await script("exist_profile") is True
    assert await script("get_profile") == {"username": "ana", "roles": ["admin"], "age": 7}
    assert await script("get_session", "auth_session", "profile") == '{"username":"ana","roles":["admin"],"age":7}'
    assert await profile_of(script.session) == {"username": "ana", "roles": ["admin"], "age": 7}
    await script("delete_profile")
    await script.answer()
    assert await script("exist_profile") is False
    assert await profile_of(script.session) is None


@pytest.mark.parametrize("logout", [("delete_profile",), ("delete_session", "auth_session")])
async def test_a_logout_changes_the_id_and_forgets_forms_but_not_the_cart(
    script: Script, logout: tuple[str, ...]
) -> None:
    await script("set_profile", {"username": "ana"})
    await script("set_session", "cart", "items", 3)
    await script("save_session", "nflow_form", {"name": "ana"})
    await script.session.write("nflow_suspended", {"app/Trip": {"payload": "{}"}})
    await script.answer()
    before = script.cookie
    await script(*logout)
    await script.answer()
    assert script.cookie != before
    assert await script.session.read("nflow_suspended") == {}
    assert await script("open_session_form") == {}
    assert await script("get_session", "cart", "items") == "3"


@pytest.mark.parametrize("login", ["set_profile", "set_session", "save_session"])
async def test_a_login_changes_the_id_however_it_is_written_and_later_changes_do_not(
    script: Script, login: str
) -> None:
    text = '{"username":"ana"}'
    arguments = {
        "set_profile": ({"username": "ana"},),
        "set_session": ("auth_session", "profile", text),
        "save_session": ("auth_session", {"profile": text}),
    }
    await script("set_session", "cart", "items", 3)
    await script.answer()
    planted = script.cookie
    await script(login, *arguments[login])
    await script.answer()
    assert script.cookie != planted
    assert await script("get_profile") == {"username": "ana"}
    assert await script("get_session", "cart", "items") == "3"
    assert await script.stage.view(planted).read("auth_session") == {}
    logged_in = script.cookie
    await script("set_profile", {"username": "ana", "seen": 1})
    await script.answer()
    assert script.cookie == logged_in


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"username": "mallory"}, {"username": "ana"}),
        ({"Email": "m@x.org", "seen": 1}, {"Email": "a@x.org", "seen": 1}),
        ({"username": "ana", "rol": "user"}, {"username": "ana", "rol": "admin"}),
        ({"username": "ana"}, {"legajo": 7}),
        ({"legajo": 7}, {"legajo": 8}),
    ],
)
async def test_a_login_as_somebody_else_changes_the_id_too(
    script: Script, first: dict[str, Any], second: dict[str, Any]
) -> None:
    await script("set_profile", first)
    await script.answer()
    planted = script.cookie
    await script("set_profile", second)
    await script.answer()
    assert script.cookie != planted
    assert await script("get_profile") == second
    assert await script.stage.view(planted).read("auth_session") == {}


@pytest.mark.parametrize("text", ["", "null", None])
async def test_a_profile_that_is_overwritten_with_nobody_is_a_logout(script: Script, text: str | None) -> None:
    await script("set_profile", {"username": "ana"})
    await script("save_session", "nflow_form", {"name": "ana"})
    await script.answer()
    before = script.cookie
    await script("set_session", "auth_session", "profile", text)
    await script.answer()
    assert script.cookie != before
    assert await script("exist_profile") is False
    assert await script("open_session_form") == {}


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", '"ana"'])
async def test_a_damaged_profile_is_nobody(script: Script, text: str) -> None:
    await script("set_session", "auth_session", "profile", text)
    assert await script("exist_profile") is False
    assert await script("get_profile") == {}


async def test_two_browsers_never_see_each_other(stage: Stage) -> None:
    ana, bob = Script(stage), Script(stage)
    await ana("set_profile", {"username": "ana"})
    await ana.answer()
    assert await bob("exist_profile") is False
    await bob("set_profile", {"username": "bob"})
    await bob.answer()
    assert await ana("get_profile") == {"username": "ana"}
    assert await bob("get_profile") == {"username": "bob"}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("set_session", []), ("set_session", [{}, "k", 1]), ("get_session", ["shop"]), ("open_session", [None]),
        ("save_session", ["shop", [1]]), ("save_session", ["shop"]), ("delete_session", []), ("set_profile", []),
        ("set_profile", ["ana"]), ("set_profile", [None]),
    ],
)  # fmt: skip
async def test_wrong_arguments_are_a_type_error_that_shows_the_use(
    script: Script, name: str, arguments: list[Any]
) -> None:
    with pytest.raises(CallRefused, match=rf"^{name}\(.*argument must be") as refused:
        await script(name, *arguments)
    assert refused.value.name == "TypeError"


async def test_what_the_runtime_keeps_is_out_of_reach(script: Script) -> None:
    for name, arguments in (
        ("set_session", ("k", 1)), ("get_session", ("k",)), ("open_session", ()), ("save_session", ({},)),
        ("delete_session", ()),
    ):  # fmt: skip
        with pytest.raises(CallRefused, match="kept by the runtime"):
            await script(name, "nflow_suspended", *arguments)
