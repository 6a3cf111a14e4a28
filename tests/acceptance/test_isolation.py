"""What one run leaves behind is not there for the next, on the one sandbox that serves both."""

from __future__ import annotations

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import Node, chain, js, playbook, starter
from tests.acceptance.servers import Server

LEAKS = {
    "a global": ("globalThis.left = 1", "typeof left"),
    "an undeclared variable": ("for (key in {a: 1}) {}", "typeof key"),
    "a variable above main": ("var top = 1; function main() { top++ }", "typeof top"),
    "a symbol on the global object": ("globalThis[Symbol.for('s')] = 1", "typeof globalThis[Symbol.for('s')]"),
    "a payload": ("payload = {secret: 1}; vars.secret = 1", "typeof (payload.secret ?? vars.secret)"),
    "a property of c": ("try { c.left = 1; c.JSON.left = 1 } catch {}", "typeof (c.left ?? c.JSON.left)"),
    "what c remembers": ("c.Set('left', 1)", "typeof (c.Get('left') ?? undefined)"),
    "a property of console": ("try { console.left = 1 } catch {}", "typeof console.left"),
    "a method of arrays": ("try { Array.prototype.left = 1 } catch {}", "typeof [].left"),
    "a changed function": (
        "try { JSON.stringify = () => 2 } catch {}",
        "typeof (JSON.stringify(1) === '1' ? [][0] : 1)",
    ),
    "a method of all objects": ("try { Object.prototype.left = 1 } catch {}", "typeof ({}).left"),
    "a chain": ("try { Object.setPrototypeOf(globalThis, {left: 1}) } catch {}", "typeof globalThis.left"),
    "a global for ever": ("Object.defineProperty(globalThis, 'left', {value: 1})", "typeof left"),
    "a closed global object": (
        "Object.preventExtensions(globalThis)",
        "(globalThis.x = 1, typeof (x === 1 ? [][0] : 1))",
    ),
    "a job for later": ("Promise.resolve().then(() => { globalThis.left = 1 })", "typeof left"),
    "a property of main": ("main.left = 1", "typeof main.left"),
}


GENERATORS = (
    "eval('1')",
    "(0, eval)('1')",
    "new Function('return 1')()",
    "(() => {}).constructor('return 1')()",
    "(async () => {}).constructor('return 1')()",
    "(function* () {}).constructor('yield 1')()",
    "Reflect.construct(Object.getPrototypeOf(() => {}).constructor, ['return 1'])()",
    "new (class extends (() => {}).constructor {})('return 1')()",
)
DOORS = ["process", "WebAssembly", "std", "os", "Deno", "Worker", "SharedArrayBuffer", "Atomics"]


def both(number: int, leave: str, look: str) -> dict[str, Node]:
    """One flow with two ways in: they share what a flow shares."""
    code = leave if "function main" in leave else f"function main() {{ {leave} }}"
    return {
        "s1": starter(f"/leave/{number}", "a"),
        "a": js(code),
        "s2": starter(f"/look/{number}", "b"),
        "b": js(f"function main() {{ c.String(200, {look}) }}"),
    }


@pytest.fixture(scope="module", params=["warm", "fresh"])
def server(launch: Launch, request: pytest.FixtureRequest) -> Server:
    """One sandbox for all."""
    leaks = {f"Leak{number}": both(number, *pair) for number, pair in enumerate(LEAKS.values())}
    code = {f"Code{n}": chain(f"/code/{n}", f"c.JSON(200, {text})") for n, text in enumerate(GENERATORS)}
    return launch(
        playbook(
            chain("/import", "return import('x').then(() => c.JSON(200, 'imported'))"),
            chain("/doors", f"c.JSON(200, {DOORS}.filter(name => name in globalThis))"),
            chain("/random", "c.JSON(200, Math.random())"),
            **leaks,
            **code,
        ),
        f'[server]\nrealm = "{request.param}"\n[vm_pool]\nmax_size = 1\npreload_size = 1\n'
        "[security]\nenable_static_analysis = false\n",  # the wall is tested, without the advice
    )


@pytest.mark.parametrize("leak", LEAKS)
def test_nothing_of_one_run_is_there_in_the_next(server: Server, leak: str) -> None:
    number = list(LEAKS).index(leak)
    assert server.get(f"/look/{number}").text == "undefined"
    for _ in range(2):
        server.get(f"/leave/{number}")
        assert server.get(f"/look/{number}").text == "undefined"


@pytest.mark.parametrize("number", range(len(GENERATORS)), ids=lambda number: GENERATORS[number])
def test_no_text_becomes_code(server: Server, number: int) -> None:
    answer = server.get(f"/code/{number}")
    assert answer.status == 500
    message = answer.json()["message"]
    assert "code generation from strings is disabled" in message or "eval is not defined" in message


def test_no_module_can_be_imported(server: Server) -> None:
    assert server.get("/import").status == 500


def test_no_door_leads_out_of_the_engine(server: Server) -> None:
    assert server.get("/doors").json() == []


def test_random_numbers_differ_between_runs(server: Server) -> None:
    assert len({server.get("/random").body for _ in range(20)}) == 20
