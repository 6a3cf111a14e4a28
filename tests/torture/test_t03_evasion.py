"""T3: escapes rewritten so that a static check may miss them. What the check says is counted; the sandbox must hold.

Each rewriting answers "escaped" in a bare engine, which is proven first; in a sandbox it never may.
"""

from __future__ import annotations

import pytest
import quickjs

from actors.guards.analysis.analyzer import Analyzer
from actors.guards.analysis.rules import RuleSet
from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook
from tests.acceptance.servers import Server
from tests.torture.row import LONG, tell

GOAL = "'esc' + 'aped'"
"""Code that is made out of text answers this: so the word itself stands in no script."""
REWRITTEN = {
    "an escaped name": f"return \\u0065val(\"{GOAL}\")",
    "an escaped name, long": f"return ev\\u{{61}}l(\"{GOAL}\")",
    "comments between": f"return /* ( */ eval /* ) */ ( /**/ \"{GOAL}\" )",
    "a sequence": f"return (0, eval)(\"{GOAL}\")",
    "an optional call": f"return eval?.(\"{GOAL}\")",
    "a concatenated name": f"return globalThis['ev' + 'al'](\"{GOAL}\")",
    "a joined name": f"return globalThis[['e', 'v', 'a', 'l'].join('')](\"{GOAL}\")",
    "a reversed name": f"return globalThis['lave'.split('').reverse().join('')](\"{GOAL}\")",
    "a name of codes": f"return globalThis[String.fromCharCode(101, 118, 97, 108)](\"{GOAL}\")",
    "a name in hexadecimal": f"return globalThis['\\x65\\x76\\x61\\x6c'](\"{GOAL}\")",
    "a name in a template": f"const v = 'va'; return globalThis[`e${{v}}l`](\"{GOAL}\")",
    "a name that is found": "const n = Object.getOwnPropertyNames(globalThis).find(k => /^ev.l$/.test(k));"
    f"return globalThis[n](\"{GOAL}\")",
    "destructured": f"const {{['ev' + 'al']: run}} = globalThis; return run(\"{GOAL}\")",
    "another name": f"let f; f = eval; return f(\"{GOAL}\")",
    "without new": f"return Function(\"return {GOAL}\")()",
    "called by Reflect": f"return Reflect.construct(Function, [\"return {GOAL}\"])()",
    "a tagged template": "return Function`return 'esc' + 'aped'```",
    "of a literal": f"return [].constructor.constructor(\"return {GOAL}\")()",
    "of a literal, by indexes": f"const c = 'constructor'; return ''[c][c](\"return {GOAL}\")()",
    "of a method": f"return 'x'.sub['con' + 'structor'](\"return {GOAL}\")()",
    "of a prototype": f"return Object.getPrototypeOf(function () {{}}).constructor(\"return {GOAL}\")()",
    "of a generator": "const G = Object.getPrototypeOf(function* () {})['constructor'];"
    f"return G(\"yield {GOAL}\")().next().value",
    "of a proxy": f"return new Proxy(Function, {{}})(\"return {GOAL}\")()",
    "a class over it": f"class F extends (() => 1).constructor {{}}; return new F(\"return {GOAL}\")()",
}  # fmt: skip
ROUNDS = 20 if LONG else 1
FLOWS = {
    f"Rewritten{n}": chain(f"/{n}", f"c.JSON(200, (() => {{ {text} }})())") for n, text in enumerate(REWRITTEN.values())
}
CONFIG = '[security]\nenable_static_analysis = %s\n[server]\nrealm = "%s"\n[vm_pool]\nmax_size = 2\npreload_size = 2\n'


@pytest.mark.parametrize("name", REWRITTEN)
def test_each_rewriting_is_an_escape_where_nothing_holds_it(name: str) -> None:
    assert quickjs.Context().eval(f"(() => {{ {REWRITTEN[name]} }})()") == "escaped"


@pytest.fixture(scope="module", params=["warm", "fresh"])
def wall(launch: Launch, request: pytest.FixtureRequest) -> Server:
    """Without the check: the sandbox alone."""
    return launch(playbook(**FLOWS, Well=chain("/well", "c.JSON(200, 'well')")), CONFIG % ("false", request.param))


def test_the_sandbox_holds_whatever_a_check_would_have_missed(wall: Server) -> None:
    held = 0
    for _ in range(ROUNDS):
        for number, name in enumerate(REWRITTEN):
            answer = wall.get(f"/{number}")
            assert answer.status == 500, name
            assert "escaped" not in answer.text, name
            held += 1
        assert wall.get("/well").json() == "well"
    tell("T3", "rewritten escapes against the sandbox alone", f"{held} of {held} refused")


def test_the_check_is_advice_that_finds_most_of_them(launch: Launch) -> None:
    analyzer = Analyzer(RuleSet())
    found = {name for name, text in REWRITTEN.items() if any(f.severity == "high" for f in analyzer.analyze(text))}
    server = launch(playbook(**FLOWS), CONFIG % ("true", "warm"))
    for number, name in enumerate(REWRITTEN):
        told = server.get(f"/{number}").json()
        assert ("issues" in told) == (name in found), name
    assert len(found) >= 18
    tell("T3", "rewritten escapes that the check finds", f"{len(found)} of {len(REWRITTEN)}")
